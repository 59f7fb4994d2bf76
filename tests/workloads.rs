//! The workloads of the catalogue that write what others do not: each under the bug and under its fix, ties
//! that one server resolves the other way, and ops whose delivery goes wrong on purpose.

use crate::support::{sim, spec};
use clap::Parser as _;
use dissent::cli::RunArgs;
use dissent::commands::run_spec;
use dissent::exit::Exit;
use dissent::report::campaign::CampaignSummary;
use dissent::run::campaign::simulate_all;
use dissent::run::judging::JudgedRun;
use dissent_core::checker::verdict::{Divergence, FindingKind, RootCause, ShownCause, VerdictOutcome};
use dissent_core::history::event::{Event, OpOutcome};
use dissent_core::history::run_record::{MemoryRecord, RunRecord as _};
use dissent_core::seed::Seed;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

/// Enough to see a broken arm.
const SEEDS: u32 = 3;

/// What hunts more than `partial-upsert` does.
const WORKLOADS: [&str; 7] =
    ["hot-keys", "wide-rows", "key-churn", "long-lived", "ties", "out-of-order", "tombstones"];

const GATE: &str = "guard=partition-gate";

fn tally(workload: &str, nemesis: &str, set: &[&str]) -> CampaignSummary {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim(workload, nemesis, set);
    simulate_all(&spec, Seed(1), SEEDS, 2, results.path(), |_| ()).expect("every run comes to a verdict")
}

fn record(workload: &str, nemesis: &str, set: &[&str], seed: u64) -> MemoryRecord {
    let spec = sim(workload, nemesis, set);
    let meta = spec.meta(Seed(seed), None).expect("it fits");
    dissent_simulator::run(&meta, spec.timing, &spec.simulation().expect("it fits")).expect("it runs")
}

fn divergences(record: &MemoryRecord) -> Vec<Divergence> {
    let findings = JudgedRun::new(record, Exit::Pass).verdict.findings.into_iter();
    let divergences = findings.map(|finding| match finding.kind {
        FindingKind::Divergence(divergence) => *divergence,
        kind => panic!("{kind:?}"),
    });
    divergences.collect()
}

#[test]
fn every_workload_passes_under_the_right_guard_and_finds_the_published_bug_on_the_victim() {
    for workload in WORKLOADS {
        for nemesis in ["none", "late-transition", "late-gap", "restart-one", "pause-one"] {
            let tally = tally(workload, nemesis, &[GATE]);
            let passed = (tally.count(VerdictOutcome::Pass), tally.exposed);
            assert_eq!(passed, (SEEDS, SEEDS), "{workload} {nemesis}: {tally:#?}");
        }
        let tally = tally(workload, "late-transition", &[]);
        let found = tally.found.get("one-differs wrong-value minority standing").copied();
        assert_eq!((found, tally.on_faulted_replica), (Some(SEEDS), SEEDS), "{workload}: {tally:#?}");
    }
}

/// Goal: a server that keeps the first of two events with the same comparison value is named, and no other.
/// Without ties it does nothing wrong.
#[test]
fn ties_that_one_server_resolves_the_other_way_are_found_on_that_server() {
    for server in ["server-0", "server-3"] {
        let set = [GATE, &format!("first-wins={server}")];
        for nemesis in ["none", "restart-one"] {
            for seed in 1..=3 {
                let found = divergences(&record("ties", nemesis, &set, seed));
                let named: BTreeSet<&String> = found.iter().flat_map(|finding| &finding.replicas).collect();
                assert_eq!(Vec::from_iter(named), [server], "{nemesis} seed {seed}");
            }
        }
        assert_eq!(tally("partial-upsert", "none", &set).count(VerdictOutcome::Pass), SEEDS);
    }
}

/// Goal: ops whose outcome is unknown, and ops that are in the log twice, are no false alarm, and the wrong
/// rows beside them are still found. Method: the record shows that each kind was there.
#[test]
fn unknown_outcomes_and_duplicates_are_no_false_alarm_and_hide_nothing() {
    let set = ["unknown-percent=10", "duplicate-percent=10"];
    for workload in ["partial-upsert", "ties", "out-of-order", "tombstones", "long-lived"] {
        for nemesis in ["none", "late-transition", "restart-one"] {
            let tally = tally(workload, nemesis, &[&set[..], &[GATE]].concat());
            assert_eq!(tally.count(VerdictOutcome::Pass), SEEDS, "{workload} {nemesis}: {tally:#?}");
        }
        let tally = tally(workload, "late-transition", &set);
        assert_eq!((tally.count(VerdictOutcome::Fail), tally.on_faulted_replica), (SEEDS, SEEDS));
    }
    let record = record("partial-upsert", "none", &set, 1);
    let unknown: BTreeSet<u64> = record
        .events
        .iter()
        .filter_map(|stamped| match stamped.event {
            Event::Complete { op, outcome: OpOutcome::Unknown, .. } => Some(op),
            _ => None,
        })
        .collect();
    let mut logged: BTreeMap<u64, u32> = BTreeMap::new();
    (0..2)
        .flat_map(|partition| record.log(partition))
        .for_each(|entry| *logged.entry(entry.op).or_default() += 1);
    let (done, lost): (Vec<u64>, Vec<u64>) = unknown.iter().partition(|op| logged.contains_key(op));
    let twice = logged.values().filter(|count| **count == 2).count();
    assert!(done.len() > 20 && lost.len() > 20 && twice > 50, "{} {} {twice}", done.len(), lost.len());
}

