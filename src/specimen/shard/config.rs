//! What the writers and their service are made of. Both worlds, virtual and real, are set up from the same
//! [`Config`].

use super::rule::Rule;
use crate::error::{Error, read};
use crate::value::Column;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The settings; as JSON, a file that the processes read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The name of what is written.
    pub table: String,
    /// Its columns. An entry is a whole row: nothing is merged.
    pub columns: Vec<Column>,
    /// The names of all writers that there may ever be.
    #[serde(default = "two_writers")]
    pub writers: Vec<String>,
    /// How many of them, from the first on, append from the start.
    #[serde(default = "one")]
    pub active: usize,
    /// What every writer's operator does.
    #[serde(default)]
    pub rule: Rule,
    /// The time between two timestamps, in milliseconds.
    #[serde(default = "tick_ms")]
    pub tick_ms: u64,
    /// The pause between two polls of one queue of a writer, in milliseconds.
    #[serde(default = "poll_ms")]
    pub poll_ms: u64,
    /// The longest time that an append takes, in milliseconds; each takes its own.
    #[serde(default = "append_ms")]
    pub append_ms: u64,
    /// The most log entries in the answer to one poll.
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
    /// Two writers, of whom one is active, with the usual settings.
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

    /// Reads the settings from a JSON file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let config: Config = read(path)?;
        config.check()?;
        Ok(config)
    }

    /// Refuses settings under which nothing would ever move.
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

    /// The position of a writer in the list, by its name.
    pub(crate) fn writer(&self, name: &str) -> Result<usize, Error> {
        self.writers.iter().position(|known| known == name).ok_or_else(|| {
            Error::Request(format!("no writer `{name}`; there are {}", self.writers.join(", ")))
        })
    }
}
