//! The program as a user runs it: real processes, real signals, exit codes.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn dissent(results: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.env("DISSENT_RESULTS", results).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(results: &Path, words: &[&str]) -> Output {
    dissent(results).args(words).output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", stdout(output), stderr(output));
}

/// A second run of the same seed on processes gives the same what, pattern, side, course and server.
#[test]
fn processes_under_the_startup_latch_fail_and_get_the_same_verdict_again() {
    let results = tempfile::tempdir().expect("a folder");
    let words =
        ["run", "specimen-segments", "partial-upsert", "late-transition", "--seed", "7", "--format", "json"];
    let (first, second) = (run(results.path(), &words), run(results.path(), &words));
    exits(&first, 1);
    exits(&second, 1);
    let essence = |output: &Output| {
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let findings = document["runs"][0]["findings"].as_array().expect("findings").clone();
        let each = findings.iter().map(|finding| {
            let last = &finding["last"];
            [&finding["what"], &last["pattern"], &last["side"], &finding["course"], &finding["replicas"]]
                .map(ToString::to_string)
        });
        each.collect::<Vec<_>>()
    };
    assert_eq!(essence(&first), essence(&second));
    assert_eq!(essence(&first).len(), 1);
    assert!(
        stderr(&first).lines().any(|line| line.starts_with("FAIL one-differs server-")),
        "{}",
        stderr(&first)
    );

    let again = run(results.path(), &["check", "latest", "--format", "json"]);
    exits(&again, 1);
    assert_eq!(essence(&second), essence(&again));
    let latest = results.path().join("latest");
    for file in ["run.json", "verdict.json", "report.html", "verdict-checked.json", "events.table.zst"] {
        assert!(latest.join(file).exists(), "{file} is missing");
    }
}

#[test]
fn processes_under_the_partition_gate_pass() {
    let results = tempfile::tempdir().expect("a folder");
    let gate = ["--set", "guard=partition-gate", "--seed", "7"];
    let words = ["run", "specimen-segments", "partial-upsert", "late-transition"];
    let output = run(results.path(), &[&words[..], &gate[..]].concat());
    exits(&output, 0);
    let last = stdout(&output).lines().last().expect("a line").to_owned();
    assert!(last.starts_with("PASS ") && last.contains("seed=7"), "{last}");
}

/// The wrong copy spreads: three servers fetch it, under one checksum. Whether it is read from each of them
/// or from one makes no difference to what is found.
#[test]
fn copies_of_one_checksum_are_counted_and_the_verdict_is_the_same_as_with_every_copy_read() {
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", "specimen-segments", "partial-upsert", "late-transition", "--seed", "7"];
    let more = ["--set", "ending=victim-wins", "--format", "json", "--trust-checksums"];
    let verdict = |trust: &str| -> serde_json::Value {
        let output = run(results.path(), &[&words[..], &more[..], &[trust]].concat());
        exits(&output, 1);
        let mut document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        document["runs"][0].take()
    };
    let found = |verdict: &serde_json::Value| -> Vec<String> {
        let findings = verdict["findings"].as_array().expect("findings");
        findings.iter().map(|finding| finding["fingerprint"].to_string()).collect()
    };
    let (everything, sampled) = (verdict("none"), verdict("sampled"));
    assert_eq!(found(&everything), found(&sampled));
    assert!(everything["compared"]["by_checksum"].is_null());
    let counted = &sampled["compared"]["by_checksum"];
    assert!(
        counted["copies"].as_u64() > Some(0) && counted["cross_read_copies"].as_u64() > Some(0),
        "{counted}"
    );
    assert_eq!(sampled["doubts"], everything["doubts"]);
}

