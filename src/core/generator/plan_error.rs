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
    /// A step takes its victim from a step that does not come before it.
    #[error("step `{step}` selects `same-as` a step `{other}`, which does not come before it")]
    UnknownStep {
        /// The step that refers to another.
        step: StepId,
        /// The step it refers to.
        other: StepId,
    },
}
