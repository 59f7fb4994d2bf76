//! What the judge concludes, as data. Words and pictures are made in `report/`.
//!
//! `verdict.json` is this structure, serialised; its JSON Schema is `src/report/verdict.schema.json`.
//! Fields may be added within a version; a change of meaning raises [`VERSION`].

use crate::history::check_name::CheckName;
use crate::history::schema::rules::Absence;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod divergence;
pub(super) mod fingerprint;
mod frontier;
mod known;
pub mod known_issue;
pub(super) mod pattern;
pub use divergence::{
    Anomaly, CaptureState, Course, Divergence, LogPoint, MissingState, Origin, Pattern, RootCause,
    RowEvidence, ShownRow, Side,
};
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

/// The word that a verdict begins with (`RULES.md` 10), by what was doubted and by whether anything was
/// `found`.
pub(super) fn outcome(verdict: &Verdict, required: &[CheckName], found: bool) -> VerdictOutcome {
    let Verdict { checks, doubts, compared, progress, .. } = verdict;
    let blind = checks.iter().any(|check| check.status == Status::Unknown && required.contains(&check.name));
    // Neither rows were compared nor frontiers looked at, of a target that declares any.
    let saw_nothing = compared.rows == 0 && progress.looks == 0;
    if found {
        VerdictOutcome::Fail
    } else if !doubts.is_empty() || blind || saw_nothing {
        VerdictOutcome::Inconclusive
    } else {
        VerdictOutcome::Pass
    }
}
