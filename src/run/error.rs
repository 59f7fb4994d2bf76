//! Why a run has no verdict.

use super::imports::ImportError;
use super::run_spec::RunSpecError;
use crate::dumps::error::DumpError;
use crate::exit::{Exit, StopSignal};
use crate::faults::hook::HookError;
use crate::target_error::TargetError;
use dissent_store::cure::Cure;
use dissent_store::latest_run::ResolveError;
use dissent_store::run_reader::OpenError;
use dissent_store::writing::{StoreError, is_full};

/// Why a run has no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The specification is inconsistent or does not fit the target.
    #[error(transparent)]
    Spec(#[from] RunSpecError),
    /// The target could not be set up, or did not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A hook of the target file failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// A signal came before there was anything to judge.
    #[error("interrupted by {} while {meanwhile}", signal.name())]
    StopSignal {
        /// The signal.
        signal: StopSignal,
        /// What was being done, as a clause: `the target was set up`.
        meanwhile: &'static str,
    },
    /// The simulated target could not be set up.
    #[error(transparent)]
    Simulated(#[from] ::specimen::Error),
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run to read does not exist.
    #[error(transparent)]
    NoRun(#[from] ResolveError),
    /// The record could not be read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Events or logs could not be brought in.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// A dump could not be read.
    #[error(transparent)]
    Dump(#[from] DumpError),
    /// An audit cannot be made as it was asked for.
    #[error("{0}")]
    Audit(String),
    /// The finding that a search is for did not show when the whole run was repeated.
    #[error(
        "`{class}` did not show again in {tries} runs of everything that the run wrote and injected: repeat \
         the run itself to see how often it fails, and shrink one that fails more often"
    )]
    NotRepeated {
        /// The class of the finding.
        class: String,
        /// The number of runs.
        tries: u64,
    },
    /// The record is lost, so there is nothing to judge.
    #[error("the record of this run is lost, and with it the verdict: {source}")]
    Lost {
        /// The error while reading it.
        source: Box<OpenError>,
        /// The cures of faults that may still be in force.
        uncured: Vec<Cure>,
        /// The argument for `dissent heal`.
        heal: String,
        /// The exit code: that of an inconclusive run, or a worse one.
        exit: Exit,
    },
    /// This program's own environment failed: signals, threads, or the path of the program.
    #[error("cannot {what}: {source}")]
    Surroundings {
        /// The action that failed, as a verb for the message.
        what: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl RunError {
    /// The exit code of the process for this error.
    pub fn exit(&self) -> Exit {
        match self {
            // This error comes from the environment, not from wrong arguments.
            RunError::Store(StoreError::Full { .. }) | RunError::NotRepeated { .. } => Exit::Inconclusive,
            RunError::Dump(DumpError::Io { source, .. }) if is_full(source) => Exit::Inconclusive,
            RunError::Spec(_)
            | RunError::Dump(_)
            | RunError::Audit(_)
            | RunError::Store(_)
            | RunError::NoRun(_)
            | RunError::Open(_)
            | RunError::Import(_) => Exit::Usage,
            RunError::Lost { exit, .. } => *exit,
            RunError::Target(_) | RunError::Hook(_) | RunError::Simulated(_) => Exit::Target,
            RunError::StopSignal { signal, .. } => signal.exit(),
            RunError::Surroundings { .. } => Exit::Bug,
        }
    }

    /// Why nothing is known of a run that had begun, in one word. None if it never began.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            RunError::Store(StoreError::Full { .. }) => Some("no-space"),
            RunError::Store(_) => Some("no-record"),
            RunError::Lost { .. } => Some("record-lost"),
            RunError::Target(_) | RunError::Hook(_) | RunError::Simulated(_) => Some("no-target"),
            RunError::StopSignal { .. } => Some("interrupted"),
            RunError::Surroundings { .. } => Some("bug"),
            RunError::Dump(DumpError::Io { source, .. }) if is_full(source) => Some("no-space"),
            RunError::Spec(_)
            | RunError::Dump(_)
            | RunError::Audit(_)
            | RunError::NotRepeated { .. }
            | RunError::NoRun(_)
            | RunError::Open(_)
            | RunError::Import(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissent_store::writing::failed;
    use std::io::{Error, ErrorKind};
    use std::path::Path;

    #[test]
    fn a_full_disk_is_the_same_to_dumps_and_to_records() {
        for (kind, exit, reason) in [
            (ErrorKind::StorageFull, Exit::Inconclusive, Some("no-space")),
            (ErrorKind::QuotaExceeded, Exit::Inconclusive, Some("no-space")),
            (ErrorKind::FileTooLarge, Exit::Inconclusive, Some("no-space")),
            (ErrorKind::PermissionDenied, Exit::Usage, None),
        ] {
            let file = Path::new("rows");
            let of_dump = RunError::Dump(DumpError::io("write", file)(Error::from(kind)));
            assert_eq!((of_dump.exit(), of_dump.reason()), (exit, reason), "{kind}");
            let of_record = RunError::Store(failed("write", file)(Error::from(kind)));
            assert_eq!(of_record.exit(), exit, "{kind}");
        }
    }
}
