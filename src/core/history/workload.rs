//! A workload: what is written. Stored in `run.json`.

use super::duration;
use super::schema::{Merge, Provenance, Type};
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// The most partitions of a table.
pub const PARTITIONS_MAX: u32 = 1_024;

/// How often keys are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// Every live key alike.
    Uniform,
    /// The key of rank r is drawn in proportion to 1/r.
    Zipf,
}

/// A column as a workload declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How it merges.
    pub merge: Merge,
    /// Whether a target that lacks the merge function may leave it out.
    #[serde(default)]
    pub optional: bool,
    /// How many of 100 ops give it a value.
    pub touched_percent: u8,
}

/// The keys of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keys {
    /// Live keys a partition.
    pub live: u32,
    /// How often each is drawn.
    pub skew: Skew,
    /// A key is retired once it has crossed this many segments ..
    pub retire_after_segments: u32,
    /// .. and has had this many updates.
    pub retire_after_updates: u32,
}

/// A workload file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Workload {
    /// Its name: the file's stem.
    #[serde(default)]
    pub name: String,
    /// What it hunts, in a sentence.
    pub hunts: String,
    /// The number of partitions of its table.
    pub partitions: u32,
    /// The name of the comparison column.
    pub comparison: String,
    /// Ops a second, over all partitions (open loop, Poisson arrivals).
    #[serde(rename = "rate")]
    pub rate_hz: u32,
    /// How long the load lasts at least; it goes on until the nemesis is through.
    #[serde(with = "duration")]
    pub load: Nanos,
    /// A boundary is asked for whenever the log has grown by this many entries a partition.
    pub segment_rows: u64,
    /// How rows tell their ops.
    pub provenance: Provenance,
    /// How many of 100 ops delete their key instead of writing to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub delete_percent: u8,
    /// The keys.
    pub keys: Keys,
    /// The columns.
    #[serde(rename = "column")]
    pub columns: Vec<ColumnSpec>,
}

fn is_zero(percent: &u8) -> bool {
    *percent == 0
}
