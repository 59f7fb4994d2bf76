//! Writers that share a shard, in virtual time.

use super::cluster::{SimulatedCluster, empty_record, entry_of, from_specimen, logged};
use super::host_fault::host_fault;
use super::shard_frontiers::{SHARD, WriterProgress, shard_seen};
use dissent_core::conductor::{Command, Input, Snapshot};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind, Queue, StepId};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::shard_snapshot::{CountedRow, ShardSnapshot};
use dissent_core::history::stored_name::stored_name;
use specimen::shard::{Config, Mode, NodeEvent, SERVICE, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A fault in force, and the mode of its writer before the fault.
struct SimulatedFault {
    fault: Fault,
    mode: Mode,
}

/// The world and the record of its run.
pub struct Shard {
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
            Command::Record(_) | Command::Write(..) | Command::Wake(_) | Command::Finish => return None,
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
    /// Writers before the first event of their run. Fails if the settings are unusable.
    pub fn new(meta: &RunMeta, config: &Config) -> Result<Shard, specimen::Error> {
        let world = World::new(config.clone(), meta.seed.0)?;
        let (faults, next_event) = (BTreeMap::new(), BTreeMap::new());
        Ok(Shard { world, faults, next_event, record: empty_record(meta) })
    }

    /// What really happened. That is for tests: no judge may see it.
    pub fn world(&self) -> &World {
        &self.world
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
            kind => match host_fault(kind) {
                Some(wrong) => world.set_host(writer, step, Some(wrong))?,
                None => return Err(specimen::Error::Request(format!("{} cannot be done", kind.name()))),
            },
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
            kind if host_fault(kind).is_some() => world.set_host(writer, step, None),
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
            let progress = WriterProgress { incarnation, mode, hydrated: it.hydrated, frontier: it.frontier };
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
            key: Arc::clone(&row.entry.key),
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
