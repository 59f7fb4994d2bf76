//! A workload: what is written. Stored in `run.json`.

use super::delivery::Delivery;
use super::duration;
use super::given_load::{BoundarySpec, WriteSpec};
use super::schema::{Merge, Provenance, Type};
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// The largest number of partitions of a table.
pub const PARTITIONS_MAX: u32 = 1_024;

/// How keys are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Skew {
    /// Every live key is equally likely.
    Uniform,
    /// The key of rank r is drawn in proportion to 1/r.
    #[default]
    Zipf,
}

/// A column as a workload declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ColumnSpec {
    /// Its name: lower-case letters, digits and _.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How it merges.
    #[serde(default = "overwrite")]
    pub merge: Merge,
    /// Whether a target that lacks the merge function may leave the column out.
    #[serde(default)]
    pub optional: bool,
    /// How many of 100 ops set it.
    #[serde(default = "half")]
    pub touched_percent: u8,
}

/// The keys of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Keys {
    /// Live keys per partition.
    #[serde(default = "live_keys")]
    pub live: u32,
    /// How likely each key is drawn.
    #[serde(default)]
    pub skew: Skew,
    /// A key is retired once it has crossed this many segments and has had `retire_after_updates` updates.
    /// By default never.
    #[serde(default = "never")]
    pub retire_after_segments: u32,
    /// See `retire_after_segments`.
    #[serde(default = "never")]
    pub retire_after_updates: u32,
}

impl Default for Keys {
    fn default() -> Keys {
        let (retire_after_segments, retire_after_updates) = (never(), never());
        Keys { live: live_keys(), skew: Skew::default(), retire_after_segments, retire_after_updates }
    }
}

/// A workload file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Workload {
    /// The stem of the file's name.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub name: String,
    /// The bug it hunts, in one sentence.
    #[serde(default)]
    pub hunts: String,
    /// The number of partitions of the table.
    #[serde(default = "one_partition")]
    pub partitions: u32,
    /// The name of the comparison column.
    #[serde(default = "version")]
    pub comparison: String,
    /// Ops per second over all partitions (open loop, Poisson arrivals).
    #[serde(default = "rate", rename = "rate")]
    pub rate_hz: u32,
    /// The shortest duration of the load. It goes on until the nemesis plan is done.
    #[serde(default = "load", with = "duration")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
    pub load: Nanos,
    /// A boundary is requested whenever the log has grown by this many entries per partition.
    #[serde(default = "segment_rows")]
    pub segment_rows: u64,
    /// How rows show which ops they contain.
    #[serde(default)]
    pub provenance: Provenance,
    /// How many of 100 ops delete their key instead of writing to it.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub delete_percent: u8,
    /// How many of 100 ops have the largest comparison value that their key has had: a tie.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub tie_percent: u8,
    /// How many of 100 ops have a smaller comparison value than their key has had: they come out of order.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub out_of_order_percent: u8,
    /// How many of 100 ops end without an answer. Half of them were never sent.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub unknown_percent: u8,
    /// How many of 100 ops are sent twice, as a client does that retries.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub duplicate_percent: u8,
    /// Every write is conditional on a comparison over this many other keys. Few systems can do that.
    #[serde(default, skip_serializing_if = "is_none")]
    #[cfg_attr(feature = "schema", schemars(extend("default" = 0)))]
    pub guard_keys: u32,
    /// How keys are drawn and retired.
    #[serde(default)]
    pub keys: Keys,
    /// The data columns, besides key, comparison and op id.
    #[serde(default, rename = "column")]
    pub columns: Vec<ColumnSpec>,
    /// When boundaries are requested, in place of `segment_rows`.
    #[serde(default, rename = "boundary", skip_serializing_if = "Option::is_none")]
    pub boundaries: Option<Vec<BoundarySpec>>,
    /// What is written, in place of ops that are drawn. The load goes on until all of it is sent.
    #[serde(default, rename = "write", skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<WriteSpec>>,
}

impl Workload {
    /// Whether keys are deleted.
    pub fn deletes(&self) -> bool {
        self.delete_percent > 0 || self.gives(|write| write.delete)
    }

    /// Whether ops are sent twice.
    pub fn duplicates(&self) -> bool {
        self.duplicate_percent > 0 || self.gives(|write| write.delivery == Delivery::Twice)
    }

    /// Whether it gives such a write.
    fn gives(&self, is_one: impl Fn(&WriteSpec) -> bool) -> bool {
        self.writes.iter().flatten().any(is_one)
    }

    /// Whether comparison values of a key may tie or run backwards in the log.
    pub fn is_disorderly(&self) -> bool {
        let gives = |write: &WriteSpec| write.version.is_some();
        self.tie_percent > 0 || self.out_of_order_percent > 0 || self.gives(gives)
    }
}

fn overwrite() -> Merge {
    Merge::Overwrite
}

fn half() -> u8 {
    50
}

fn live_keys() -> u32 {
    40
}

fn one_partition() -> u32 {
    1
}

fn version() -> String {
    "version".to_owned()
}

fn rate() -> u32 {
    400
}

fn load() -> Nanos {
    Nanos(3_000_000_000)
}

fn segment_rows() -> u64 {
    150
}

fn never() -> u32 {
    u32::MAX
}

fn is_none(keys: &u32) -> bool {
    *keys == 0
}

fn is_zero(percent: &u8) -> bool {
    *percent == 0
}
