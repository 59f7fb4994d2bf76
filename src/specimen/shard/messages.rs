//! The messages between the writers and the service.

use super::persist::Update;
use crate::value::Entry;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The queues between a writer and the service. Each can be delayed separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// From the input log to the writer.
    Input,
    /// From the shard to the writer.
    Feedback,
    /// From the writer to the shard.
    Append,
}

impl Queue {
    pub(crate) const ALL: [Queue; 3] = [Queue::Input, Queue::Feedback, Queue::Append];
}

/// Whether a writer appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// The writer reads and prepares, and waits for its promotion. This is the new generation before a
    /// cutover.
    ReadOnly,
    /// The writer appends.
    #[default]
    ReadWrite,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Timed {
    pub(crate) ts: u64,
    pub(crate) entry: Arc<Entry>,
}

/// All updates of the times in `lower..upper`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The first time.
    pub(crate) lower: u64,
    /// One past the last time.
    pub(crate) upper: u64,
    /// In no particular order.
    pub(crate) updates: Vec<Update>,
}

/// A writer's request to the service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// The shard's upper, asked before anything else.
    Open,
    /// Entries from this offset on.
    Input(u64),
    /// The shard's updates from this index on.
    Feedback(usize),
    Append(Batch),
}

impl Ask {
    pub(crate) fn queue(&self) -> Queue {
        match self {
            Ask::Input(_) => Queue::Input,
            Ask::Open | Ask::Feedback(_) => Queue::Feedback,
            Ask::Append(_) => Queue::Append,
        }
    }
}

/// A request with its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The writer's index in the list of writers.
    pub(crate) writer: usize,
    pub(crate) incarnation: u64,
    pub(crate) ask: Ask,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// The shard's upper.
    Opened(u64),
    /// Entries, and the lowest timestamp that later entries can have.
    Input { entries: Vec<Timed>, frontier: u64 },
    /// Updates, and the upper below which they are complete.
    Feedback { updates: Vec<Update>, upper: u64 },
    /// The batch is in the shard, whose upper is now `upper`.
    Appended { upper: u64, updates: usize },
    /// The batch was refused: the shard's upper was not the batch's lower.
    Mismatch { lower: u64, upper: u64 },
}
