//! Events as a table: ops that are sent and answered in columns, all others as their lines.
//!
//! ```text
//! first                 the number of the first event
//! kinds, times          by event
//! others                how many bytes of lines, and the lines
//! answered              op, outcome, whether an offset is told, and the offset
//! sent                  id, partition, due (by how much before its time)
//! bodies                of the ops that were sent: cmp (by what it exceeds the id), delete, key, values
//! ```
//!
//! An offset is kept as its distance from the one that is due: the one behind the last of its op's partition.

use super::codec;
use super::frame::push_line;
use super::packed::{Packing, put_numbers};
use super::table::{self, TableKind, put_varint};
use super::table_writer::Batch;
use super::texts::put_texts;
use super::values::{can_hold, put_values, weight};
use dissent_core::history::event::{Event, Op, OpOutcome, TimedEvent};
use dissent_core::history::schema::Column;
use std::io;

pub(super) const SENT: i64 = 0;
pub(super) const ANSWERED: i64 = 1;
pub(super) const OTHER: i64 = 2;

/// The outcomes, by their code.
pub(super) const OUTCOMES: [OpOutcome; 3] = [OpOutcome::Ok, OpOutcome::Failed, OpOutcome::Unknown];

/// An op that takes more bytes than this is kept as a line.
const OP_WEIGHT_MAX: usize = 1 << 16;
/// About how many bytes an event takes besides its values.
const WEIGHT: usize = 48;

/// Events that become a table.
pub(super) struct EventBatch {
    columns: Vec<Column>,
    first: u64,
    kinds: Vec<i64>,
    times: Vec<i64>,
    others: Vec<u8>,
    answered: Vec<(u64, OpOutcome, Option<u64>)>,
    sent: Vec<Op>,
    weight: usize,
}

impl EventBatch {
    pub(super) fn new(columns: Vec<Column>) -> EventBatch {
        let (kinds, times, others) = (Vec::new(), Vec::new(), Vec::new());
        EventBatch {
            columns,
            first: 0,
            kinds,
            times,
            others,
            answered: Vec::new(),
            sent: Vec::new(),
            weight: 0,
        }
    }

    /// Adds the n-th event. Adds nothing if its line would be too long.
    pub(super) fn add(&mut self, n: u64, stamped: &TimedEvent) -> io::Result<()> {
        let kind = match &stamped.event {
            Event::Invoke { op } if can_hold(&self.columns, &op.cols) && weight_of(op) <= OP_WEIGHT_MAX => {
                self.weight += weight_of(op);
                self.sent.push(op.clone());
                SENT
            }
            &Event::Complete { op, outcome, off } => {
                self.answered.push((op, outcome, off));
                ANSWERED
            }
            _ => {
                push_line(&mut self.others, |line| serde_json::to_writer(line, &codec::event(n, stamped)))?;
                OTHER
            }
        };
        if self.kinds.is_empty() {
            self.first = n;
        }
        self.kinds.push(kind);
        self.times.push(stamped.t.0.cast_signed());
        self.weight += WEIGHT;
        Ok(())
    }

