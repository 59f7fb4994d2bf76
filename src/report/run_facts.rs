//! What reports say of a run besides its metadata and verdict.

use dissent_core::history::time::Nanos;
use std::path::PathBuf;

/// The name of a run, how long it took, and where its files are.
#[derive(Clone, Debug, Default)]
pub struct RunFacts {
    /// The name of its folder, or the name that a folder would have.
    pub name: String,
    /// From its start to its last event.
    pub duration: Nanos,
    /// Its folder. None if it was not kept.
    pub folder: Option<PathBuf>,
    /// Its HTML report. None if there is none.
    pub report: Option<PathBuf>,
}
