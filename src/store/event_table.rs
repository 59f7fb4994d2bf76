//! Reads tables of events (see [`super::event_batch`]).

use super::event_batch::{ANSWERED, DueOffsets, OTHER, OUTCOMES, SENT};
use super::packed::numbers;
use super::table::{self, Bytes, Garbled, TEXT_MAX, TableKind};
use super::texts::Texts;
use super::values::ValueColumn;
use dissent_core::history::event::{Event, Op, TimedEvent};
use dissent_core::history::run_record::EventRef;
use dissent_core::history::schema::{Schema, Value};
use dissent_core::history::time::Nanos;
use std::ops::Range;

/// Where the longest lines end: a batch is closed when it is full, and one line more may be in it.
const OTHERS_MAX: usize = TEXT_MAX + (2 << 20);

/// A table of events that was read. They are taken in order.
#[derive(Default)]
pub(super) struct EventTable {
    /// The number of the first event.
    first: u64,
    kinds: Vec<i64>,
    times: Vec<i64>,
    others: Vec<u8>,
    answered_ops: Vec<i64>,
    outcomes: Vec<i64>,
    told: Vec<i64>,
    offs: Vec<i64>,
    ids: Vec<i64>,
    partitions: Vec<i64>,
    late: Vec<i64>,
    cmps: Vec<i64>,
    deletes: Vec<i64>,
    keys: Texts,
    columns: Vec<ValueColumn>,
    next: Position,
}

/// How many events were taken, and how many of each kind.
#[derive(Default)]
struct Position {
    event: usize,
    sent: usize,
    answered: usize,
    off: usize,
    /// In bytes of the lines.
    other: usize,
}

/// An event, without the values of an op.
enum Header {
    Sent(usize, EventRef<'static>),
    Answered(EventRef<'static>),
    /// Its line.
    Other(Range<usize>),
}

impl EventTable {
    /// The numbers of its events.
    pub(super) fn numbers(&self) -> Range<u64> {
        self.first..self.first.saturating_add(self.kinds.len() as u64)
    }

    /// Replaces what it holds by a table, without the values of ops. After an error it is empty.
    pub(super) fn read_headers<'t>(&mut self, table: &'t [u8]) -> Result<Bytes<'t>, Garbled> {
        self.next = Position::default();
        let read = self.try_read_headers(table);
        if read.is_err() {
            self.kinds.clear();
        }
        read
    }

