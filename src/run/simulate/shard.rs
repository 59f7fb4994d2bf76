//! Writers that share a shard, in virtual time.

use super::cluster::{SimulatedCluster, empty_record, entry_of, from_specimen, logged};
use crate::adapter::specimen::shard_settings::SHARD;
use crate::adapter::specimen::writers::{Progress, shard_seen};
use dissent_core::conductor::{Command, Input, Snapshot};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind, Queue, StepId};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::shard_snapshot::{CountedRow, ShardSnapshot};
use dissent_core::history::stored_name::stored_name;
use specimen::shard::{Config, Mode, NodeEvent, SERVICE, World};
use std::collections::BTreeMap;

/// A fault in force, and the mode of its writer before the fault.
struct SimulatedFault {
    fault: Fault,
    mode: Mode,
}

/// The world and the record of its run.
pub(super) struct Shard {
    world: World,
    faults: BTreeMap<StepId, SimulatedFault>,
    /// The next event of each writer and of the service.
    next_event: BTreeMap<String, u64>,
    record: MemoryRecord,
}

impl SimulatedCluster for Shard {
    fn advance(&mut self, to: u64) {
        self.world.advance(to);
    }

    fn produce(&mut self, op: Op) -> Input {
        let id = op.id;
        let off = self.world.produce(entry_of(op));
        Input::Completed { op: id, outcome: OpOutcome::Ok, off: Some(off) }
    }

    fn answer(&mut self, command: Command) -> Option<Input> {
        let no_segments = || "it has no segments".to_owned();
        Some(match command {
            Command::Begin { step, fault } => {
                let begun = self.begin(&step, fault);
                Input::Begun { step, error: begun.err().map(|error| error.to_string()) }
            }
            Command::Cure { step } => {
                let healed = self.heal(&step);
                Input::Cured { step, error: healed.err().map(|error| error.to_string()), ended_early: None }
            }
            Command::Sample => Input::Sampled(self.snapshot()),
            Command::ReadShard { capture } => Input::ContentsRead { answer: Ok(self.contents(capture)) },
            Command::ReadLog => {
                let log = self.world.log(0).iter().map(|entry| logged(entry));
                self.record.log[0].extend(log);
                Input::LogRead { error: None, deaths: Vec::new() }
            }
            Command::ForceCommit => Input::CommitAsked { error: Some(no_segments()) },
            Command::ReadCoverage { replica } => Input::Covered { replica, answer: Err(no_segments()) },
            Command::ReadRows { read } => {
                Input::RowsRead { replica: read.replica, answer: Err(no_segments()) }
            }
            Command::ReadCurrentRows { read, .. } => {
                Input::FlagsRead { replica: read.replica, answer: Err(no_segments()) }
            }
            Command::Record(_) | Command::Write(_) | Command::Wake(_) | Command::Finish => return None,
        })
    }

    fn record(&mut self) -> &mut MemoryRecord {
        &mut self.record
    }

    fn into_record(self) -> MemoryRecord {
        self.record
    }
}

impl Shard {
    pub(super) fn new(meta: &RunMeta, config: &Config) -> Result<Shard, specimen::Error> {
        let world = World::new(config.clone(), meta.seed.0)?;
        let (faults, next_event) = (BTreeMap::new(), BTreeMap::new());
        Ok(Shard { world, faults, next_event, record: empty_record(meta) })
    }

    fn begin(&mut self, step: &StepId, fault: Fault) -> Result<(), specimen::Error> {
        let (world, writer) = (&mut self.world, fault.replica.as_str());
        let mode = world.progress(writer).map(|progress| progress.mode);
        let gone = || specimen::Error::Request(format!("{writer} is not running"));
        match fault.kind {
            FaultKind::Restart | FaultKind::DropWriter if mode.is_some() => world.kill(writer)?,
            FaultKind::Pause if mode.is_some() => world.pause(writer)?,
            FaultKind::Restart | FaultKind::DropWriter | FaultKind::Pause => return Err(gone()),
            FaultKind::SecondWriter => {
                world.start(writer, Mode::ReadWrite)?;
                world.promote(writer)?;
            }
            FaultKind::Cutover => {
                world.kill(writer)?;
                world.start(writer, Mode::ReadOnly)?;
            }
            FaultKind::Lag { timestamps } => world.lag(writer, timestamps)?,
            FaultKind::DelayQueue { queue, ms } => world.delay(writer, at_specimen(queue), ms)?,
            kind => {
                return Err(specimen::Error::Request(format!("{} cannot be done", kind.name())));
            }
        }
        self.faults.insert(step.clone(), SimulatedFault { mode: mode.unwrap_or(Mode::ReadWrite), fault });
        Ok(())
    }

