//! Why something could not be done, and reading the settings of a cluster.

use serde::de::DeserializeOwned;
use std::path::Path;

/// Why a cluster cannot be set up or a request be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings are not usable.
    #[error("use the settings: {0}")]
    Config(String),
    /// A request names something that is not there, or lacks something.
    #[error("answer the request: {0}")]
    Request(String),
    /// A file or socket.
    #[error("{what}: {source}")]
    Io {
        /// What was tried, with the path or address.
        what: String,
        /// What came of it.
        source: std::io::Error,
    },
}

/// Reads settings from a JSON file, whether or not anything would ever move under them.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let at = |error: &dyn std::fmt::Display| Error::Config(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| at(&error))?;
    serde_json::from_str(&text).map_err(|error| at(&error))
}
