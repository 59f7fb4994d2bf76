//! Explanations of simulated runs, fact by fact against what the cluster itself knows of its wrong merges.
//! No judge sees that truth.
//!
//! `EXPLAINED_SEEDS=200 cargo test --release explained` compares that many seeds for each guard; by default a
//! few.

use crate::support::sim;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{
    Divergence, Explanation, FindingKind, Frozen, GuardState, OrderingBreak, ShownCause, Verdict,
    VerdictOutcome,
};
use dissent_core::history::event::Event;
use dissent_core::history::fault::{FaultKind, Transition};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::seed::Seed;
use dissent_simulator::{Simulated, run_with_truth};
use specimen::segments::{BlindMerge, KeptOrder, ServerTruth, WrongRow};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

type Truth = BTreeMap<String, ServerTruth>;

fn seeds() -> u64 {
    std::env::var("EXPLAINED_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3)
}

fn run(plan: &str, set: &[&str], seed: u64, kept: Option<&KeptOrder>) -> (MemoryRecord, Truth) {
    let spec = sim("partial-upsert", plan, set);
    let meta = spec.meta(Seed(seed), None).expect("it fits");
    let Simulated::Segments { mut config, .. } = spec.simulation().expect("it fits") else {
        panic!("segments")
    };
    config.kept_order = kept.cloned();
    run_with_truth(&meta, spec.timing, &config).expect("it runs")
}

/// The divergences of raw rows.
fn divergences(verdict: &Verdict) -> Vec<&Divergence> {
    let of = verdict.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Divergence(it) if !it.flags => Some(&**it),
        _ => None,
    });
    of.collect()
}

fn explanation(it: &Divergence) -> &Explanation {
    it.explanation.as_ref().expect("rows are explained")
}

/// The server that merged rows wrongly, and those rows.
fn wrong_of(truth: &Truth) -> (&String, &ServerTruth) {
    let mut wrong = truth.iter().filter(|(_, of)| !of.wrong.is_empty());
    let found = wrong.next().expect("a server with wrong rows");
    assert_eq!(wrong.next(), None, "one server");
    found
}

/// Facts that the cluster denies.
#[derive(Default)]
struct Denied(Vec<String>);

impl Denied {
    fn is<T: PartialEq + Debug>(&mut self, fact: &str, told: T, truth: T) {
        if told != truth {
            self.0.push(format!("{fact}: told {told:?}, in truth {truth:?}"));
        }
    }
}

fn set<'a>(all: impl IntoIterator<Item = &'a String>) -> BTreeSet<String> {
    all.into_iter().cloned().collect()
}

/// What the guard of a run is expected to be told as: its state, and the scope that it enforces.
fn guard_state(guard: &str) -> (GuardState, &'static [&'static str]) {
    let both: &[&str] = &["partition", "segment"];
    match guard {
        "startup-latch" => (GuardState::NotEvaluated, &[]),
        "readiness-flag" => (GuardState::WrongSubject, &[]),
        "delivery-order" => (GuardState::OrderAssumed, &[]),
        "timed-wait" => (GuardState::TimedOut, both),
        "signal-gate" => (GuardState::SignalTooEarly, both),
        "max-watermark-gate" => (GuardState::WrongSubject, both),
        "partition-gate-no-skip-wake" => (GuardState::NeverTestedAgain, both),
        other => panic!("{other} lets nothing go wrong"),
    }
}

