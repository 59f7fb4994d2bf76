//! Faults: what can go wrong on purpose, and the steps of a schedule that says to whom and when.

use super::duration;
use super::time::Nanos;
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

/// A way between a writer and the shard that it shares, each of which can be slow by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// The input log to the writer.
    Input,
    /// The shard to the writer.
    Feedback,
    /// The writer to the shard.
    Append,
}

/// What can go wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Keep one message of the coordination service from its receiver.
    HoldMessage(Transition),
    /// kill -9, and start again at the cure.
    Restart,
    /// SIGSTOP, and SIGCONT at the cure.
    Pause,
    /// The next commit of the partition is won by this replica.
    CommitWinner,
    /// The copy of one committed segment is long in coming to whoever fetches it.
    SlowDownload,
    /// Everything of the table moves from this replica to one that had nothing of it.
    Rebalance,
    /// No replica consumes, and at the cure all go on: the system's own switch.
    PauseConsumption,
    /// Every replica takes the committed copy of one segment in place of its own.
    Reload,
    /// One more writer of a shared shard comes up and appends beside the others; it stays.
    SecondWriter,
    /// A writer leaves for good.
    DropWriter,
    /// A new generation of a writer comes up cold and read-only; at the cure it is promoted, and all others
    /// leave.
    Cutover,
    /// A writer's input is kept behind.
    Lag {
        /// By how much.
        timestamps: u64,
    },
    /// Whatever goes along one of a writer's queues takes longer.
    DelayQueue {
        /// Which.
        queue: Queue,
        /// By up to how much.
        ms: u64,
    },
}

impl FaultKind {
    /// Every kind there is, those that have a measure with one.
    pub const ALL: [FaultKind; 14] = [
        FaultKind::HoldMessage(Transition::OfflineToConsuming),
        FaultKind::HoldMessage(Transition::ConsumingToOnline),
        FaultKind::Restart,
        FaultKind::Pause,
        FaultKind::CommitWinner,
        FaultKind::SlowDownload,
        FaultKind::Rebalance,
        FaultKind::PauseConsumption,
        FaultKind::Reload,
        FaultKind::SecondWriter,
        FaultKind::DropWriter,
        FaultKind::Cutover,
        FaultKind::Lag { timestamps: 1 },
        FaultKind::DelayQueue { queue: Queue::Input, ms: 1 },
    ];

    /// What it is called in plans.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::HoldMessage(_) => "hold-message",
            FaultKind::Restart => "restart",
            FaultKind::Pause => "pause",
            FaultKind::CommitWinner => "commit-winner",
            FaultKind::SlowDownload => "slow-download",
            FaultKind::Rebalance => "rebalance",
            FaultKind::PauseConsumption => "pause-consumption",
            FaultKind::Reload => "reload",
            FaultKind::SecondWriter => "second-writer",
            FaultKind::DropWriter => "drop-writer",
            FaultKind::Cutover => "cutover",
            FaultKind::Lag { .. } => "lag",
            FaultKind::DelayQueue { .. } => "delay-queue",
        }
    }

    /// Whether the whole replica falls silent: nothing of it can be read while the fault is in force.
    pub fn silences(self) -> bool {
        matches!(self, FaultKind::Restart | FaultKind::Pause)
    }

    /// Whether one segment, the next to be opened, comes late to the replica: what is merged meanwhile is
    /// what such a plan is about.
    pub fn withholds_a_segment(self) -> bool {
        matches!(self, FaultKind::HoldMessage(_) | FaultKind::SlowDownload)
    }

    /// Whether it is done to all partitions: a silent process takes all of its own with it.
    pub fn is_of_all_partitions(self) -> bool {
        self.silences()
            || self.is_of_writers()
            || matches!(self, FaultKind::Rebalance | FaultKind::PauseConsumption)
    }

    /// Whether it is done to writers that share a shard: other targets have none.
    pub fn is_of_writers(self) -> bool {
        match self {
            FaultKind::SecondWriter
            | FaultKind::DropWriter
            | FaultKind::Cutover
            | FaultKind::Lag { .. }
            | FaultKind::DelayQueue { .. } => true,
            FaultKind::HoldMessage(_)
            | FaultKind::Restart
            | FaultKind::Pause
            | FaultKind::CommitWinner
            | FaultKind::SlowDownload
            | FaultKind::Rebalance
            | FaultKind::PauseConsumption
            | FaultKind::Reload => false,
        }
    }

    /// Whether it is done to all replicas of the table, whichever was drawn.
    pub fn is_of_all(self) -> bool {
        matches!(self, FaultKind::PauseConsumption | FaultKind::Reload)
    }

    /// Whether the fault may keep its replica from going on: only then does it excuse one that stands still.
    ///
    /// ```text
    /// b is frozen, and is named the winner of a commit for the last 20 s: it was free to go on all the while
    /// ```
    ///
    /// Nor does another writer that comes or goes: that writers go on then is what such plans ask.
    pub fn holds_back(self) -> bool {
        !matches!(
            self,
            FaultKind::CommitWinner
                | FaultKind::Reload
                | FaultKind::SecondWriter
                | FaultKind::DropWriter
                | FaultKind::Cutover
        )
    }
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
/// victim's own progress: a guard that waits would dead-lock with such a plan (`RULES.md` 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    /// This long after the load began.
    At(#[serde(with = "duration")] Nanos),
    /// This many boundaries were crossed since the load began.
    Boundaries(u32),
    /// All other assigned replicas hold the step's segment as committed.
    OthersCommitted,
    /// The log has this many entries past the start of the segment after the step's one, or this much
    /// time has passed since that segment opened.
    EventsInNext {
        /// Entries.
        events: u64,
        /// Time since the segment opened.
        #[serde(with = "duration")]
        or_after: Nanos,
    },
    /// This long after the step began.
    After(#[serde(with = "duration")] Nanos),
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
