//! Why a run came to no verdict.

use super::run_spec::RunSpecError;
use crate::exit::{Exit, StopSignal};
use crate::faults::hook::HookError;
use crate::target_error::TargetError;
use dissent_store::cure::Cure;
use dissent_store::folder::OpenError;
use dissent_store::latest_run::ResolveError;
use dissent_store::writer::StoreError;

/// Why a run came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The specification makes no sense.
    #[error(transparent)]
    Spec(#[from] RunSpecError),
    /// The target could not be set up.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// What was to bring the target up failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A signal came before there was anything to judge.
    #[error("interrupted by {} while the target was set up", .0.name())]
    StopSignal(StopSignal),
    /// The simulated target could not be set up.
    #[error(transparent)]
    Simulated(#[from] ::specimen::Error),
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such run.
    #[error(transparent)]
    NoRun(#[from] ResolveError),
    /// The record could not be read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The record is gone, so there is nothing to judge.
    #[error("the record of this run is lost, and with it the verdict: {source}")]
    Lost {
        /// What came of reading it.
        source: Box<OpenError>,
        /// Faults that may have been left.
        uncured: Vec<Cure>,
        /// What to heal.
        heal: String,
        /// The exit code: that of an unknown outcome, or what goes above it.
        exit: Exit,
    },
    /// Our own surroundings: signals, the path of this program.
    #[error("cannot {what}: {source}")]
    Surroundings {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        source: std::io::Error,
    },
}

impl RunError {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            // The surroundings, not the words that were typed.
            RunError::Store(StoreError::Full { .. }) => Exit::Inconclusive,
            RunError::Spec(_) | RunError::Store(_) | RunError::NoRun(_) | RunError::Open(_) => Exit::Usage,
            RunError::Lost { exit, .. } => *exit,
            RunError::Target(_) | RunError::Hook(_) | RunError::Simulated(_) => Exit::Target,
            RunError::StopSignal(cut) => cut.exit(),
            RunError::Surroundings { .. } => Exit::Bug,
        }
    }

    /// Why nothing is known of a run that was begun, in one word; none for one that never was.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            RunError::Store(StoreError::Full { .. }) => Some("no-space"),
            RunError::Store(_) => Some("no-record"),
            RunError::Lost { .. } => Some("record-lost"),
            RunError::Target(_) | RunError::Hook(_) | RunError::Simulated(_) => Some("no-target"),
            RunError::StopSignal(_) => Some("interrupted"),
            RunError::Surroundings { .. } => Some("bug"),
            RunError::Spec(_) | RunError::NoRun(_) | RunError::Open(_) => None,
        }
    }
}
