//! What a cluster in virtual time can do, and values on their way to it and back.

use dissent_core::conductor::{Command, Input};
use dissent_core::history::event::Op;
use dissent_core::history::row::Entry;
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::schema::Value;

/// A cluster in virtual time, and the evidence of its run.
pub(super) trait SimulatedCluster {
    /// Lets everything happen that is due up to and at this time.
    fn advance(&mut self, to: u64);
    /// An op reaches the log.
    fn produce(&mut self, op: &Op) -> Input;
    /// Does what a command asks for; none for those that the driver keeps for itself.
    fn answer(&mut self, command: Command) -> Option<Input>;
    /// What is on record so far.
    fn evidence(&mut self) -> &mut MemoryRecord;
    /// What is on record at the end.
    fn into_evidence(self) -> MemoryRecord;
}

/// Nothing on record yet.
pub(super) fn empty(meta: &RunMeta) -> MemoryRecord {
    let partitions = meta.partitions as usize;
    MemoryRecord {
        meta: meta.clone(),
        events: Vec::new(),
        log: vec![Vec::new(); partitions],
        rows: vec![Vec::new(); partitions],
        current_rows: vec![Vec::new(); partitions],
    }
}

/// An op as it is written to the log.
pub(super) fn entry_of(op: &Op) -> specimen::Entry {
    specimen::Entry {
        off: 0,
        key: op.key.as_str().into(),
        op: op.id,
        cmp: op.cmp,
        tombstone: op.delete,
        cols: op.cols.iter().map(to_specimen).collect(),
    }
}

/// An entry of the log as it is on record.
pub(super) fn logged(entry: &specimen::Entry) -> Entry {
    Entry {
        off: entry.off,
        key: entry.key.to_string(),
        op: entry.op,
        cmp: entry.cmp,
        tombstone: entry.tombstone,
        cols: entry.cols.iter().map(from_specimen).collect(),
    }
}

fn to_specimen(value: &Value) -> specimen::Value {
    match value {
        Value::Null => specimen::Value::Null,
        Value::Long(long) => specimen::Value::Long(*long),
        Value::String(text) => specimen::Value::String(text.as_str().into()),
        Value::Longs(longs) => specimen::Value::Longs(longs.clone()),
        Value::Strings(texts) => {
            specimen::Value::Strings(texts.iter().map(|text| text.as_str().into()).collect())
        }
    }
}

pub(super) fn from_specimen(value: &specimen::Value) -> Value {
    match value {
        specimen::Value::Null => Value::Null,
        specimen::Value::Long(long) => Value::Long(*long),
        specimen::Value::String(text) => Value::String(text.to_string()),
        specimen::Value::Longs(longs) => Value::Longs(longs.clone()),
        specimen::Value::Strings(texts) => {
            Value::Strings(texts.iter().map(|text| text.to_string()).collect())
        }
    }
}
