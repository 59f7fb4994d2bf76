//! `dissent audit` of clusters that a run has left, by somebody who knows nothing of that run.

use crate::watchdog::place::{Outside, run, told};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A cluster that outlives its run, and where results go.
struct Left {
    cluster: Outside,
    results: tempfile::TempDir,
}

impl Left {
    /// After a run with this plan.
    fn by(plan: &str, set: &[&str]) -> Left {
        let left = Left { cluster: Outside::start(&[]), results: tempfile::tempdir().expect("a folder") };
        let file = left.cluster.file();
        let mut words = vec!["run", &file, "partial-upsert", plan, "--seed", "5"];
        set.iter().for_each(|pair| words.extend(["--set", pair]));
        let ended = run(left.results.path(), &words);
        assert!(matches!(ended.status.code(), Some(0 | 1)), "{}", told(&ended));
        left
    }

    /// The first finding of the run.
    fn finding(&self) -> Value {
        let latest = self.results.path().join("latest/verdict.json");
        let verdict: Value = serde_json::from_slice(&fs::read(latest).expect("a verdict")).expect("JSON");
        verdict["runs"][0]["findings"][0].clone()
    }

    /// Audits the table. Returns the one run of the document.
    fn audit(&self, words: &[&str], code: i32) -> Value {
        self.audit_of(words, &[code])
    }

    /// The same, with any of these exit codes.
    fn audit_of(&self, words: &[&str], codes: &[i32]) -> Value {
        let file = self.cluster.file();
        let base = ["audit", &file, "--table", "acct", "--format", "json"];
        let ended = run(self.results.path(), &[&base[..], words].concat());
        assert!(ended.status.code().is_some_and(|code| codes.contains(&code)), "{}", told(&ended));
        let document: Value = serde_json::from_slice(&ended.stdout).expect("one document");
        document["runs"][0].clone()
    }

    /// What an audit would do.
    fn plan(&self) -> Value {
        let file = self.cluster.file();
        let words = ["audit", &file, "--table", "acct", "--plan-only", "--format", "json"];
        serde_json::from_slice(&run(self.results.path(), &words).stdout).expect("one document")
    }
}

/// Findings without the time at which they were made.
fn timeless(mut findings: Value) -> Value {
    for finding in findings.as_array_mut().expect("a list") {
        for state in ["first", "last"] {
            finding[state].as_object_mut().expect("a state").remove("wall");
        }
    }
    findings
}

fn sorted(list: &Value) -> Vec<String> {
    let mut words: Vec<String> = list.as_array().expect("a list").iter().map(Value::to_string).collect();
    words.sort();
    words
}

#[test]
fn the_same_server_and_keys_as_the_run_found_and_with_the_log_the_same_side() {
    let left = Left::by("late-transition", &[]);
    let found = left.finding();
    let audited = left.audit(&["--show-values"], 1);
    let first = &audited["findings"][0];
    assert_eq!(sorted(&first["keys"]), sorted(&found["keys"]));
    assert_eq!(first["replicas"], found["replicas"]);
    assert_eq!(first["last"]["side"], "unknown", "nobody said who is right");
    assert_eq!(audited["comparison"]["settled"], "covered");
    assert_eq!(audited["comparison"]["audit"]["unread"]["chunks"], 0);

    let with_log = left.audit(&["--show-values", "--log"], 1);
    let first = &with_log["findings"][0];
    assert_eq!(sorted(&first["keys"]), sorted(&found["keys"]));
    assert_eq!((&first["what"], &first["last"]["side"]), (&found["what"], &found["last"]["side"]));

    // Without leave, nothing of the data is told.
    let hidden = left.audit(&[], 1);
    let folder = Path::new(hidden["run"]["folder"].as_str().expect("a folder"));
    let keys = sorted(&found["keys"]);
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mode = path.metadata().expect("a file").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let text = fs::read_to_string(&path).expect("text");
        keys.iter().for_each(|key| assert!(!text.contains(key.as_str()), "{key} in {}", path.display()));
    }

    // In parts, in any order and twice, and after a kill in the middle of a line.
    let plan = left.results.path().join("plan.json").display().to_string();
    let part = |number| left.audit_of(&["--plan", &plan, "--part", number, "--show-values"], &[0, 1]);
    let folder_of = |audited: Value| audited["run"]["folder"].as_str().expect("a folder").to_owned();
    let (one, two) = (folder_of(part("1/2")), folder_of(part("2/2")));
    let joined = |folders: &[&str]| {
        let words = [&["check"], folders, &["--join", "--format", "json"]].concat();
        let ended = run(left.results.path(), &words);
        assert_eq!(ended.status.code(), Some(1), "{}", told(&ended));
        let document: Value = serde_json::from_slice(&ended.stdout).expect("one document");
        timeless(document["runs"][0]["findings"].clone())
    };
    let whole = timeless(audited["findings"].clone());
    assert_eq!(joined(&[&one, &two]), whole);
    assert_eq!(joined(&[&two, &one, &one]), whole);
    let chunks = Path::new(&one).join("chunks.jsonl");
    let text = fs::read(&chunks).expect("lines");
    fs::write(&chunks, &text[..text.len() - 9]).expect("a torn line");
    fs::copy(&plan, Path::new(&one).join("plan.json")).expect("the plan of one that was killed");
    let resumed = left.audit(&["--resume", &one, "--show-values"], 1);
    assert_eq!(timeless(resumed["findings"].clone()), whole);
}

#[test]
fn where_all_agree_on_wrong_rows_only_the_log_tells() {
    let left = Left::by("late-transition", &["ending=victim-wins"]);
    let found = left.finding();
    assert_eq!(found["last"]["side"], "all");
    let alone = left.audit(&["--show-values"], 0);
    let unsaid = alone["comparison"]["unsaid"].as_array().expect("a list");
    assert!(unsaid.contains(&"agree-but-wrong".into()), "{unsaid:?}");
    let with_log = left.audit(&["--show-values", "--log"], 1);
    let first = &with_log["findings"][0];
    assert_eq!(sorted(&first["keys"]), sorted(&found["keys"]));
    assert_eq!((&first["last"]["side"], &first["last"]["pattern"]), (&"all".into(), &"unanimous".into()));
}

#[test]
fn a_cluster_in_which_nothing_is_wrong_passes_with_its_log_too() {
    let left = Left::by("none", &[]);
    let audited = left.audit(&["--log"], 0);
    assert_eq!(audited["findings"], Value::Array(Vec::new()));
    assert!(audited["compared"]["rows"].as_u64() > Some(0));
    let plan = left.plan();
    assert!(plan["chunks"].as_u64() > Some(0) && plan["queries"].as_u64() > Some(0), "{plan}");
    assert_eq!(plan["chunks_read_whole"], plan["chunks"], "it has no digests: {plan}");
    assert!(plan["received_bytes"].as_u64() > Some(0), "{plan}");
}