    fn try_read_headers<'t>(&mut self, table: &'t [u8]) -> Result<Bytes<'t>, Garbled> {
        self.kinds.clear();
        let (count, mut from) = table::open_as(table, TableKind::Events)?;
        self.first = from.varint()?;
        numbers(&mut from, count, &mut self.kinds)?;
        numbers(&mut from, count, &mut self.times)?;
        let of = |kind: i64| self.kinds.iter().filter(|known| **known == kind).count();
        let (sent, answered, others) = (of(SENT), of(ANSWERED), of(OTHER));
        if sent + answered + others != count {
            return Err(Garbled("unknown kind of event"));
        }
        let length = from.size(OTHERS_MAX)?;
        self.others.clear();
        self.others.extend(from.take(length)?);
        let lines = memchr::memchr_iter(b'\n', &self.others).count();
        if lines != others || self.others.last().is_some_and(|last| *last != b'\n') {
            return Err(Garbled("more lines or fewer than events"));
        }
        numbers(&mut from, answered, &mut self.answered_ops)?;
        numbers(&mut from, answered, &mut self.outcomes)?;
        numbers(&mut from, answered, &mut self.told)?;
        let told = self.told.iter().filter(|told| **told != 0).count();
        numbers(&mut from, told, &mut self.offs)?;
        numbers(&mut from, sent, &mut self.ids)?;
        numbers(&mut from, sent, &mut self.partitions)?;
        numbers(&mut from, sent, &mut self.late)?;
        let is_known = |outcome: &i64| (0..OUTCOMES.len() as i64).contains(outcome);
        let is_partition = |partition: &i64| u32::try_from(*partition).is_ok();
        if !self.outcomes.iter().all(is_known) || !self.partitions.iter().all(is_partition) {
            return Err(Garbled("unknown outcome or partition"));
        }
        let mut due = DueOffsets::new(&self.ids, &self.partitions);
        let told = self.answered_ops.iter().zip(&self.told).filter(|(_, told)| **told != 0);
        for ((op, _), off) in told.zip(&mut self.offs) {
            *off = due.off(*op, *off).cast_signed();
        }
        Ok(from)
    }

    /// Replaces what it holds by a table. After an error it is empty.
    pub(super) fn read(&mut self, schema: &Schema, table: &[u8]) -> Result<(), Garbled> {
        let read = self.read_headers(table).and_then(|mut from| {
            numbers(&mut from, self.ids.len(), &mut self.cmps)?;
            numbers(&mut from, self.ids.len(), &mut self.deletes)?;
            self.keys.read(&mut from, self.ids.len())?;
            if self.columns.len() != schema.columns.len() {
                self.columns = schema.columns.iter().map(ValueColumn::new).collect();
            }
            self.columns.iter_mut().try_for_each(|column| column.read(&mut from, &self.ids))?;
            from.end()
        });
        if read.is_err() {
            self.kinds.clear();
        }
        read
    }

    /// The next event without the values of an op, and its time.
    fn header(&mut self) -> Option<(Nanos, Header)> {
        let kind = *self.kinds.get(self.next.event)?;
        let t = self.times[self.next.event].cast_unsigned();
        self.next.event += 1;
        let header = match kind {
            SENT => {
                let at = self.next.sent;
                self.next.sent += 1;
                let op = self.ids[at].cast_unsigned();
                let due = Nanos(t.wrapping_sub(self.late[at].cast_unsigned()));
                Header::Sent(at, EventRef::Invoked { op, partition: self.partitions[at] as u32, due })
            }
            ANSWERED => {
                let at = self.next.answered;
                self.next.answered += 1;
                let is_told = self.told[at] != 0;
                let off = is_told.then(|| self.offs[self.next.off].cast_unsigned());
                self.next.off += usize::from(is_told);
                let (op, outcome) =
                    (self.answered_ops[at].cast_unsigned(), OUTCOMES[self.outcomes[at] as usize]);
                Header::Answered(EventRef::Completed { op, outcome, off })
            }
            _ => {
                let start = self.next.other;
                let length = memchr::memchr(b'\n', &self.others[start..])?;
                self.next.other += length + 1;
                Header::Other(start..start + length)
            }
        };
        Some((Nanos(t), header))
    }

    /// The next event without the values of an op. Others are passed to `note` first.
    pub(super) fn scan(
        &mut self,
        note: &mut dyn FnMut(&Event),
        each: &mut dyn FnMut(Nanos, EventRef<'_>),
    ) -> serde_json::Result<()> {
        while let Some((t, header)) = self.header() {
            match header {
                Header::Sent(_, event) | Header::Answered(event) => each(t, event),
                Header::Other(line) => {
                    let stamped: TimedEvent = serde_json::from_slice(&self.others[line])?;
                    note(&stamped.event);
                    each(stamped.t, EventRef::from(&stamped.event));
                }
            }
        }
        Ok(())
    }

    /// The next event. None after the last one.
    pub(super) fn take(&mut self) -> Option<serde_json::Result<TimedEvent>> {
        let (t, header) = self.header()?;
        let event = match header {
            Header::Other(line) => return Some(serde_json::from_slice(&self.others[line])),
            Header::Sent(at, EventRef::Invoked { op: id, partition, due }) => {
                let key = self.keys.shared(at);
                let mut cols = vec![Value::Null; self.columns.len()];
                self.columns.iter_mut().zip(&mut cols).for_each(|(column, value)| column.take(value));
                let (cmp, delete) = (self.cmps[at].wrapping_add(self.ids[at]), self.deletes[at] != 0);
                Event::Invoke { op: Op { id, partition, key, cmp, cols, delete, due } }
            }
            Header::Answered(EventRef::Completed { op, outcome, off }) => {
                Event::Complete { op, outcome, off }
            }
            Header::Sent(..) | Header::Answered(_) => return None,
        };
        Some(Ok(TimedEvent { t, event }))
    }
}
