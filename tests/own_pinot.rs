//! A user's own Pinot, with the program as a user runs it: `init`, `doctor`, `clean`, and the hooks around
//! runs.

mod fake;

use crate::watchdog::place::{Outside, run, told};
use fake::Fake;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The program in its own folder.
fn dissent(at: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.current_dir(at).env("NO_COLOR", "1").stdin(Stdio::null()).args(words);
    command.output().expect("the program starts")
}

#[track_caller]
fn comes_to(output: &Output, code: i32, says: &[&str]) -> String {
    let told = told(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    says.iter().for_each(|part| assert!(told.contains(part), "{part}: {told}"));
    told
}

/// A target file as `init` wrote it, without the Kafka, which does not exist.
fn file_of(fake: &Fake, at: &Path) -> String {
    comes_to(&dissent(at, &["init", "pinot", &fake.url, "--table", "acct"]), 0, &[]);
    let text = std::fs::read_to_string(at.join("pinot.toml")).expect("it was written");
    let lines = text.lines().filter(|line| !line.starts_with("kafka = "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn write(at: &Path, name: &str, text: &str) {
    std::fs::write(at.join(name), text).expect("a file");
}

#[test]
fn init_writes_what_it_found_and_never_over_a_file() {
    let (fake, dir) = (Fake::start(&["acct"]), tempfile::tempdir().expect("a folder"));
    let words = ["init", "pinot", &fake.url];
    let found = [
        "Pinot 0.11.0, cluster PinotCluster",
        "4 servers, 4 of them alive",
        "next: dissent doctor pinot.toml",
    ];
    comes_to(&dissent(dir.path(), &words), 0, &found);
    let text = std::fs::read_to_string(dir.path().join("pinot.toml")).expect("it was written");
    for line in [
        &format!("url = \"{}\"", fake.url),
        &format!("broker = \"{}\"", fake.url),
        "kafka = \"127.0.0.1:1\"",
        "table = \"acct\"",
    ] {
        assert!(text.lines().any(|it| it == line), "{line}:\n{text}");
    }
    assert!(text.lines().filter(|line| line.contains("= true")).all(|line| line.starts_with("# ")), "{text}");
    comes_to(&dissent(dir.path(), &words), 2, &["already exists", "--force"]);
    comes_to(&dissent(dir.path(), &[&words[..], &["--force"]].concat()), 0, &[]);
    assert!(fake.deeds().is_empty());
}

#[test]
fn init_refuses_what_is_no_controller_or_has_several_tables_with_the_next_step() {
    let dir = tempfile::tempdir().expect("a folder");
    let (broker, several) = (Fake::broker(), Fake::start(&["acct", "orders"]));
    let init = |words: &[&str]| dissent(dir.path(), &[&["init", "pinot"], words].concat());
    comes_to(&init(&[&broker.url]), 4, &["it may be a broker", "URL of a controller"]);
    comes_to(&init(&[&several.url]), 2, &["2 tables; choose one with --table: acct, orders"]);
    comes_to(&init(&[&several.url, "--table", "order"]), 2, &["`order`; tables: acct, orders"]);
    comes_to(&init(&[&Fake::start(&[]).url]), 0, &["a run needs the line `kafka = \"HOST:PORT\"`"]);
    let text = std::fs::read_to_string(dir.path().join("pinot.toml")).expect("it was written");
    let allowed = text.replace("writes = false", "writes = true");
    write(dir.path(), "pinot.toml", &allowed);
    let run = dissent(dir.path(), &["run", "pinot.toml", "steady", "none"]);
    comes_to(&run, 2, &["does not give the address of Kafka"]);
}

#[test]
fn doctor_says_what_answers_what_is_allowed_and_what_prevents_a_run() {
    let (fake, dir) = (Fake::start(&["acct"]), tempfile::tempdir().expect("a folder"));
    write(dir.path(), "mine.toml", &file_of(&fake, dir.path()));
    let words = ["doctor", "mine.toml"];
    let says = [
        "pinot 0.11.0",
        "4 of 4 are alive",
        "acct: 2 segments, 2 partitions, 4 replicas",
        "upsert: PARTIAL",
        "an audit needs ",
    ];
    comes_to(&dissent(dir.path(), &words), 0, &says);
    let document = dissent(dir.path(), &[&words[..], &["--format", "json"]].concat());
    let document: Value = serde_json::from_slice(&document.stdout).expect("one JSON document");
    assert_eq!((&document["exit_code"], &document["cost"]["queries"]), (&json!(0), &json!(40)));
    assert_eq!(document["table"]["rows"], 10);
    let needs = document["audit_needs"].as_array().expect("a list");
    assert!(needs.iter().any(|need| need.as_str().is_some_and(|need| need.contains("`/query/sql`"))));

    // If the target file names a Kafka, it must exist.
    comes_to(&dissent(dir.path(), &["doctor", "pinot.toml"]), 4, &["not ready for a run: Kafka: no answer"]);
    fake.lives("Server_pinot-s2_8099", "Server_pinot-s1_8098");
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).expect("after 1970");
    let lock = json!({ "run": "r@1", "owner": "somebody", "since_ms": now, "renewed_ms": now + 3_600_000 });
    fake.configured("dissent.lock", &lock);
    let says = ["rows cannot be distinguished", "run r@1 of somebody", "not ready for a run"];
    comes_to(&dissent(dir.path(), &words), 4, &says);
    assert!(fake.deeds().is_empty());
}

#[test]
fn clean_drops_only_what_a_run_made_and_never_under_a_run() {
    let fake = Fake::start(&["acct", "dissent_1", "dissent_2"]);
    fake.has_table("dissent_1", Some("steady-seed1@2026"));
    let dir = tempfile::tempdir().expect("a folder");
    let text = file_of(&fake, dir.path());
    write(dir.path(), "mine.toml", &text);
    let clean = |words: &[&str]| dissent(dir.path(), &[&["clean", "mine.toml"], words].concat());
    comes_to(&clean(&["--all"]), 2, &["does not allow dissent to drop tables", "`writes = true`"]);
    let says = ["would drop: dissent_1", "not dropped: dissent_2"];
    let dry = comes_to(&clean(&["--dry-run"]), 0, &says);
    assert!(!dry.contains("acct"), "{dry}");

    write(dir.path(), "mine.toml", &text.replace("writes = false", "writes = true"));
    comes_to(&clean(&[]), 2, &["left: dissent_1", "`--run steady-seed1@2026`, or `--all`"]);
    comes_to(&clean(&["--run", "other"]), 2, &["run other left no table", "steady-seed1@2026"]);
    // The topic is deleted first: otherwise, once the table is gone, nothing would name the topic.
    comes_to(&clean(&["--all"]), 4, &["does not give the address of Kafka"]);
    assert!(!fake.is_locked() && fake.deeds().is_empty(), "{:?}", fake.deeds());
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).expect("after 1970");
    let lock = json!({ "run": "r@1", "owner": "somebody", "since_ms": now, "renewed_ms": now + 3_600_000 });
    fake.configured("dissent.lock", &lock);
    comes_to(&clean(&["--all"]), 4, &["in use by run r@1 of somebody"]);
    let says = ["this spoils run r@1 of somebody", "does not give the address of Kafka"];
    comes_to(&clean(&["--all", "--force"]), 4, &says);
    assert!(fake.is_locked() && fake.deeds().is_empty());
}

const SECRET: &str = "correct-horse-battery";
/// `probe` and the secret, encoded as in RFC 7617.
const BASIC: &str = "Basic cHJvYmU6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5";

#[test]
fn a_secret_gives_access_and_is_never_shown() {
    let (fake, dir) = (Fake::start(&["acct"]), tempfile::tempdir().expect("a folder"));
    let text = file_of(&fake, dir.path()) + "\n[credentials]\nuser = \"probe\"\n";
    write(dir.path(), "by-file.toml", &format!("{text}password-file = \"secret\"\n"));
    write(dir.path(), "by-variable.toml", &format!("{text}password-env = \"OWN_PINOT_UNSET\"\n"));
    write(dir.path(), "secret", &format!("{SECRET}\n"));
    fake.wants(BASIC);
    let mut said = comes_to(&dissent(dir.path(), &["doctor", "by-file.toml"]), 0, &["4 of 4 are alive"]);
    said += &comes_to(&dissent(dir.path(), &["doctor", "by-variable.toml"]), 4, &["OWN_PINOT_UNSET"]);
    write(dir.path(), "secret", &format!("{SECRET}, but wrong\n"));
    said += &comes_to(&dissent(dir.path(), &["doctor", "by-file.toml"]), 4, &["401", "[credentials]"]);
    let file: dissent::config::target::TargetFile =
        dissent::config::load::load(&dir.path().join("by-file.toml").display().to_string())
            .expect("it loads");
    said += &format!("{file:?} {:?}", file.access());
    assert!(!said.contains(SECRET), "{said}");
}

/// All bytes of the files in a folder.
fn bytes_in(at: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(at).expect("a folder").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => bytes.extend(bytes_in(&path)),
            false => bytes.extend(std::fs::read(&path).expect("a file")),
        }
    }
    bytes
}

