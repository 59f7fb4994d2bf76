//! Stores that keep only the newest row of each key (`RULES.md` 15): the same findings as with every
//! version, unless a later write hid them; and no false alarm, whatever becomes of ops without an answer.

mod view;

use crate::support::sim;
use dissent::run::judging::JudgedRun;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{Course, Divergence, FindingKind, Verdict, VerdictOutcome};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::seed::Seed;
use std::collections::BTreeSet;
use std::io::Write as _;

/// Enough to see a broken rule.
const SEEDS: u64 = 3;

/// Plans and settings of the cluster.
const ARMS: &[(&str, &[&str])] = &[
    ("late-transition", &[]),
    ("late-transition", &["ending=victim-wins"]),
    ("late-transition", &["ending=healthy-wins"]),
    ("late-transition", &["provenance=digest"]),
    ("late-transition", &["provenance=none"]),
    ("late-transition", &["guard=signal-gate"]),
    ("late-transition", &["guard=partition-gate"]),
    ("late-transition", &["guard=partition-gate-no-skip-wake"]),
    ("late-skip", &[]),
    ("late-gap", &["guard=max-watermark-gate"]),
    ("late-gap", &["guard=partition-gate"]),
    ("late-commit", &["cause=replace-drops-keys"]),
    ("late-commit", &[]),
    ("pause-one", &[]),
    ("restart-one", &[]),
    ("none", &[]),
];

/// `NEWEST_SEEDS=1000 NEWEST_FIGURES=file` for the figures of a release.
fn seeds() -> u64 {
    std::env::var("NEWEST_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS)
}

fn record(nemesis: &str, set: &[&str], seed: u64) -> MemoryRecord {
    let spec = sim("partial-upsert", nemesis, set);
    let meta = spec.meta(Seed(seed), None).expect("it fits");
    let cluster = spec.simulation().expect("it fits");
    dissent_simulator::run(&meta, spec.timing, &cluster).expect("it can be simulated")
}

fn divergences(verdict: &Verdict) -> impl Iterator<Item = &Divergence> {
    verdict.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Divergence(it) => Some(&**it),
        _ => None,
    })
}

/// The root cause and the replicas where it began, of each finding.
fn classes(verdict: &Verdict) -> BTreeSet<(String, Vec<String>)> {
    divergences(verdict).map(|it| (format!("{:?}", it.root_cause), it.replicas.clone())).collect()
}

/// How often the newest rows told what every version told, by arm.
#[derive(Debug, Default)]
struct Told {
    same: u64,
    healed: u64,
    hidden: u64,
    passed: u64,
}

/// One and the same run is judged twice: with every version, and with what its newest rows show. A later
/// write may hide what was wrong, so they may tell less, or that it is healed. They never tell something
/// else.
#[test]
fn newest_rows_tell_the_class_and_the_server_that_every_version_tells() {
    for (nemesis, set) in ARMS {
        let mut told = Told::default();
        for seed in 1..=seeds() {
            let every = record(nemesis, set, seed);
            let (all, few) = (judge(&every), judge(&view::newest_rows(&every)));
            let (wanted, shown) = (classes(&all), classes(&few));
            let at = format!("{nemesis} {set:?} seed {seed}");
            assert!(shown.is_subset(&wanted), "{at}: {shown:?} of {wanted:?}");
            assert!(!wanted.is_empty() || few.outcome == all.outcome, "{at}: {few:#?}");
            let healed = |verdict: &Verdict| divergences(verdict).any(|it| it.course == Course::Healed);
            match (wanted.is_empty(), shown == wanted) {
                (true, _) => told.passed += 1,
                (_, true) if healed(&few) && !healed(&all) => told.healed += 1,
                (_, true) => told.same += 1,
                _ => told.hidden += 1,
            }
        }
        if let Some(file) = std::env::var_os("NEWEST_FIGURES") {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).expect("a file");
            writeln!(file, "{nemesis} {set:?}: {told:?}").expect("it can be written");
        }
        assert!(told.same + told.healed > 0 || told.hidden == 0, "{nemesis} {set:?}: {told:?}");
    }
}

fn run(nemesis: &str, set: &[&str], seed: u64) -> JudgedRun {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", nemesis, set);
    run_simulated(&spec, Seed(seed), results.path(), Retention::None).expect("a verdict")
}

/// The cluster itself shows newest rows only, as a store does: a bug is found, its fix passes.
#[test]
fn a_cluster_that_shows_newest_rows_only_is_judged_as_well() {
    for (guard, outcome) in
        [("startup-latch", VerdictOutcome::Fail), ("partition-gate", VerdictOutcome::Pass)]
    {
        for seed in 1..=SEEDS {
            let set = ["retains=newest-row", &format!("guard={guard}")];
            let judged = run("late-transition", &set, seed);
            assert_eq!(judged.verdict.outcome, outcome, "{guard} seed {seed}: {:#?}", judged.verdict);
        }
    }
}

/// Some ops are lost, some take effect in time and some later, and nobody hears of it.
#[test]
fn ops_without_an_answer_are_no_false_alarm() {
    let set = ["retains=newest-row", "log=sessions", "partitions=1", "timeouts=5"];
    let mut undecided = 0;
    for nemesis in ["none", "restart-one", "pause-one"] {
        for seed in 1..=SEEDS {
            let verdict = run(nemesis, &set, seed).verdict;
            undecided += verdict.compared.undecided;
            assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{nemesis} seed {seed}: {verdict:#?}");
        }
    }
    assert!(undecided > 100, "{undecided}: there was nothing to be wrong about");
}
