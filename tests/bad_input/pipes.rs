//! The reader may go away, and the disk may fill up: the exit code stays that of the verdict, and nothing
//! panics.

use crate::bad_input::{program, run, told};
use std::process::{Command, Stdio};

/// The exit code and standard error, with nobody reading standard output.
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

/// Files cannot grow beyond 8 KiB, as on a full disk: the run is not recorded, so its result is unknown.
#[test]
fn a_full_disk_is_named_with_what_to_do() {
    let temp = tempfile::tempdir().expect("a folder");
    let words = "run sim-segments steady none --seed 1 --format json";
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {} {words}", env!("CARGO_BIN_EXE_dissent"));
    let full = told(Command::new("bash").args(["-c", &script]).current_dir(temp.path()));
    assert_eq!(full.code, Some(3), "{full}");
    assert!(full.stderr.contains("no space left for") && full.stderr.contains("free some"), "{full}");
    assert!(full.stderr.ends_with("\nINCONCLUSIVE no-space seed=1\n"), "{full}");
    let document: serde_json::Value = serde_json::from_str(&full.stdout).expect("one document");
    assert_eq!(document["exit_code"], 3);
}

/// The result goes to a disk that is full: silence is no success. The line to grep for goes to standard
/// error, where there is room.
#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let temp = tempfile::tempdir().expect("a folder");
    let run = |more: &str| format!("run sim-segments steady none --seed 3 --for 400ms{more}");
    let bug = "run sim-segments partial-upsert late-transition --seed 3 --format json".to_owned();
    for (words, code, last_line) in [
        (run(""), 3, "PASS "),
        (run(" --format json"), 3, "PASS "),
        (run(" --runs 2"), 3, "PASS "),
        (run(" --plan-only"), 3, ""),
        (bug, 1, "FAIL "),
        ("check latest".to_owned(), 1, "FAIL "),
        ("raw latest k1-11".to_owned(), 1, ""),
        ("list".to_owned(), 3, ""),
        ("run --help".to_owned(), 3, ""),
        ("check gone --format json".to_owned(), 2, ""),
    ] {
        let script = format!("exec {} {words} > /dev/full", env!("CARGO_BIN_EXE_dissent"));
        let told = told(Command::new("bash").args(["-c", &script]).current_dir(temp.path()));
        assert_eq!(told.code, Some(code), "{words}: {told}");
        assert!(told.stderr.contains("cannot write to standard output: No space left"), "{words}: {told}");
        assert!(told.stderr.lines().any(|line| line.starts_with(last_line)), "{words}: {told}");
    }
}

/// Runs of one specification at the same moment: each has its own folder.
#[test]
fn equal_runs_at_once_have_their_own_folders() {
    const RUNS: usize = 8;
    let temp = tempfile::tempdir().expect("a folder");
    let words = ["run", "sim-segments", "steady", "none", "--seed", "3", "--for", "400ms"];
    let runs = (0..RUNS).map(|_| {
        program(temp.path()).args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("a run")
    });
    let runs: Vec<_> = runs.collect();
    for run in runs {
        let output = run.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let entries = std::fs::read_dir(temp.path().join("results")).expect("a folder");
    let folders = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| !entry.path().is_symlink()));
    assert_eq!(folders.count(), RUNS);
}

/// Two runs from the largest seed: the seeds wrap around.
#[test]
fn the_last_seed_has_a_next_one() {
    let temp = tempfile::tempdir().expect("a folder");
    let last = u64::MAX.to_string();
    let told = run(temp.path(), &["run", "sim-segments", "steady", "none", "--seed", &last, "--runs", "2"]);
    assert_eq!(told.code, Some(0), "{told}");
}
