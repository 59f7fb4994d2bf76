//! The events of a run, collected once into the tables that the checks read. Names become indices here.

use super::acks::Acks;
use super::canaries::Canaries;
use super::event_sequence::EventSequence;
pub(crate) use super::reads::{CurrentRowsRead, HeldSegment, ReadHeader, RowsRead};
use super::segments::{self, SegmentSpan};
use super::shared_reads::{self, Refutation};
use crate::checker::tables::frontier_samples::{FrontierSamples, PositionReading};
use crate::checker::tables::shard_log::ShardLog;
use crate::checker::verdict::{Doubt, DoubtKind};
use crate::history::event::{Event, Phase, ProcessExit, ReadTraffic};
use crate::history::fault::{Fault, FaultKind, StepId};
use crate::history::lifecycle::LifecycleRecord;
use crate::history::row::{CurrentRead, Read, Segment};
use crate::history::run_record::{Damage, EventRef, RunMeta, RunRecord};
use crate::history::time::Nanos;
use std::collections::BTreeMap;

/// A capture. Other tables refer to it by its index in [`History::captures`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capture {
    pub(crate) number: u32,
    pub(crate) t: Nanos,
}

/// A fault, from its begin to its verified cure.
#[derive(Clone, Debug)]
pub(crate) struct FaultSpan {
    pub(crate) step: StepId,
    pub(crate) fault: Fault,
    pub(crate) replica: Option<usize>,
    /// Whether it is in the schedule. Faults of the plan's ending and of the probe are not.
    pub(crate) is_planned: bool,
    pub(crate) t: Nanos,
    /// `None`: not known to be in force.
    pub(crate) begun: Option<Result<(), String>>,
    /// When its cure began, and the ends of the log at that time.
    pub(crate) cure_begun: Option<(Nanos, Vec<u64>)>,
    /// `None`: not known to be cured.
    pub(crate) cured: Option<(Nanos, Result<(), String>)>,
    /// How its cure found that the fault had ended before, at an unknown time.
    pub(crate) ended_early: Option<String>,
}

impl FaultSpan {
    /// How long this fault excuses its replica: until `grace` after the verified cure, or for ever without
    /// one.
    pub(crate) fn excused_until(&self, grace: Nanos) -> Nanos {
        match &self.cured {
            Some((t, Ok(()))) => Nanos(t.0.saturating_add(grace.0)),
            _ => Nanos(u64::MAX),
        }
    }

    /// Whether it acts on this replica.
    pub(crate) fn is_on(&self, replica: usize) -> bool {
        self.replica == Some(replica) || self.fault.kind.is_of_all()
    }

    /// Whether it restarted its replica because that had not settled, to see whether it progresses
    /// afterwards.
    pub(crate) fn is_probe(&self) -> bool {
        !self.is_planned && self.fault.kind == FaultKind::Restart
    }

    /// Whether it may have come into force. A fault that was refused excuses nobody:
    ///
    /// ```text
    /// the pause of a was refused; a does not move for four minutes, to the end: the fault is not the reason
    /// ```
    pub(crate) fn may_be_in_force(&self) -> bool {
        !matches!(self.begun, Some(Err(_)))
    }

    /// Whether the fault came into force.
    pub(crate) fn is_begun(&self) -> bool {
        matches!(self.begun, Some(Ok(())))
    }
}

/// The kind of a lifecycle record that a target writes when it loses keys of a segment that is replaced by
/// another.
const KEYS_NOT_REPLACED: &str = "keys-not-replaced";

/// A target's own record of keys that it dropped.
#[derive(Clone, Debug)]
pub(crate) struct KeysNotReplaced {
    pub(crate) replica: usize,
    pub(crate) t: Nanos,
    pub(crate) segment: String,
}