/// Compares what is told of a divergence by a broken order with the truth, fact by fact.
fn facts(record: &MemoryRecord, truth: &Truth, it: &Divergence, guard: &str) -> Denied {
    let mut denied = Denied::default();
    let (server, of) = wrong_of(truth);
    let wrong: Vec<&WrongRow> = of.wrong.iter().filter(|row| row.partition == it.partition).collect();
    let first: Vec<&WrongRow> = wrong.iter().copied().filter(|row| row.first).collect();
    denied.is("replica", &it.replicas[..], std::slice::from_ref(server));
    denied.is("partition", wrong.is_empty(), false);
    denied.is("keys", set(&it.keys), wrong.iter().map(|row| row.key.clone()).collect());
    denied.is("roots", it.roots, first.len() as u64);
    let missing: BTreeSet<String> = first.iter().flat_map(|row| row.missing.clone()).collect();
    denied.is("missing", it.missing.iter().flat_map(|it| it.segments.clone()).collect(), missing.clone());
    let explained = explanation(it);
    let ShownCause::OrderingBreak(found) = &explained.cause else {
        denied.0.push(format!("cause: told {:?}", explained.cause));
        return denied;
    };
    break_facts(record, of, found, &missing, &mut denied);
    let anchor = first.iter().min_by_key(|row| row.off).expect("a first row");
    denied.is("anchor", (&found.anchor.key, found.anchor.off), (&anchor.key, anchor.off));
    denied.is("further causes", explained.further.len(), 0);
    denied.is("witnesses", set(&found.witnesses), set(truth.keys().filter(|name| *name != server)));
    guard_facts(of, found, explained, guard, &mut denied);
    denied
}

fn break_facts(
    record: &MemoryRecord,
    of: &ServerTruth,
    found: &OrderingBreak,
    missing: &BTreeSet<String>,
    denied: &mut Denied,
) {
    let dependents = of.truth.blind.iter().filter(|blind| missing.contains(&segment_at(record, blind)));
    let blind: BTreeSet<&String> = dependents.map(|blind| &blind.segment).collect();
    denied.is("late segments", set(&found.dependencies), missing.clone());
    denied.is("consumed too early", BTreeSet::from([&found.dependent]), blind);
    denied.is("exact", found.prediction.is_exact(), true);
    let begun = of.truth.begun.iter().rfind(|begun| begun.segment == found.dependent).expect("it began");
    denied.is("began", (found.incarnation, found.began.node_ms), (begun.incarnation, begun.at / 1_000_000));
    let visible = of.truth.visible.iter().filter(|it| missing.contains(&it.segment));
    let visible = visible.max_by_key(|it| it.at).expect("it became visible");
    let told = found.visible.as_ref().map(|event| event.node_ms);
    denied.is("visible", told, Some(visible.at / 1_000_000));
    denied.is("merged up to", Some(found.prediction.to), visible.reached);
    let late = (visible.at / 1_000_000).saturating_sub(begun.at / 1_000_000);
    denied.is("late by", found.late_by_ms, Some(late));
    let Some(setup) = &found.setup else { return denied.0.push("no setup".to_owned()) };
    let held = holds(record);
    if held.iter().any(|(segment, _)| *segment == setup.segment) {
        let step = (setup.segment.clone(), setup.transition.clone());
        denied.is("held message", held.contains(&step), true);
    }
    denied.is("outcome", setup.outcome.as_deref(), Some("skipped: already completed, skipping"));
    let late = missing.len() as u64;
    let counted = setup.snapshot.as_ref().map(|it| (it.here + late, it.peers.values().copied().min()));
    denied.is(
        "fewer by the late segments",
        counted.map(|(here, _)| Some(here)),
        counted.map(|(_, peers)| peers),
    );
    denied.is("catch-up", setup.catch_up.as_ref().map(|it| it.peers.len()), Some(3));
}

/// The segment in which the rows lay that a blind merge did not see.
fn segment_at(record: &MemoryRecord, blind: &BlindMerge) -> String {
    let spans = record.events.iter().rev().filter_map(|timed| match &timed.event {
        Event::Segment { segment } if segment.partition == blind.partition => Some(segment),
        _ => None,
    });
    let off = blind.unseen[0].0;
    let found = spans.filter(|segment| segment.start <= off).max_by_key(|segment| segment.start);
    found.map(|segment| segment.name.clone()).unwrap_or_default()
}

/// The messages that our own plan held back, as (segment, transition).
fn holds(record: &MemoryRecord) -> BTreeSet<(String, String)> {
    let held = record.events.iter().filter_map(|timed| match &timed.event {
        Event::FaultBegin { fault, .. } => match fault.kind {
            FaultKind::HoldMessage(transition) => Some((fault.partition?, fault.seq?, transition)),
            _ => None,
        },
        _ => None,
    });
    let named = held.map(|(partition, seq, transition)| {
        let transition = match transition {
            Transition::OfflineToConsuming => "offline-to-consuming",
            Transition::ConsumingToOnline => "consuming-to-online",
        };
        (format!("{}__{partition}__{seq}", record.meta.schema.table), transition.to_owned())
    });
    named.collect()
}

