//! Goal: for writers that share a shard, what the judge finds and how it explains a freeze match what
//! really happened, which only the world knows.

use crate::support::spec;
use dissent_core::campaign::writer_race::{RaceWatch, WriterRace};
use dissent_core::checker::judge::{Oracle, judge, judge_seeing};
use dissent_core::checker::verdict::{
    Confidence, FindingKind, FreezeVisibility, Frozen, PassedValue, Verdict, WaitsFor,
};
use dissent_core::conductor::{Command, Input};
use dissent_core::history::event::{Event, Op, TimedEvent};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::run_record::{EventRef, MemoryRecord};
use dissent_core::seed::Seed;
use dissent_simulator::shard_frontiers::SHARD;
use dissent_simulator::{Shard, Simulated, SimulatedCluster, drive};
use specimen::shard::Truth;
use std::collections::BTreeMap;

const SEEDS: u64 = 60;

/// The plans under which two writers append, with the workload of each.
const PLANS: [(&str, &str); 4] = [
    ("cold-cutover", "upsert-feed"),
    ("warm-active-active", "upsert-feed"),
    ("failover", "upsert-burst"),
    ("lag", "upsert-feed"),
];

/// The writers, and what the samples do not show.
struct Watched {
    shard: Shard,
    /// By writer, the number of consecutive samples in which it was stranded, up to the end or its last
    /// sample.
    looks: BTreeMap<String, u32>,
}

impl SimulatedCluster for Watched {
    fn advance(&mut self, to: u64) {
        self.shard.advance(to);
    }

    fn produce(&mut self, op: Op) -> Input {
        self.shard.produce(op)
    }

    fn answer(&mut self, command: Command) -> Option<Input> {
        if matches!(command, Command::Sample) {
            for writer in self.shard.record().meta.roster.clone() {
                let stranded = self.shard.world().stranded(&writer);
                *self.looks.entry(writer).or_default() += u32::from(stranded);
            }
        }
        self.shard.answer(command)
    }

    fn record(&mut self) -> &mut MemoryRecord {
        self.shard.record()
    }

    fn into_record(self) -> MemoryRecord {
        self.shard.into_record()
    }
}

/// A run to its end.
fn run(plan: &str, workload: &str, rule: &str, seed: u64) -> Watched {
    let spec = spec("sim-shard", workload, plan, &[&format!("rule={rule}")]);
    let meta = spec.meta(Seed(seed), None).expect("it fits");
    let Simulated::Shard(config) = spec.simulation().expect("it fits") else { panic!("a shard") };
    let shard = Shard::new(&meta, &config).expect("it is made");
    drive(&meta, spec.timing, Watched { shard, looks: BTreeMap::new() })
}

fn frozen(verdict: &Verdict) -> impl Iterator<Item = &Frozen> {
    verdict.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Frozen(frozen) => Some(&**frozen),
        _ => None,
    })
}

/// Whether the judge called a writer frozen, and whether it listed it as one that may have stopped.
fn judged(verdict: &Verdict, writer: &str) -> (bool, bool) {
    let is_frozen = frozen(verdict).flat_map(Frozen::all).any(|it| it.object == writer);
    (is_frozen, verdict.progress.waiting.iter().any(|waiting| waiting.object == writer))
}

#[test]
fn in_a_race_in_step_the_judge_counts_those_that_strand_and_lists_the_late_ones() {
    // Samples come every 50 ms, and 2 s without progress count as frozen: 40 samples, plus 3 to be sure.
    let (long, short) = (43, 10);
    let (mut stranded, mut late) = (0, 0);
    for seed in 1..=SEEDS {
        let mut run = run("warm-active-active", "upsert-feed", "v2-stranding", seed);
        let verdict = judge(run.record());
        for (writer, looks) in run.looks {
            let (is_frozen, is_listed) = judged(&verdict, &writer);
            assert!(looks > 0 || !is_frozen, "seed {seed}: {writer} never stranded");
            assert!(looks < long || is_frozen, "seed {seed}: {writer} stranded for {looks} looks");
            assert!(looks < short || is_frozen || is_listed, "seed {seed}: {writer}, {looks} looks");
            stranded += u64::from(looks >= long);
            late += u64::from(looks >= short && !is_frozen);
        }
    }
    assert!(stranded * 5 > SEEDS && late > 0, "{stranded} stranded, {late} late in {SEEDS} seeds");
}

