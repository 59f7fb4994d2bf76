//! Runs in virtual time: every arm over a few seeds, and what a seed promises.

use crate::support::{sim, spec};
use dissent::exit::Exit;
use dissent::report::campaign::CampaignSummary;
use dissent::run::campaign::simulate_all;
use dissent::run::judging::JudgedRun;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::{
    Anomaly, Divergence, Finding, FindingKind, FreezeCourse, RootCause, Verdict, VerdictOutcome,
};
use dissent_core::seed::Seed;
use dissent_simulator::{Simulated, run_with_truth};
use dissent_store::run_reader::RunReader;
use specimen::segments::ServerTruth;
use std::collections::{BTreeMap, BTreeSet};

/// Enough to see a broken arm. The release build runs a thousand.
const SEEDS: u32 = 3;

fn arm(nemesis: &str, set: &[&str]) -> CampaignSummary {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", nemesis, set);
    simulate_all(&spec, Seed(1), SEEDS, 2, results.path(), |_| ()).expect("every run comes to a verdict")
}

/// Arm, settings, and what every run must find on the victim alone; none if it must pass.
const ARMS: &[(&str, &[&str], Option<&str>)] = &[
    ("late-transition", &[], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["ending=healthy-wins"], Some("one-differs wrong-value minority healed")),
    ("late-transition", &["ending=victim-wins"], Some("unanimous wrong-value all spread")),
    ("late-transition", &["provenance=digest"], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["provenance=none"], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["guard=signal-gate"], Some("one-differs wrong-value minority standing")),
    (
        "late-transition",
        &["guard=signal-gate", "ending=healthy-wins"],
        Some("one-differs wrong-value minority healed"),
    ),
    (
        "late-transition",
        &["guard=signal-gate", "ending=victim-wins"],
        Some("unanimous wrong-value all spread"),
    ),
    ("late-transition", &["guard=partition-gate-no-skip-wake"], Some("frozen")),
    ("late-transition", &["guard=partition-gate-no-skip-wake", "ending=healthy-wins"], Some("frozen")),
    ("late-transition", &["guard=partition-gate-no-skip-wake", "ending=victim-wins"], Some("frozen")),
    ("late-skip", &[], Some("one-differs wrong-value minority standing")),
    ("late-skip", &["guard=signal-gate"], Some("one-differs wrong-value minority standing")),
    ("late-skip", &["guard=partition-gate-no-skip-wake"], Some("frozen")),
    ("late-skip", &["guard=partition-gate"], None),
    ("none", &["guard=signal-gate"], None),
    ("none", &["guard=partition-gate-no-skip-wake"], None),
    ("late-transition", &["guard=readiness-flag"], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["guard=delivery-order"], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["guard=timed-wait"], Some("one-differs wrong-value minority standing")),
    ("late-transition", &["guard=timed-wait", "wait=1min"], None),
    ("late-transition", &["guard=max-watermark-gate"], None),
    ("none", &["guard=readiness-flag"], None),
    ("none", &["guard=delivery-order"], None),
    ("none", &["guard=timed-wait"], None),
    ("none", &["guard=max-watermark-gate"], None),
    ("late-gap", &["guard=max-watermark-gate"], Some("one-differs wrong-value minority standing")),
    ("late-gap", &["guard=timed-wait"], Some("one-differs wrong-value minority standing")),
    ("late-gap", &["guard=partition-gate"], None),
    ("late-commit", &["cause=replace-drops-keys"], Some("one-differs wrong-value minority standing")),
    (
        "late-commit",
        &["cause=replace-drops-keys", "guard=partition-gate"],
        Some("one-differs wrong-value minority standing"),
    ),
    (
        "late-commit",
        &["cause=replace-drops-keys", "ending=victim-wins"],
        Some("unanimous wrong-value all spread"),
    ),
    ("late-commit", &[], None),
    ("late-commit", &["guard=partition-gate"], None),
    ("none", &["cause=replace-drops-keys"], None),
    ("late-transition", &["guard=partition-gate"], None),
    ("late-transition", &["guard=partition-gate", "ending=healthy-wins"], None),
    ("late-transition", &["guard=partition-gate", "ending=victim-wins"], None),
    ("none", &["guard=partition-gate"], None),
    ("restart-one", &["guard=partition-gate"], None),
    ("rolling-restart", &["guard=partition-gate"], None),
    ("swarm", &["guard=partition-gate"], None),
    ("partition-one", &["guard=partition-gate"], None),
    ("partition-one", &[], Some("one-differs wrong-value minority standing")),
    ("flaky-network", &["guard=partition-gate"], None),
    ("full-disk", &["guard=partition-gate"], None),
    ("full-disk", &["guard=timed-wait"], Some("one-differs wrong-value minority standing")),
    ("slow-one", &["guard=partition-gate"], None),
    ("wrong-clock", &["guard=partition-gate"], None),
    ("wrong-clock", &["guard=timed-wait", "wait=1min"], Some("one-differs wrong-value minority standing")),
    ("none", &[], None),
    ("restart-one", &[], None),
];

