//! What a proof finds, and how long it may take.

use serde::Serialize;
use std::time::Duration;

/// How long the removal of the table may take, after the total time.
pub const CLEAN_UP: Duration = Duration::from_secs(10);

/// How long a proof may take.
#[derive(Clone, Copy, Debug)]
pub struct ProofLimits {
    /// How long replicas may take to show a write.
    pub settle: Duration,
    /// How long it takes at most, plus [`CLEAN_UP`].
    pub total: Duration,
}

impl Default for ProofLimits {
    fn default() -> ProofLimits {
        ProofLimits { settle: Duration::from_secs(10), total: Duration::from_secs(120) }
    }
}

/// One thing that a store must do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConformanceFinding {
    /// What it must do.
    pub what: String,
    /// Whether it does.
    pub passed: bool,
    /// What was seen.
    pub detail: String,
}
