//! What can be wrong with a dump, with the place in it.

use dissent_core::nearest::nearest;
use std::path::{Path, PathBuf};

/// An option names a column that is not there. `problem` says so; `columns` are those that are.
pub(super) fn no_column<'c>(
    option: &str,
    name: &str,
    problem: &str,
    columns: impl IntoIterator<Item = &'c String>,
) -> String {
    let columns: Vec<&str> = columns.into_iter().map(String::as_str).collect();
    let near = nearest(name, &columns).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    format!("--{option} {name}: {problem}: there are {}{near}", columns.join(", "))
}

/// Why a dump could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// A file could not be opened, read or written.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// `open`, `read` or `write`.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A row is not what its format or its columns demand.
    #[error("{}, line {line}: {problem}", file.display())]
    Row {
        /// The file.
        file: PathBuf,
        /// The line in it, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// Options do not fit the dumps.
    #[error("{0}")]
    Usage(String),
    /// The user stopped it.
    #[error("stopped")]
    Stopped,
}

impl DumpError {
    /// An error of the system.
    pub fn io(action: &'static str, file: &Path) -> impl FnOnce(std::io::Error) -> DumpError {
        let file = file.to_owned();
        move |source| DumpError::Io { action, file, source }
    }
}
