//! What the log contains and what a replica shows: entries, raw rows, current flags, and the reads that
//! returned them.
//!
//! A row is identified by (partition, log offset); segment and document are attributes (`RULES.md` 2). Values
//! are in the order of the schema's columns; on disk each has its name.

use super::schema::Value;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// One entry of a partition's input log, as read back from the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its offset in the partition.
    pub off: u64,
    /// The key it updates.
    pub key: Arc<str>,
    /// The op it carries. One op may be at several offsets, when a write was retried.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// Whether it deletes the key.
    pub tombstone: bool,
    /// One value per column; `Null` where the event does not set the column.
    pub cols: Vec<Value>,
}

/// One raw row of a replica: the state of the key after the event at `off` was merged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// The offset of the log entry that it comes from.
    pub off: u64,
    /// Its key.
    pub key: Arc<str>,
    /// The id of the op merged last.
    pub op: u64,
    /// Its comparison value.
    pub cmp: i64,
    /// One value per column; the type's default where nothing was ever merged.
    pub cols: Vec<Value>,
    /// The document number in its segment. This is placement and is never compared.
    pub doc: u32,
}

/// The offsets that a replica shows as current for a key. More than one is a finding; none means that the key
/// is deleted or lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentRow {
    /// The key.
    pub key: Arc<str>,
    /// The offsets of its rows that the replica flags as current, ascending.
    pub offs: Vec<u64>,
}

/// How a replica got its rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// It is consuming them from the log now.
    Consuming,
    /// It consumed them itself, and the segment is committed.
    CommittedLocal,
    /// It fetched the committed segment, which another replica built.
    Downloaded,
}

/// A value that some targets cannot show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observed<T> {
    /// The target reports this value.
    Known(T),
    /// This target cannot show it.
    Unobservable,
}

/// What one replica holds of one segment: a range of offsets, and how it got them.
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
    /// One past the last offset held. While consuming, this is the *position*.
    pub end: u64,
    /// How the replica got the rows.
    pub state: CopyState,
    /// Whether the segment is visible to merges and reads.
    pub registered: Observed<bool>,
    /// Identifies this very copy. It changes whenever the replica's rows of this segment may have changed
    /// other than by consuming on. A replica never uses an id twice, not even after a restart.
    pub copy: u64,
    /// The number of rows that the replica itself counts in the segment.
    pub rows: u64,
    /// The position that the replica tells, where that is not an offset (`RULES.md` 15).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The replica's own checksum of these rows, if they are committed and the target has one that is equal
    /// only where the raw rows are (`RULES.md` 4). It says nothing of which rows are current.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u64>,
}

/// What a replica reports about itself at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// The incarnation of the process. A restart changes it.
    pub incarnation: u64,
    /// The status that the replica reports, verbatim (`running`).
    pub status: String,
    /// What it holds, ordered by partition, then sequence.
    pub covers: Vec<Cover>,
    /// Whether it leads the others: it takes the writes, or decides on them. `None` if the target has no such
    /// thing, or does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads: Option<bool>,
}

/// How the shape of a replica's coverage changed from one sample to the next: a segment appeared or
/// disappeared, or changed its state, its copy or its registration. Positions change all the time and are no
/// change of shape, but are told with one: between them the change happened.
///
/// ```text
/// SEG_M1 was held up to 14, then up to 23, and now SEG_M is visible: it became so while one of 14 to 23
/// was merged
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageChange {
    /// The replica.
    pub replica: String,
    /// The incarnation of its process. Nothing is held over from another one.
    pub incarnation: u64,
    /// The segments that appeared or changed, as they are now, ordered by partition, then sequence.
    pub changed: Vec<Cover>,
    /// The names of the segments that it holds no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<String>,
    /// What it consumes in the partitions of these segments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub consuming: Vec<PositionChange>,
}

/// The positions of one consuming segment at two consecutive samples.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionChange {
    /// The segment.
    pub segment: String,
    /// Its partition.
    pub partition: u32,
    /// The position at the sample before; `None` if it was not consumed then.
    pub before: Option<u64>,
    /// The position now.
    pub now: u64,
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
    /// One past the last offset; `None` until it is committed.
    pub end: Option<u64>,
    /// Checksum of the committed copy; `None` until it is committed.
    pub crc: Option<u64>,
    /// The replicas assigned to it, in roster order.
    pub replicas: Vec<String>,
}

impl Segment {
    /// Whether a replica is assigned to it.
    pub fn is_assigned_to(&self, replica: &str) -> bool {
        self.replicas.iter().any(|assigned| assigned == replica)
    }
}

/// Whether a bracketed read counts, and if not, why (`RULES.md` 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadValidity {
    /// The copy is the same before and after, and as many rows came as the target counts.
    Sound,
    /// The copy changed between the two reads of coverage. The rows are void, and the copy is read again.
    CopyChanged,
    /// The read has fewer or more rows than the target counts.
    Truncated,
    /// The replica did not answer; or the read was to share rows of another one, which came to nothing.
    Failed,
}

/// The read that an incremental read builds on. If it is lost, nothing that builds on it proves anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Base {
    /// The read starts from nothing: it is the first of a copy's rows, or of an incarnation's flags.
    Nothing,
    /// The read has what changed since the read with this id.
    Read(u64),
    /// The record does not say. True of formats before 2.
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
    /// Unique in the run. Ids ascend from 1 in time order, without a gap.
    pub id: u64,
    /// The capture it belongs to.
    pub capture: u32,
    /// The replica that was asked.
    pub replica: String,
    /// Its incarnation at the time of the read.
    pub incarnation: u64,
    /// Coverage of the segment before the rows were read. `before.copy` names the copy.
    pub before: Cover,
    /// The position (the end of this copy's coverage) after the rows were read.
    pub end_after: u64,
    /// The position that the replica told after the rows were read, where that is not an offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position_after: Option<u64>,
    /// The first offset requested. Earlier rows of this copy are in earlier reads.
    pub from: u64,
    /// The number of rows returned.
    pub rows: u64,
    /// The last sound read of this copy before this one.
    #[serde(default, skip_serializing_if = "Base::is_unknown")]
    pub base: Base,
    /// The read whose rows count for this one too, because both copies have the same checksum. Then this
    /// replica was asked for its checksum alone, before and after. `None`: it was asked for its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_of: Option<u64>,
    /// Whether it counts.
    pub soundness: ReadValidity,
}

/// One incremental read of the current view of one partition on one replica. It has the flags that changed
/// since the replica's last such read in the same incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentRead {
    /// Unique in the run; shares its numbers with [`Read::id`].
    pub id: u64,
    /// The capture it belongs to.
    pub capture: u32,
    /// The replica that was asked.
    pub replica: String,
    /// The partition.
    pub partition: u32,
    /// The incarnation whose flags these are. A new one starts from nothing.
    pub incarnation: u64,
    /// Coverage of the partition before the read. Flags are compared only where it equals `after`.
    pub before: Vec<Cover>,
    /// Coverage of the partition after the read.
    pub after: Vec<Cover>,
    /// The number of keys whose flags were returned.
    pub keys: u64,
    /// The read that these flags are changes to.
    #[serde(default, skip_serializing_if = "Base::is_unknown")]
    pub base: Base,
    /// Whether it counts.
    pub soundness: ReadValidity,
}
