//! What writers and the service say to each other, and nothing more.

use super::persist::Update;
use crate::value::{Entry, one_shared};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The ways between a writer and the service, each of which can be slow by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// The input log to the writer.
    Input,
    /// The shard to the writer.
    Feedback,
    /// The writer to the shard.
    Append,
}

impl Queue {
    /// Every queue.
    pub(crate) const ALL: [Queue; 3] = [Queue::Input, Queue::Feedback, Queue::Append];
}

/// Whether a writer appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It reads and prepares, and waits to be promoted: the new generation before a cutover.
    ReadOnly,
    /// It appends.
    #[default]
    ReadWrite,
}

/// An entry and its timestamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timed {
    /// The timestamp.
    pub(crate) ts: u64,
    /// The entry.
    #[serde(with = "one_shared")]
    pub(crate) entry: Arc<Entry>,
}

/// The updates of the times in `lower..upper`, all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The first time.
    pub(crate) lower: u64,
    /// One past the last time.
    pub(crate) upper: u64,
    /// In no order.
    pub(crate) updates: Vec<Update>,
}

/// What a writer asks of the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Where the shard stands, before anything else.
    Open,
    /// Entries from this offset on.
    Input(u64),
    /// The shard's updates from this one on.
    Feedback(usize),
    /// Append.
    Append(Batch),
}

impl Ask {
    /// The way it goes.
    pub(crate) fn queue(&self) -> Queue {
        match self {
            Ask::Input(_) => Queue::Input,
            Ask::Open | Ask::Feedback(_) => Queue::Feedback,
            Ask::Append(_) => Queue::Append,
        }
    }
}

/// A writer's call, with who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The writer's position in the list of writers.
    pub(crate) writer: usize,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// The service's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The shard's upper.
    Opened(u64),
    /// Entries, and the first timestamp that entries behind them may have.
    Input { entries: Vec<Timed>, frontier: u64 },
    /// Updates, and the upper below which they are all.
    Feedback { updates: Vec<Update>, upper: u64 },
    /// The batch is in the shard, which stands at its upper now.
    Appended { upper: u64, updates: usize },
    /// It is not: the shard stood not at its lower, but here.
    Mismatch(u64),
}
