//! The built-in cluster of segments in virtual time.

use super::cluster::{SimulatedCluster, empty_record, entry_of, from_specimen, logged};
use super::host_fault::host_fault;
use super::sessions::{self, Sessions};
use dissent_core::conductor::{Command, CurrentRowsAnswer, Input, RowsAnswer, Snapshot};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind, StepId, Transition};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{
    CopyState, Cover, Coverage, CurrentRead, CurrentRow, Observed, Read, Row, Segment,
};
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::stored_name::stored_name;
use specimen::segments::{ServerTruth, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rows of a partition that were read so far, by offset.
#[derive(Clone, Default)]
struct RowsRead(Vec<RowsAtOffset>);

/// The rows at an offset.
#[derive(Clone, Default)]
struct RowsAtOffset {
    /// Rows of the specimen and their recorded form. Replicas nearly always show the same rows, so each row
    /// is converted once and shared.
    contents: Vec<(Arc<specimen::Entry>, Arc<Row>)>,
    /// The reads that returned them, by id.
    reads: Vec<(u64, Arc<Row>)>,
}

impl RowsRead {
    /// Takes a row that a read returned.
    fn take(
        &mut self,
        (read, off): (u64, u64),
        entry: &Arc<specimen::Entry>,
        doc: u32,
        defaults: &[specimen::Value],
    ) {
        if self.0.len() as u64 <= off {
            self.0.resize_with(off as usize + 1, RowsAtOffset::default);
        }
        let RowsAtOffset { contents, reads } = &mut self.0[off as usize];
        let is_known = |(other, row): &&(Arc<specimen::Entry>, Arc<Row>)| {
            row.doc == doc && (Arc::ptr_eq(other, entry) || other == entry)
        };
        let row = match contents.iter().find(is_known) {
            Some((_, row)) => Arc::clone(row),
            None => {
                let cols = entry.shown(defaults).map(from_specimen).collect();
                let key = Arc::clone(&entry.key);
                let row = Arc::new(Row { off, key, op: entry.op, cmp: entry.cmp, cols, doc });
                contents.push((Arc::clone(entry), Arc::clone(&row)));
                row
            }
        };
        reads.push((read, row));
    }

    /// The reads and their rows, by offset, then by read: a read has one row per offset.
    fn in_order(self) -> Vec<(u64, Arc<Row>)> {
        let mut rows = Vec::with_capacity(self.0.iter().map(|at| at.reads.len()).sum());
        for mut at in self.0 {
            at.reads.sort_unstable_by_key(|(read, _)| *read);
            rows.append(&mut at.reads);
        }
        rows
    }
}

/// The cluster and the record of its run.
pub(super) struct Segments {
    world: World,
    /// The next event of each server, and of the controller.
    next_event: BTreeMap<Option<String>, u64>,
    faults: BTreeMap<StepId, Fault>,
    /// The version of the segments that the last snapshot showed.
    segments_shown: u64,
    /// By partition.
    rows_read: Vec<RowsRead>,
    /// Set if the cluster is to be treated as a store without a log.
    sessions: Option<Sessions>,
    now: u64,
    record: MemoryRecord,
}

impl SimulatedCluster for Segments {
    fn advance(&mut self, to: u64) {
        if let Some(sessions) = &mut self.sessions {
            sessions.advance(&mut self.world, to);
        }
        self.world.advance(to);
        self.now = to;
    }

    fn produce(&mut self, op: Op) -> Input {
        if let Some(sessions) = &mut self.sessions {
            return sessions.produce(&mut self.world, self.now, op);
        }
        let id = op.id;
        let off = self.world.produce(op.partition, entry_of(op)).ok();
        let outcome = if off.is_some() { OpOutcome::Ok } else { OpOutcome::Failed };
        Input::Completed { op: id, outcome, off }
    }

    fn answer(&mut self, command: Command) -> Option<Input> {
        Some(match command {
            Command::Begin { step, fault } => self.begin(step, fault),
            Command::Cure { step } => self.heal(step),
            Command::ForceCommit => {
                self.world.force_commit();
                Input::CommitAsked { error: None }
            }
            Command::Sample => Input::Sampled(self.snapshot()),
            Command::ReadCoverage { replica } => {
                let answer = self.coverage(&replica);
                Input::Covered { replica, answer }
            }
            Command::ReadRows { read } => {
                let answer = self.rows(&read);
                Input::RowsRead { replica: read.replica, answer }
            }
            Command::ReadCurrentRows { read, since } => {
                let answer = self.flags(&read, since);
                Input::FlagsRead { replica: read.replica, answer }
            }
            Command::ReadLog => {
                let error = self.read_log().err().map(|error| error.to_string());
                Input::LogRead { error, deaths: Vec::new() }
            }
            Command::ReadShard { .. } => Input::ContentsRead { answer: Err("it has no shard".to_owned()) },
            Command::Record(_) | Command::Write(..) | Command::Wake(_) | Command::Finish => return None,
        })
    }

    fn record(&mut self) -> &mut MemoryRecord {
        &mut self.record
    }

    fn into_record(mut self) -> MemoryRecord {
        self.record.rows = self.rows_read.into_iter().map(RowsRead::in_order).collect();
        for currents in &mut self.record.current_rows {
            // The flags of a read are in order of their keys.
            currents.sort_by_key(|(read, _)| *read);
        }
        self.record
    }
}

impl Segments {
    pub(super) fn new(
        meta: &RunMeta,
        config: &specimen::segments::Config,
        timeouts: u32,
    ) -> Result<Segments, specimen::Error> {
        Ok(Segments {
            world: World::new(config.clone(), meta.seed.0)?,
            next_event: BTreeMap::new(),
            faults: BTreeMap::new(),
            segments_shown: 0,
            rows_read: vec![RowsRead::default(); meta.partitions as usize],
            sessions: meta.schema.rules.has_own_log().then(|| Sessions::new(meta, timeouts)),
            now: 0,
            record: empty_record(meta),
        })
    }

    pub(super) fn truth(&self) -> BTreeMap<String, ServerTruth> {
        self.world.truth()
    }

    fn begin(&mut self, step: StepId, fault: Fault) -> Input {
        let begun = match (fault.kind, fault.partition, fault.seq) {
            (FaultKind::HoldMessage(transition), Some(partition), Some(seq)) => {
                let transition = match transition {
                    Transition::OfflineToConsuming => specimen::segments::Transition::OfflineToConsuming,
                    Transition::ConsumingToOnline => specimen::segments::Transition::ConsumingToOnline,
                };
                let server = fault.replica.clone();
                let hold = specimen::segments::Hold { id: step.clone(), server, partition, seq, transition };
                self.world.hold(hold)
            }
            (FaultKind::CommitWinner, Some(partition), _) => {
                self.world.commit_winner(partition, Some(&fault.replica))
            }
            (FaultKind::Restart, ..) => self.world.kill(&fault.replica),
            (FaultKind::Pause, ..) => self.world.pause(&fault.replica),
            (kind, ..) => match host_fault(kind) {
                Some(wrong) => self.world.set_host(&fault.replica, &step, Some(wrong)),
                None => Err(specimen::Error::Request(format!("{} cannot be done", kind.name()))),
            },
        };
        self.faults.insert(step.clone(), fault);
        Input::Begun { step, error: begun.err().map(|error| error.to_string()) }
    }

    fn heal(&mut self, step: StepId) -> Input {
        let healed = match self.faults.get(&step) {
            Some(fault) => match (fault.kind, fault.partition) {
                (FaultKind::Restart, _) => self.world.start(&fault.replica),
                (FaultKind::Pause, _) => self.world.resume(&fault.replica),
                (FaultKind::CommitWinner, Some(partition)) => self.world.commit_winner(partition, None),
                (kind, _) if host_fault(kind).is_some() => self.world.set_host(&fault.replica, &step, None),
                _ => {
                    self.world.release(&step);
                    Ok(())
                }
            },
            None => Ok(()),
        };
        Input::Cured { step, error: healed.err().map(|error| error.to_string()), ended_early: None }
    }

    fn snapshot(&mut self) -> Snapshot {
        let roster = self.record.meta.roster.clone();
        let (ends, segments) = match &mut self.sessions {
            Some(sessions) => (vec![sessions.mark(&self.world)], vec![sessions.segment()]),
            None => (self.world.log_ends(), self.changed_segments()),
        };
        let nodes = roster.iter().cloned().map(Some).chain([None]);
        let lifecycle = nodes.flat_map(|node| self.new_events(node)).collect();
        let replicas = roster.into_iter().map(|replica| {
            let answer = self.coverage(&replica);
            (replica, answer)
        });
        let replicas = replicas.collect();
        Snapshot {
            log_ends_before: ends.clone(),
            replicas,
            segments,
            log_ends_after: ends,
            lifecycle,
            frontiers: Vec::new(),
            deaths: Vec::new(),
        }
    }

    /// The segments, if any has changed since the last call.
    fn changed_segments(&mut self) -> Vec<Segment> {
        let version = self.world.segments_version();
        match std::mem::replace(&mut self.segments_shown, version) == version {
            true => Vec::new(),
            false => self.world.segments().into_iter().map(segment).collect(),
        }
    }

    /// The events of a server since the last call; of the controller if it is None.
    fn new_events(&mut self, node: Option<String>) -> Vec<LifecycleRecord> {
        let next_event = self.next_event.entry(node.clone()).or_default();
        let events = match node {
            Some(server) => self.world.events(&server, *next_event).unwrap_or_default(),
            None => self.world.controller_events(*next_event),
        };
        if let Some(last) = events.last() {
            *next_event = last.seq + 1;
        }
        events.iter().map(lifecycle_record).collect()
    }

    fn coverage(&self, replica: &str) -> Result<Coverage, String> {
        let coverage = self.world.coverage(replica).ok_or_else(|| format!("{replica} is down or paused"))?;
        let (incarnation, status) = (coverage.incarnation, coverage.status);
        let covers = match &self.sessions {
            Some(sessions) => {
                let position = coverage.covers.iter().map(|cover| cover.end).max().unwrap_or(0);
                vec![sessions.cover(incarnation, position)]
            }
            None => coverage.covers.into_iter().map(cover).collect(),
        };
        Ok(Coverage { incarnation, status, covers, leads: None })
    }

    fn rows(&mut self, read: &Read) -> Result<RowsAnswer, String> {
        let cover = &read.before;
        let (segment, from, to) = match &self.sessions {
            Some(_) => {
                (self.world.segments().first().map(|it| it.name.clone()).unwrap_or_default(), 0, u64::MAX)
            }
            None => (cover.segment.clone(), read.from, cover.end),
        };
        let rows = self
            .world
            .rows(&read.replica, &segment, from, to)
            .ok_or_else(|| format!("{} has no {segment}", read.replica))?;
        let (defaults, sessions) = (self.world.defaults(), &self.sessions);
        let rows_read = &mut self.rows_read[cover.partition as usize];
        let mut count = 0;
        for (doc, row) in rows {
            let doc = u32::try_from(doc).unwrap_or(u32::MAX);
            let off = sessions.as_ref().map_or(row.off, |sessions| sessions.offset(row.off));
            rows_read.take((read.id, off), row, doc, defaults);
            count += 1;
        }
        Ok(RowsAnswer { rows: count, digest: None })
    }

    fn flags(&mut self, read: &CurrentRead, since: u64) -> Result<CurrentRowsAnswer, String> {
        let (version, incarnation, flags) = self
            .world
            .current(&read.replica, read.partition, since)
            .ok_or_else(|| format!("{} is down or paused", read.replica))?;
        let keys = flags.len() as u64;
        let flags = flags
            .into_iter()
            .map(|flag| (read.id, CurrentRow { key: flag.key, offs: self.offsets(flag.offs) }));
        let flags: Vec<_> = flags.collect();
        self.record.current_rows[read.partition as usize].extend(flags);
        Ok(CurrentRowsAnswer { incarnation, version, keys })
    }

    /// Offsets of the cluster's log as offsets of the recorded one.
    fn offsets(&self, offs: Vec<u64>) -> Vec<u64> {
        match &self.sessions {
            Some(sessions) => offs.into_iter().map(|off| sessions.offset(off)).collect(),
            None => offs,
        }
    }

    fn read_log(&mut self) -> Result<(), specimen::Error> {
        if let Some(Sessions { log, .. }) = &self.sessions {
            self.record.log[sessions::PARTITION as usize].extend(log.entries(0, log.ended()).cloned());
            return Ok(());
        }
        for (partition, log) in (0..).zip(&mut self.record.log) {
            log.extend(self.world.log(partition, 0)?.iter().map(|entry| logged(entry)));
        }
        Ok(())
    }
}

fn lifecycle_record(event: &specimen::segments::Event) -> LifecycleRecord {
    LifecycleRecord {
        replica: event.replica.clone(),
        incarnation: event.incarnation,
        seq: event.seq,
        node_ms: event.node_ms,
        segment: event.segment.clone(),
        kind: stored_name(&event.kind),
        detail: event.detail.clone(),
    }
}

fn segment(segment: specimen::segments::Segment) -> Segment {
    Segment {
        name: segment.name,
        partition: segment.partition,
        seq: segment.seq,
        start: segment.start,
        end: segment.end,
        crc: segment.crc,
        replicas: segment.replicas,
    }
}

fn cover(cover: specimen::segments::Cover) -> Cover {
    Cover {
        segment: cover.segment.to_string(),
        partition: cover.partition,
        seq: cover.seq,
        start: cover.start,
        end: cover.end,
        state: match cover.state {
            specimen::segments::CopyState::Consuming => CopyState::Consuming,
            specimen::segments::CopyState::CommittedLocal => CopyState::CommittedLocal,
            specimen::segments::CopyState::Downloaded => CopyState::Downloaded,
        },
        registered: Observed::Known(cover.registered.known),
        copy: cover.copy,
        rows: cover.rows,
        position: None,
        checksum: None,
    }
}