fn guard_facts(
    of: &ServerTruth,
    found: &OrderingBreak,
    explained: &Explanation,
    guard: &str,
    denied: &mut Denied,
) {
    let begun = of.truth.begun.iter().rfind(|begun| begun.segment == found.dependent).expect("it began");
    let (mut state, scope) = guard_state(guard);
    // It waited for the segment right below, which was there, and did not look at the gap below that.
    if state == GuardState::TimedOut && begun.released_by.as_deref() == Some("predicate") {
        state = GuardState::WrongSubject;
    }
    denied.is("the guard that ran", begun.guard.to_string(), guard.to_owned());
    denied.is("guard", explained.guard.state, state);
    denied.is("released by", &explained.guard.released_by, &begun.released_by);
    denied.is("scope", explained.guard.enforced_scope.iter().map(String::as_str).collect(), scope.to_vec());
    let told = serde_json::to_string(&explained).expect("JSON");
    denied.is("names the flag", told.contains(guard), false);
}

/// The guards that let an order break, each with the plan that breaks it.
const BREAKING: [(&str, &str); 16] = [
    ("startup-latch", "late-transition"),
    ("readiness-flag", "late-transition"),
    ("delivery-order", "late-transition"),
    ("timed-wait", "late-transition"),
    ("signal-gate", "late-transition"),
    ("startup-latch", "late-skip"),
    ("readiness-flag", "late-skip"),
    ("delivery-order", "late-skip"),
    ("timed-wait", "late-skip"),
    ("signal-gate", "late-skip"),
    ("startup-latch", "late-gap"),
    ("readiness-flag", "late-gap"),
    ("delivery-order", "late-gap"),
    ("timed-wait", "late-gap"),
    ("signal-gate", "late-gap"),
    ("max-watermark-gate", "late-gap"),
];

#[test]
fn every_fact_that_is_told_of_a_broken_order_is_true_for_every_guard() {
    let (mut failures, mut runs) = (Vec::new(), 0_u32);
    for (guard, plan) in BREAKING {
        for seed in 1..=seeds() {
            let (record, truth) = run(plan, &[&format!("guard={guard}")], seed, None);
            let verdict = judge(&record);
            let found = divergences(&verdict);
            let wrong = truth.values().flat_map(|of| &of.wrong);
            let partitions: BTreeSet<u32> = wrong.map(|row| row.partition).collect();
            let mut denied = Denied::default();
            denied.is("one finding for each partition", found.len(), partitions.len());
            for it in found {
                denied.0.extend(facts(&record, &truth, it, guard).0);
            }
            failures.extend(denied.0.iter().map(|fact| format!("{guard} {plan} seed {seed}: {fact}")));
            runs += u32::from(!partitions.is_empty());
        }
    }
    assert!(failures.is_empty(), "{} of {runs} runs:\n{}", failures.len(), failures.join("\n"));
}

/// How the wrong copy won, at which offset, and whom it replaced.
#[test]
fn the_spread_of_a_copy_that_won_is_told_as_it_was() {
    for seed in 1..=seeds() {
        let (record, truth) = run("late-transition", &["ending=victim-wins"], seed, None);
        let verdict = judge(&record);
        let found = divergences(&verdict);
        let (server, of) = wrong_of(&truth);
        let mut denied = Denied::default();
        let spread = found[0].spread.as_ref().expect("a spread");
        let segment = &of.truth.blind[0].segment;
        let commit =
            spread.commits.iter().find(|commit| commit.segment == *segment).expect("it was committed");
        denied.is("winner", (commit.winner.as_ref(), commit.wrong), (Some(server), Some(true)));
        let others = set(truth.keys().filter(|name| *name != server));
        // Others may reach that offset after the winner was chosen.
        denied.is("the winner reported", commit.at_equal_offset.contains(server), true);
        let replaced =
            spread.replacements.iter().filter(|it| it.segment == *segment && it.wrong_after == Some(true));
        denied.is("replaced", replaced.map(|it| it.replica.clone()).collect(), others.clone());
        let gone = spread.last_right_gone.as_ref().map(|it| set(&it.replicas));
        denied.is("last right copies", gone, Some(others));
        denied.is("order broke", matches!(explanation(found[0]).cause, ShownCause::OrderingBreak(_)), true);
        assert!(denied.0.is_empty(), "seed {seed}: {:#?}", denied.0);
    }
}