/// Of one log, and of writers that share a shard.
#[test]
fn other_clusters_take_unknown_outcomes_too() {
    let results = tempfile::tempdir().expect("a folder");
    let of_sessions = ["log=sessions", "partitions=1", "retains=newest-row", "unknown-percent=10"];
    let of_shard = ["rule=v1", "unknown-percent=10", "duplicate-percent=10", "tie-percent=20"];
    let specs = [
        sim("partial-upsert", "restart-one", &of_sessions),
        spec("sim-shard", "upsert-feed", "none", &of_shard),
        spec("sim-shard", "upsert-burst", "warm-active-active", &of_shard),
    ];
    for spec in specs {
        let tally = simulate_all(&spec, Seed(1), SEEDS, 2, results.path(), |_| ()).expect("a verdict");
        assert_eq!(tally.count(VerdictOutcome::Pass), SEEDS, "{tally:#?}");
    }
}

#[test]
fn what_a_target_cannot_tell_is_refused_with_the_setting_that_helps() {
    let refused = |words: &[&str]| {
        let words = ["run"].iter().chain(words);
        let spec = run_spec(&RunArgs::parse_from(words)).expect("it can be read");
        spec.check().expect_err("it does not fit").to_string()
    };
    let own_log = ["sim-segments", "steady", "none", "--set", "partitions=1", "--set", "log=sessions"];
    for (words, told) in [
        (&["sim-shard", "out-of-order", "none", "--set", "partitions=1"][..], "--set out-of-order-percent=0"),
        (&[&own_log[..], &["--set", "duplicate-percent=1"]].concat()[..], "--set duplicate-percent=0"),
        (&["sim-segments", "ties", "none", "--set", "first-wins=server-9"], "no server `server-9`"),
    ] {
        let error = refused(words);
        assert!(error.contains(told), "{error}");
    }
}

/// Goal: what is found does not depend on how rows show their ops (`RULES.md` 6). A mode without that cannot
/// tell the class of the missing state, and finds the same rows of the same server all the same.
#[test]
fn the_incident_is_the_same_in_all_three_provenance_modes() {
    for seed in 1..=SEEDS.into() {
        let found = ["full", "digest", "none"].map(|mode| {
            let set = [&*format!("provenance={mode}")];
            let found = divergences(&record("partial-upsert", "late-transition", &set, seed));
            let [finding] = &found[..] else { panic!("{mode} seed {seed}: {found:#?}") };
            let class = (finding.what, finding.last.pattern, finding.last.side, finding.course);
            ((class, finding.replicas.clone(), finding.partition), finding.root_cause, broken(finding))
        });
        let [full, digest, none] = &found;
        assert_eq!(full, digest, "seed {seed}");
        assert_eq!((&full.0, &full.2), (&none.0, &none.2), "seed {seed}");
        assert_eq!((full.1, none.1), (RootCause::WholeSegment, RootCause::NoProvenance));
    }
}

/// The segments that were merged in the wrong order: those that were missing, and the one that was too early.
fn broken(finding: &Divergence) -> Option<(Vec<String>, String)> {
    match &finding.explanation.as_ref()?.cause {
        ShownCause::OrderingBreak(it) => Some((it.dependencies.clone(), it.dependent.clone())),
        _ => None,
    }
}

/// Goal: the same on real processes, whose answers come over HTTP.
#[test]
fn over_processes_the_same_passes_and_the_wrong_tie_is_found() {
    let on_purpose = ["tie-percent=20", "delete-percent=10", "unknown-percent=10", "duplicate-percent=10"];
    for (server, code) in [(None, 0), (Some("server-1"), 1)] {
        let results = tempfile::tempdir().expect("a folder");
        let first_wins = server.map(|server| format!("first-wins={server}"));
        let set = on_purpose.into_iter().chain([GATE]).chain(first_wins.as_deref());
        let words = ["run", "specimen-segments", "out-of-order", "none", "--seed", "3", "--format", "json"];
        let mut program = Command::new(env!("CARGO_BIN_EXE_dissent"));
        program.env("DISSENT_RESULTS", results.path()).stdin(Stdio::null()).args(words);
        let output = program.args(set.flat_map(|pair| ["--set", pair])).output().expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a document");
        let findings = document["runs"][0]["findings"].as_array().expect("findings");
        let named = findings.iter().flat_map(|finding| finding["replicas"].as_array().expect("replicas"));
        let named: BTreeSet<&str> = named.filter_map(serde_json::Value::as_str).collect();
        assert_eq!(named, server.into_iter().collect());
    }
}