#[test]
fn the_lines_of_stored_files_are_printed() {
    let results = tempfile::tempdir().expect("a folder");
    let small = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/v4/small");
    let files =
        ["events.table.zst", "log/1.table.zst", "reads/0000/a/0.jsonl.zst"].map(|file| small.join(file));
    let files = files.each_ref().map(|file| file.to_str().expect("text"));
    let printed = run(results.path(), &[&["cat"], &files[..]].concat());
    exits(&printed, 0);
    let lines: Vec<serde_json::Value> =
        stdout(&printed).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        (lines.len(), &lines[0]["type"], &lines[30]["key"]),
        (30 + 2 + 2, &"phase".into(), &"k0".into())
    );
    assert_eq!(lines[33]["rows"], 2);
    let help = run(results.path(), &["cat", "--help"]);
    assert!(stdout(&help).contains("  dissent cat results/latest/"), "{}", stdout(&help));
    for (file, code, why) in
        [("README.md", 0, ""), ("no.zst", 3, "No such file"), ("tests/x.zst", 3, "No such")]
    {
        let refused = run(results.path(), &["cat", file]);
        exits(&refused, code);
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
}

#[test]
fn a_server_killed_and_started_again_is_no_finding() {
    let results = tempfile::tempdir().expect("a folder");
    exits(&run(results.path(), &["run", "specimen-segments", "steady", "restart-one", "--seed", "3"]), 0);
}