/// What a campaign counts of a run.
fn race(record: &MemoryRecord) -> WriterRace {
    let mut watch = RaceWatch::of(&record.meta);
    let see = &mut |t, moment: EventRef<'_>| watch.take(t, moment);
    let verdict = judge_seeing(record, Oracle::default(), see);
    watch.race(&verdict).expect("two writers append, and they log what they decide")
}

/// The timestamps that the shard took after the second writer had begun, up to the first that stranded one.
fn contested(record: &MemoryRecord, truth: &Truth) -> u64 {
    let begun = record.events.iter().find(|it| matches!(it.event, Event::FaultBegun { .. }));
    let begun = begun.expect("it began").t.0;
    let leaves = |fault: &Fault| fault.kind == FaultKind::DropWriter;
    let ends = |it: &&TimedEvent| matches!(&it.event, Event::FaultBegin { fault, .. } if leaves(fault));
    let left = record.events.iter().find(ends).map_or(u64::MAX, |it| it.t.0);
    let until = truth.strandings().iter().map(|it| it.ts + 1).min().unwrap_or(u64::MAX);
    let moves = truth.moves.iter().filter(|it| (begun..left).contains(&it.at));
    moves.map(|it| it.to.min(until).saturating_sub(it.from)).sum()
}

#[test]
fn a_campaign_counts_the_writers_that_really_strand_and_the_ticks_before() {
    let (mut leaving, mut surviving) = (0, 0);
    for seed in 1..=SEEDS {
        let mut run = run("warm-active-active", "upsert-feed", "v2-stranding", seed);
        let truth = run.shard.world().truth().clone();
        // What a writer did after its last sample, nobody saw.
        let stranded = |writer: &str| run.looks.get(writer).is_some_and(|looks| *looks > 0);
        let known = (stranded("writer-0"), stranded("writer-1"));
        let counted = race(run.shard.record());
        assert_eq!((counted.leaving_strands, counted.surviving_strands), known, "seed {seed}");
        let ticks = contested(run.shard.record(), &truth);
        assert!(counted.ticks.abs_diff(ticks) <= 2, "seed {seed}: {counted:?}, and really {ticks}");
        leaving += u64::from(known.0);
        surviving += u64::from(known.1);
    }
    assert!(leaving > 2 && surviving > 2, "{leaving} and {surviving} of {SEEDS}");
}

#[test]
fn a_writer_that_drops_what_was_passed_never_strands_however_many_races_it_loses() {
    let mut run = run("warm-active-active", "upsert-feed", "v2-dropping", 1);
    let counted = race(run.shard.record());
    assert!(counted.ticks > 20, "{counted:?}");
    assert_eq!(counted, WriterRace { ticks: counted.ticks, ..WriterRace::default() });
}

/// What is wrong with the explanation of a writer's freeze; nothing if it is what the world knows.
fn wrong(frozen: &Frozen, truth: &Truth) -> Option<String> {
    let (writer, incarnation) = (&frozen.object, frozen.incarnation);
    let known = truth.strandings();
    let Some(known) = known.iter().find(|it| it.writer == *writer && it.incarnation == incarnation) else {
        return Some(format!("{writer} never stranded"));
    };
    let passed = &known.passed_by;
    let Some(explanation) = &frozen.freeze_explanation else { return Some("unexplained".to_owned()) };
    let WaitsFor::PassedValue(told) = &explanation.waits_for else {
        return Some(format!("{:?} instead of {known:?}", explanation.waits_for));
    };
    let Some(by) = &told.passed_by else { return Some(format!("nobody passed {known:?}")) };
    let told_move = (by.writer.as_str(), by.incarnation, by.from, by.to, by.event.node_ms);
    let true_move =
        (passed.writer.as_str(), Some(passed.incarnation), passed.from, passed.to, passed.at / 1_000_000);
    let is_right = told.value == known.ts && told_move == true_move && told.confidence == Confidence::Shown;
    let is_bound = brackets(told, passed.at);
    (!is_right || !is_bound).then(|| format!("{told:#?} instead of {known:?}"))
}

