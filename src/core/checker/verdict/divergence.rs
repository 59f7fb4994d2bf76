//! The judge's conclusions on rows: which replicas differ from each other, or from the fold of the log.

use super::explanation::Explanation;
use super::spread::Spread;
use crate::history::row::CopyState;
use crate::history::schema::Value;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is wrong with a row or a current flag (`RULES.md` 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// The replica covers the offset but has no row.
    Missing,
    /// The replica has a row, or shows a key as current, that is not in the log.
    Extra,
    /// The row's content is not what the log folds to.
    WrongValue,
    /// Replicas show different contents, and no model says which one is right.
    Differs,
    /// More than one row of a key is current.
    DuplicateCurrent,
    /// A superseded row is current.
    StaleCurrent,
    /// No row of a live key is current.
    NoCurrent,
    /// A deleted key came back.
    Resurrected,
    /// One read returned more than one row for one offset.
    DuplicateRow,
}

/// How the comparable replicas fall into groups of equal content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// One group, or only one replica.
    Unanimous,
    /// Two replicas that differ.
    Undecided,
    /// At least three replicas, of which all but one are equal. The report calls it lone divergence.
    OneDiffers,
    /// At least three replicas, no two of them equal.
    AllDiffer,
    /// Any other grouping.
    Split,
}

/// The share of comparable replicas that differ from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Fewer than half.
    Minority,
    /// Exactly half.
    Half,
    /// More than half, but not all. Few right copies are left.
    Majority,
    /// All of them.
    All,
    /// There is no model: it is known who differs, but not who is wrong.
    Unknown,
}

/// How the damage developed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// The same replicas are wrong at the last capture as at the first one that shows it.
    Standing,
    /// No replica is wrong any more, but queries were answered wrongly in between.
    Healed,
    /// More replicas are wrong than at first.
    Spreading,
    /// All comparable replicas are wrong, but at first they were not.
    Spread,
}

/// The class of the missing state (`RULES.md` 5, 10), which is part of a finding's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RootCause {
    /// Whole (segment x key) groups of ops are missing: the segments were not seen.
    WholeSegment,
    /// A suffix of one (segment x key) group is missing.
    PartlyRegistered,
    /// Everything before the row is missing, or the state of a segment that had been seen: the key was
    /// dropped from metadata.
    DroppedKey,
    /// An op counts twice.
    AppliedTwice,
    /// Anything else.
    Unexplained,
    /// Rows do not show their ops, or the finding has no merged row.
    NoProvenance,
}

/// Pattern and side at one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CaptureState {
    /// The positions of the comparable replicas by their own word, where those are no offsets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub positions: BTreeMap<String, u64>,
    /// The number of the capture.
    pub capture: u32,
    /// When the capture began.
    pub t: Nanos,
    /// How the replicas grouped at this capture.
    pub pattern: Pattern,
    /// The share of wrong replicas at this capture.
    pub side: Side,
    /// The replicas that were wrong (without a model: that differed), in roster order.
    pub wrong: Vec<String>,
    /// The replicas that were comparable, in roster order.
    pub comparable: Vec<String>,
    /// The replicas with right copies of all rows, in roster order. If there are none, those with right
    /// copies of any row.
    #[serde(default)]
    pub right: Vec<String>,
}

/// A point in a partition's log, and when our own write at that point was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogPoint {
    /// The offset.
    pub off: u64,
    /// When the op at this offset was acknowledged, on the run's clock; `None` if it is not one of ours, or
    /// was not acknowledged.
    pub t: Option<Nanos>,
}

/// The ops that should have been merged into a wrong row and were not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MissingState {
    /// Which part of the state is missing.
    pub class: RootCause,
    /// The segments of the missing ops, in sequence.
    pub segments: Vec<String>,
    /// The number of missing (row, op) pairs over all roots.
    pub ops: u64,
}

/// One wrong row, as evidence: what each replica has at one offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RowEvidence {
    /// The key.
    pub key: String,
    /// The log offset. Absent where contents were compared without a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<u64>,
    /// The segment's name; empty if no segment has the offset.
    pub segment: String,
    /// Whether the wrong row is a root, inherited from one, or copied.
    pub origin: Origin,
    /// The fold of the log, by column name (with `op` and `cmp`), as a raw row shows it: type defaults where
    /// it has no value. `None` without a model.
    pub expected: Option<BTreeMap<String, Value>>,
    /// What each replica shows, in roster order.
    pub shown: Vec<ShownRow>,
    /// The columns in which any replica is wrong.
    pub columns: Vec<String>,
}

