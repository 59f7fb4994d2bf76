//! What lies in the log and what a replica shows: entries, raw rows, current flags, and the reads they
//! came by.
//!
//! Identity is (partition, log offset); segment and document are attributes (`RULES.md` 2). Values lie in
//! the order of the schema's columns; on disk each has its name.

use super::schema::Value;
use serde::{Deserialize, Serialize};

/// One entry of a partition's input log, as read back from the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its offset in the partition.
    pub off: u64,
    /// The key it updates.
    pub key: String,
    /// The op it carries; one op may lie at several offsets when a write was retried.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// Whether it deletes the key.
    pub tombstone: bool,
    /// One value a column; `Null` where the event says nothing.
    pub cols: Vec<Value>,
}

/// One raw row of a replica: the event at `off` after the merge.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The log offset it came from.
    pub off: u64,
    /// Its key.
    pub key: String,
    /// The id of the op merged last.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// One value a column, type defaults where nothing was ever merged.
    pub cols: Vec<Value>,
    /// The document number in its segment: placement, never compared.
    pub doc: u32,
}

/// The offsets that a replica shows as current for a key. More than one is a finding; none means deleted or
/// lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentRow {
    /// The key.
    pub key: String,
    /// The offsets of its rows that the replica flags as current, ascending.
    pub offs: Vec<u64>,
}

/// How a replica came by the rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// It is consuming them from the log now.
    Consuming,
    /// It consumed them itself and the segment is committed.
    CommittedLocal,
    /// It fetched the committed segment that another replica built.
    Downloaded,
}

/// What a target may be unable to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<T> {
    /// The target says so.
    Known(T),
    /// This target cannot show it.
    Unobservable,
}

/// What one replica holds of one segment: a range of offsets, and how it came by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// The segment's name.
    pub segment: String,
    /// Its partition.
    pub partition: u32,
    /// Its sequence number in the partition.
    pub seq: u32,
    /// The first offset held.
    pub start: u64,
    /// One past the last offset held: the *position*, while consuming.
    pub end: u64,
    /// How the rows came.
    pub state: CopyState,
    /// Whether the segment is visible to merges and reads.
    pub registered: Observed<bool>,
    /// Names this very copy: it changes whenever the replica's rows of this segment may have changed other
    /// than by consuming on. Unique within a replica for ever, over restarts too.
    pub copy: u64,
    /// The number of rows that the replica itself counts in the segment.
    pub rows: u64,
}

/// All that a replica says of itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Which life of the process this is; a restart changes it.
    pub incarnation: u64,
    /// The status the replica reports, verbatim (`running`).
    pub status: String,
    /// What it holds, ordered by partition, then sequence.
    pub covers: Vec<Cover>,
}

/// A segment as the cluster's authority knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// Its partition.
    pub partition: u32,
    /// Its sequence number in the partition.
    pub seq: u32,
    /// The first offset.
    pub start: u64,
    /// One past the last offset, once it is committed.
    pub end: Option<u64>,
    /// Checksum of the committed copy.
    pub crc: Option<u64>,
    /// The replicas assigned to it, in roster order.
    pub replicas: Vec<String>,
}

/// Why a bracketed read counts or does not (`RULES.md` 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Soundness {
    /// Same copy before and after, and as many rows as the target counts.
    Sound,
    /// The copy changed inside the bracket: its rows are void, it is read again.
    CopyChanged,
    /// Fewer or more rows than the target's own count.
    Truncated,
    /// The replica did not answer.
    Failed,
}

/// The read that an incremental one adds to. If it is lost, nothing that builds on it proves anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Base {
    /// It began from nothing: the first of a copy's rows, or of a life's flags.
    Nothing,
    /// It brought what had changed since the read of this id.
    Read(u64),
    /// The record does not say: formats before 2.
    #[default]
    #[serde(skip)]
    Unknown,
}

impl Base {
    fn is_unknown(&self) -> bool {
        *self == Base::Unknown
    }
}

/// One bracketed, incremental read of one segment on one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    /// Unique in the run, ascending in time, from 1 without a gap.
    pub id: u64,
    /// The capture it belongs to.
    pub capture: u32,
    /// The replica that was asked.
    pub replica: String,
    /// Its incarnation at the time.
    pub incarnation: u64,
    /// Coverage of the segment before the rows were read. `before.copy` names the copy.
    pub before: Cover,
    /// The position (end of coverage of this copy) after the rows were read.
    pub end_after: u64,
    /// The first offset asked for: earlier rows of this copy lie in earlier reads.
    pub from: u64,
    /// The number of rows that came.
    pub rows: u64,
    /// The last sound read of this copy before it.
    #[serde(default, skip_serializing_if = "Base::is_unknown")]
    pub base: Base,
    /// Whether it counts.
    pub soundness: Soundness,
}

/// One incremental read of the current view of one partition on one replica: flags that changed since the
/// replica's last one in the same incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentRead {
    /// Unique in the run, shares its numbers with [`Read::id`].
    pub id: u64,
    /// The capture it belongs to.
    pub capture: u32,
    /// The replica that was asked.
    pub replica: String,
    /// The partition.
    pub partition: u32,
    /// The incarnation whose flags these are; a new one starts from nothing.
    pub incarnation: u64,
    /// Coverage of the partition before and after; flags are compared only where these agree.
    pub before: Vec<Cover>,
    /// See `before`.
    pub after: Vec<Cover>,
    /// The number of keys whose flags came.
    pub keys: u64,
    /// The read whose flags these are changes of.
    #[serde(default, skip_serializing_if = "Base::is_unknown")]
    pub base: Base,
    /// Whether it counts.
    pub soundness: Soundness,
}
