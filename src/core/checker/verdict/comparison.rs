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
    /// Each replica was read twice as a whole, and showed the same.
    ReadTwice,
    /// Nothing tells: a difference may be lag.
    Unknown,
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
    /// Rows that a replica may lack, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excused: BTreeMap<Absence, u64>,
}
