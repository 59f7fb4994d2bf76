//! Writes a generated run: ops and their log entries, what every replica merged, and the reads.

use super::plant::{Edits, PlantSite};
use super::spec::{SynthError, SynthSpec};
use dissent_core::history::event::{CaptureReason, Event, Op, OpOutcome, Phase, TimedEvent};
use dissent_core::history::row::{
    Base, CopyState, Cover, CurrentRead, CurrentRow, Entry, Observed, Read, ReadValidity, Row, Segment,
};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::{Column, Merge, Value};
use dissent_core::history::time::Nanos;
use dissent_store::run_writer::RunWriter;
use dissent_store::writing::StoreError;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A committed segment, and each replica's copy of it.
struct HeldCopy {
    segment: Segment,
    copies: Vec<Copy>,
}

#[derive(Clone, Copy)]
struct Copy {
    rows: u64,
    downloaded: bool,
}

/// One partition: its rows since the last boundary, and its committed segments.
#[derive(Default)]
struct PartitionState {
    /// The values in every healthy replica's current row, by key.
    keys: HashMap<Arc<str>, Vec<Value>>,
    held: Vec<HeldCopy>,
    end: u64,
    entries: Vec<Entry>,
    rows: Vec<Row>,
}

pub(super) struct Writer<'o> {
    folder: RunWriter,
    meta: RunMeta,
    spec: &'o SynthSpec,
    parts: Vec<PartitionState>,
    now: Nanos,
    load_began: Nanos,
    captures: u32,
    reads: u64,
    /// The last read of each copy's rows and of each replica's flags, by partition and replica.
    last_reads: HashMap<(u32, usize, Option<u64>), u64>,
}

