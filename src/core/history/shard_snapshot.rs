//! What a shard holds, as it is read at a capture: rows with how often each is there. They are few, one a
//! live key where all is well, and so they lie in the event itself.

use super::schema::Value;
use serde::{Deserialize, Serialize};

/// All rows of a shard as of one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardSnapshot {
    /// The capture it belongs to.
    pub capture: u32,
    /// The shard's name.
    pub object: String,
    /// The shard's upper: these are the rows as of the newest time below it.
    pub upper: u64,
    /// One past the last log offset of that time or an earlier one: what the rows are to be folded from.
    pub log_end: u64,
    /// By key.
    pub rows: Vec<CountedRow>,
}

/// A row and how often it is there. Anything but one row a key, once, is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedRow {
    /// Its key.
    pub key: String,
    /// The id of the op that wrote it.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// One value a column, in the order of the schema.
    pub cols: Vec<Value>,
    /// Never 0; negative if it was retracted more often than written.
    pub count: i64,
}