/// Ctrl-C while a hold is in force: the hold is cured, the data is kept and judged, and no process is left.
#[test]
fn an_interrupt_heals_and_keeps_the_data() {
    let results = tempfile::tempdir().expect("a folder");
    let mut child = dissent(results.path())
        .args(["run", "specimen-segments", "partial-upsert", "late-transition", "--seed", "5"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
    let in_force = lines.by_ref().map_while(Result::ok).find(|line| line.contains(": in force"));
    assert!(in_force.is_some(), "a fault came into force");
    let killed =
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(killed.success());
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest:#?}");
    assert!(rest.iter().any(|line| line.ends_with(": cured")), "{rest:#?}");
    let mut told = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut told).expect("text");
    let last = told.lines().last().expect("a verdict is told all the same");
    assert!(last.starts_with("INCONCLUSIVE ") || last.starts_with("FAIL "), "{last}");
    assert!(results.path().join("latest/verdict.json").exists());
    let dir = results.path().display().to_string();
    let left = Command::new("pgrep").args(["-f", &dir]).output().expect("pgrep is there");
    assert!(left.stdout.is_empty(), "processes are left: {}", stdout(&left));
}

/// An error on the command line says what would be right, and nothing happens.
#[test]
fn wrong_words_are_answered_with_a_suggestion() {
    let results = tempfile::tempdir().expect("a folder");
    let base = ["run", "sim-segments", "partial-upsert", "late-transition"];
    let with = |more: &[&'static str]| [&base[..], more].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["run", "sim-segment", "steady", "none"], "sim-segments"),
        (vec!["run", "sim-segments", "stedy", "none"], "steady"),
        (vec!["run", "sim-segments", "steady", "non"], "late-transition"),
        (with(&["--set", "gaurd=partition-gate"]), "guard"),
        (with(&["--set", "guard=partition-gat"]), "partition-gate"),
        (with(&["--set", "guard"]), "key=value"),
        (with(&["--for", "5 parsecs"]), "--for"),
        (with(&["--runs", "0"]), "--runs"),
        (with(&["--set", "ending=happy"]), "healthy-wins"),
    ];
    for (words, told) in cases {
        let output = run(results.path(), &words);
        exits(&output, 2);
        assert!(stderr(&output).contains(told), "{words:?} should tell {told}:\n{}", stderr(&output));
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    assert_eq!(std::fs::read_dir(results.path()).expect("a folder").count(), 0);
}

#[test]
fn everything_is_listed_with_what_it_is_for() {
    let results = tempfile::tempdir().expect("a folder");
    let output = run(results.path(), &["list"]);
    exits(&output, 0);
    for name in ["partial-upsert", "late-transition", "specimen-segments", "hold-message", "wrong-value"] {
        let listed = stdout(&output);
        let line = listed.lines().find(|line| line.trim_start().starts_with(name));
        assert!(line.is_some_and(|line| line.trim().len() > name.len() + 10), "{name}:\n{listed}");
    }
    let kind = stdout(&run(results.path(), &["list", "findings", "wrong-value"]));
    for question in ["What it means:", "What could disprove it:", "What to do:"] {
        assert!(kind.contains(question), "{kind}");
    }
    let whole = run(results.path(), &["list", "nemeses", "late-transition"]);
    assert!(stdout(&whole).contains("hold-message"));
}

/// `run`, `run --runs N` and `check` print one shape, and what a campaign leaves is the same.
#[test]
fn one_run_many_runs_and_checked_runs_are_documents_of_one_shape() {
    let results = tempfile::tempdir().expect("a folder");
    let plan =
        ["run", "sim-segments", "partial-upsert", "late-transition", "--format", "json", "--seed", "1"];
    let many = [&plan[..], &["--runs", "3"]].concat();
    let schema = run(results.path(), &["schema", "verdict"]);
    let schema: serde_json::Value = serde_json::from_slice(&schema.stdout).expect("the schema");
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let document = |words: &[&str], code, runs: usize| {
        let output = run(results.path(), words);
        exits(&output, code);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document");
        if let Err(error) = validator.validate(&document) {
            panic!("{words:?}: {error} at {}", error.instance_path());
        }
        assert_eq!(document["runs"].as_array().map(Vec::len), Some(runs), "{words:?}");
        assert_eq!(document["exit_code"], code, "{words:?}");
        document
    };
    let one = document(&plan, 1, 1);
    let folder = one["runs"][0]["run"]["folder"].as_str().expect("a folder").to_owned();
    document(&["check", &folder, "--format", "json"], 1, 1);
    let checked = document(&["check", &folder, "gone", &folder, "--format", "json"], 1, 3);
    assert_eq!(checked["runs"][1]["given"], "gone");
    assert_eq!(checked["runs"][2]["run"]["id"], one["runs"][0]["run"]["id"]);

    let campaign = document(&many, 1, 3);
    assert_eq!(campaign["campaign"]["failed"], 3);
    let dir = results.path().join("campaign-sim-segments-partial-upsert-late-transition-seed1-runs3");
    let kept = std::fs::read_to_string(dir.join("verdict.json")).expect("the verdicts");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&kept).expect("JSON"), campaign);
    let suites = std::fs::read_to_string(dir.join("junit.xml")).expect("the suites");
    let suites = roxmltree::Document::parse(&suites).expect("XML");
    assert_eq!(suites.descendants().filter(|node| node.has_tag_name("testsuite")).count(), 3);
}

/// A line per affected key, for scripts.
#[test]
fn affected_keys_are_listed_in_a_file_of_their_own() {
    let results = tempfile::tempdir().expect("a folder");
    let plan =
        ["run", "sim-segments", "partial-upsert", "late-transition", "--format", "json", "--seed", "1"];
    let document: serde_json::Value =
        serde_json::from_slice(&run(results.path(), &plan).stdout).expect("one document");
    let mut wanted: Vec<&str> = Vec::new();
    for finding in document["runs"][0]["findings"].as_array().expect("findings") {
        wanted.extend(finding["keys"].as_array().expect("keys").iter().filter_map(|key| key.as_str()));
    }
    let text = std::fs::read_to_string(results.path().join("latest/keys.jsonl")).expect("the file");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(!wanted.is_empty());
    assert_eq!(lines.iter().filter_map(|line| line["key"].as_str()).collect::<Vec<_>>(), wanted);
    let finding = &document["runs"][0]["findings"][0];
    assert_eq!(lines[0]["partition"], finding["partition"]);
    assert_eq!(lines[0]["segments"], finding["segments"]);
    assert_eq!(lines[0]["from_offset"], finding["since"]["off"]);
}
