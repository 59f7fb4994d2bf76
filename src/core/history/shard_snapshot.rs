//! The contents of a shard, read at a capture: its rows, and how often each is there. Rows are few, one per
//! live key if all is well, and so they are in the event itself.

use super::schema::Value;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// All rows of a shard at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSnapshot {
    /// The capture it belongs to.
    pub capture: u32,
    /// The shard's name.
    pub object: String,
    /// The shard's upper. These are the rows at the newest time below it.
    pub upper: u64,
    /// One past the last log offset of that time or an earlier one. The rows should be the fold of the log
    /// below it.
    pub log_end: u64,
    /// Ordered by key.
    pub rows: Vec<CountedRow>,
}

/// A row and how often it is there. Anything but one row per key, once, is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedRow {
    /// Its key.
    pub key: Arc<str>,
    /// The id of the op that wrote it.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// One value per column, in the order of the schema.
    pub cols: Vec<Value>,
    /// Never 0. Negative if the row was retracted more often than written.
    pub count: i64,
}
