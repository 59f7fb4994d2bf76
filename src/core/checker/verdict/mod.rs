//! The judge's conclusions, as data. Words and pictures are made in `report/`.
//!
//! `verdict.json` ([`document`]) has these structures, serialised. Its JSON Schema is generated from them.
//! Fields may be added within a version; a change of meaning raises [`VERSION`].

use crate::history::check_name::CheckName;
use crate::history::event::ReadTraffic;
use crate::history::schema::rules::Absence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod comparison;
mod divergence;
pub mod document;
#[cfg(feature = "schema")]
pub mod document_schema;
mod explanation;
pub(super) mod fingerprint;
mod freeze_explanation;
mod frontier;
mod known_findings;
pub mod known_issue;
pub mod layout;
mod object_kind;
pub(super) mod outcome;
pub(super) mod pattern;
mod spread;
pub use comparison::{AuditExtent, ChunkCount, Comparison, Settled, Unsaid};
pub use divergence::{
    Anomaly, CaptureState, Course, Divergence, LogPoint, MissingState, Origin, Pattern, RootCause,
    RowEvidence, ShownRow, Side,
};
pub use explanation::{
    Anchor, BreakStrength, Confidence, DroppedKeys, Edge, EventPoint, EventRole, Explanation, Guard,
    GuardState, LoggedCount, NeverBegan, NoWitness, NodeTimeline, NotShown, OrderingBreak, Prediction, Setup,
    ShownCause, TimelineEvent,
};
pub use freeze_explanation::{
    ChainLink, ChainRole, DrainDecision, FreezeExplanation, LoggedAt, PassedValue, PassingAppend,
    RestartEffect, SeenAt, WaitsFor,
};
pub use frontier::{
    Ahead, FreezeCourse, FreezeVisibility, FrontierState, Frozen, Healed, Lagging, Move, NotVisible,
    PrecedingEvent, Progress, Regressed, StatusCause, Waiting,
};
pub use known_findings::{KnownFindings, KnownIssueRef};
pub use object_kind::ObjectKind;
pub use spread::{Commit, KeyCopies, LastRightGone, Replacement, Risk, Spread, SpreadMoment};

/// The version of the verdict's format.
pub const VERSION: u32 = 2;

/// The word that a verdict begins with (`RULES.md` 10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum VerdictOutcome {
    /// Everything that should have been compared was compared, and agreed.
    Pass,
    /// Nothing wrong was found, but something that should be known is not.
    Inconclusive,
    /// A sound violation was found.
    Fail,
}

/// The result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Known before the run not to apply. It has no effect on the verdict.
    NotApplicable,
    /// The check compared something, and nothing was wrong.
    Pass,
    /// The check should have run but could not.
    Unknown,
    /// The check found something wrong.
    Fail,
}

/// One check's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CheckResult {
    /// The check.
    pub name: CheckName,
    /// The result.
    pub status: Status,
    /// How much was looked at, in `unit`s. 0 is never a pass.
    pub compared: u64,
    /// What `compared` counts (`rows`, `flags`, `ops`, ..).
    pub unit: String,
    /// Why it is unknown or does not apply; `None` otherwise.
    pub reason: Option<String>,
}

/// Acknowledged ops that are not in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LostAck {
    /// Whether the log is our own, and no replica shows the ops. Otherwise they are not in the target's log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everywhere: bool,
    /// The partition.
    pub partition: u32,
    /// The ids of the ops, ascending.
    pub ops: Vec<u64>,
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FindingKind {
    /// Wrong, missing or extra rows or flags.
    Divergence(Box<Divergence>),
    /// A consuming position or another frontier that stopped.
    Frozen(Box<Frozen>),
    /// A frontier that went back.
    Regressed(Regressed),
    /// A frontier beyond its upstream's end.
    Ahead(Ahead),
    /// Acknowledged ops that are nowhere in the log.
    LostAck(LostAck),
}

impl FindingKind {
    /// Whether it may be lag, and so is no violation.
    pub fn may_be_lag(&self) -> bool {
        matches!(self, FindingKind::Divergence(divergence) if divergence.may_be_lag)
    }
}

/// A finding and its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// Anomaly and root cause: the same cause has the same fingerprint in every run.
    pub fingerprint: String,
    /// What was found.
    #[serde(flatten)]
    pub kind: FindingKind,
}

/// A reason to trust the verdict less. It makes a run without findings inconclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Doubt {
    /// What kind of reason it is.
    pub kind: DoubtKind,
    /// What was seen, in one line.
    pub detail: String,
}

