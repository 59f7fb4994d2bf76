//! The judge's conclusions on consuming positions and on the frontiers that a target declares (`RULES.md`
//! 7).

use super::explanation::Explanation;
use super::freeze_explanation::{FreezeExplanation, RestartEffect};
use super::object_kind::ObjectKind;
use crate::history::event::Phase;
use crate::history::time::{Nanos, moment};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether readers notice that an object is stalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FreezeVisibility {
    /// The object that it feeds is stalled as well, or it feeds nothing.
    Visible,
    /// The object that it feeds moves on without it, since something else moves that.
    Latent,
}

/// How a freeze ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FreezeCourse {
    /// It did not end: the object never moved again.
    Sticky,
    /// It moved on in the same incarnation.
    SelfHealed,
    /// It moved on, but only in a new incarnation.
    ClearedByRestart,
}

/// Whether the object's own status shows that it does not progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StatusCause {
    /// The status says that all is well.
    Silent,
    /// The status says that it stalled or failed.
    Shown,
}

/// One move of an object, between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Move {
    /// The time of the sample that shows it.
    pub t: Nanos,
    /// Its position in the sample before.
    pub from: u64,
    /// Its position in this sample.
    pub to: u64,
}

/// What happened last before an object stopped or went back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum PrecedingEvent {
    /// A phase of the run began.
    Phase {
        /// When it began.
        t: Nanos,
        /// The phase.
        phase: Phase,
    },
    /// A fault began, on any replica.
    FaultBegin {
        /// When it began.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// A fault's cure began.
    CureBegin {
        /// When it began.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// A fault's cure was verified, or failed.
    Cured {
        /// When that was known.
        t: Nanos,
        /// The step of the schedule.
        step: String,
    },
    /// The object was first seen in a new incarnation.
    Incarnation {
        /// The time of that sample.
        t: Nanos,
        /// The new incarnation.
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Frozen {
    /// The object: a declared frontier's name, or `REPLICA partition P`.
    pub object: String,
    /// The kind of the object.
    pub kind: ObjectKind,
    /// Whether readers notice it.
    pub grade: FreezeVisibility,
    /// How it ended.
    pub course: FreezeCourse,
    /// The replica; `None` for a frontier that belongs to no process.
    pub replica: Option<String>,
    /// The objects that feed it and were stalled for too long at that time. It cannot move on without them.
    #[serde(default)]
    pub pinned_by: Vec<String>,
    /// The partition; only for a consuming position.
    pub partition: Option<u32>,
    /// Where it is frozen.
    pub position: u64,
    /// The segment with this offset; only for a consuming position.
    pub segment: Option<String>,
    /// Its upstream's end at the last sample of the freeze. For a consuming position: the end of the log.
    pub log_end: u64,
    /// How far its upstream has moved since it froze.
    pub upstream_moved: u64,
    /// How much of its upstream is beyond it; `None` if the two cannot be compared.
    pub invisible: Option<u64>,
    /// For a shard: the part of the input log that it did not show at the last capture.
    #[serde(default)]
    pub unseen: Option<NotVisible>,
    /// When it was first seen at this position, on the run's clock.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub since: Nanos,
    /// How long it was watched without a move and without an excuse. A gap in the sampling counts only as a
    /// usual interval.
    pub watched: Nanos,
    /// The threshold that it passed.
    pub threshold: Nanos,
    /// Whether the threshold rests on a baseline of at least 30 gaps.
    pub baseline: bool,
    /// The last move before the freeze; `None` if none was seen.
    pub last_move: Option<Move>,
    /// The last event before it stopped.
    pub before: Option<PrecedingEvent>,
    /// Its status when it stopped.
    pub status_at_freeze: String,
    /// Its status at the last sample of the freeze.
    pub status: String,
    /// Whether that status shows a cause.
    pub cause: StatusCause,
    /// Its incarnation at the last sample of the freeze.
    pub incarnation: u64,
    /// The number of samples in the time that it was watched.
    pub samples: u64,
    /// How often it stopped for longer than the threshold. This finding is the last freeze that did not end;
    /// if all ended, the longest.
    pub times: u64,
    /// For a consuming position: the guard that keeps its segment from being consumed (`RULES.md` 9).
    #[serde(default)]
    pub explanation: Option<Box<Explanation>>,
    /// For any other frontier: what it waits for, and what waits behind it.
    #[serde(default)]
    pub freeze_explanation: Option<Box<FreezeExplanation>>,
    /// The freezes of the objects that hold it back, directly or not. This finding stands for all of them.
    #[serde(default)]
    pub joined: Vec<Frozen>,
}

impl Frozen {
    /// This freeze and those that it stands for.
    pub fn all(&self) -> impl Iterator<Item = &Frozen> {
        std::iter::once(self).chain(&self.joined)
    }

    /// Stands for another freeze from now on, one that holds this object back.
    pub(crate) fn join(&mut self, mut other: Frozen) {
        if let (Some(own), Some(others)) = (&mut self.freeze_explanation, &mut other.freeze_explanation) {
            others.chain.clear();
            if own.restart == RestartEffect::NotTried {
                own.restart = others.restart;
            }
        }
        self.joined.push(other);
    }
}

/// The part of the input log that nobody sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NotVisible {
    /// The first offset of that part.
    pub from: u64,
    /// The number of log entries from there on.
    pub entries: u64,
    /// The number of keys of these entries.
    pub keys: u64,
}

/// A frontier that went back within one incarnation, or although it is declared durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Regressed {
    /// The object.
    pub object: String,
    /// The kind of the object.
    pub kind: ObjectKind,
    /// Its replica; `None` if it belongs to no process.
    pub replica: Option<String>,
    /// Its position before.
    pub from: u64,
    /// Its position after.
    pub to: u64,
    /// The time of the last sample before.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub after: Nanos,
    /// The time of the sample that shows it.
    #[serde(rename = "since", alias = "t", with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub t: Nanos,
    /// Its incarnation before and after.
    pub incarnations: (u64, u64),
    /// Whether it is declared durable.
    pub durable: bool,
    /// The last event before it went back.
    pub before: Option<PrecedingEvent>,
    /// How often it went back. This finding is the first time.
    pub times: u64,
}

/// A frontier beyond the end of its upstream, or beyond an input that it waits for. The other number was
/// read after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ahead {
    /// The object.
    pub object: String,
    /// The kind of the object.
    pub kind: ObjectKind,
    /// Its replica; `None` if it belongs to no process.
    pub replica: Option<String>,
    /// The object's position.
    pub position: u64,
    /// Its upstream's end, or the input's position, read after it.
    pub upper: u64,
    /// The name of the input; `None` if it is ahead of its upstream.
    #[serde(default)]
    pub input: Option<String>,
    /// The time of the first sample that shows it.
    #[serde(rename = "since", alias = "t", with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub t: Nanos,
    /// Its incarnation.
    pub incarnation: u64,
    /// The number of samples that show it.
    pub samples: u64,
}