    fn heal(&mut self, step: &StepId) -> Result<(), specimen::Error> {
        let Some(SimulatedFault { fault, mode }) = self.faults.remove(step) else { return Ok(()) };
        let (world, writer) = (&mut self.world, fault.replica.as_str());
        match fault.kind {
            FaultKind::Restart => world.start(writer, mode),
            FaultKind::Pause => world.resume(writer),
            FaultKind::Lag { .. } => world.lag(writer, 0),
            FaultKind::DelayQueue { queue, .. } => world.delay(writer, at_specimen(queue), 0),
            FaultKind::Cutover => {
                world.promote(writer)?;
                let others = self.record.meta.roster.iter().filter(|other| *other != writer);
                others.into_iter().try_for_each(|other| world.kill(other))
            }
            // Writers that were started or dropped stay so.
            _ => Ok(()),
        }
    }

    /// Nothing happens during the sample, so upstream is the same before and after.
    fn snapshot(&mut self) -> Snapshot {
        let lifecycle = self.lifecycle();
        let upstream = self.world.bindings().len() as u64;
        let writers = self.record.meta.roster.iter().filter_map(|writer| {
            let it = self.world.progress(writer)?;
            let (incarnation, mode) = (it.incarnation, it.mode);
            let progress = Progress { incarnation, mode, hydrated: it.hydrated, frontier: it.frontier };
            Some(progress.seen(writer, upstream, upstream))
        });
        let shard = shard_seen(self.world.shard_upper(), upstream, upstream);
        let ends = vec![self.world.log(0).len() as u64];
        Snapshot {
            log_ends_before: ends.clone(),
            replicas: Vec::new(),
            segments: Vec::new(),
            log_ends_after: ends,
            lifecycle,
            frontiers: writers.chain([shard]).collect(),
            deaths: Vec::new(),
        }
    }

    /// What the writers and the service have logged since the last sample.
    fn lifecycle(&mut self) -> Vec<LifecycleRecord> {
        let (world, next_event) = (&self.world, &mut self.next_event);
        let mut events = Vec::new();
        for node in self.record.meta.roster.iter().map(String::as_str).chain([SERVICE]) {
            let next = next_event.entry(node.to_owned()).or_default();
            let new = if node == SERVICE { world.service_events(*next) } else { world.events(node, *next) };
            *next = new.last().map_or(*next, |last| last.seq + 1);
            events.extend(new.iter().map(lifecycle_record));
        }
        events
    }

    fn contents(&self, capture: u32) -> ShardSnapshot {
        let upper = self.world.shard_upper();
        let newest = upper.checked_sub(1);
        let log_end = newest.and_then(|at| self.world.bindings().get(usize::try_from(at).ok()?).copied());
        let rows = newest.and_then(|as_of| self.world.contents(as_of)).unwrap_or_default();
        let rows = rows.iter().map(|row| CountedRow {
            key: row.entry.key.to_string(),
            op: row.entry.op,
            cmp: row.entry.cmp,
            cols: row.entry.cols.iter().map(from_specimen).collect(),
            count: row.count,
        });
        let (object, log_end) = (SHARD.to_owned(), log_end.unwrap_or(0));
        ShardSnapshot { capture, object, upper, log_end, rows: rows.collect() }
    }
}