/// All events of a run, as tables.
pub(crate) struct History<'e> {
    pub(crate) meta: &'e RunMeta,
    pub(crate) captures: Vec<Capture>,
    /// By partition, then by sequence number.
    pub(crate) segments: Vec<Vec<SegmentSpan>>,
    /// By id.
    pub(crate) reads: Vec<RowsRead>,
    /// The same by (replica, partition, sequence number), as indices of `reads`.
    reads_of: BTreeMap<(usize, u32, u32), Vec<usize>>,
    /// By id.
    pub(crate) current_reads: Vec<CurrentRowsRead>,
    /// All samples of consuming positions and declared frontiers.
    pub(crate) frontier_samples: FrontierSamples<'e>,
    /// What nodes logged of shared frontiers.
    pub(crate) shard_log: ShardLog,
    /// When each phase began.
    pub(crate) phases: Vec<(Nanos, Phase)>,
    /// When a replica did not answer a sample, and the error.
    pub(crate) silences: Vec<(usize, Nanos, String)>,
    pub(crate) faults: Vec<FaultSpan>,
    pub(crate) acks: Acks,
    pub(crate) canaries: Canaries,
    /// In time order.
    pub(crate) dropped_keys: Vec<KeysNotReplaced>,
    /// Whether all replicas had settled at the end of the last wait; `None` if there was none.
    pub(crate) settled: Option<bool>,
    /// Whether reading back the log failed.
    pub(crate) log_failed: bool,
    /// What reading the target took, up to the last capture.
    pub(crate) traffic: Option<ReadTraffic>,
    /// What shows that checksums say nothing of rows, while events are read.
    checksums_refuted: Option<Refutation>,
    /// Doubts that the events themselves raise.
    pub(crate) doubts: Vec<Doubt>,
    captures_ended: usize,
}

impl<'e> History<'e> {
    /// Reads all events once, and passes each one to `also`.
    pub(crate) fn gather(
        record: &'e dyn RunRecord,
        also: &mut dyn FnMut(Nanos, EventRef<'_>),
    ) -> History<'e> {
        let meta = record.meta();
        let mut history = History {
            meta,
            captures: Vec::new(),
            segments: vec![Vec::new(); meta.partitions as usize],
            reads: Vec::new(),
            reads_of: BTreeMap::new(),
            current_reads: Vec::new(),
            frontier_samples: FrontierSamples::of(&meta.frontiers),
            shard_log: ShardLog::default(),
            phases: Vec::new(),
            silences: Vec::new(),
            faults: Vec::new(),
            acks: Acks::default(),
            canaries: Canaries::default(),
            dropped_keys: Vec::new(),
            settled: None,
            log_failed: false,
            checksums_refuted: None,
            traffic: None,
            doubts: Vec::new(),
            captures_ended: 0,
        };
        let mut sequence = EventSequence::default();
        record.scan_events(&mut |t, event| {
            also(t, event);
            match event {
                EventRef::Other(event) => {
                    sequence.take(event);
                    history.take(t, event);
                }
                EventRef::Invoked { partition, .. } if !history.has_partition(partition) => {}
                op => {
                    history.canaries.take(t, op);
                    history.acks.take(op, |_, _| true);
                }
            }
        });
        record.imported().iter().for_each(|record| history.shard_log.take(record));
        let is_cut_off = record.damage().iter().any(Damage::is_of_events);
        history.doubts.extend(sequence.doubts(is_cut_off));
        history.reads.sort_by_key(|read| read.header.id);
        for (at, RowsRead { header, held, .. }) in history.reads.iter().enumerate() {
            history.reads_of.entry((header.replica, header.partition, held.seq)).or_default().push(at);
        }
        history.current_reads.sort_by_key(|read| read.header.id);
        let refuted = history.checksums_refuted.take();
        shared_reads::void(&mut history.reads, refuted.is_some());
        history.doubts.extend(shared_reads::doubt(&history.reads, meta.trust_checksums, refuted.as_ref()));
        history.segments.iter_mut().for_each(|spans| segments::find_replaced(spans));
        history
    }

    /// The roster index of a replica.
    pub(crate) fn replica(&self, name: &str) -> Option<usize> {
        self.meta.roster.iter().position(|known| known == name)
    }

