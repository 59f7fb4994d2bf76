//! Faults: what can go wrong on purpose, and the schedule steps that say where and when.

use super::duration;
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// The name of a schedule step, as in the plan's TOML.
pub type StepId = String;

/// A transition of a segment on a replica, as a coordination service orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Start to consume the segment.
    OfflineToConsuming,
    /// The segment is committed: register the committed copy.
    ConsumingToOnline,
}

/// A path between a writer and the shard it shares. Each one can be delayed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// From the input log to the writer.
    Input,
    /// From the shard to the writer.
    Feedback,
    /// From the writer to the shard.
    Append,
}

/// What can go wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Withhold one message of the coordination service from its receiver.
    HoldMessage(Transition),
    /// Kill -9; the cure starts the process again.
    Restart,
    /// SIGSTOP; the cure is SIGCONT.
    Pause,
    /// This replica wins the next commit of the partition.
    CommitWinner,
    /// Downloads of one committed segment are slow, for every replica that fetches it.
    SlowDownload,
    /// The whole table moves from this replica to one that held nothing of it.
    Rebalance,
    /// No replica consumes; at the cure all resume. This is the system's own switch.
    PauseConsumption,
    /// Every replica replaces its own copy of one segment by the committed copy.
    Reload,
    /// One more writer of a shared shard starts and appends beside the others. It stays.
    SecondWriter,
    /// A writer leaves for good.
    DropWriter,
    /// A new generation of a writer starts cold and read-only. At the cure it is promoted, and all other
    /// writers leave.
    Cutover,
    /// A writer's input is held back.
    Lag {
        /// How far behind it is held.
        timestamps: u64,
    },
    /// Whatever passes through one of a writer's queues is delayed.
    DelayQueue {
        /// The queue that is delayed.
        queue: Queue,
        /// The longest delay, in milliseconds.
        ms: u64,
    },
}

impl FaultKind {
    /// Every kind, with a sample value where a kind has a parameter.
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

    /// Its name in plans.
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

    /// Whether the whole replica falls silent: nothing can be read from it while the fault is in force.
    pub fn silences(self) -> bool {
        matches!(self, FaultKind::Restart | FaultKind::Pause)
    }

    /// Whether the replica gets one segment, the next to be opened, too late. Plans with such a fault are
    /// about what the replica merges in the meantime.
    pub fn withholds_a_segment(self) -> bool {
        matches!(self, FaultKind::HoldMessage(_) | FaultKind::SlowDownload)
    }

    /// Whether it affects all partitions: a silent process takes all its partitions with it.
    pub fn is_of_all_partitions(self) -> bool {
        self.silences()
            || self.is_of_writers()
            || matches!(self, FaultKind::Rebalance | FaultKind::PauseConsumption)
    }

    /// Whether it acts on writers that share a shard. Other targets have no such writers.
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

    /// Whether it acts on all replicas of the table, whichever one was drawn.
    pub fn is_of_all(self) -> bool {
        matches!(self, FaultKind::PauseConsumption | FaultKind::Reload)
    }

    /// Whether the fault may keep its replica from progressing. Only then does it excuse a stalled replica.
    ///
    /// ```text
    /// b is frozen, and is named the winner of a commit for the last 20 s: it was free to go on all the while
    /// ```
    ///
    /// A writer that joins or leaves is no excuse either: such plans ask whether the other writers go on.
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

/// A fault with everything filled in: plain data, and enough to cure it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The replica it acts on.
    pub replica: String,
    /// The partition, for kinds that act on one.
    pub partition: Option<u32>,
    /// The sequence number of the segment, for kinds that act on one.
    pub seq: Option<u32>,
}

/// What makes a step begin or end. Conditions refer to the log and to the *other* replicas, never to the
/// victim's own progress: with such a plan, a guard that waits would deadlock (`RULES.md` 11).
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
        /// Number of entries.
        events: u64,
        /// Time since the segment opened.
        #[serde(with = "duration")]
        or_after: Nanos,
        /// The step whose segment is meant; `None`: its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<StepId>,
    },
    /// This long after the step began.
    After(#[serde(with = "duration")] Nanos),
}

/// One step: a fault with its victim drawn, and its two conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// As the plan names it.
    pub id: StepId,
    /// The kind of fault.
    pub kind: FaultKind,
    /// The replica that was drawn.
    pub replica: String,
    /// The partition that was drawn; `None` for a fault of all partitions.
    pub partition: Option<u32>,
    /// When it begins.
    pub begin: Condition,
    /// When it is cured. The end of the load cures it in any case.
    pub until: Condition,
}