/// What one replica shows at an offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ShownRow {
    /// The replica.
    pub replica: String,
    /// The id of the read that returned it; the row is in that read's file. `None` if not comparable or
    /// absent.
    pub read: Option<u64>,
    /// How the replica got it; `None` if not comparable.
    pub state: Option<CopyState>,
    /// The row by column name (with `op` and `cmp`); `None` if it is missing or not loaded.
    pub row: Option<BTreeMap<String, Value>>,
    /// Whether it is wrong (without a model: differs).
    pub wrong: bool,
    /// The wrong columns that show a value which the same key had before, in schema order.
    #[serde(default)]
    pub stale: Vec<String>,
    /// Whether this row is the key's current one on this replica, so that a user's query sees it.
    pub current: bool,
}

/// Where a wrong row comes from (`RULES.md` 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Made wrong here: merging the event onto this replica's previous row does not give it.
    Root,
    /// Merged rightly, but onto a wrong row.
    Inherited,
    /// Downloaded. Its root is on the replica that built the copy.
    Copied,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Divergence {
    /// The number of affected keys.
    pub fn key_count(&self) -> u64 {
        self.keys.len() as u64 + self.more_keys
    }

    /// When the first and the last wrong row were acknowledged, on the run's clock.
    pub fn window(&self) -> Option<(Nanos, Nanos)> {
        self.since?.t.zip(self.until?.t)
    }

    /// The log offsets of the first and the last wrong row.
    pub fn offsets(&self) -> Option<(u64, u64)> {
        Some((self.since?.off, self.until?.off))
    }

    /// When the first wrong row was acknowledged, on the run's clock.
    pub fn began(&self) -> Option<Nanos> {
        self.since?.t
    }

    /// Whether a model says who is wrong.
    pub fn is_modelled(&self) -> bool {
        self.last.side != Side::Unknown
    }
}

/// Wrong rows or flags with one cause (`RULES.md` 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Divergence {
    /// What is wrong.
    pub what: Anomaly,
    /// The class of the missing state.
    pub root_cause: RootCause,
    /// The partition.
    pub partition: u32,
    /// Whether this is about current flags, which users see, rather than raw rows.
    #[serde(default)]
    pub flags: bool,
    /// The replicas with roots, in roster order. Without a model: those that differed first.
    pub replicas: Vec<String>,
    /// The state at the last capture that compares the rows; if healed, at the last one that shows them
    /// wrong.
    pub last: CaptureState,
    /// The state at the first capture that shows them wrong.
    pub first: CaptureState,
    /// How the damage developed.
    pub course: Course,
    /// The replicas that were wrong when last seen and are no longer assigned the rows: the wrong rows moved
    /// away with the segment.
    #[serde(default)]
    pub moved_away: Vec<String>,
    /// The affected keys, sorted. All of them, unless `more_keys` counts others.
    pub keys: Vec<String>,
    /// Affected keys that are not named.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_keys: u64,
    /// For how many of them a user's query sees a wrong row at `last`.
    pub keys_visible: u64,
    /// The columns in which rows are wrong, in schema order.
    pub columns: Vec<String>,
    /// The segments with wrong rows, in sequence.
    pub segments: Vec<String>,
    /// The number of (replica x offset) pairs that are roots.
    pub roots: u64,
    /// The number of (replica x offset) pairs that are inherited.
    pub inherited: u64,
    /// The number of (replica x offset) pairs that are copied.
    pub copied: u64,
    /// The first wrong row in log order. Absent where contents were compared without a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<LogPoint>,
    /// The last wrong row in log order. Absent where contents were compared without a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<LogPoint>,
    /// The state that was missing when the roots were merged.
    pub missing: Option<MissingState>,
    /// Whether wrong cells show a type's default where the fold has a value: keys that were born while state
    /// was missing.
    pub shows_defaults: bool,
    /// Whether wrong cells show an older value of the same key.
    pub shows_stale: bool,
    /// Whether it may be writes that some replica has not got yet. Then it is no violation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_lag: bool,
    /// A few rows, roots first, in log order.
    pub evidence: Vec<RowEvidence>,
    /// Why the roots came to be, as far as events show it. `None` for flags, and where nothing is logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Box<Explanation>>,
    /// How far the wrong rows spread; `None` for flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Box<Spread>>,
}
