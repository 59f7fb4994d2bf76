//! From a nemesis plan, a roster and a seed to the steps of one run: who is hit, when it begins, when it ends.

use crate::record::row::Nanos;
use serde::{Deserialize, Serialize};

/// Names a step of the schedule, as in the plan's TOML.
pub type StepId = String;

/// A transition of a segment on a replica, as a coordination service orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Begin to consume the segment.
    OfflineToConsuming,
    /// The segment is committed: register the committed copy.
    ConsumingToOnline,
}

/// What can go wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Keep one message of the coordination service from its receiver.
    HoldMessage(Transition),
    /// kill -9, and start again at the cure.
    Restart,
    /// The next commit of the partition is won by this replica.
    CommitWinner,
}

/// A fault with everything filled in: data, and enough to cure it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// On which replica.
    pub replica: String,
    /// In which partition, where that matters.
    pub partition: Option<u32>,
    /// For which segment sequence number, where that matters.
    pub seq: Option<u32>,
}

/// What makes a step begin or end. Conditions speak of the log and of the *other* replicas, never of the
/// victim's own progress: a guard that waits would dead-lock with such a plan (`semantics` 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// This long after the load began.
    At(Nanos),
    /// This many boundaries were crossed since the load began.
    Boundaries(u32),
    /// All other assigned replicas hold the step's segment as committed.
    OthersCommitted,
    /// The log has this many entries past the start of the segment after the step's one, or this much
    /// time has passed since that segment opened.
    EventsInNext {
        /// Entries.
        events: u64,
        /// Nanoseconds since the segment opened.
        or_after: Nanos,
    },
    /// This long after the step began.
    After(Nanos),
}

/// One step: a fault with its victim drawn, and its two conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The step's name.
    pub id: StepId,
    /// What goes wrong.
    pub kind: FaultKind,
    /// The replica drawn.
    pub replica: String,
    /// The partition drawn, where that matters.
    pub partition: Option<u32>,
    /// When it begins.
    pub begin: Condition,
    /// When it is cured; the end of the load cures it in any case.
    pub until: Condition,
}