/// Whether the samples that an explanation names lie around a moment.
fn brackets(told: &PassedValue, moment: u64) -> bool {
    let before = [told.last_not_beyond, told.last_equal];
    before.iter().flatten().all(|seen| seen.position <= told.value)
        && told.after.is_none_or(|after| after.0 < moment)
        && moment <= told.first_beyond.t.0
}

/// The record without what nodes logged.
fn without_events(mut record: MemoryRecord) -> MemoryRecord {
    record.events.retain(|stamped| !matches!(stamped.event, Event::Lifecycle(_)));
    record
}

/// What a plan showed over some seeds.
#[derive(Debug, Default)]
struct Tally {
    seeds: u64,
    /// Freezes of writers, visible or not, and those that the world explains differently.
    writers: u64,
    wrong: Vec<String>,
    /// Visible freezes of the shard.
    visible: u64,
    /// Findings on a shard or on a writer that stand for one freeze: more than one of those is wrong.
    split: u64,
    /// Without events: values that differ from the truth, and bounds that the truth violates.
    wrong_by_samples: u64,
}

impl Tally {
    fn add(&mut self, record: MemoryRecord, truth: &Truth, seed: u64) {
        let verdict = judge(&record);
        self.seeds += 1;
        let visible = || frozen(&verdict).filter(|it| it.grade == FreezeVisibility::Visible);
        self.visible += visible().filter(|it| it.object == SHARD).count() as u64;
        self.split += (visible().count() as u64).saturating_sub(1);
        for it in frozen(&verdict).flat_map(Frozen::all).filter(|it| it.object != SHARD) {
            self.writers += 1;
            if let Some(wrong) = wrong(it, truth) {
                self.wrong.push(format!("seed {seed}: {wrong}"));
            }
        }
        let known = truth.strandings();
        for it in frozen(&judge(&without_events(record))).flat_map(Frozen::all) {
            let Some(known) = known.iter().find(|known| known.writer == it.object) else { continue };
            let told = it.freeze_explanation.as_ref().map(|it| &it.waits_for);
            let is_right = matches!(told, Some(WaitsFor::PassedValue(told))
                if told.value == known.ts && brackets(told, known.passed_by.at)
                    && told.passed_by.is_none() && told.confidence == Confidence::ConsistentWithTimes);
            self.wrong_by_samples += u64::from(!is_right);
        }
    }
}

fn tally(plan: &str, workload: &str, rule: &str, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    for seed in 1..=seeds {
        let run = run(plan, workload, rule, seed);
        let truth = run.shard.world().truth().clone();
        tally.add(run.into_record(), &truth, seed);
    }
    tally
}

/// Method: `FREEZE_SEEDS=1000` checks that many seeds of each plan.
#[test]
fn a_freeze_is_explained_by_the_value_the_writer_and_the_moment_that_the_world_knows() {
    let seeds = std::env::var("FREEZE_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(8);
    let mut writers = 0;
    for (plan, workload) in PLANS {
        let tally = tally(plan, workload, "v2-stranding", seeds);
        assert_eq!((tally.split, tally.wrong_by_samples), (0, 0), "{plan}: {tally:?}");
        assert!(tally.wrong.is_empty(), "{plan}: {tally:?}");
        writers += tally.writers;
    }
    assert!(writers > seeds, "{writers} freezes in {seeds} seeds of each plan");
}

#[test]
fn what_does_not_strand_is_not_explained_as_stranded() {
    for rule in ["v2-dropping", "v1", "v1-double-drain"] {
        for (plan, workload) in PLANS {
            let tally = tally(plan, workload, rule, 3);
            assert_eq!((tally.writers, tally.visible), (0, 0), "{plan} {rule}: {tally:?}");
        }
    }
}