    /// The names of replicas, in roster order.
    pub(crate) fn names<'i>(&self, replicas: impl IntoIterator<Item = &'i usize>) -> Vec<String> {
        replicas.into_iter().map(|&replica| self.meta.roster[replica].clone()).collect()
    }

    /// The index of the read of rows with this id.
    pub(crate) fn read_index(&self, id: u64) -> Option<usize> {
        self.reads.binary_search_by_key(&id, |read| read.header.id).ok()
    }

    /// The index of the read of flags with this id.
    pub(crate) fn flags_index(&self, id: u64) -> Option<usize> {
        self.current_reads.binary_search_by_key(&id, |read| read.header.id).ok()
    }

    /// The reads of rows of one segment on one replica, in order. `of` is (replica, partition, sequence
    /// number).
    pub(crate) fn reads_of(&self, of: (usize, u32, u32)) -> impl Iterator<Item = &RowsRead> {
        self.reads_of.get(&of).into_iter().flatten().map(|&at| &self.reads[at])
    }

    /// Whether a replica should have the rows of a segment at a capture, in whichever segment they are by
    /// then.
    pub(crate) fn is_holder(&self, partition: u32, segment: usize, capture: usize, replica: usize) -> bool {
        let spans = self.segments[partition as usize].iter().enumerate().skip(segment);
        spans
            .filter(|(_, span)| span.assigned(capture).contains(&replica))
            .any(|(at, span)| span.held(at).any(|it| it == segment))
    }

    /// Whether not all replicas had settled in time, or some only after a probe restarted them:
    ///
    /// ```text
    /// b did not move for less than its threshold, was restarted, and caught up. Whether it would have
    /// caught up without the restart is unknown.
    /// ```
    pub(crate) fn settled_late(&self) -> bool {
        self.settled == Some(false) || self.faults.iter().any(FaultSpan::is_probe)
    }

    /// Whether a restart or a pause of this replica was in force at this time, or had only just ended.
    pub(crate) fn restarting(&self, replica: usize, t: Nanos) -> bool {
        self.faults.iter().any(|span| {
            span.fault.kind.silences()
                && span.may_be_in_force()
                && span.replica == Some(replica)
                && span.t <= t
                && t <= span.excused_until(self.meta.frozen_floor)
        })
    }

    /// Whether the run ended because a process of the target died.
    pub(crate) fn has_lost_a_server(&self) -> bool {
        self.doubts.iter().any(|doubt| doubt.kind == DoubtKind::ServerDied)
    }

    fn take(&mut self, t: Nanos, event: &Event) {
        match event {
            Event::Sample { replica, partition, u1, f, u2, status, incarnation } => {
                if let Some(replica) = self.replica_or_doubt(replica) {
                    let (u1, f, u2, incarnation) = (*u1, *f, *u2, *incarnation);
                    let reading = PositionReading { u1, f, u2, status, incarnation };
                    self.frontier_samples.add_position((replica, *partition), t, &reading);
                }
            }
            Event::Frontier(reading) => {
                if !self.frontier_samples.add_frontier(t, reading) {
                    let detail = format!("{} is no frontier that the target declares", reading.object);
                    self.add_doubt(DoubtKind::UnmetAssumption, detail);
                }
            }
            Event::Phase { phase } => self.phases.push((t, *phase)),
            Event::Unreachable { replica, error } => {
                if let Some(replica) = self.replica_or_doubt(replica) {
                    self.silences.push((replica, t, error.clone()));
                }
            }
            Event::Segment { segment } => self.take_segment(segment),
            Event::CaptureBegin { capture, .. } => self.captures.push(Capture { number: *capture, t }),
            Event::CaptureEnd { .. } => self.captures_ended = self.captures.len(),
            Event::ReadTraffic(traffic) => self.traffic = Some(*traffic),
            Event::ChecksumsRefuted { segment, reads } => {
                self.checksums_refuted.get_or_insert(Refutation { segment: segment.clone(), reads: *reads });
            }
            Event::Read(read) => self.take_read(t, read),
            Event::CurrentRead(read) => self.take_flags(t, read),
            Event::Settled { all, .. } => self.settled = Some(*all),
            Event::Lifecycle(record) if record.kind == KEYS_NOT_REPLACED => self.take_dropped(t, record),
            Event::Lifecycle(record) => self.shard_log.take(record),
            Event::Canary { op, .. } => self.canaries.write(*op),
            Event::Contents(contents) => {
                let begun = self.captures.iter().rfind(|capture| capture.number == contents.capture);
                if let Some(begun) = begun {
                    self.canaries.add_shard_read(begun.t, contents);
                }
            }
            Event::ServerDied(ProcessExit { server, words }) => {
                let gone = self.replica(server);
                self.silences.retain(|(replica, ..)| Some(*replica) != gone);
                self.add_doubt(DoubtKind::ServerDied, format!("{server}: {words}"));
            }
            Event::Interrupted { by } => {
                self.add_doubt(DoubtKind::Interrupted, format!("the run was cut off by {by}"));
            }
            // Requests to a dead process fail; that is no doubt of its own.
            Event::Trouble { .. } if self.has_lost_a_server() => {}
            Event::Trouble { at, error } => {
                self.log_failed |= at == "log";
                self.add_doubt(DoubtKind::UnmetAssumption, format!("{at}: {error}"));
            }
            fault => self.take_fault(t, fault),
        }
    }

    fn take_fault(&mut self, t: Nanos, event: &Event) {
        match event {
            Event::FaultBegin { step, fault, .. } => {
                let replica = self.replica_or_doubt(&fault.replica);
                self.faults.push(FaultSpan {
                    step: step.clone(),
                    fault: fault.clone(),
                    replica,
                    is_planned: self.meta.steps.iter().any(|planned| planned.id == *step),
                    t,
                    begun: None,
                    cure_begun: None,
                    cured: None,
                    ended_early: None,
                });
            }
            Event::FaultBegun { step, error } => {
                if let Some(span) = self.fault(step) {
                    span.begun = Some(error.clone().map_or(Ok(()), Err));
                }
            }
            Event::CureBegin { step, log_ends } => {
                if let Some(span) = self.fault(step) {
                    span.cure_begun = Some((t, log_ends.clone()));
                }
            }
            Event::Cured { step, error, ended_early } => {
                if let Some(span) = self.fault(step) {
                    span.cured = Some((t, error.clone().map_or(Ok(()), Err)));
                    span.ended_early.clone_from(ended_early);
                }
            }
            _ => {}
        }
    }

    fn fault(&mut self, step: &StepId) -> Option<&mut FaultSpan> {
        self.faults.iter_mut().rev().find(|span| span.step == *step)
    }

    fn take_segment(&mut self, segment: &Segment) {
        let replicas: Vec<usize> =
            segment.replicas.iter().filter_map(|name| self.replica_or_doubt(name)).collect();
        let since = self.captures_ended;
        if !self.has_partition(segment.partition) {
            return;
        }
        segments::take(&mut self.segments[segment.partition as usize], segment, since, replicas);
    }

    fn take_read(&mut self, t: Nanos, read: &Read) {
        let Some((replica, capture)) = self.place_of_read(&read.replica, read.capture) else { return };
        let header = ReadHeader {
            id: read.id,
            capture,
            t,
            replica,
            partition: read.before.partition,
            incarnation: read.incarnation,
            soundness: read.soundness,
            count: read.rows,
        };
        let (held, position_after) = (HeldSegment::from(&read.before), read.position_after);
        let (from, checksum, rows_of) = (read.from, read.before.checksum, read.rows_of);
        self.reads.push(RowsRead { header, from, held, checksum, rows_of, position_after });
    }

    fn take_flags(&mut self, t: Nanos, read: &CurrentRead) {
        let Some((replica, capture)) = self.place_of_read(&read.replica, read.capture) else { return };
        let header = ReadHeader {
            id: read.id,
            capture,
            t,
            replica,
            partition: read.partition,
            incarnation: read.incarnation,
            soundness: read.soundness,
            count: read.keys,
        };
        let before = read.before.iter().map(HeldSegment::from).collect();
        let after = read.after.iter().map(HeldSegment::from).collect();
        self.current_reads.push(CurrentRowsRead { header, base: read.base, before, after });
    }

    /// A record that counts no keys means that none was lost.
    fn take_dropped(&mut self, t: Nanos, record: &LifecycleRecord) {
        let keys = &record.detail["keys"];
        let keys = keys.as_u64().or_else(|| keys.as_str()?.parse().ok());
        if let (Some(replica), Some(segment), Some(1..)) =
            (self.replica_or_doubt(&record.replica), &record.segment, keys)
        {
            self.dropped_keys.push(KeysNotReplaced { replica, t, segment: segment.clone() });
        }
    }

    /// The replica that answered a read and the capture that the read belongs to.
    fn place_of_read(&mut self, replica: &str, capture: u32) -> Option<(usize, usize)> {
        Some((self.replica_or_doubt(replica)?, self.capture(capture)?))
    }

    /// The capture with this number. [`EventSequence`] reports reads that belong to none.
    fn capture(&self, number: u32) -> Option<usize> {
        self.captures.iter().rposition(|capture| capture.number == number)
    }

    fn replica_or_doubt(&mut self, name: &str) -> Option<usize> {
        let at = self.replica(name);
        if at.is_none() {
            self.add_doubt(DoubtKind::UnmetAssumption, format!("{name} is not in the roster"));
        }
        at
    }

    /// Whether the table has this partition. Events of any other partition are not judged:
    ///
    /// ```text
    /// run.json was edited by hand and says 1 partition
    /// op 33 was acknowledged in partition 1, whose log nobody reads
    /// without the doubt, op 33 would be called a lost acknowledgement
    /// ```
    fn has_partition(&mut self, partition: u32) -> bool {
        let partitions = self.meta.partitions;
        if partition >= partitions {
            let detail = format!("partition {partition} is spoken of, and the table has {partitions}");
            self.add_doubt(DoubtKind::UnmetAssumption, detail);
        }
        partition < partitions
    }

    fn add_doubt(&mut self, kind: DoubtKind, detail: String) {
        let doubt = Doubt { kind, detail };
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }
}
