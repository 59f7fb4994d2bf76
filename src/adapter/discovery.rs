//! What `dissent init` asks of a cluster, and what it learns for a target file.

use crate::config::access::{Access, Credentials};
use crate::target_error::TargetError;
use std::path::PathBuf;

/// A request to generate a target file.
#[derive(Clone, Debug)]
pub struct DiscoveryRequest {
    /// The name of the system.
    pub system: String,
    /// The URL of the controller or supervisor.
    pub url: String,
    /// The table to inspect. None lets discovery choose.
    pub table: Option<String>,
    /// The credentials for the cluster's HTTP interface.
    pub credentials: Option<Credentials>,
    /// A file of trusted certificates. None means those of the system.
    pub ca: Option<PathBuf>,
}

impl DiscoveryRequest {
    /// The access to the cluster's HTTP interface.
    pub fn access(&self) -> Access {
        Access::new(self.credentials.as_ref(), self.ca.as_ref())
    }
}

/// The result of discovery.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// Findings for the user, one per line.
    pub found: Vec<String>,
    /// The version that the cluster reports.
    pub version: String,
    /// The URL of a broker.
    pub broker: Option<String>,
    /// The address of Kafka. None if tables use different ones.
    pub kafka: Option<String>,
    /// The name of the table to inspect.
    pub table: Option<String>,
    /// The URLs of the servers by name.
    pub servers: Vec<(String, String)>,
    /// What of these URLs the cluster does not tell, so that it is a guess. Empty if nothing is.
    pub guessed: &'static str,
}

/// Why no target file was generated.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    /// The cluster does not answer.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Something else answers: what it may be, and what to ask instead.
    #[error("{0}")]
    OtherService(String),
    /// There are several tables to choose from.
    #[error("there are {} tables; choose one with --table: {}", .0.len(), .0.join(", "))]
    Tables(Vec<String>),
    /// No table has the requested name.
    #[error("no realtime table is called `{name}`; tables: {known}")]
    NoTable {
        /// The name as given.
        name: String,
        /// The existing tables.
        known: String,
    },
}

/// The texts of a generated target file that are a system's own.
#[derive(Clone, Debug, Default)]
pub struct OwnText {
    /// Lines below the address.
    pub keys: String,
    /// Comments on how to log in. Left out if credentials were given.
    pub log_in: &'static str,
    /// Further tables, set or commented.
    pub tables: String,
    /// Comments on commands for replicas and on hooks.
    pub options: &'static str,
}

/// Appends a line of a target file.
pub(super) fn line(text: &mut String, key: &str, value: &str) {
    *text += &format!("{key} = {}\n", quoted(value));
}

/// A string in TOML syntax.
pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
