//! The rows and log entries of the affected keys, as JSON lines.

use super::redaction::Redactor;
use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::history::event::Event;
use dissent_core::history::run_record::RunRecord;
use dissent_core::history::schema::{Schema, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The keys of a verdict's findings, by partition.
pub(super) fn affected_keys(verdict: &Verdict) -> BTreeSet<(u32, &str)> {
    let divergences = verdict.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Divergence(divergence) => Some(divergence),
        _ => None,
    });
    divergences.flat_map(|it| it.keys.iter().map(|key| (it.partition, key.as_str()))).collect()
}

/// An entry of the log.
#[derive(Serialize)]
struct EntryLine<'a> {
    partition: u32,
    off: u64,
    key: String,
    op: u64,
    cmp: i64,
    tombstone: bool,
    cols: BTreeMap<&'a str, Value>,
}

/// A row that a replica showed.
#[derive(Serialize)]
struct RowLine<'a> {
    partition: u32,
    off: u64,
    read: u64,
    capture: u32,
    replica: String,
    key: String,
    op: u64,
    cmp: i64,
    cols: BTreeMap<&'a str, Value>,
    doc: u32,
}

/// The log entries of the affected keys.
pub(super) fn log_lines(
    record: &dyn RunRecord,
    keys: &BTreeSet<(u32, &str)>,
    redactor: &Redactor,
) -> serde_json::Result<Vec<u8>> {
    let schema = &record.meta().schema;
    let mut out = Vec::new();
    for partition in 0..record.meta().partitions {
        for entry in record.log(partition).filter(|entry| keys.contains(&(partition, entry.key.as_ref()))) {
            let cols = named(schema, redactor.cols(&entry.cols));
            let (off, key, op) = (entry.off, redactor.key(&entry.key), entry.op);
            let (cmp, tombstone) = (entry.cmp, entry.tombstone);
            push(&mut out, &EntryLine { partition, off, key, op, cmp, tombstone, cols })?;
        }
    }
    Ok(out)
}

/// The rows of the affected keys, as every read returned them.
pub(super) fn row_lines(
    record: &dyn RunRecord,
    keys: &BTreeSet<(u32, &str)>,
    redactor: &Redactor,
) -> serde_json::Result<Vec<u8>> {
    let schema = &record.meta().schema;
    let reads: BTreeMap<u64, (u32, String)> = record
        .events()
        .filter_map(|stamped| match &stamped.event {
            Event::Read(read) => Some((read.id, (read.capture, redactor.replica(&read.replica)))),
            _ => None,
        })
        .collect();
    let mut out = Vec::new();
    for partition in 0..record.meta().partitions {
        let rows = record.rows(partition);
        for (read, row) in rows.filter(|(_, row)| keys.contains(&(partition, row.key.as_ref()))) {
            let Some((capture, replica)) = reads.get(&read).cloned() else { continue };
            let cols = named(schema, redactor.cols(&row.cols));
            let (off, key, op, cmp, doc) = (row.off, redactor.key(&row.key), row.op, row.cmp, row.doc);
            push(&mut out, &RowLine { partition, off, read, capture, replica, key, op, cmp, cols, doc })?;
        }
    }
    Ok(out)
}

fn named(schema: &Schema, cols: Vec<Value>) -> BTreeMap<&str, Value> {
    schema.columns.iter().map(|column| column.name.as_str()).zip(cols).collect()
}

/// Adds a line.
pub(super) fn push(out: &mut Vec<u8>, line: &impl Serialize) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.push(b'\n');
    Ok(())
}
