//! Why a plan has no schedule.

use crate::history::fault::StepId;

/// Why a plan has no schedule on this roster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The roster is empty.
    #[error("step `{0}` needs a replica and the target has none")]
    NoReplicas(StepId),
    /// The table has no partitions.
    #[error("step `{0}` needs a partition and the workload has none: set `partitions` to 1 or more")]
    NoPartitions(StepId),
    /// A step names a replica that is not there.
    #[error("step `{step}` selects the replica `{replica}`, and the target has: {}", .roster.join(", "))]
    NoSuchReplica {
        /// The step.
        step: StepId,
        /// The replica it names.
        replica: String,
        /// The replicas of the target.
        roster: Vec<String>,
    },
    /// A step names a partition that is not there.
    #[error("step `{step}` is for partition {partition}, and the workload has {partitions}, counted from 0")]
    NoSuchPartition {
        /// The step.
        step: StepId,
        /// The partition it names.
        partition: u32,
        /// How many the workload has.
        partitions: u32,
    },
    /// A step needs a replica that another one does not hit.
    #[error("step `{step}` selects a replica that `{other}` does not hit, and there is none")]
    NoOtherReplica {
        /// The step.
        step: StepId,
        /// The step that hits all replicas.
        other: StepId,
    },
    /// A step avoids a replica that is not known before the run.
    #[error(
        "step `{step}` selects a replica that `{other}` does not hit, and which one that is, is only known \
         when it begins: let `{step}` select `same-as`, or `{other}` select `one`"
    )]
    NotKnownYet {
        /// The step.
        step: StepId,
        /// The step that hits a leader or a holder.
        other: StepId,
    },
    /// A step takes its victim from a step that does not come before it.
    #[error("step `{step}` selects by the victim of a step `{other}`, which does not come before it")]
    UnknownStep {
        /// The step that refers to another.
        step: StepId,
        /// The step it refers to.
        other: StepId,
    },
}
