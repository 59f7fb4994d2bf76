//! What a shard has of one key, capture by capture, next to the fold of the log up to there. It is the first
//! thing to look at in an incident if no replica has rows.

use super::with_model::NoSuchKey;
use crate::checker::safety::newest_rows::{live, wrong};
use crate::checker::tables::named_row::{named, names};
use crate::checker::tables::shard_snapshots::captures;
use crate::checker::verdict::{Anomaly, NotVisible};
use crate::history::row::Entry;
use crate::history::run_record::RunRecord;
use crate::history::schema::{Schema, Value};
use crate::history::shard_snapshot::ShardSnapshot;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A key in a shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardView {
    /// The key.
    pub key: String,
    /// The columns, in schema order, then `op` and `cmp`.
    pub columns: Vec<String>,
    /// The captures at which the key differed from the one before, in the log's order.
    pub captures: Vec<ShardCaptureView>,
    /// The entries of the key that the last capture did not show.
    pub unseen: NotVisible,
}

/// The key at one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardCaptureView {
    /// The number of the capture.
    pub capture: u32,
    /// The shard.
    pub object: String,
    /// The shard's upper. The capture is complete below it.
    pub upper: u64,
    /// One past the last log offset that the rows are folded from.
    pub log_end: u64,
    /// The fold of the log; `None` if the key should have no row.
    pub expected: Option<BTreeMap<String, Value>>,
    /// The rows of the key in the shard.
    pub rows: Vec<CountedRowView>,
    /// What is wrong with the rows; `None` if nothing is.
    pub wrong: Option<Anomaly>,
}

/// A row and how often it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CountedRowView {
    /// By column name.
    pub cells: BTreeMap<String, Value>,
    /// Never 0. Negative if the row was retracted more often than written.
    pub count: i64,
}

/// The view of a key of a target that keeps its rows in a shard.
pub fn in_shard(record: &dyn RunRecord, key: &str) -> Result<ShardView, NoSuchKey> {
    let schema = &record.meta().schema;
    let (mut entries, mut known) = (Vec::new(), BTreeSet::new());
    for entry in record.log(0) {
        known.insert(entry.key.to_string());
        if *entry.key == *key {
            entries.push(entry.into_owned());
        }
    }
    let all = captures(record);
    if entries.is_empty() && !all.iter().any(|contents| contents.rows.iter().any(|row| *row.key == *key)) {
        return Err(NoSuchKey { known });
    }
    let mut views: Vec<ShardCaptureView> = all.iter().map(|it| view(schema, it, key, &entries)).collect();
    views.dedup_by(|later, earlier| later.rows == earlier.rows && later.expected == earlier.expected);
    let from = all.last().map_or(0, |last| last.log_end);
    let beyond = entries.iter().filter(|entry| entry.off >= from).count() as u64;
    Ok(ShardView {
        key: key.to_owned(),
        columns: names(&schema.columns),
        captures: views,
        unseen: NotVisible { from, entries: beyond, keys: beyond.min(1) },
    })
}

fn view(schema: &Schema, contents: &ShardSnapshot, key: &str, entries: &[Entry]) -> ShardCaptureView {
    let newest = entries.iter().rfind(|entry| entry.off < contents.log_end);
    let expected = live(newest);
    let held: Vec<_> = contents.rows.iter().filter(|row| *row.key == *key).collect();
    let rows = held
        .iter()
        .map(|it| CountedRowView { cells: named(&schema.columns, it.op, it.cmp, &it.cols), count: it.count });
    ShardCaptureView {
        capture: contents.capture,
        object: contents.object.clone(),
        upper: contents.upper,
        log_end: contents.log_end,
        expected: expected.map(|it| named(&schema.columns, it.op, it.cmp, &it.cols)),
        rows: rows.collect(),
        wrong: wrong(newest, &held),
    }
}
