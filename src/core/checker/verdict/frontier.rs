//! What the judge concludes of consuming positions and of the frontiers that a target declares
//! (`RULES.md` 7).

use crate::history::event::Phase;
use crate::history::frontier::FrontierKind;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What an object that progresses is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// The lowest offset of a partition that a replica is assigned and does not cover.
    ConsumingPosition,
    /// The upper of a shard: what readers may see lies below it.
    ShardUpper,
    /// What one writer will not emit before any more.
    WriterOutput,
}

impl From<FrontierKind> for ObjectKind {
    fn from(kind: FrontierKind) -> ObjectKind {
        match kind {
            FrontierKind::ShardUpper => ObjectKind::ShardUpper,
            FrontierKind::WriterOutput => ObjectKind::WriterOutput,
        }
    }
}

/// Whether readers see that an object stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// What it feeds stands still as well, or it feeds nothing.
    Visible,
    /// What it feeds went on without it: somebody else moves that.
    Latent,
}

/// How a freeze ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FreezeCourse {
    /// It did not: the object never moved again.
    Sticky,
    /// It moved on in the same incarnation.
    SelfHealed,
    /// It moved on in a new incarnation only.
    ClearedByRestart,
}

/// Whether the object's own status tells that it does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusCause {
    /// It says that all is well.
    Silent,
    /// It says that it stalled or failed.
    Shown,
}

/// One move of an object, between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The sample that shows it.
    pub t: Nanos,
    /// Where it stood at the sample before.
    pub from: u64,
    /// Where it stood then.
    pub to: u64,
}

/// What happened last before an object stopped or went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum PrecedingEvent {
    /// A phase of the run began.
    Phase {
        /// When.
        t: Nanos,
        /// Which.
        phase: Phase,
    },
    /// A fault began, on whichever replica.
    FaultBegin {
        /// When.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// A fault's cure began.
    CureBegin {
        /// When.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// A fault's cure was verified, or failed.
    Cured {
        /// When.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// The object was first seen in a new incarnation.
    Incarnation {
        /// When.
        t: Nanos,
        /// Its number.
        incarnation: u64,
    },
}

impl PrecedingEvent {
    /// When it happened.
    pub fn t(&self) -> Nanos {
        match self {
            PrecedingEvent::Phase { t, .. }
            | PrecedingEvent::FaultBegin { t, .. }
            | PrecedingEvent::CureBegin { t, .. }
            | PrecedingEvent::Cured { t, .. }
            | PrecedingEvent::Incarnation { t, .. } => *t,
        }
    }
}

/// A consuming position or another frontier that stopped while there was more to come (`RULES.md` 7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The object: a declared frontier's name, or `REPLICA partition P`.
    pub object: String,
    /// What it is.
    pub kind: ObjectKind,
    /// Whether readers see it.
    pub grade: Grade,
    /// How it ended.
    pub course: FreezeCourse,
    /// The replica; none for a frontier that belongs to no process.
    pub replica: Option<String>,
    /// The objects that feed it and stood still for too long at that time: it cannot go on without them.
    #[serde(default)]
    pub pinned_by: Vec<String>,
    /// The partition of a consuming position.
    pub partition: Option<u32>,
    /// Where it is pinned.
    pub position: u64,
    /// The segment of a consuming position that this offset lies in.
    pub segment: Option<String>,
    /// Its upstream's end at the last sample that shows it pinned: of a consuming position the log's end.
    pub log_end: u64,
    /// How far its upstream moved since.
    pub upstream_moved: u64,
    /// How much of its upstream lies beyond it; none where the two cannot be compared.
    pub invisible: Option<u64>,
    /// Of a shard: what of the input log it did not show at the last capture.
    #[serde(default)]
    pub unseen: Option<NotVisible>,
    /// Since when it has not moved, on the run's clock: the first sample that saw it there.
    pub since: Nanos,
    /// For how long it was watched without a move and without an excuse: of a gap in the sampling only a
    /// usual interval counts.
    pub watched: Nanos,
    /// The threshold that it passed.
    pub threshold: Nanos,
    /// Whether the threshold rests on a baseline of at least 30 gaps.
    pub baseline: bool,
    /// The last move before; none if none was seen.
    pub last_move: Option<Move>,
    /// What happened last before it stopped.
    pub before: Option<PrecedingEvent>,
    /// Its status when it stopped.
    pub status_at_freeze: String,
    /// Its status at the last sample that shows it pinned.
    pub status: String,
    /// Whether that status shows a cause.
    pub cause: StatusCause,
    /// Its incarnation.
    pub incarnation: u64,
    /// Samples in the time that it was watched.
    pub samples: u64,
    /// How often it stopped for longer than the threshold; this is the last time that it did not get over,
    /// else the longest.
    pub times: u64,
}

/// What of the input log nobody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotVisible {
    /// The first offset.
    pub from: u64,
    /// Log entries from there on.
    pub entries: u64,
    /// Keys that they are of.
    pub keys: u64,
}

