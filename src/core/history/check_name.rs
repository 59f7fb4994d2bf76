//! The names of the checks: plans name those that they require.

use serde::{Deserialize, Serialize};

/// The checks, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// The run did what its checks rely on.
    Assumptions,
    /// What a pass rests on was read.
    Owed,
    /// Model and target agree on a small set without faults.
    Calibration,
    /// The plan's opportunities arose.
    Exposure,
    /// Every acknowledged op lies in the log.
    Log,
    /// Replicas against each other.
    Group,
    /// Replicas against the folded log.
    Model,
    /// Which rows are current.
    Current,
    /// Consuming positions and frontiers move.
    Progress,
}

impl CheckName {
    /// All checks, in order.
    pub const ALL: [CheckName; 9] = [
        CheckName::Assumptions,
        CheckName::Owed,
        CheckName::Calibration,
        CheckName::Exposure,
        CheckName::Log,
        CheckName::Group,
        CheckName::Model,
        CheckName::Current,
        CheckName::Progress,
    ];
}
