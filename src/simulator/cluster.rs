//! The interface of a cluster in virtual time, and conversions of values.

use dissent_core::conductor::{Command, Input};
use dissent_core::history::event::Op;
use dissent_core::history::row::Entry;
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::schema::Value;
use std::sync::Arc;

/// A cluster in virtual time and the record of its run.
pub trait SimulatedCluster {
    /// Runs all events up to and including `to`.
    fn advance(&mut self, to: u64);
    /// Appends an op to the log.
    fn produce(&mut self, op: Op) -> Input;
    /// Carries out a command. None for commands that the driver handles itself.
    fn answer(&mut self, command: Command) -> Option<Input>;
    /// The record so far.
    fn record(&mut self) -> &mut MemoryRecord;
    /// The record at the end of the run.
    fn into_record(self) -> MemoryRecord;
}

/// A record without events.
pub(super) fn empty_record(meta: &RunMeta) -> MemoryRecord {
    let partitions = meta.partitions as usize;
    MemoryRecord {
        meta: meta.clone(),
        events: Vec::new(),
        log: vec![Vec::new(); partitions],
        rows: vec![Vec::new(); partitions],
        current_rows: vec![Vec::new(); partitions],
    }
}

/// An op as the specimen's log entry.
pub(super) fn entry_of(op: Op) -> specimen::Entry {
    specimen::Entry {
        off: 0,
        key: op.key,
        op: op.id,
        cmp: op.cmp,
        tombstone: op.delete,
        cols: op.cols.into_iter().map(to_specimen).collect(),
    }
}

/// A log entry as it is recorded.
pub(super) fn logged(entry: &specimen::Entry) -> Entry {
    Entry {
        off: entry.off,
        key: Arc::clone(&entry.key),
        op: entry.op,
        cmp: entry.cmp,
        tombstone: entry.tombstone,
        cols: entry.cols.iter().map(from_specimen).collect(),
    }
}

fn to_specimen(value: Value) -> specimen::Value {
    match value {
        Value::Null => specimen::Value::Null,
        Value::Boolean(boolean) => specimen::Value::Boolean(boolean),
        Value::Long(long) => specimen::Value::Long(long),
        Value::Double(double) => specimen::Value::double(double.get()),
        Value::String(text) => specimen::Value::String(text),
        Value::Longs(longs) => specimen::Value::Longs(longs),
        Value::Strings(texts) => specimen::Value::Strings(texts),
    }
}

pub(super) fn from_specimen(value: &specimen::Value) -> Value {
    match value {
        specimen::Value::Null => Value::Null,
        specimen::Value::Boolean(boolean) => Value::Boolean(*boolean),
        specimen::Value::Long(long) => Value::Long(*long),
        specimen::Value::Double(number) => Value::double(number.as_f64().unwrap_or(f64::NAN)),
        specimen::Value::String(text) => Value::String(Arc::clone(text)),
        specimen::Value::Longs(longs) => Value::Longs(Arc::clone(longs)),
        specimen::Value::Strings(texts) => Value::Strings(Arc::clone(texts)),
    }
}