/// The same symptom with equal counts and a kept order comes out as another cause, under any guard.
#[test]
fn dropped_keys_are_another_cause() {
    for guard in ["partition-gate", "startup-latch", "signal-gate"] {
        for seed in 1..=seeds() {
            let set = ["cause=replace-drops-keys", &format!("guard={guard}")];
            let (record, truth) = run("late-commit", &set, seed, None);
            let verdict = judge(&record);
            let (server, dropped) = truth
                .iter()
                .find_map(|(name, of)| Some((name, of.truth.dropped.first()?)))
                .expect("a server dropped keys");
            let found = divergences(&verdict);
            assert!(!found.is_empty(), "{guard} seed {seed}: {:?}", verdict.outcome);
            for it in found {
                let ShownCause::DroppedKeys(told) = &explanation(it).cause else {
                    panic!("{guard} seed {seed}: {:?}", explanation(it).cause)
                };
                let mut denied = Denied::default();
                denied.is("replica", &told.replica, server);
                denied.is("keys", told.keys, Some(dropped.keys.len() as u64));
                let event = told.event.segment.clone();
                denied.is("replaced segment", event.as_ref(), Some(&dropped.segment));
                assert!(denied.0.is_empty(), "{guard} seed {seed}: {:#?}", denied.0);
            }
        }
    }
}

/// A waiter that nobody wakes: its guard, and what it waits for.
#[test]
fn a_guard_that_nothing_tests_again_is_told_of_a_frozen_position() {
    for seed in 1..=seeds() {
        let (record, _) = run("late-transition", &["guard=partition-gate-no-skip-wake"], seed, None);
        let verdict = judge(&record);
        let frozen: Vec<&Frozen> = verdict
            .findings
            .iter()
            .filter_map(|it| if let FindingKind::Frozen(frozen) = &it.kind { Some(&**frozen) } else { None })
            .collect();
        let [frozen] = &frozen[..] else { panic!("seed {seed}: {:?}", verdict.findings) };
        let told = frozen.explanation.as_ref().expect("an explanation");
        let ShownCause::NeverBegan(stuck) = &told.cause else { panic!("seed {seed}: {:?}", told.cause) };
        let held: BTreeSet<String> = holds(&record).into_iter().map(|(segment, _)| segment).collect();
        assert_eq!(set(&stuck.dependencies), held, "seed {seed}");
        assert_eq!(frozen.segment.as_ref(), Some(&stuck.dependent));
        assert!(
            stuck.visible.as_ref().is_some_and(|event| event.seq > stuck.tested.seq),
            "seed {seed}: {stuck:?}"
        );
        let (state, scope) = guard_state("partition-gate-no-skip-wake");
        assert_eq!(
            (told.guard.state, &told.guard.enforced_scope[..]),
            (state, &scope.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..])
        );
    }
}

/// The sequence number of a segment's name.
fn seq(name: &str) -> u32 {
    name.rsplit("__").next().and_then(|seq| seq.parse().ok()).expect("a sequence number")
}