/// The state of an object at its last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FrontierState {
    /// It moves, and has been at its upstream's end recently.
    Advancing,
    /// It is at its upstream's end.
    Idle,
    /// It moves, but has been behind for longer than its threshold.
    Lagging,
    /// It does not move, but not for long enough to be called frozen.
    Waiting,
    /// Its status says that it is not meant to move: paused, starting, hydrating.
    Held,
    /// It is complete: nothing will ever come any more.
    Sealed,
    /// It never had a value.
    NeverWritten,
    /// It stopped while there was more to come.
    Frozen,
}

/// An object that moves but does not reach its upstream's end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Lagging {
    /// The object.
    pub object: String,
    /// The distance to its upstream's end.
    pub behind: u64,
    /// How fast it moved while behind, in thousandths of a unit per second.
    pub slope_milli: u64,
    /// How long it needs to catch up if both go on at this rate; `None` if it never does.
    pub catches_up_in: Option<Nanos>,
}

/// An object that was stalled for longer than its threshold but recovered in time. This is no finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Healed {
    /// The object.
    pub object: String,
    /// When the stall began, on the run's clock.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub since: Nanos,
    /// How long the stall was watched.
    pub watched: Nanos,
    /// The time that the target declares. Absent for a consuming position, which may lag until the deadline
    /// (`RULES.md` 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Nanos>,
}

/// An object that had not moved at the end for longer than ever before, but not for long enough to be called
/// frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Waiting {
    /// The object.
    pub object: String,
    /// The object's position.
    pub position: u64,
    /// When it was first seen at this position, on the run's clock.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub since: Nanos,
    /// How long it was watched there.
    pub watched: Nanos,
    /// How long it must not move to be called frozen.
    pub threshold: Nanos,
}

/// The progress of consuming positions and frontiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Progress {
    /// The number of objects in each state, at their last sample.
    pub states: BTreeMap<FrontierState, u64>,
    /// The objects that lag, the furthest behind first, at most 20 of them.
    pub lagging: Vec<Lagging>,
    /// The objects that may have stopped shortly before the end, at most 20 of them.
    #[serde(default)]
    pub waiting: Vec<Waiting>,
    /// Freezes that healed in time, at most 20 of them.
    pub healed: Vec<Healed>,
    /// The number of samples of declared frontiers.
    pub looks: u64,
}