fn lifecycle_record(event: &NodeEvent) -> LifecycleRecord {
    LifecycleRecord {
        replica: event.replica.clone(),
        incarnation: event.incarnation,
        seq: event.seq,
        node_ms: event.node_ms,
        segment: None,
        kind: stored_name(&event.kind),
        detail: event.detail.clone(),
    }
}

fn at_specimen(queue: Queue) -> specimen::shard::Queue {
    match queue {
        Queue::Input => specimen::shard::Queue::Input,
        Queue::Feedback => specimen::shard::Queue::Feedback,
        Queue::Append => specimen::shard::Queue::Append,
    }
}

#[cfg(test)]
mod tests {
    //! Goal: for writers that share a shard, what the judge finds and how it explains a freeze match what
    //! really happened, which only the world knows.

    use super::super::{Simulated, drive};
    use super::*;
    use crate::cli::RunArgs;
    use crate::commands::run_spec;
    use dissent_core::checker::judge::judge;
    use dissent_core::checker::verdict::{
        Confidence, FindingKind, FreezeVisibility, Frozen, PassedValue, Verdict, WaitsFor,
    };
    use dissent_core::history::event::Event;
    use dissent_core::seed::Seed;
    use specimen::shard::Truth;
    use std::cell::RefCell;
    use std::rc::Rc;

    const SEEDS: u64 = 60;

    /// The plans under which two writers append, with the workload of each.
    const PLANS: [(&str, &str); 4] = [
        ("cold-cutover", "upsert-feed"),
        ("warm-active-active", "upsert-feed"),
        ("failover", "upsert-burst"),
        ("lag", "upsert-feed"),
    ];

    /// What the samples do not show.
    #[derive(Clone, Default)]
    struct Watch {
        /// By writer, the number of consecutive samples in which it was stranded, up to the end or its last
        /// sample.
        looks: BTreeMap<String, u32>,
        truth: Truth,
    }

    struct Watched {
        shard: Shard,
        watch: Rc<RefCell<Watch>>,
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
                let mut watch = self.watch.borrow_mut();
                for writer in &self.shard.record.meta.roster {
                    let stranded = self.shard.world.stranded(writer);
                    *watch.looks.entry(writer.clone()).or_default() += u32::from(stranded);
                }
            }
            self.shard.answer(command)
        }

        fn record(&mut self) -> &mut MemoryRecord {
            self.shard.record()
        }

        fn into_record(self) -> MemoryRecord {
            self.watch.borrow_mut().truth = self.shard.world.truth().clone();
            self.shard.into_record()
        }
    }

    /// The record, and what the world knows.
    fn run(plan: &str, workload: &str, rule: &str, seed: u64) -> (MemoryRecord, Watch) {
        let rule = format!("rule={rule}");
        let words = ["run", "sim-shard", workload, plan, "--set", &rule];
        let spec = run_spec(&<RunArgs as clap::Parser>::parse_from(words)).expect("it makes sense");
        let meta = spec.meta(Seed(seed), None).expect("it fits");
        let Simulated::Shard(config) = spec.simulation().expect("it fits") else { panic!("a shard") };
        let watch = Rc::new(RefCell::new(Watch::default()));
        let shard = Shard::new(&meta, &config).expect("it is made");
        let record = drive(&meta, spec.timing, Watched { shard, watch: Rc::clone(&watch) }).into_record();
        let watch = watch.take();
        (record, watch)
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
            let (record, watch) = run("warm-active-active", "upsert-feed", "v2-stranding", seed);
            let verdict = judge(&record);
            for (writer, looks) in watch.looks {
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

    /// What is wrong with the explanation of a writer's freeze; nothing if it is what the world knows.
    fn wrong(frozen: &Frozen, truth: &Truth) -> Option<String> {
        let (writer, incarnation) = (&frozen.object, frozen.incarnation);
        let known = truth.strandings();
        let Some(known) = known.iter().find(|it| it.writer == *writer && it.incarnation == incarnation)
        else {
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
        let is_right =
            told.value == known.ts && told_move == true_move && told.confidence == Confidence::Shown;
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
            let (record, watch) = run(plan, workload, rule, seed);
            tally.add(record, &watch.truth, seed);
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
}
