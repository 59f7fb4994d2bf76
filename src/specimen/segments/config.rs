//! What a cluster is made of. Both worlds, virtual and real, are set up from the same [`Config`].

use super::guard::Guard;
use crate::error::{Error, read};
use crate::value::{Column, Value};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The settings of a cluster; as JSON, a file that its processes read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The table's name: the first part of each segment's name.
    pub table: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// The number of partitions of its input log.
    pub partitions: u32,
    /// The servers' names. Every server is assigned every segment.
    #[serde(default = "four_servers")]
    pub servers: Vec<String>,
    /// What is tested before a server begins to consume a segment.
    #[serde(default)]
    pub guard: Guard,
    /// How many transitions a server runs side by side; one that waits at its guard keeps its place.
    #[serde(default = "pool")]
    pub pool: usize,
    /// The pause between two polls of a server, in milliseconds.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// How long a commit waits for further replicas after the first one has reported, in milliseconds.
    #[serde(default = "commit_wait_ms")]
    pub commit_wait_ms: u64,
    /// The most log entries of one segment in the answer to one poll.
    #[serde(default = "batch")]
    pub batch: usize,
}

fn four_servers() -> Vec<String> {
    (0..4).map(|n| format!("server-{n}")).collect()
}

fn pool() -> usize {
    40
}

fn poll_ms() -> u64 {
    10
}

fn commit_wait_ms() -> u64 {
    300
}

fn batch() -> usize {
    500
}

impl Config {
    /// A cluster of four servers with the usual settings.
    pub fn new(table: &str, columns: Vec<Column>, partitions: u32) -> Self {
        Config {
            table: table.to_owned(),
            columns,
            partitions,
            servers: four_servers(),
            guard: Guard::default(),
            pool: pool(),
            poll_ms: poll_ms(),
            commit_wait_ms: commit_wait_ms(),
            batch: batch(),
        }
    }

    /// Reads the settings from a JSON file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let config: Config = read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings under which nothing would ever move.
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            ("partitions", self.partitions as usize),
            ("servers", self.servers.len()),
            ("pool", self.pool),
            ("batch", self.batch),
            ("poll_ms", self.poll_ms as usize),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(Error::Config(format!("`{name}` must be at least 1"))),
            None => Ok(()),
        }
    }

    /// The position of a server in the list, by its name.
    pub(crate) fn server(&self, name: &str) -> Result<usize, Error> {
        self.servers.iter().position(|known| known == name).ok_or_else(|| {
            Error::Request(format!("no server `{name}`; there are {}", self.servers.join(", ")))
        })
    }

    /// What a raw row shows in each column that was never given a value.
    pub(crate) fn defaults(&self) -> Vec<Value> {
        self.columns.iter().map(|column| column.ty.default_value()).collect()
    }
}
