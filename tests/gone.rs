//! What ends during a run without the run ending it: a process of the target, a fault, the run itself. Nobody
//! is accused of it, nothing passes, and the verdict names what is gone.

use crate::watchdog::place::{Outside, Watched, processes_of, signal, until};
use std::path::Path;

/// The process of a role in the cluster of the run with these results.
fn process(results: &Path, role: &str) -> u32 {
    let words = format!("specimen {role} --config");
    let all = processes_of(results);
    all.iter().find(|(_, line)| line.contains(&words)).unwrap_or_else(|| panic!("{role} in {all:#?}")).0
}

/// A control run in which a process gets a signal during the load: the exit code and all output.
fn run_and_signal(target: &str, workload: &str, role: &str, name: &str) -> (Option<i32>, String) {
    let results = tempfile::tempdir().expect("a folder");
    let mut watched = Watched::start(results.path(), &["run", target, workload, "none", "--seed", "3"]);
    watched.says("capture 1");
    signal(process(results.path(), role), name);
    watched.end()
}

fn last_line(told: &str) -> &str {
    told.lines().rfind(|line| !line.is_empty()).unwrap_or_default()
}

/// Goal: if the log's host is killed, or stopped for good, no replica is called wrong, and no acknowledged op
/// is called lost.
#[test]
fn a_log_host_that_is_gone_is_named_and_accuses_nobody() {
    let hosts = [
        ("specimen-segments", "partial-upsert", "controller"),
        ("specimen-shard", "upsert-feed", "shard-service"),
    ];
    for (target, workload, role) in hosts {
        let (code, told) = run_and_signal(target, workload, role, "KILL");
        assert_eq!(code, Some(3), "{target}: {told}");
        let wanted = format!("INCONCLUSIVE server-died {role} ");
        assert!(last_line(&told).starts_with(&wanted), "{target}: {told}");
        assert!(told.contains("it ended (signal: 9 (SIGKILL))"), "{told}");
    }
    let (code, told) = run_and_signal("specimen-segments", "partial-upsert", "controller", "STOP");
    assert_eq!(code, Some(3), "{told}");
    assert!(last_line(&told).starts_with("INCONCLUSIVE server-died the-target "), "{told}");
}

#[test]
fn a_server_that_dies_unasked_ends_the_run_at_once_and_is_named() {
    let (code, told) = run_and_signal("specimen-segments", "partial-upsert", "server", "KILL");
    assert_eq!(code, Some(3), "{told}");
    assert!(last_line(&told).starts_with("INCONCLUSIVE server-died server-"), "{told}");
    assert!(!told.contains("not all replicas have settled"), "nobody waited: {told}");
}

/// Goal: if somebody else lifts a hold, its cure notices, and the run proves nothing.
#[test]
fn a_fault_that_is_over_before_its_cure_is_a_doubt() {
    let outside = Outside::start(&["guard=partition-gate"]);
    let results = tempfile::tempdir().expect("a folder");
    let words = ["run", &outside.file(), "partial-upsert", "late-transition", "--seed", "3"];
    let mut watched = Watched::start(results.path(), &words);
    watched.says("late-registration: in force");
    outside.release_holds();
    let (code, told) = watched.end();
    assert_eq!(code, Some(3), "{told}");
    assert!(told.contains("fault-ended-early: step late-registration on server-"), "{told}");
    assert!(told.contains("the hold is gone"), "{told}");
}

/// Goal: a campaign in virtual time ends at a signal, and reports the runs done so far.
#[test]
fn a_simulated_campaign_ends_at_a_signal_and_says_how_far_it_got() {
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let results = tempfile::tempdir().expect("a folder");
        let words =
            ["run", "sim-segments", "partial-upsert", "late-transition", "--seed", "1", "--runs", "100000"];
        let watched = Watched::start(results.path(), &words);
        let kept = || results.path().join("latest").exists();
        until("a run is kept", kept);
        watched.signal(name);
        let (ended, told) = watched.end();
        assert_eq!(ended, Some(code), "{told}");
        assert!(last_line(&told).contains(&format!(", cut off by SIG{name} seed=1")), "{told}");
    }
}
