//! Names of the checks. A nemesis plan lists the checks it requires by these names.

use serde::{Deserialize, Serialize};

/// The checks, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CheckName {
    /// Nothing happened that the other checks assume cannot happen.
    Assumptions,
    /// Every read that a pass rests on was made.
    Owed,
    /// Model and target agree on a small data set written without faults.
    Calibration,
    /// The faults of the plan had a chance to do harm.
    Exposure,
    /// Every acknowledged op is in the log.
    Log,
    /// Replicas agree with each other.
    Group,
    /// Replicas agree with the fold of the log.
    Model,
    /// Every key has exactly the current row that it should have.
    Current,
    /// Consuming positions and frontiers advance.
    Progress,
}

impl CheckName {
    /// All checks, in the order in which they run.
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
