//! What the judge concludes of rows: who shows what else than others, or than the log folds to.

use crate::history::row::CopyState;
use crate::history::schema::Value;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is wrong with a row or a current flag (`RULES.md` 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// The replica covers the offset and has no row.
    Missing,
    /// The replica has a row, or shows a key as current, that the log does not have.
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
    /// One read brought more than one row for one offset.
    DuplicateRow,
}

/// Groups of equal content among the comparable replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// One group (also of one replica).
    Unanimous,
    /// Two replicas, unequal.
    Undecided,
    /// Three or more: all but one equal. The headline: lone divergence.
    OneDiffers,
    /// Three or more: no two equal.
    AllDiffer,
    /// The rest.
    Split,
}

/// The share of comparable replicas that differ from the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Fewer than half.
    Minority,
    /// Exactly half.
    Half,
    /// More than half, not all: the last right copies are few.
    Majority,
    /// All of them.
    All,
    /// No model: who is wrong is not known, only who differs.
    Unknown,
}

/// How the damage went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Course {
    /// The same replicas are wrong at the last capture as at the first that shows it.
    Standing,
    /// No replica is wrong any more; queries were answered wrongly in between.
    Healed,
    /// More replicas are wrong than at first.
    Spreading,
    /// All comparable replicas are wrong; at first they were not.
    Spread,
}

/// The class of the missing state (`RULES.md` 5, 10): the root-cause key of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootCause {
    /// Whole (segment x key) groups of ops are missing: the segments were not seen.
    WholeSegment,
    /// A suffix of one (segment x key) group is missing.
    PartlyRegistered,
    /// Everything before the row is missing, or a segment's state that had been there: the key was dropped
    /// from metadata.
    DroppedKey,
    /// The effect of an op shows twice.
    AppliedTwice,
    /// Anything else.
    Unexplained,
    /// Rows do not tell their ops, or the finding has no merged row.
    NoProvenance,
}

/// Pattern and side at one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureState {
    /// The capture.
    pub capture: u32,
    /// When it began.
    pub t: Nanos,
    /// The pattern then.
    pub pattern: Pattern,
    /// The side then.
    pub side: Side,
    /// The replicas wrong (or, without a model, differing) then, in roster order.
    pub wrong: Vec<String>,
    /// The replicas comparable then, in roster order.
    pub comparable: Vec<String>,
    /// The replicas that show right copies then, in roster order: of all rows, or, where no replica has all,
    /// of any.
    #[serde(default)]
    pub right: Vec<String>,
}

/// A point in a partition's log, and when our own write of it completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPoint {
    /// The offset.
    pub off: u64,
    /// When the op at this offset was acknowledged to us, on the run's clock.
    pub t: Option<Nanos>,
}

/// The ops that a wrong row should have been merged from, and was not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingState {
    /// The class.
    pub class: RootCause,
    /// The segments that hold the missing ops, in sequence.
    pub segments: Vec<String>,
    /// How many (row, op) pairs are missing over all roots.
    pub ops: u64,
}

/// One wrong row, as evidence: what each replica has at one offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowEvidence {
    /// The key.
    pub key: String,
    /// The offset.
    pub off: u64,
    /// The segment.
    pub segment: String,
    /// Whether the wrong row is a root, inherited from one, or copied.
    pub origin: Origin,
    /// What the log folds to, by column name (with `op` and `cmp`), as a raw row shows it: type defaults
    /// where it folds to nothing. None without a model.
    pub expected: Option<BTreeMap<String, Value>>,
    /// What each replica shows, in roster order.
    pub shown: Vec<ShownRow>,
    /// The columns in which any replica is wrong.
    pub columns: Vec<String>,
}

/// What one replica shows at an offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownRow {
    /// The replica.
    pub replica: String,
    /// The id of the read that brought it: the row lies in that read's file. None: not comparable or absent.
    pub read: Option<u64>,
    /// How the replica came by it.
    pub state: Option<CopyState>,
    /// The row by column name (with `op` and `cmp`); none if it is missing or not loaded.
    pub row: Option<BTreeMap<String, Value>>,
    /// Whether it is wrong (without a model: differs).
    pub wrong: bool,
    /// The wrong columns that show a value which the same key had before, in schema order.
    #[serde(default)]
    pub stale: Vec<String>,
    /// Whether this row is the key's current one on this replica: a user's query sees it.
    pub current: bool,
}

/// Where a wrong row comes from (`RULES.md` 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Made wrong here: this replica's previous row and the event do not give it.
    Root,
    /// Merged rightly onto a wrong row.
    Inherited,
    /// Downloaded: its root is on the replica that consumed it.
    Copied,
}

/// Wrong rows or flags with one cause (`RULES.md` 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Divergence {
    /// What is wrong.
    pub what: Anomaly,
    /// The root-cause key.
    pub root_cause: RootCause,
    /// The partition.
    pub partition: u32,
    /// Whether this is about current flags, which users see, and not about raw rows.
    #[serde(default)]
    pub flags: bool,
    /// The replicas that hold roots, in roster order. Without a model: those that differed first.
    pub replicas: Vec<String>,
    /// Pattern, side and who is wrong at the last capture that compares the rows (healed: that shows them
    /// wrong).
    pub last: CaptureState,
    /// The same at the first capture that shows them wrong.
    pub first: CaptureState,
    /// How it went on.
    pub course: Course,
    /// The replicas that were wrong when last seen and are no longer assigned the rows: what was wrong there
    /// went with the move.
    #[serde(default)]
    pub moved_away: Vec<String>,
    /// All keys, sorted.
    pub keys: Vec<String>,
    /// How many of them a user's query sees wrong at `last`.
    pub keys_visible: u64,
    /// The columns in which rows are wrong, in schema order.
    pub columns: Vec<String>,
    /// The segments that hold wrong rows, in sequence.
    pub segments: Vec<String>,
    /// Rows made wrong where they are: (replica x offset).
    pub roots: u64,
    /// Rows merged rightly onto wrong ones.
    pub inherited: u64,
    /// Rows downloaded.
    pub copied: u64,
    /// The first wrong row in log order: since when.
    pub since: LogPoint,
    /// The last wrong row in log order.
    pub until: LogPoint,
    /// The state that was missing when the roots were merged.
    pub missing: Option<MissingState>,
    /// Whether wrong cells show a type's default where the log folds to a value: keys born in missing state.
    pub shows_defaults: bool,
    /// Whether wrong cells show an older value of the same key.
    pub shows_stale: bool,
    /// A few rows, roots first, in log order.
    pub evidence: Vec<RowEvidence>,
}
