//! Errors of operations on a target, in adapters and in the processes that hold faults.

use serde::Serialize;
use std::time::Duration;

/// How long a cure waits at most to learn whether its fault is still in force.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Why an operation on a target failed. During a run it is evidence (unknown); only before the run does it
/// end the run (exit 4).
#[derive(Clone, Debug, thiserror::Error)]
pub enum TargetError {
    /// No answer, or none in time.
    #[error("no answer from {at}: {cause}")]
    Unreachable {
        /// Who was asked.
        at: String,
        /// What went wrong.
        cause: String,
    },
    /// An answer that cannot be understood.
    #[error("unexpected answer from {at}: {cause}")]
    InvalidResponse {
        /// Who was asked.
        at: String,
        /// What is wrong with the answer.
        cause: String,
    },
    /// The target refused.
    #[error("{at} refused: {cause}")]
    Refused {
        /// Who was asked.
        at: String,
        /// Its answer.
        cause: String,
    },
    /// Another run uses the target.
    #[error(
        "{at} is in use by {holder}: wait until it ends; if it was killed, its lock expires in {} s",
        .holder.left
    )]
    InUse {
        /// The target.
        at: String,
        /// The other run.
        holder: Holder,
    },
    /// Faults of earlier runs are still in force.
    #[error("earlier runs left faults on {at}: {marks}; undo them with `dissent heal {heal}`")]
    FaultsInForce {
        /// The target.
        at: String,
        /// The faults, each with its run and step.
        marks: String,
        /// What to heal.
        heal: String,
    },
    /// Something else prevents a run.
    #[error("not ready for a run: {0}")]
    NotReady(String),
    /// Credentials or certificates are missing.
    #[error("cannot log in: {cause}")]
    Unauthenticated {
        /// What is missing.
        cause: String,
    },
    /// A process could not be started, or died at once.
    #[error("cannot start {process}: {cause}")]
    SpawnFailed {
        /// Which.
        process: String,
        /// Why.
        cause: String,
    },
}

impl TargetError {
    /// The error as it may be told of data that must not be shown. An answer that cannot be understood is
    /// quoted in its error, and may be a row.
    pub fn without_data(self) -> TargetError {
        match self {
            TargetError::InvalidResponse { at, .. } => {
                let cause = "not quoted, since it may hold values; --show-values shows it".to_owned();
                TargetError::InvalidResponse { at, cause }
            }
            told => told,
        }
    }
}

/// The run that uses a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// User, host and process of the run.
    pub owner: String,
    /// How long it has used the target so far, in seconds.
    pub seconds: u64,
    /// Seconds until its lock expires if the run no longer renews it.
    pub left: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "run {} of {} (for {} s now)", self.run, self.owner, self.seconds)
    }
}
