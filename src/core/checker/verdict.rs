//! What the judge concludes, as data. Words and pictures are made in `report/`.
//!
//! `verdict.json` is this structure, serialised; its JSON Schema is `src/report/verdict.schema.json`.
//! Fields may be added within a version; a change of meaning raises [`VERSION`].

use crate::history::check_name::CheckName;
use crate::history::row::CopyState;
use crate::history::schema::Value;
use crate::history::schema::rules::Absence;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) mod fingerprint;
mod frontier;
mod known;
pub mod known_issue;
pub(super) mod pattern;
pub use frontier::{
    Ahead, FreezeCourse, FrontierState, Frozen, Grade, Healed, Lagging, Move, NotVisible, ObjectKind,
    PrecedingEvent, Progress, Regressed, StatusCause, Waiting,
};
pub use known::{KnownFindings, KnownIssueRef};

/// The version of the verdict's format.
pub const VERSION: u32 = 1;

/// The word a verdict begins with (`RULES.md` 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictOutcome {
    /// Everything that should have been compared was, and agreed.
    Pass,
    /// Something that should have been known is not; nothing wrong was found.
    Inconclusive,
    /// A sound violation was found.
    Fail,
}

/// What one check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Known before the run not to apply; no effect on the verdict.
    NotApplicable,
    /// It compared, and nothing was wrong.
    Pass,
    /// It should have run and could not.
    Unknown,
    /// It found something.
    Fail,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// Which check.
    pub name: CheckName,
    /// What it came to.
    pub status: Status,
    /// Opportunities: how much it looked at, in `unit`s. 0 is never a pass.
    pub compared: u64,
    /// What `compared` counts (`rows`, `flags`, `ops`, ..).
    pub unit: String,
    /// Why it is unknown or does not apply.
    pub reason: Option<String>,
}

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

/// An op that was acknowledged and is not in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostAck {
    /// The partition.
    pub partition: u32,
    /// The ops, ascending.
    pub ops: Vec<u64>,
}

/// One closed set of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FindingKind {
    /// Wrong, missing, extra rows or flags.
    Divergence(Box<Divergence>),
    /// A position or another frontier that stopped.
    Frozen(Box<Frozen>),
    /// A frontier that went back.
    Regressed(Regressed),
    /// A frontier beyond its upstream's end.
    Ahead(Ahead),
    /// An acknowledged op that is nowhere.
    LostAck(LostAck),
}

/// A finding and its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What + root-cause key: the same cause has the same fingerprint in every run.
    pub fingerprint: String,
    /// The finding.
    #[serde(flatten)]
    pub kind: FindingKind,
}

/// A reason to trust the verdict less: it makes a run without findings inconclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The closed kind.
    pub kind: DoubtKind,
    /// What was seen, in one line.
    pub detail: String,
}

/// A closed list of reasons to doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtKind {
    /// The run lacks something its checks rely on, or the target did something unasked.
    UnmetAssumption,
    /// Model and target disagree on the calibration set: the model is off for a column.
    Uncalibrated,
    /// A read brought another number of rows than the target counts.
    TruncatedRead,
    /// A replica could not be read.
    Unreadable,
    /// What a pass would rest on was never read, and nothing says why.
    Unread,
    /// A process of the target ended, or fell silent for good, though no fault of ours touched it.
    ServerDied,
    /// A cure failed.
    FailedCure,
    /// A fault could not be begun.
    FailedFault,
    /// A fault was over before its cure: what it was for may not have happened.
    FaultEndedEarly,
    /// The opportunity that the plan is for never arose.
    NoExposure,
    /// Replicas had not caught up at the deadline, and were still moving.
    NotSettled,
    /// A frontier stood still, and nothing confirms that it should have moved.
    Unconfirmed,
    /// The record is torn or corrupt.
    Damage,
    /// The run was cut off.
    Interrupted,
    /// A check panicked: our own bug.
    CheckFailed,
}

/// How much was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// Log entries folded.
    pub entries: u64,
    /// Keys in the log.
    pub keys: u64,
    /// Offsets at which at least two replicas were compared.
    pub offsets: u64,
    /// (replica x offset) pairs compared.
    pub rows: u64,
    /// (replica x key) current flags compared.
    pub flags: u64,
    /// Replicas that were compared.
    pub replicas: Vec<String>,
    /// (replica x segment) pairs compared.
    pub segments: u64,
    /// Captures taken.
    pub captures: u32,
    /// Offsets not compared on a replica because it had not loaded them at the last capture, by replica.
    pub not_loaded: BTreeMap<String, u64>,
    /// (replica x offset) pairs not compared because the table may lack what is not there, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excused: BTreeMap<Absence, u64>,
}

/// Opportunities of one kind (`RULES.md` 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// What is counted: `keys-carried-under-hold`, `rows-compared`, `restarts`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// The least that the plan asks for.
    pub demanded: u64,
}

/// The whole conclusion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// [`VERSION`].
    pub version: u32,
    /// The word.
    pub outcome: VerdictOutcome,
    /// Every check, in order.
    pub checks: Vec<CheckResult>,
    /// Findings, the most urgent first (majority wrong before all).
    pub findings: Vec<Finding>,
    /// Reasons to trust it less.
    pub doubts: Vec<Doubt>,
    /// How much was compared.
    pub compared: Compared,
    /// Opportunities.
    pub exposure: Vec<Exposure>,
    /// How the consuming positions and frontiers went.
    #[serde(default)]
    pub progress: Progress,
    /// What the list of known issues says of the findings; none if there was no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFindings>,
}

impl Compared {
    /// Takes in what was compared of one more partition.
    pub fn add(&mut self, other: &Compared) {
        self.offsets += other.offsets;
        self.rows += other.rows;
        self.flags += other.flags;
        self.segments += other.segments;
        self.replicas.extend(other.replicas.iter().cloned());
        for (replica, offsets) in &other.not_loaded {
            *self.not_loaded.entry(replica.clone()).or_default() += offsets;
        }
        for (reason, rows) in &other.excused {
            *self.excused.entry(*reason).or_default() += rows;
        }
    }
}
