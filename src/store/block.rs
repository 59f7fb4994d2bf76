//! The rows of one block, in order.

use super::codec;
use super::records::Records;
use super::table::{Garbled, is_table};
use dissent_core::history::row::{Entry, Row};
use dissent_core::history::schema::Schema;
use memchr::memchr;

/// A block of rows that is being read. The rows of one offset follow each other.
pub(super) struct Block {
    /// If it holds a table.
    table: Records,
    /// If it holds lines: those that are left.
    lines: Vec<u8>,
    start: usize,
    /// The next row; none after the last.
    next: Option<Entry>,
}

impl Block {
    pub(super) fn new() -> Block {
        Block { table: Records::default(), lines: Vec::new(), start: 0, next: None }
    }

    /// Begins with the first row of a block, and uses the memory of the one before again.
    pub(super) fn open(&mut self, schema: &Schema, content: &[u8]) -> serde_json::Result<()> {
        self.table.clear();
        self.lines.clear();
        self.start = 0;
        if is_table(content) {
            self.table.read(schema, content)?;
            if self.table.due.is_some() {
                return Err(Garbled("entries in place of rows").into());
            }
        } else {
            self.lines.extend_from_slice(content);
        }
        self.next = Some(Entry::default());
        self.advance(schema)
    }

    /// The offset of the next row. None after the last one.
    pub(super) fn off(&self) -> Option<u64> {
        self.next.as_ref().map(|row| row.off)
    }

    /// Whether the next row is this one, wherever it is in its segment.
    pub(super) fn is_next(&self, row: &Row) -> bool {
        let is_same = |next: &Entry| {
            let Entry { off, key, op, cmp, cols, .. } = next;
            (off, op, cmp) == (&row.off, &row.op, &row.cmp) && *key == row.key && *cols == row.cols
        };
        self.next.as_ref().is_some_and(is_same)
    }

    /// Exchanges the next row for a used one, whose memory the row after it gets.
    pub(super) fn exchange(&mut self, row: &mut Row) {
        if let Some(Entry { off, key, op, cmp, cols, .. }) = &mut self.next {
            (row.off, row.op, row.cmp, row.doc) = (*off, *op, *cmp, 0);
            std::mem::swap(&mut row.key, key);
            std::mem::swap(&mut row.cols, cols);
        }
    }

    /// Moves to the next row, or ends.
    pub(super) fn advance(&mut self, schema: &Schema) -> serde_json::Result<()> {
        let Some(next) = &mut self.next else { return Ok(()) };
        if self.table.take(next) {
            return Ok(());
        }
        let Some(length) = memchr(b'\n', &self.lines[self.start..]) else {
            self.next = None;
            return Ok(());
        };
        *next = codec::decode_entry(schema, &self.lines[self.start..self.start + length])?;
        self.start += length + 1;
        Ok(())
    }
}
