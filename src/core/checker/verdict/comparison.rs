//! What a comparison of whole contents could say, and what it could not (`RULES.md` 4, 5, 15).

use crate::history::schema::rules::Absence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why rows that differ cannot be rows that one replica has not got yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// The user says that nothing was written while the contents were read.
    Declared,
    /// All replicas had consumed the same.
    EqualPositions,
    /// Every compared row was written below the least position of a replica.
    BelowPositions,
    /// Each replica was read twice, and showed the same both times; before the second time it had consumed
    /// all that was acknowledged at the end of the first.
    Covered,
    /// Each replica was read twice, and showed the same.
    ReadTwice,
    /// Nothing tells: a difference may be lag.
    Unknown,
}

impl Settled {
    /// The ground on which dumps are compared. `positions` are those of the replicas whose are known.
    pub fn of_dumps(
        declared: bool,
        replicas: &[String],
        positions: &BTreeMap<String, u64>,
        version_is_position: bool,
        read_twice: bool,
    ) -> Settled {
        let all_known = replicas.iter().all(|replica| positions.contains_key(replica));
        let mut each = positions.values();
        let first = each.next();
        match () {
            () if declared => Settled::Declared,
            () if all_known && each.all(|position| Some(position) == first) => Settled::EqualPositions,
            () if all_known && version_is_position => Settled::BelowPositions,
            () if read_twice => Settled::ReadTwice,
            () => Settled::Unknown,
        }
    }
}

/// What an audit read of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AuditExtent {
    /// Chunks whose rows agree, or differ and stand still; by replica, about how many rows they have.
    pub settled: ChunkCount,
    /// Chunks with rows that differ, and changed in every try.
    pub moving: ChunkCount,
    /// Chunks that could not be read.
    pub unread: ChunkCount,
    /// Chunks of the whole table. Those that are in none of the above were not looked at.
    pub chunks: u64,
    /// Chunks to be looked at, if a sample was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sampled: Option<u64>,
    /// The replica that takes the writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// Columns that were not compared, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Whether replicas computed digests themselves. Otherwise all rows were read.
    pub digests: bool,
    /// Queries that were sent.
    pub queries: u64,
    /// Bytes of rows and digests that came in.
    pub received: u64,
}

/// A number of chunks, and of rows in them, counted on the replica that has the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChunkCount {
    /// Chunks.
    pub chunks: u64,
    /// Rows.
    pub rows: u64,
}

/// What a comparison could not say, for want of something that was not brought or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Unsaid {
    /// No positions, and no second reads: a difference may be lag.
    Lag,
    /// Two replicas: where they differ, neither is outvoted.
    NobodyOutvoted,
    /// Neither a log nor expected rows: if all replicas agree on wrong rows, that is not seen.
    AgreeButWrong,
    /// The log may lack its beginning: what replicas differ from it in may have been written before.
    BeforeTheLog,
    /// No column orders the rows of a key: which of two is newer is not known.
    Newer,
}

/// What was compared, and on which ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Comparison {
    /// Why a difference is not lag.
    pub settled: Settled,
    /// What could not be said.
    pub unsaid: Vec<Unsaid>,
    /// Rows read, by replica; for the expected rows, under `expected`.
    pub rows: BTreeMap<String, u64>,
    /// Position by replica, where it is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub positions: BTreeMap<String, u64>,
    /// Keys that were compared one by one, since digests of the rows around them differ.
    pub keys_compared: u64,
    /// Keys with rows that differ, or are wrong.
    pub keys_differing: u64,
    /// Keys left out because a replica's rows changed between its two reads.
    pub keys_moving: u64,
    /// Keys left out because they were written above the least position of a replica.
    pub keys_above_positions: u64,
    /// What was read of the table, if it was an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditExtent>,
    /// Rows that a replica may lack, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excused: BTreeMap<Absence, u64>,
}