    fn put_answered(&self, ids: &[i64], out: &mut Vec<u8>) {
        let partitions: Vec<i64> = self.sent.iter().map(|op| i64::from(op.partition)).collect();
        let mut due = DueOffsets::new(ids, &partitions);
        let (mut ops, mut outcomes, mut told, mut offs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (op, outcome, off) in &self.answered {
            let op = op.cast_signed();
            ops.push(op);
            outcomes.push(OUTCOMES.iter().position(|known| known == outcome).unwrap_or(0) as i64);
            told.push(i64::from(off.is_some()));
            offs.extend(off.map(|off| due.distance(op, off)));
        }
        [ops, outcomes, told, offs].iter().for_each(|column| put_numbers(out, column, Packing::Bits));
    }

    fn put_sent(&self, ids: &[i64], out: &mut Vec<u8>) {
        let times = self.times.iter().zip(&self.kinds).filter(|(_, kind)| **kind == SENT);
        let late = self.sent.iter().zip(times).map(|(op, (t, _))| t.wrapping_sub(op.due.0.cast_signed()));
        let partitions: Vec<i64> = self.sent.iter().map(|op| i64::from(op.partition)).collect();
        put_numbers(out, ids, Packing::Bits);
        put_numbers(out, &partitions, Packing::Bits);
        put_numbers(out, &late.collect::<Vec<i64>>(), Packing::Bits);
    }

    fn put_bodies(&self, ids: &[i64], out: &mut Vec<u8>) -> Option<()> {
        let beyond: Vec<i64> = self.sent.iter().zip(ids).map(|(op, id)| op.cmp.wrapping_sub(*id)).collect();
        let deletes: Vec<i64> = self.sent.iter().map(|op| i64::from(op.delete)).collect();
        put_numbers(out, &beyond, Packing::Bits);
        put_numbers(out, &deletes, Packing::Bits);
        put_texts(out, self.sent.iter().map(|op| &*op.key), Packing::Bits)?;
        for (at, column) in self.columns.iter().enumerate() {
            put_values(out, column, ids, self.sent.iter().map(|op| &op.cols[at]))?;
        }
        Some(())
    }
}

impl Batch for EventBatch {
    fn count(&self) -> usize {
        self.kinds.len()
    }

    fn weight(&self) -> usize {
        self.weight + self.others.len()
    }

    fn put(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        table::begin(out, TableKind::Events, self.kinds.len());
        put_varint(out, self.first);
        put_numbers(out, &self.kinds, Packing::Bits);
        put_numbers(out, &self.times, Packing::Bits);
        put_varint(out, self.others.len() as u64);
        out.extend(&self.others);
        let ids: Vec<i64> = self.sent.iter().map(|op| op.id.cast_signed()).collect();
        self.put_answered(&ids, out);
        self.put_sent(&ids, out);
        // The limits on what is added see to it that a table can hold it.
        let too_long = || io::Error::other("events are too long for a table");
        self.put_bodies(&ids, out).ok_or_else(too_long)?;
        self.kinds.clear();
        self.times.clear();
        self.others.clear();
        self.answered.clear();
        self.sent.clear();
        self.weight = 0;
        Ok(())
    }
}

fn weight_of(op: &Op) -> usize {
    op.key.len() + op.cols.iter().map(weight).sum::<usize>()
}

/// The offset that is due next in each partition, as far as the answers of a table tell.
pub(super) struct DueOffsets {
    first: i64,
    /// By the distance of its id from the first: an op's partition, modulo the number of slots.
    slots: Vec<u8>,
    due: [u64; SLOTS],
}

const SLOTS: usize = 64;
/// Ops that are sent together have ids near each other. Where they are not, all count as of one partition.
const SPREAD: usize = 8;

impl DueOffsets {
    pub(super) fn new(ids: &[i64], partitions: &[i64]) -> DueOffsets {
        let first = ids.iter().copied().min().unwrap_or(0);
        let last = ids.iter().copied().max().unwrap_or(0);
        let spread = usize::try_from(last.wrapping_sub(first)).unwrap_or(usize::MAX);
        let mut slots = Vec::new();
        if spread < SPREAD * ids.len() {
            slots.resize(spread + 1, 0);
            for (id, partition) in ids.iter().zip(partitions) {
                slots[(id - first) as usize] = (*partition as usize % SLOTS) as u8;
            }
        }
        DueOffsets { first, slots, due: [0; SLOTS] }
    }

    fn due(&mut self, op: i64) -> &mut u64 {
        let at = usize::try_from(op.wrapping_sub(self.first)).ok();
        let slot = at.and_then(|at| self.slots.get(at)).copied().unwrap_or(0);
        &mut self.due[usize::from(slot)]
    }

    /// How far the offset of an op is from the one that is due.
    fn distance(&mut self, op: i64, off: u64) -> i64 {
        let due = std::mem::replace(self.due(op), off.wrapping_add(1));
        off.wrapping_sub(due).cast_signed()
    }

    /// The offset that is so far from the one that is due.
    pub(super) fn off(&mut self, op: i64, distance: i64) -> u64 {
        let due = self.due(op);
        let off = due.wrapping_add_signed(distance);
        *due = off.wrapping_add(1);
        off
    }
}
