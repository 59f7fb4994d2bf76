//! Why something could not be done at a target. Adapters and the processes that hold faults both meet it.

use serde::Serialize;
use std::time::Duration;

/// A cure waits so long at most to learn whether its fault is still in force.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Why something could not be done at a target. While reading it is evidence (unknown); only before the
/// run does it end it (exit 4).
#[derive(Clone, Debug, thiserror::Error)]
pub enum TargetError {
    /// No answer, or none in time.
    #[error("no answer from {at}: {cause}")]
    Unreachable {
        /// Who was asked.
        at: String,
        /// What came of it.
        cause: String,
    },
    /// An answer that cannot be understood.
    #[error("{at} answered nonsense: {cause}")]
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
        /// Its words.
        cause: String,
    },
    /// Another run has it.
    #[error(
        "{at} is in use by {holder}: wait until it has ended; if it was killed, its lock ends by itself in \
         {} s", .holder.left
    )]
    InUse {
        /// The target.
        at: String,
        /// The other run.
        holder: Holder,
    },
    /// Faults of earlier runs are still in force.
    #[error("{at} still has faults of earlier runs: {marks}; cure them with `dissent heal {heal}`")]
    FaultsInForce {
        /// The target.
        at: String,
        /// Each with its run and step.
        marks: String,
        /// What to heal.
        heal: String,
    },
    /// Something else is in the way.
    #[error("no run could begin: {0}")]
    NotReady(String),
    /// What is to let us in is not there.
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

/// Who has the target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// The run.
    pub run: String,
    /// Whose it is.
    pub owner: String,
    /// For how long by now, in seconds.
    pub seconds: u64,
    /// How long its lock still lasts if the run renews it no more, in seconds.
    pub left: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "run {} of {}, for {} s now", self.run, self.owner, self.seconds)
    }
}
