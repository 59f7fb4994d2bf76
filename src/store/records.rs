//! Rows and log entries as a table.
//!
//! ```text
//! due                   the lowest offset that its first entry could have had; not for rows
//! off, key, op          columns of their own
//! cmp                   what it exceeds the op by
//! del                   1 for a tombstone
//! values                one column of values for each column of the schema
//! ```

use super::packed::{Packing, numbers, put_numbers};
use super::table::{self, Bytes, Garbled, LINES_MAX, TableKind, put_varint};
use super::texts::{Texts, put_texts};
use super::values::{ValueColumn, put_values, weight};
use dissent_core::history::row::{Entry, Row};
use dissent_core::history::run_record::EntryHeader;
use dissent_core::history::schema::{Schema, Value};

/// A row or an entry that becomes a line of a table.
#[derive(Clone, Copy)]
pub(super) struct RecordRef<'a> {
    header: EntryHeader<'a>,
    cols: &'a [Value],
}

impl<'a> From<&'a Row> for RecordRef<'a> {
    fn from(row: &'a Row) -> Self {
        let Row { off, ref key, op, cmp, ref cols, .. } = *row;
        RecordRef { header: EntryHeader { off, key, op, cmp, tombstone: false }, cols }
    }
}

impl<'a> From<&'a Entry> for RecordRef<'a> {
    fn from(entry: &'a Entry) -> Self {
        RecordRef { header: EntryHeader::from(entry), cols: &entry.cols }
    }
}

impl RecordRef<'_> {
    /// About how many bytes it takes.
    pub(super) fn weight(self) -> usize {
        self.header.key.len() + self.cols.iter().map(weight).sum::<usize>() + 32
    }
}

/// Replaces what `out` holds by a table of these records: of entries, if it is known which offset was due, or
/// else of rows. False if no table can hold them.
pub(super) fn put_records(
    out: &mut Vec<u8>,
    schema: &Schema,
    due: Option<u64>,
    records: &[RecordRef<'_>],
) -> bool {
    if records.is_empty() || records.len() > LINES_MAX {
        return false;
    }
    let kind = if due.is_some() { TableKind::Entries } else { TableKind::Rows };
    table::begin(out, kind, records.len());
    if let Some(due) = due {
        put_varint(out, due);
    }
    put_columns(out, schema, records).is_some()
}

fn put_columns(out: &mut Vec<u8>, schema: &Schema, records: &[RecordRef<'_>]) -> Option<()> {
    let column =
        |of: fn(EntryHeader<'_>) -> i64| records.iter().map(|it| of(it.header)).collect::<Vec<i64>>();
    put_numbers(out, &column(|it| it.off.cast_signed()), Packing::Bits);
    put_texts(out, records.iter().map(|it| it.header.key), Packing::Bits)?;
    let ops = column(|it| it.op.cast_signed());
    put_numbers(out, &ops, Packing::Bits);
    put_numbers(out, &column(|it| it.cmp.wrapping_sub(it.op.cast_signed())), Packing::Bits);
    put_numbers(out, &column(|it| i64::from(it.tombstone)), Packing::Bits);
    if records.iter().any(|it| it.cols.len() != schema.columns.len()) {
        return None;
    }
    for (at, column) in schema.columns.iter().enumerate() {
        put_values(out, column, &ops, records.iter().map(|it| &it.cols[at]))?;
    }
    Some(())
}

/// A table of rows or entries that was read. Its lines are taken in order.
#[derive(Default)]
pub(super) struct Records {
    /// The lowest offset that the first entry could have had. None if these are rows.
    pub(super) due: Option<u64>,
    offs: Vec<i64>,
    keys: Texts,
    ops: Vec<i64>,
    cmps: Vec<i64>,
    tombstones: Vec<i64>,
    columns: Vec<ValueColumn>,
    next: usize,
}

impl Records {
    pub(super) fn clear(&mut self) {
        self.next = 0;
        self.offs.clear();
    }

    /// Replaces what it holds by a table, without its values. After an error it is empty.
    pub(super) fn read_headers<'t>(&mut self, table: &'t [u8]) -> Result<Bytes<'t>, Garbled> {
        self.clear();
        let (kind, count, mut from) = table::open(table)?;
        self.due = match kind {
            TableKind::Rows => None,
            TableKind::Entries => Some(from.varint()?),
            TableKind::Flags | TableKind::Events => return Err(Garbled("another kind of table")),
        };
        let mut offs = std::mem::take(&mut self.offs);
        numbers(&mut from, count, &mut offs)?;
        self.keys.read(&mut from, count)?;
        numbers(&mut from, count, &mut self.ops)?;
        numbers(&mut from, count, &mut self.cmps)?;
        numbers(&mut from, count, &mut self.tombstones)?;
        self.cmps.iter_mut().zip(&self.ops).for_each(|(cmp, op)| *cmp = cmp.wrapping_add(*op));
        self.offs = offs;
        Ok(from)
    }

    /// Replaces what it holds by a table. After an error it is empty.
    pub(super) fn read(&mut self, schema: &Schema, table: &[u8]) -> Result<(), Garbled> {
        let read = self.read_headers(table).and_then(|mut from| {
            if self.columns.len() != schema.columns.len() {
                self.columns = schema.columns.iter().map(ValueColumn::new).collect();
            }
            self.columns.iter_mut().try_for_each(|column| column.read(&mut from, &self.ops))?;
            from.end()
        });
        if read.is_err() {
            self.clear();
        }
        read
    }

    /// Calls `each` with all lines, without their values, and is empty then.
    pub(super) fn scan(&mut self, each: &mut dyn FnMut(EntryHeader<'_>)) {
        let mut key = String::new();
        for at in 0..self.offs.len() {
            self.keys.copy(at, &mut key);
            each(self.header(at, &key));
        }
        self.offs.clear();
    }

    fn header<'k>(&self, at: usize, key: &'k str) -> EntryHeader<'k> {
        let tombstone = self.tombstones[at] != 0;
        EntryHeader {
            off: self.offs[at].cast_unsigned(),
            key,
            op: self.ops[at].cast_unsigned(),
            cmp: self.cmps[at],
            tombstone,
        }
    }

    /// The offsets of its lines.
    pub(super) fn offs(&self) -> impl Iterator<Item = u64> + Clone {
        self.offs.iter().map(|off| off.cast_unsigned())
    }

    /// The offset of the next line.
    pub(super) fn next_off(&self) -> Option<u64> {
        self.offs.get(self.next).map(|off| off.cast_unsigned())
    }

    /// Replaces an entry by the next line, and uses its memory again. False if there is none.
    pub(super) fn take(&mut self, entry: &mut Entry) -> bool {
        let Some(off) = self.next_off() else { return false };
        let at = self.next;
        self.next += 1;
        entry.key = self.keys.shared(at);
        let EntryHeader { op, cmp, tombstone, .. } = self.header(at, "");
        (entry.off, entry.op, entry.cmp, entry.tombstone) = (off, op, cmp, tombstone);
        entry.cols.resize(self.columns.len(), Value::Null);
        self.columns.iter_mut().zip(&mut entry.cols).for_each(|(column, value)| column.take(value));
        true
    }
}