/// A frontier that went back within one incarnation, or though it is declared durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regressed {
    /// The object.
    pub object: String,
    /// What it is.
    pub kind: ObjectKind,
    /// Its replica, if it belongs to one.
    pub replica: Option<String>,
    /// Where it stood before.
    pub from: u64,
    /// Where it stood then.
    pub to: u64,
    /// The last sample before.
    pub after: Nanos,
    /// The sample that shows it.
    pub t: Nanos,
    /// Its incarnation before and then.
    pub incarnations: (u64, u64),
    /// Whether it is declared durable.
    pub durable: bool,
    /// What happened last before.
    pub before: Option<PrecedingEvent>,
    /// How often it went back; this is the first time.
    pub times: u64,
}

/// A frontier beyond the end of its upstream, or beyond an input that it waits for, as that was read after
/// it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// The object.
    pub object: String,
    /// What it is.
    pub kind: ObjectKind,
    /// Its replica, if it belongs to one.
    pub replica: Option<String>,
    /// Where it stood.
    pub position: u64,
    /// Its upstream's end, or where the input was, read after it.
    pub upper: u64,
    /// The input; none: its upstream.
    #[serde(default)]
    pub input: Option<String>,
    /// The first sample that shows it.
    pub t: Nanos,
    /// Its incarnation.
    pub incarnation: u64,
    /// Samples that show it.
    pub samples: u64,
}

/// How an object stood at its last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontierState {
    /// It moves, and was at its upstream's end lately.
    Advancing,
    /// It is at its upstream's end.
    Idle,
    /// It moves, and has been behind for longer than its threshold.
    Lagging,
    /// It stands still and has not done so for long enough to be called frozen.
    Waiting,
    /// Its status says that it is not meant to move: paused, starting, hydrating.
    Held,
    /// Nothing will ever come any more.
    Sealed,
    /// It never had a value.
    NeverWritten,
    /// It stopped while there was more to come.
    Frozen,
}

/// An object that moves and does not reach its upstream's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagging {
    /// The object.
    pub object: String,
    /// How far it is behind.
    pub behind: u64,
    /// How fast it moved while behind, in thousandths of a unit a second.
    pub slope_milli: u64,
    /// How long it needs to catch up if both go on as they did; none if it never does.
    pub catches_up_in: Option<Nanos>,
}

/// An object that stood still for longer than its threshold and got over it within the time that its target
/// declares: no finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// The object.
    pub object: String,
    /// Since when.
    pub since: Nanos,
    /// For how long.
    pub watched: Nanos,
    /// The time that the target declares.
    pub within: Nanos,
}

/// An object that stood still at the end for longer than it ever did before, and not for long enough to be
/// called frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The object.
    pub object: String,
    /// Where it stands.
    pub position: u64,
    /// Since when, on the run's clock.
    pub since: Nanos,
    /// For how long it was watched there.
    pub watched: Nanos,
    /// For how long it would have had to stand still.
    pub threshold: Nanos,
}

/// How the consuming positions and frontiers went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Objects by their state at their last sample.
    pub states: BTreeMap<FrontierState, u64>,
    /// The objects that lag, the furthest behind first, at most 20 of them.
    pub lagging: Vec<Lagging>,
    /// The objects that may have stopped shortly before the end, at most 20 of them.
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// Freezes that healed in time, at most 20 of them.
    pub healed: Vec<Healed>,
    /// Samples of declared frontiers.
    pub looks: u64,
}