#[test]
fn a_run_is_collected_after_and_its_folder_holds_no_secret() {
    let (outside, results) =
        (Outside::start(&["guard=partition-gate"]), tempfile::tempdir().expect("a folder"));
    let secret = results.path().with_extension("secret");
    std::fs::write(&secret, SECRET).expect("a file");
    let mut text = std::fs::read_to_string(outside.file()).expect("its target file");
    text += &format!("\n[credentials]\nuser = \"probe\"\npassword-file = \"{}\"\n", secret.display());
    text += "\n[hooks]\ncollect = \"ls $DISSENT_RUN > $DISSENT_COLLECT/seen\"\n";
    let mine = results.path().with_extension("toml");
    std::fs::write(&mine, text).expect("a file");
    let path = mine.display().to_string();
    let output = run(results.path(), &["run", &path, "steady", "pause-one", "--seed", "3"]);
    comes_to(&output, 0, &[]);
    let latest = results.path().join("latest");
    let seen = std::fs::read_to_string(latest.join("collected/seen")).expect("it was collected");
    assert!(seen.contains("verdict.json"), "{seen}");
    let cures = std::fs::read_to_string(latest.join("cures.jsonl")).expect("cures");
    assert!(!cures.is_empty());
    let kept = [bytes_in(&latest.canonicalize().expect("a folder")), told(&output).into_bytes()].concat();
    assert!(!kept.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
    for file in [mine, secret] {
        std::fs::remove_file(file).expect("it was there");
    }
}

/// A target that does not exist, with these hooks.
fn hooked(at: &Path, hooks: &str) {
    let text =
        "system = \"specimen-segments\"\nurl = \"http://127.0.0.1:1\"\n[allow]\nwrites = true\n[hooks]\n";
    write(at, "hooked.toml", &format!("{text}{hooks}"));
}

#[test]
fn a_cluster_starts_once_and_stops_however_the_runs_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = || std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
    let run =
        |more: &[&str]| dissent(dir.path(), &[&["run", "hooked.toml", "steady", "none"], more].concat());
    const AROUND: &str = "up = \"echo up >> log\"\ndown = \"echo down >> log\"\n";

    let waits = "wait-ready = \"echo ready >> log; test $(grep -c ready log) = 2\"\n";
    hooked(dir.path(), &format!("{AROUND}{waits}"));
    comes_to(&run(&["--runs", "2"]), 4, &["no answer from http://127.0.0.1:1"]);
    assert_eq!(log(), "up\nready\nready\ndown\n");

    hooked(dir.path(), "up = \"echo no quota >&2; exit 7\"\ndown = \"echo down again >> log\"\n");
    comes_to(&run(&[]), 4, &["the hook `up` failed (exit status: 7): no quota"]);
    assert!(log().ends_with("down again\n"));

    let never = "wait-ready = \"echo not yet >&2; false\"\nready-within = \"1ms\"\n";
    hooked(dir.path(), &format!("{never}down = \"echo stuck >&2; false\"\n"));
    let says = ["the hook `wait-ready` did not exit 0 within", "not yet", "the hook `down` failed", "stuck"];
    comes_to(&run(&[]), 4, &says);
}

/// Ctrl-C while the cluster starts: the hook takes it down.
#[test]
fn an_interrupt_stops_the_cluster() {
    let dir = tempfile::tempdir().expect("a folder");
    hooked(dir.path(), "up = \"touch coming; sleep 1000\"\ndown = \"touch gone\"\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_dissent"))
        .current_dir(dir.path())
        .args(["run", "hooked.toml", "steady", "none"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    crate::watchdog::place::until("it comes up", || dir.path().join("coming").exists());
    crate::watchdog::place::signal(child.id(), "INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(dir.path().join("gone").exists());
}
