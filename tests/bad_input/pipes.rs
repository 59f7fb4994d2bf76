//! Whoever reads may go away, and the disk may fill up: the verdict's code stays, and nothing panics.

use crate::bad_input::{program, run, told};
use std::process::{Command, Stdio};

/// The exit code and what was said on standard error, with nobody reading standard output.
fn unread(at: &std::path::Path, words: &[&str]) -> (Option<i32>, String) {
    let mut child =
        program(at).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8(output.stderr).expect("text"))
}

#[test]
fn a_closed_pipe_changes_no_exit_code() {
    let temp = tempfile::tempdir().expect("a folder");
    let bug = ["run", "sim-segments", "partial-upsert", "late-transition", "--seed", "3"];
    let many = ["run", "sim-segments", "steady", "none", "--seed", "3", "--runs", "2"];
    for (words, code) in [
        (&["list"][..], 0),
        (&["list", "workloads", "steady"], 0),
        (&["--help"], 0),
        (&["run", "--help"], 0),
        (&["--version"], 0),
        (&bug, 1),
        (&["check", "latest"], 1),
        (&["check", "latest", "--format", "json"], 1),
        (&many, 0),
        (&["run", "sim-segments", "steady", "none", "--plan-only"], 0),
        (&["check", "gone", "--format", "json"], 2),
    ] {
        let (found, stderr) = unread(temp.path(), words);
        assert_eq!(found, Some(code), "{words:?}: {stderr}");
        assert!(!stderr.contains("panicked"), "{words:?}: {stderr}");
    }
    assert!(temp.path().join("results/latest/verdict.json").exists(), "the verdict lies in the folder");
}

#[test]
fn nobody_at_all_may_listen() {
    let temp = tempfile::tempdir().expect("a folder");
    let mut child = program(temp.path());
    let mut child = child.args(["run", "sim-segments", "steady", "none", "--seed", "3"]);
    child = child.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("it starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

/// Files may grow to 8 KiB and no further, as on a full disk: the run is not recorded, so it is not known.
#[test]
fn a_full_disk_is_named_with_what_to_do() {
    let temp = tempfile::tempdir().expect("a folder");
    let words = "run sim-segments steady none --seed 1 --format json";
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {} {words}", env!("CARGO_BIN_EXE_dissent"));
    let full = told(Command::new("bash").args(["-c", &script]).current_dir(temp.path()));
    assert_eq!(full.code, Some(3), "{full}");
    assert!(full.stderr.contains("no space left for") && full.stderr.contains("free some"), "{full}");
    let document: serde_json::Value = serde_json::from_str(&full.stdout).expect("one document");
    assert_eq!(document["exit_code"], 3);
}

/// Two runs that cannot both be counted up from the seed: the seeds go round.
#[test]
fn the_last_seed_has_a_next_one() {
    let temp = tempfile::tempdir().expect("a folder");
    let last = u64::MAX.to_string();
    let told = run(temp.path(), &["run", "sim-segments", "steady", "none", "--seed", &last, "--runs", "2"]);
    assert_eq!(told.code, Some(0), "{told}");
}