impl<'o> Writer<'o> {
    pub(super) fn new(folder: RunWriter, meta: RunMeta, spec: &'o SynthSpec) -> Writer<'o> {
        let parts = (0..meta.partitions).map(|_| PartitionState::default()).collect();
        let (now, load_began) = (Nanos(0), Nanos(0));
        let last_reads = HashMap::new();
        Writer { folder, meta, spec, parts, now, load_began, captures: 0, reads: 0, last_reads }
    }

    pub(super) fn begin(&mut self) -> Result<(), StoreError> {
        self.phase(Phase::SetUp)?;
        for partition in 0..self.meta.partitions {
            let segment = self.segment(partition, 0, None);
            self.record(Event::Segment { segment })?;
        }
        self.sample()?;
        self.phase(Phase::Calibrate)
    }

    pub(super) fn phase(&mut self, phase: Phase) -> Result<(), StoreError> {
        if phase == Phase::Load {
            self.load_began = self.now;
        }
        self.record(Event::Phase { phase })
    }

    /// Writes ops, commits the segments that they fill, and captures every replica. After a final capture
    /// nothing more comes.
    pub(super) fn epoch(
        &mut self,
        ops: impl Iterator<Item = Op>,
        reason: CaptureReason,
    ) -> Result<(), SynthError> {
        for op in ops {
            self.write(op)?;
        }
        for partition in 0..self.meta.partitions {
            let entries = std::mem::take(&mut self.parts[partition as usize].entries);
            self.folder.entries(self.now, partition, &entries)?;
            if !entries.is_empty() {
                self.commit(partition)?;
            }
        }
        self.now.0 += 1_000_000;
        self.sample()?;
        if reason == CaptureReason::Final {
            self.phase(Phase::Heal)?;
            self.phase(Phase::Quiesce)?;
            self.record(Event::Settled { all: true, waited: Nanos(0) })?;
            self.phase(Phase::Capture)?;
        }
        self.capture(reason)
    }

    pub(super) fn finish(mut self) -> Result<(), SynthError> {
        self.phase(Phase::Done)?;
        Ok(self.folder.finish()?)
    }

    fn record(&mut self, event: Event) -> Result<(), StoreError> {
        self.folder.event(&TimedEvent { t: self.now, event })
    }

    /// Records an op as sent and acknowledged, and merges it on every replica.
    fn write(&mut self, mut op: Op) -> Result<(), StoreError> {
        op.due.0 += self.load_began.0;
        self.now = self.now.max(op.due);
        let invoke = TimedEvent { t: self.now, event: Event::Invoke { op } };
        self.folder.event(&invoke)?;
        let Event::Invoke { op } = invoke.event else { return Ok(()) };
        let part = &mut self.parts[op.partition as usize];
        let off = part.end;
        part.take(&self.meta.schema.columns, &op);
        let Op { id, key, cmp, cols, .. } = op;
        part.entries.push(Entry { off, key, op: id, cmp, tombstone: false, cols });
        self.record(Event::Complete { op: id, outcome: OpOutcome::Ok, off: Some(off) })
    }

    fn segment(&self, partition: u32, start: u64, end: Option<u64>) -> Segment {
        let seq = self.parts[partition as usize].held.len() as u32;
        let name = format!("{}__{partition}__{seq}", self.meta.schema.table);
        let replicas = self.meta.roster.clone();
        Segment { name, partition, seq, start, end, crc: end.map(|end| end ^ start), replicas }
    }

    /// Seals the rows since the last boundary and opens the next segment.
    fn commit(&mut self, partition: u32) -> Result<(), StoreError> {
        let part = &self.parts[partition as usize];
        let start = part.held.last().and_then(|held| held.segment.end).unwrap_or(0);
        let (end, rows) = (part.end, part.rows.len() as u64);
        let segment = self.segment(partition, start, Some(end));
        let copies = vec![Copy { rows, downloaded: false }; self.meta.roster.len()];
        self.record(Event::Segment { segment: segment.clone() })?;
        self.parts[partition as usize].held.push(HeldCopy { segment, copies });
        let next = self.segment(partition, end, None);
        self.record(Event::Segment { segment: next })
    }

    fn sample(&mut self) -> Result<(), StoreError> {
        let (replicas, partitions) = (self.meta.roster.clone(), self.meta.partitions);
        for (replica, partition) in replicas.iter().flat_map(|name| (0..partitions).map(move |p| (name, p))) {
            let end = self.parts[partition as usize].end;
            let (replica, status) = (replica.clone(), "running".to_owned());
            self.record(Event::Sample {
                replica,
                partition,
                u1: end,
                f: end,
                u2: end,
                status,
                incarnation: 1,
            })?;
        }
        Ok(())
    }

    fn capture(&mut self, reason: CaptureReason) -> Result<(), SynthError> {
        let capture = self.captures;
        self.captures += 1;
        self.record(Event::CaptureBegin { capture, reason })?;
        for partition in 0..self.meta.partitions {
            let rows = std::mem::take(&mut self.parts[partition as usize].rows);
            let edits = self.edits(partition, &rows, reason)?;
            for (replica, edits) in edits.iter().enumerate() {
                self.note_copy(partition, replica, &rows, edits);
                self.read_rows(capture, partition, replica, &rows, edits)?;
                self.read_flags(capture, partition, replica, &rows, edits)?;
            }
        }
        Ok(self.record(Event::CaptureEnd { capture })?)
    }

    fn edits(&self, partition: u32, rows: &[Row], reason: CaptureReason) -> Result<Vec<Edits>, SynthError> {
        let SynthSpec { plant, seed, .. } = *self.spec;
        let replicas = self.meta.roster.len();
        let schema = &self.meta.schema;
        let mut edits = vec![Edits::default(); replicas];
        if reason == CaptureReason::Final && partition == 0 {
            let aim = choose_site(rows, seed.0).ok_or(SynthError::Rows { rows: self.spec.rows })?;
            edits = plant.edits(schema, seed, replicas, &aim);
        }
        if self.load_began.0 > 0 {
            edits[seed.0 as usize % replicas].rows.extend(plant.scattered(schema, rows));
        }
        Ok(edits)
    }

    /// Records a replica's copy. The replica counts only its own rows, because it does not know of missing
    /// ones.
    fn note_copy(&mut self, partition: u32, replica: usize, rows: &[Row], edits: &Edits) {
        if let Some(held) = self.parts[partition as usize].held.last_mut()
            && !rows.is_empty()
        {
            let dropped = edits.rows.values().filter(|row| row.is_none()).count() as u64;
            held.copies[replica] = Copy { rows: rows.len() as u64 - dropped, downloaded: edits.downloaded };
        }
    }

    fn read_rows(
        &mut self,
        capture: u32,
        partition: u32,
        replica: usize,
        rows: &[Row],
        edits: &Edits,
    ) -> Result<(), StoreError> {
        let first = rows.first().map_or(u64::MAX, |row| row.off);
        for cover in self.covers(partition, replica) {
            let (id, base) = self.next_read((partition, replica, Some(cover.copy)));
            let is_new = cover.start == first && cover.start < cover.end;
            let read = Read {
                id,
                capture,
                replica: self.meta.roster[replica].clone(),
                incarnation: 1,
                end_after: cover.end,
                position_after: None,
                rows_of: None,
                from: if is_new { cover.start } else { cover.end },
                rows: if is_new { cover.rows } else { 0 },
                base,
                before: cover,
                soundness: ReadValidity::Sound,
            };
            if is_new {
                let shown = rows.iter().filter_map(|row| match edits.rows.get(&row.off) {
                    None => Some(row),
                    Some(instead) => instead.as_ref(),
                });
                self.folder.rows(self.now, &read, shown)?;
            }
            self.record(Event::from(read))?;
        }
        Ok(())
    }

    /// The id of the next read of a copy's rows or of a replica's flags, and the read that it builds on.
    fn next_read(&mut self, of: (u32, usize, Option<u64>)) -> (u64, Base) {
        self.reads += 1;
        let last = self.last_reads.insert(of, self.reads);
        (self.reads, last.map_or(Base::Nothing, Base::Read))
    }

    /// Reads the flags of all keys that were written since the last capture.
    fn read_flags(
        &mut self,
        capture: u32,
        partition: u32,
        replica: usize,
        rows: &[Row],
        edits: &Edits,
    ) -> Result<(), StoreError> {
        let mut moved: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for row in rows {
            moved.insert(&row.key, vec![row.off]);
        }
        if let Some((key, offs)) = &edits.flags {
            moved.insert(key, offs.clone());
        }
        let moved = moved.into_iter().map(|(key, offs)| CurrentRow { key: key.into(), offs });
        let moved: Vec<CurrentRow> = moved.collect();
        let covers = self.covers(partition, replica);
        let (id, base) = self.next_read((partition, replica, None));
        let read = CurrentRead {
            id,
            capture,
            replica: self.meta.roster[replica].clone(),
            partition,
            incarnation: 1,
            before: covers.clone(),
            after: covers,
            keys: moved.len() as u64,
            base,
            soundness: ReadValidity::Sound,
        };
        self.folder.current_rows(self.now, &read, &moved)?;
        self.record(Event::from(read))
    }

    /// A replica's coverage of a partition: the committed segments, and the open one, which is still empty.
    fn covers(&self, partition: u32, replica: usize) -> Vec<Cover> {
        let part = &self.parts[partition as usize];
        let committed = part.held.iter().map(|held| {
            let Copy { rows, downloaded } = held.copies[replica];
            let state = if downloaded { CopyState::Downloaded } else { CopyState::CommittedLocal };
            cover(&held.segment, state, rows)
        });
        let open = cover(&self.segment(partition, part.end, None), CopyState::Consuming, 0);
        committed.chain([open]).collect()
    }
}

fn cover(segment: &Segment, state: CopyState, rows: u64) -> Cover {
    Cover {
        segment: segment.name.clone(),
        partition: segment.partition,
        seq: segment.seq,
        start: segment.start,
        end: segment.end.unwrap_or(segment.start),
        state,
        registered: Observed::Known(true),
        copy: u64::from(segment.seq) * 2 + u64::from(state == CopyState::Downloaded),
        rows,
        position: None,
        checksum: None,
    }
}

impl PartitionState {
    /// Merges an op as every healthy replica does, and keeps the raw row.
    fn take(&mut self, columns: &[Column], op: &Op) {
        let off = self.end;
        self.end += 1;
        let state = match self.keys.get_mut(&op.key) {
            Some(state) => state,
            None => self.keys.entry(Arc::clone(&op.key)).or_insert_with(|| vec![Value::Null; columns.len()]),
        };
        for ((column, value), event) in columns.iter().zip(state.iter_mut()).zip(&op.cols) {
            merge(column.merge, value, event);
        }
        let shown = columns.iter().zip(state.iter()).map(|(column, value)| match value {
            Value::Null => column.ty.default_value(),
            value => value.clone(),
        });
        let doc = off as u32;
        self.rows.push(Row { off, key: op.key.clone(), op: op.id, cmp: op.cmp, cols: shown.collect(), doc });
    }
}

/// Merge functions for columns of constant size, written independently of the judge's.
fn merge(merge: Merge, state: &mut Value, event: &Value) {
    let merged = match (merge, &*state, event) {
        (_, _, Value::Null) => return,
        (_, Value::Null, event) => event.clone(),
        (Merge::Ignore, _, _) => return,
        (Merge::Increment, Value::Long(sum), Value::Long(more)) => Value::Long(sum.wrapping_add(*more)),
        (Merge::Max, Value::Long(a), Value::Long(b)) => Value::Long(*a.max(b)),
        (Merge::Min, Value::Long(a), Value::Long(b)) => Value::Long(*a.min(b)),
        (_, _, event) => event.clone(),
    };
    *state = merged;
}

/// A key with two rows, chosen by the seed among those whose last row is in the later half.
fn choose_site(rows: &[Row], seed: u64) -> Option<PlantSite<'_>> {
    let mut last: BTreeMap<&str, (&Row, Option<&Row>)> = BTreeMap::new();
    for row in rows {
        let earlier = last.get(row.key.as_ref()).map(|(current, _)| *current);
        last.insert(&row.key, (row, earlier));
    }
    let pairs: Vec<PlantSite<'_>> = last
        .into_values()
        .filter_map(|(current, earlier)| earlier.map(|earlier| PlantSite { earlier, current }))
        .collect();
    let at = seed as usize % pairs.len().max(1);
    pairs.into_iter().nth(at)
}