/// The counterfactual: where just the named order is kept, nothing goes wrong; where another one is, it
/// stays.
#[test]
fn restoring_the_named_order_ends_the_divergence_and_another_order_does_not() {
    for guard in ["startup-latch", "signal-gate"] {
        for seed in 1..=seeds() {
            let set = [&*format!("guard={guard}")];
            let (record, _) = run("late-transition", &set, seed, None);
            let verdict = judge(&record);
            let it = divergences(&verdict)[0].clone();
            let ShownCause::OrderingBreak(found) = &explanation(&it).cause else { panic!("seed {seed}") };
            let named = KeptOrder {
                server: found.replica.clone(),
                partition: it.partition,
                first: seq(&found.dependencies[0]),
                then: seq(&found.dependent),
            };
            let another = KeptOrder { first: named.first - 1, then: named.first, ..named.clone() };
            let on_another = KeptOrder { server: found.witnesses[0].clone(), ..named.clone() };
            let found_with = |kept: &KeptOrder| {
                let verdict = judge(&run("late-transition", &set, seed, Some(kept)).0);
                divergences(&verdict).len()
            };
            assert_eq!(found_with(&named), 0, "{guard} seed {seed}: {named:?}");
            assert_eq!(found_with(&another), 1, "{guard} seed {seed}: {another:?}");
            assert_eq!(found_with(&on_another), 1, "{guard} seed {seed}: {on_another:?}");
        }
    }
}

/// Whatever a target does not log, or calls otherwise, nothing untrue is told.
#[test]
fn what_is_not_logged_or_named_otherwise_makes_nothing_untrue() {
    for seed in 1..=seeds() {
        let (record, truth) = run("late-transition", &[], seed, None);
        let (server, of) = wrong_of(&truth);
        let kinds: BTreeSet<String> = lifecycle(&record).map(|record| record.kind.clone()).collect();
        for kind in kinds {
            let mut without = record.clone();
            without.events.retain(|timed| !matches!(&timed.event, Event::Lifecycle(it) if it.kind == kind));
            let verdict = judge(&without);
            let it = divergences(&verdict)[0];
            match &explanation(it).cause {
                ShownCause::OrderingBreak(found) => {
                    assert_eq!(&found.replica, server, "seed {seed} without {kind}");
                    assert_eq!(found.dependent, of.truth.blind[0].segment, "seed {seed} without {kind}");
                    let missing = of.wrong.iter().flat_map(|row| &row.missing);
                    assert_eq!(set(&found.dependencies), set(missing), "seed {seed} without {kind}");
                }
                ShownCause::NotShown { .. } => {}
                other => panic!("seed {seed} without {kind}: {other:?}"),
            }
        }
        let mut renamed = record.clone();
        for timed in &mut renamed.events {
            if let Event::Lifecycle(it) = &mut timed.event
                && it.kind == "gate"
            {
                it.detail["name"] = format!("gate-{}", seed * 7_919).into();
            }
        }
        let (told, again) = (judge(&record), judge(&renamed));
        let guards = |verdict: &Verdict| {
            let guard = explanation(divergences(verdict)[0]).guard.clone();
            (guard.state, guard.enforced_scope, guard.released_by, guard.confidence)
        };
        assert_eq!(guards(&told), guards(&again), "seed {seed}: a name decides nothing");
    }
}

fn lifecycle(
    record: &MemoryRecord,
) -> impl Iterator<Item = &dissent_core::history::lifecycle::LifecycleRecord> {
    record.events.iter().filter_map(|timed| match &timed.event {
        Event::Lifecycle(record) => Some(&**record),
        _ => None,
    })
}

/// An odd order without damage is no break: the same faults, where nothing was merged wrongly.
#[test]
fn a_clean_history_has_no_break() {
    for guard in ["partition-gate", "startup-latch"] {
        let plan = if guard == "partition-gate" { "late-transition" } else { "none" };
        for seed in 1..=seeds() {
            let (record, truth) = run(plan, &[&format!("guard={guard}")], seed, None);
            assert!(truth.values().all(|of| of.wrong.is_empty()));
            let verdict = judge(&record);
            assert_eq!(
                (verdict.outcome, verdict.findings.len()),
                (VerdictOutcome::Pass, 0),
                "{guard} seed {seed}"
            );
        }
    }
}

#[test]
fn stored_kinds_of_the_specimen_are_those_that_the_explanation_reads() {
    let (record, _) = run("late-transition", &["ending=victim-wins"], 1, None);
    let kinds: BTreeSet<&str> = lifecycle(&record).map(|it| it.kind.as_str()).collect();
    for kind in
        ["boot", "registered", "consume-start", "consume-end", "snapshot", "gate", "caught-up", "crc-changed"]
    {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
}
