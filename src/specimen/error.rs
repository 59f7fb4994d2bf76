//! Errors of this crate, and reading a cluster's settings.

use serde::de::DeserializeOwned;
use std::path::Path;

/// Why a cluster cannot be set up, or a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are unusable, or a process did not start.
    #[error("use the settings: {0}")]
    Config(String),
    /// A request names something unknown, or lacks a value.
    #[error("answer the request: {0}")]
    Request(String),
    /// Reading or writing a file or a socket failed.
    #[error("{what}: {source}")]
    Io {
        /// The action that failed, with the path or address.
        what: String,
        /// The operating system's error.
        source: std::io::Error,
    },
}

/// Reads settings from a JSON file. Does not check them.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let at = |error: &dyn std::fmt::Display| Error::Config(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    serde_json::from_str(&text).map_err(|error| at(&error))
}
