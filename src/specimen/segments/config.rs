//! The settings of a cluster. The simulation and the real processes use the same [`Config`].

use super::guard::Guard;
use crate::error::{Error, read};
use crate::value::{Column, Value};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What makes rows wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// Only what the guard allows: a segment is merged before an earlier one is registered.
    #[default]
    Ordering,
    /// Under any guard: a server that does not hear of the seal in time consumes beyond the end, and the
    /// replacement of that copy drops the keys of the surplus rows.
    ///
    /// ```text
    /// SEG_M is sealed at 10. This server consumes it to 14: k@12 is merged onto k@5, and current
    /// the committed copy [0, 10) replaces its own: k's current row is not in it, so k is dropped
    /// SEG_M1 is consumed from 10 on: k@12 is merged onto nothing
    /// ```
    ReplaceDropsKeys,
}

/// An order that one server keeps for one pair of segments, whatever its guard allows: what would have
/// happened had just this been in order? Tests ask that of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptOrder {
    /// The name of the server.
    pub server: String,
    /// The partition of both segments.
    pub partition: u32,
    /// The sequence number of the segment that must be registered first.
    pub first: u32,
    /// The sequence number of the segment that is consumed only then.
    pub then: u32,
}

/// Every cause with its name in settings and on the command line.
pub const CAUSES: [(&str, Cause); 2] =
    [("ordering", Cause::Ordering), ("replace-drops-keys", Cause::ReplaceDropsKeys)];

/// The settings of a cluster. The processes read them from a JSON file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The table's name, which is the first part of each segment's name.
    pub table: String,
    /// The columns, in the order of [`Entry::cols`](crate::Entry::cols).
    pub columns: Vec<Column>,
    /// The number of partitions of the input log, at least 1.
    pub partitions: u32,
    /// The server names, at least one. Every server is assigned every segment.
    #[serde(default = "four_servers")]
    pub servers: Vec<String>,
    /// The condition that is tested before a server starts to consume a segment.
    #[serde(default)]
    pub guard: Guard,
    /// What makes rows wrong, besides the guard.
    #[serde(default)]
    pub cause: Cause,
    /// Whether readers get only the newest row of each key, as from most stores, and no older version.
    #[serde(default)]
    pub newest_only: bool,
    /// The server that keeps the first of two events of a key with the same comparison value. All others
    /// merge the second one onto it.
    #[serde(default)]
    pub first_wins: Option<String>,
    /// An order that is kept besides the guard.
    #[serde(default)]
    pub kept_order: Option<KeptOrder>,
    /// How long the guard `timed-wait` waits for the previous segment, in milliseconds.
    #[serde(default = "wait_ms")]
    pub wait_ms: u64,
    /// How many transitions a server runs at once. A transition that waits for its guard occupies a slot.
    #[serde(default = "pool")]
    pub pool: usize,
    /// The pause between two polls of a server, in milliseconds.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// How long a commit waits for further replicas after the first report, in milliseconds.
    #[serde(default = "commit_wait_ms")]
    pub commit_wait_ms: u64,
    /// The maximum number of log entries per segment in the answer to one poll.
    #[serde(default = "batch")]
    pub batch: usize,
}

fn four_servers() -> Vec<String> {
    (0..4).map(|n| format!("server-{n}")).collect()
}

fn wait_ms() -> u64 {
    250
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
    /// A cluster of four servers with default settings.
    pub fn new(table: &str, columns: Vec<Column>, partitions: u32) -> Self {
        Config {
            table: table.to_owned(),
            columns,
            partitions,
            servers: four_servers(),
            guard: Guard::default(),
            cause: Cause::default(),
            newest_only: false,
            first_wins: None,
            kept_order: None,
            wait_ms: wait_ms(),
            pool: pool(),
            poll_ms: poll_ms(),
            commit_wait_ms: commit_wait_ms(),
            batch: batch(),
        }
    }

    /// Reads and checks the settings in a JSON file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let config: Config = read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses a zero count or pause: nothing would ever make progress.
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
            None => self.first_wins.iter().try_for_each(|name| self.server(name).map(drop)),
        }
    }

    /// A server's index in [`Config::servers`].
    pub(crate) fn server(&self, name: &str) -> Result<usize, Error> {
        self.servers.iter().position(|known| known == name).ok_or_else(|| {
            Error::Request(format!("no server `{name}`; there are {}", self.servers.join(", ")))
        })
    }

    /// The value that a raw row shows in each column that was never set.
    pub(crate) fn defaults(&self) -> Vec<Value> {
        self.columns.iter().map(|column| column.ty.default_value()).collect()
    }
}
