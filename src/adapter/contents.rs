//! What each replica holds of a table that others write, for audits. Read-only: nothing here changes a
//! cluster.

use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::canonical::csv_cell;
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Value};
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};

/// A table as an audit sees it.
#[derive(Clone, Debug)]
pub struct ContentsTable {
    /// Its name.
    pub name: String,
    /// The columns of its key.
    pub key: Vec<String>,
    /// The columns that are compared, with their merge functions as far as the table has such.
    pub columns: Vec<Column>,
    /// Columns that are not compared, each with the reason.
    pub left_out: Vec<(String, String)>,
    /// The column that orders the rows of a key.
    pub version: Option<usize>,
    /// What it may lack.
    pub rules: Rules,
    /// About how many rows it has.
    pub rows: u64,
    /// About how many bytes it has.
    pub bytes: u64,
}

/// A part of a table: the same keys on every replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its number, from 0.
    pub number: u32,
    /// The part in the system's own words. It holds keys.
    pub bounds: serde_json::Value,
}

/// How much there is of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkExtent {
    /// About how many rows.
    pub rows: u64,
    /// Whether replicas have a digest of it.
    pub has_digest: bool,
}

/// What a replica computed of the rows of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketDigest {
    /// How many there are.
    pub rows: u64,
    /// A sum of their hashes. Equal rows have equal sums, in whatever order they lie.
    pub sum: String,
}

/// A row of a replica.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContentsRow {
    /// Its key: the cells of the columns of the key, with [`KEY_SEPARATOR`] between them.
    pub key: String,
    /// The values of the columns compared.
    pub cols: Vec<Value>,
    /// Whether it says that its key is deleted.
    pub deleted: bool,
}

/// Between the cells of a key.
pub const KEY_SEPARATOR: char = '\u{1f}';

/// A key as reports show it: several cells as a line of CSV.
pub fn shown_key(key: &str) -> String {
    let cells: Vec<_> = key.split(KEY_SEPARATOR).collect();
    match cells.as_slice() {
        [only] => (*only).to_owned(),
        several => several.iter().map(|cell| csv_cell(cell)).collect::<Vec<_>>().join(","),
    }
}

/// Which rows of a chunk.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'s> {
    /// All.
    All,
    /// Those of one of so many buckets of keys.
    Bucket {
        /// The bucket.
        bucket: u32,
        /// The number of buckets.
        of: u32,
    },
    /// Those of these keys, also if a replica holds them in another chunk.
    Keys(&'s [String]),
}

/// One look at how far a replica has consumed a partition, read in the order u1, f, u2 (`RULES.md` 7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionSample {
    /// The replica.
    pub replica: String,
    /// The partition; 0 where there are none.
    pub partition: u32,
    /// The upstream's end, read first.
    pub u1: u64,
    /// What the replica has consumed.
    pub f: u64,
    /// The upstream's end, read last.
    pub u2: u64,
    /// The status that it reports.
    pub status: String,
    /// The incarnation of its process; 0 if it tells none.
    pub incarnation: u64,
}

/// An event of the input log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableEvent {
    /// Its key, as in [`ContentsRow::key`].
    pub key: String,
    /// The values of the columns compared. Null: the event says nothing of the column.
    pub cols: Vec<Value>,
    /// Whether it deletes its key.
    pub deleted: bool,
}

/// How far an input log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogRead {
    /// By partition, the offset behind the last event.
    pub next: Vec<u64>,
    /// Whether it still has the first event that the table ever got.
    pub whole: bool,
    /// Columns that cannot be computed from it, each with the reason.
    pub off: Vec<(String, String)>,
}

/// A cluster whose contents can be read, replica by replica.
#[async_trait]
pub trait Contents: Send + Sync {
    /// The version that it reports.
    fn version(&self) -> String;
    /// The replicas, in order.
    fn replicas(&self) -> Vec<String>;
    /// The replica that takes the writes, if one does.
    fn authority(&self) -> Option<String> {
        None
    }
    /// The table.
    fn table(&self) -> &ContentsTable;
    /// The replicas that hold a chunk, in order.
    async fn holders(&self, _chunk: &Chunk) -> Result<Vec<String>, TargetError> {
        Ok(self.replicas())
    }
    /// Cuts the table into chunks of about so many rows.
    async fn chunks(&self, rows: u64) -> Result<Vec<Chunk>, TargetError>;
    /// How much there is of a chunk, and whether replicas have a digest of it. None if all chunks are alike.
    fn extent(&self, _chunk: &Chunk) -> Option<ChunkExtent> {
        None
    }
    /// Digests that the replica itself computes of a chunk, one for each of so many buckets of keys. None
    /// if it cannot, or not of so many buckets: then its rows are read.
    async fn digests(
        &self,
        _replica: &str,
        _chunk: &Chunk,
        _buckets: u32,
    ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
        Ok(None)
    }
    /// Rows of a chunk, around any router.
    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError>;
    /// A position that all writes to a chunk lie at or below that were acknowledged before this call. None
    /// if there are no positions.
    async fn upstream(&self, chunk: &Chunk) -> Result<Option<u64>, TargetError>;
    /// The position up to which a replica has consumed the writes to a chunk. None if it has none.
    async fn position(&self, replica: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError>;
    /// The least time without progress that counts as frozen.
    fn frozen_floor(&self) -> Nanos {
        Nanos(30_000_000_000)
    }
    /// Looks at all positions. Empty if replicas tell none.
    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        Ok(Vec::new())
    }
    /// Whether a chunk shows one row for each key, the current one, which the fold of the log can be
    /// compared with.
    fn is_current(&self, _chunk: &Chunk) -> bool {
        true
    }
    /// What is shown in a column that never had a value.
    fn shown_default(&self, _column: usize) -> Value {
        Value::Null
    }
    /// The column that orders the events of a key in the log. None: they count in the order in which they
    /// lie.
    fn log_order(&self) -> Option<usize> {
        self.table().version
    }
    /// Reads the input log: from these offsets by partition, or from its beginning, up to the end that it
    /// has now. Events of one key come in their order. None if there is no log that can be read.
    async fn log(
        &self,
        _from: Option<&[u64]>,
        _out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<Option<LogRead>, TargetError> {
        Ok(None)
    }
    /// Bytes of rows and digests that came in so far.
    fn received(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_keys_look_the_same() {
        for (key, shown) in [
            ("7", "7"),
            ("a,b", "a,b"),
            ("eu\u{1f}7", "eu,7"),
            ("eu,7\u{1f}8", "\"eu,7\",8"),
            ("eu\u{1f}7,8", "eu,\"7,8\""),
            ("say \"p\"\u{1f}", "\"say \"\"p\"\"\","),
        ] {
            assert_eq!(shown_key(key), shown);
        }
    }
}