/// The kinds of reasons to doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum DoubtKind {
    /// The run lacks something that its checks rely on, or the target did something that nobody asked for.
    UnmetAssumption,
    /// Model and target disagree on the calibration set, so the model is off for a column.
    Uncalibrated,
    /// A read has a different number of rows than the target counts.
    TruncatedRead,
    /// A replica could not be read.
    Unreadable,
    /// Something that a pass would rest on was never read, for no known reason.
    Unread,
    /// A process of the target exited or stopped responding for good, and no fault of ours had touched it.
    ServerDied,
    /// A cure failed.
    FailedCure,
    /// A fault could not be begun.
    FailedFault,
    /// A fault had ended before its cure, so what it was meant to cause may not have happened.
    FaultEndedEarly,
    /// The opportunity that the plan is for never arose.
    NoExposure,
    /// Replicas had not caught up at the deadline, and were still moving.
    NotSettled,
    /// A frontier stalled, and nothing confirms that it should have moved.
    Unconfirmed,
    /// The record is torn or corrupt.
    Damage,
    /// The run was cut short.
    Interrupted,
    /// A check panicked, which is a bug of ours.
    CheckFailed,
}

/// How much was compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Compared {
    /// Log entries folded.
    pub entries: u64,
    /// Keys in the log.
    pub keys: u64,
    /// Offsets at which at least two replicas were compared.
    pub offsets: u64,
    /// (replica x offset) pairs compared.
    pub rows: u64,
    /// (replica x key) pairs whose current flags were compared.
    pub flags: u64,
    /// Keys whose last op may or may not have happened: either is right, if all replicas agree.
    #[serde(default, skip_serializing_if = "is_none")]
    pub undecided: u64,
    /// Replicas that were compared.
    pub replicas: Vec<String>,
    /// (replica x segment) pairs compared.
    pub segments: u64,
    /// Captures taken.
    pub captures: u32,
    /// Offsets not compared on a replica because it had not loaded them at the last capture, by replica.
    pub not_loaded: BTreeMap<String, u64>,
    /// What reading the target took; absent if its adapter does not count that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<ReadTraffic>,
    /// How much of this was counted by checksums of committed copies; absent if every copy was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_checksum: Option<ByChecksum>,
    /// (replica x offset) pairs not compared, because the table may lack the row, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub excused: BTreeMap<Absence, u64>,
}

/// Committed copies that were counted by their checksum: a copy with the same checksum was read instead
/// (`RULES.md` 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ByChecksum {
    /// Copies that were not read.
    pub copies: u64,
    /// Their rows.
    pub rows: u64,
    /// Copies that were read although another one with the same checksum was: all had the same rows.
    pub cross_read_copies: u64,
    /// Their rows.
    pub cross_read_rows: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

/// Opportunities of one kind (`RULES.md` 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Exposure {
    /// What is counted: `keys-carried-under-hold`, `rows-compared`, `restarts`.
    pub what: String,
    /// How many there were.
    pub count: u64,
    /// How many the plan needs at least.
    pub demanded: u64,
}

/// The whole verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The [`VERSION`] of the format.
    pub version: u32,
    /// Pass, inconclusive or fail.
    pub outcome: VerdictOutcome,
    /// Every check, in order.
    pub checks: Vec<CheckResult>,
    /// Findings, the most urgent first (majority wrong before all).
    pub findings: Vec<Finding>,
    /// Reasons to trust the verdict less.
    pub doubts: Vec<Doubt>,
    /// How much was compared.
    pub compared: Compared,
    /// The opportunities of the plan.
    pub exposure: Vec<Exposure>,
    /// The progress of consuming positions and frontiers.
    #[serde(default)]
    pub progress: Progress,
    /// What was compared, where contents were compared without a record of a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Which findings are known issues; `None` if there was no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<KnownFindings>,
}

impl Verdict {
    /// Whether the run did all that its plan of faults is for. A run that did not says nothing by its pass.
    pub fn is_exposed(&self) -> bool {
        self.exposure.iter().all(|exposure| exposure.count > 0)
    }
}

impl Compared {
    /// Adds what was compared in one more partition.
    pub fn add(&mut self, other: &Compared) {
        self.offsets += other.offsets;
        self.rows += other.rows;
        self.flags += other.flags;
        self.segments += other.segments;
        self.undecided += other.undecided;
        self.replicas.extend(other.replicas.iter().cloned());
        for (replica, offsets) in &other.not_loaded {
            *self.not_loaded.entry(replica.clone()).or_default() += offsets;
        }
        for (reason, rows) in &other.excused {
            *self.excused.entry(*reason).or_default() += rows;
        }
    }
}