#[test]
fn every_arm_comes_out_as_expected_in_every_run() {
    let mut wrong = Vec::new();
    for (nemesis, set, expected) in ARMS {
        let tally = arm(nemesis, set);
        let as_expected = match expected {
            Some(words) => tally.found.get(*words) == Some(&SEEDS) && tally.on_faulted_replica == SEEDS,
            None => tally.count(VerdictOutcome::Pass) == SEEDS,
        };
        if !as_expected || tally.exposed != SEEDS {
            wrong.push(format!("{nemesis} {set:?}: {tally:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Goal: a schedule that is drawn from the seed finds the bug that needs two faults together, and its record
/// names the steps that were drawn. Method: one of the first seeds draws one that finds it.
#[test]
fn a_drawn_schedule_finds_a_bug_and_is_in_the_record() {
    let results = tempfile::tempdir().expect("a folder");
    let run = |seed| {
        let spec = sim("partial-upsert", "swarm", &[]);
        run_simulated(&spec, seed, results.path(), Retention::None).expect("a verdict")
    };
    let is_found = |judged: &JudgedRun| judged.verdict.outcome == VerdictOutcome::Fail;
    let one = (1..20).map(Seed).map(run).find(is_found).expect("one of them finds it");
    let other = run(Seed(one.meta.seed.0 + 1));
    let planned: Vec<&String> = one.meta.nemesis.steps.iter().map(|step| &step.id).collect();
    let drawn: Vec<&String> = one.meta.steps.iter().map(|step| &step.id).collect();
    assert!(planned == drawn && !drawn.is_empty(), "{planned:?} {drawn:?}");
    assert_ne!(one.meta.nemesis.steps, other.meta.nemesis.steps, "each seed draws its own");
}

/// A waiter that nobody woke asks again when its server restarts. The restart clears the freeze, and all
/// replicas are equal at the end of the plan, but the run still fails.
#[test]
fn a_restart_clears_the_freeze_of_a_waiter_that_nobody_woke() {
    for ending in ["uncommitted", "victim-wins"] {
        let set = ["guard=partition-gate-no-skip-wake", &format!("ending={ending}")];
        let results = tempfile::tempdir().expect("a folder");
        let mut spec = sim("partial-upsert", "late-transition", &set);
        for (probe_restart, course) in [(true, FreezeCourse::ClearedByRestart), (false, FreezeCourse::Sticky)]
        {
            spec.timing.probe_restart = probe_restart;
            let judged = run_simulated(&spec, Seed(3), results.path(), Retention::None).expect("a verdict");
            let [finding] = &judged.verdict.findings[..] else { panic!("{:#?}", judged.verdict) };
            let FindingKind::Frozen(frozen) = &finding.kind else { panic!("{finding:?}") };
            assert_eq!(
                (frozen.course, frozen.replica.as_ref()),
                (course, Some(&judged.meta.steps[0].replica))
            );
            // A winner that stands still cannot commit, so its outcome is in doubt unless somebody restarts
            // it.
            let doubts = &judged.verdict.doubts;
            assert!(doubts.is_empty() || !probe_restart, "{doubts:?}");
            assert_eq!(judged.exit, Exit::Violation);
        }
    }
}

#[test]
fn the_class_of_the_missing_state_is_the_same_in_full_and_digest_provenance() {
    let classes = |set: &[&str], class: RootCause| {
        let judged = once(set, Seed(3));
        for finding in &judged.verdict.findings {
            let FindingKind::Divergence(divergence) = &finding.kind else { panic!("{finding:?}") };
            assert_eq!(divergence.root_cause, class, "{set:?}");
        }
    };
    classes(&[], RootCause::WholeSegment);
    classes(&["provenance=digest"], RootCause::WholeSegment);
    classes(&["provenance=none"], RootCause::NoProvenance);
}

fn once(set: &[&str], seed: Seed) -> JudgedRun {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", set);
    run_simulated(&spec, seed, results.path(), Retention::None).expect("a verdict")
}

/// The verdict of the same run, judged in memory and from its folder.
#[test]
fn a_kept_run_gets_the_same_verdict() {
    let results = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &[]);
    let kept = run_simulated(&spec, Seed(5), results.path(), Retention::All).expect("a verdict");
    let not_kept = run_simulated(&spec, Seed(5), results.path(), Retention::None).expect("a verdict");
    let folder = RunReader::open(&kept.folder.clone().expect("it was kept")).expect("it can be read");
    let again: Verdict = JudgedRun::new(&folder, Exit::Pass).verdict;
    assert_eq!(kept.verdict, not_kept.verdict);
    assert_eq!(kept.verdict, again);
}

/// The judge never sees the truth, so this compares it afterwards. Finding and truth must name the same
/// server, the segments that it missed, and keys that were written in both segments.
#[test]
fn findings_agree_with_the_truth() {
    for seed in (1..=6).map(Seed) {
        let judged = once(&[], seed);
        let hit = judged.meta.steps.first().expect("the plan has steps");
        let [finding] = &judged.verdict.findings[..] else {
            panic!("seed {}: {:#?}", seed.0, judged.verdict.findings)
        };
        let FindingKind::Divergence(divergence) = &finding.kind else { panic!("{finding:?}") };
        assert_eq!(divergence.replicas, std::slice::from_ref(&hit.replica));
        assert_eq!(Some(divergence.partition), hit.partition);
        let missing = divergence.missing.as_ref().expect("rows tell their ops");
        let [held] = &missing.segments[..] else { panic!("one segment was held: {missing:?}") };
        let number = |segment: &str| -> u32 {
            segment.rsplit("__").next().expect("a number").parse().expect("a number")
        };
        let wrong: Vec<u32> = divergence.segments.iter().map(|segment| number(segment)).collect();
        assert_eq!(wrong, [number(held) + 1], "the wrong rows lie in the segment after the one held");
    }
}

/// A run with the cluster's own account of it, which the judge never sees.
fn with_truth(nemesis: &str, set: &[&str], seed: Seed) -> (JudgedRun, BTreeMap<String, ServerTruth>) {
    let spec = sim("partial-upsert", nemesis, set);
    let Ok(Simulated::Segments { config, .. }) = spec.simulation() else { panic!("a cluster of segments") };
    let meta = spec.meta(seed, None).expect("it fits");
    let (record, truth) = run_with_truth(&meta, spec.timing, &config).expect("settings are usable");
    (JudgedRun::new(&record, Exit::Pass), truth)
}

/// Goal: the roots of all findings are the rows that the cluster really merged without their past, on the
/// servers that really did, and their keys are those of these rows.
#[test]
fn roots_are_the_rows_that_were_merged_without_their_past() {
    for (nemesis, guard) in [
        ("late-transition", "startup-latch"),
        ("late-transition", "signal-gate"),
        ("late-transition", "readiness-flag"),
        ("late-transition", "delivery-order"),
        ("late-transition", "timed-wait"),
        ("late-gap", "max-watermark-gate"),
        ("late-gap", "startup-latch"),
        ("late-transition", "partition-gate"),
    ] {
        for seed in (1..=3).map(Seed) {
            let (judged, truth) = with_truth(nemesis, &[&format!("guard={guard}")], seed);
            let at = format!("{nemesis} {guard} seed {}", seed.0);
            let wrong = || truth.values().flat_map(|server| &server.wrong);
            let found: Vec<&Divergence> = judged.verdict.findings.iter().filter_map(divergence).collect();
            let roots: u64 = found.iter().map(|finding| finding.roots).sum();
            assert_eq!(roots, wrong().filter(|row| row.first).count() as u64, "{at}");
            let keys: BTreeSet<&String> = found.iter().flat_map(|finding| &finding.keys).collect();
            assert_eq!(keys, wrong().map(|row| &row.key).collect(), "{at}");
            let missing = found.iter().filter_map(|finding| finding.missing.as_ref());
            let segments: BTreeSet<&String> = missing.flat_map(|missing| &missing.segments).collect();
            assert_eq!(segments, wrong().flat_map(|row| &row.missing).collect(), "{at}");
            let named: BTreeSet<&String> = found.iter().flat_map(|finding| &finding.replicas).collect();
            let hit = truth.iter().filter(|(_, server)| !server.wrong.is_empty()).map(|(name, _)| name);
            assert_eq!(named, hit.collect(), "{at}");
            assert_eq!(guard == "partition-gate", found.is_empty(), "{at}");
        }
    }
}

/// Goal: keys that a replacement dropped are told from keys whose segment was not there yet, under a guard
/// that keeps the order and under one that does not.
#[test]
fn keys_that_a_replacement_dropped_are_called_so() {
    for guard in ["startup-latch", "partition-gate"] {
        for seed in (1..=3).map(Seed) {
            let set = ["cause=replace-drops-keys", &format!("guard={guard}")];
            let (judged, truth) = with_truth("late-commit", &set, seed);
            let victim = &judged.meta.steps[0].replica;
            let dropped: BTreeSet<&str> =
                truth[victim].truth.dropped.iter().flat_map(|it| &it.keys).map(|key| &**key).collect();
            // Until the next batch, dropped keys have no current row, and a capture may see that too.
            let values = |it: &&Divergence| it.what == Anomaly::WrongValue;
            let found: Vec<_> =
                judged.verdict.findings.iter().filter_map(divergence).filter(values).collect();
            let [finding] = found[..] else { panic!("{:#?}", judged.verdict.findings) };
            assert_eq!(
                (finding.root_cause, &finding.replicas),
                (RootCause::DroppedKey, &vec![victim.clone()])
            );
            assert!(
                finding.keys.iter().all(|key| dropped.contains(&**key)),
                "{:?} {dropped:?}",
                finding.keys
            );
            assert!(truth.values().all(|server| server.wrong.is_empty()), "the order was kept");
        }
    }
}

fn divergence(finding: &Finding) -> Option<&Divergence> {
    match &finding.kind {
        FindingKind::Divergence(divergence) => Some(divergence),
        _ => None,
    }
}

/// Two runs of one seed, and the debug and release builds, give the same bytes in all files, except in
/// `tool.log` and for the build and the wall clock in `run.json`.
#[test]
fn a_seed_gives_the_same_bytes_for_ever() {
    let digest = |results: &std::path::Path| {
        let spec = spec("sim-segments", "partial-upsert", "late-transition", &[]);
        let kept = run_simulated(&spec, Seed(42), results, Retention::All).expect("a verdict");
        crate::support::digest(&kept.folder.expect("it was kept"))
    };
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let text = digest(one.path());
    assert_eq!(text, digest(other.path()));
    let known = include_str!("simulated.digest");
    assert_eq!(text, known, "if the change is meant, put this into tests/simulated.digest:\n{text}");
}
