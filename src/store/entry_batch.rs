//! Log entries that become a table, or lines if no table can hold them.

use super::codec;
use super::frame::{FRAME_BYTES, push_line};
use super::records::{RecordRef, put_records};
use super::table_writer::Batch;
use dissent_core::history::row::Entry;
use dissent_core::history::schema::Schema;
use std::io;

/// Successive entries of a log.
pub(super) struct EntryBatch {
    schema: Schema,
    entries: Vec<Entry>,
    weight: usize,
    /// The lowest offset that the first entry could have had, and the lowest that the next one can have.
    due: u64,
    next: u64,
}

impl EntryBatch {
    pub(super) fn new(schema: Schema) -> EntryBatch {
        EntryBatch { schema, entries: Vec::new(), weight: 0, due: 0, next: 0 }
    }

    /// Adds the next entry. Adds nothing if its line would be too long.
    pub(super) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let weight = RecordRef::from(entry).weight();
        if weight >= FRAME_BYTES {
            let line = codec::entry(&self.schema, entry, 0);
            push_line(&mut Vec::new(), |to| serde_json::to_writer(to, &line))?;
        }
        self.weight += weight;
        self.next = entry.off.saturating_add(1);
        self.entries.push(entry.clone());
        Ok(())
    }
}

impl Batch for EntryBatch {
    fn count(&self) -> usize {
        self.entries.len()
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn put(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let records: Vec<RecordRef<'_>> = self.entries.iter().map(RecordRef::from).collect();
        if !put_records(out, &self.schema, Some(self.due), &records) {
            out.clear();
            let mut due = self.due;
            for entry in &self.entries {
                let line = codec::entry(&self.schema, entry, entry.off.saturating_sub(due));
                push_line(out, |to| serde_json::to_writer(to, &line))?;
                due = entry.off.saturating_add(1);
            }
        }
        (self.due, self.weight) = (self.next, 0);
        self.entries.clear();
        Ok(())
    }
}
