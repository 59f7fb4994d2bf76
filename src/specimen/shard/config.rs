//! The settings of the writers and their service. The simulation and the real processes use the same
//! [`Config`].

use super::rule::Rule;
use crate::error::{Error, read};
use crate::value::Column;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The settings. The processes read them from a JSON file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of the table.
    pub table: String,
    /// The columns. An entry is a whole row: nothing is merged.
    pub columns: Vec<Column>,
    /// The names of all writers that can ever exist, at least one.
    #[serde(default = "two_writers")]
    pub writers: Vec<String>,
    /// How many writers, from the first on, append from the start.
    #[serde(default = "one")]
    pub active: usize,
    /// The rule of every writer's operator.
    #[serde(default)]
    pub rule: Rule,
    /// The time between two timestamps, in milliseconds, at least 1.
    #[serde(default = "tick_ms")]
    pub tick_ms: u64,
    /// The pause between two polls of one queue of a writer, in milliseconds, at least 1.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// The maximum duration of an append, in milliseconds. Each append draws its own.
    #[serde(default = "append_ms")]
    pub append_ms: u64,
    /// The maximum number of log entries in the answer to one poll, at least 1.
    #[serde(default = "batch")]
    pub batch: usize,
}

fn two_writers() -> Vec<String> {
    (0..2).map(|n| format!("writer-{n}")).collect()
}

fn one() -> usize {
    1
}

fn tick_ms() -> u64 {
    100
}

fn poll_ms() -> u64 {
    10
}

fn append_ms() -> u64 {
    60
}

fn batch() -> usize {
    50
}

impl Config {
    /// Two writers, one of them active, with default settings.
    pub fn new(table: &str, columns: Vec<Column>) -> Self {
        Config {
            table: table.to_owned(),
            columns,
            writers: two_writers(),
            active: one(),
            rule: Rule::default(),
            tick_ms: tick_ms(),
            poll_ms: poll_ms(),
            append_ms: append_ms(),
            batch: batch(),
        }
    }

    /// Reads and checks the settings in a JSON file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let config: Config = read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses a zero count or pause, because nothing would ever make progress, and more active writers than
    /// there are.
    pub fn check(&self) -> Result<(), Error> {
        let counts = [
            ("writers", self.writers.len() as u64),
            ("tick_ms", self.tick_ms),
            ("poll_ms", self.poll_ms),
            ("batch", self.batch as u64),
        ];
        if let Some((name, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(Error::Config(format!("`{name}` must be at least 1")));
        }
        match self.active <= self.writers.len() {
            true => Ok(()),
            false => Err(Error::Config(format!("`active` must be at most {}", self.writers.len()))),
        }
    }

    /// A writer's index in [`Config::writers`].
    pub(crate) fn writer(&self, name: &str) -> Result<usize, Error> {
        self.writers.iter().position(|known| known == name).ok_or_else(|| {
            Error::Request(format!("no writer `{name}`; there are {}", self.writers.join(", ")))
        })
    }
}
