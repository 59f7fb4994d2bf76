//! What a node of the target logs of its own work: transitions, registrations, gates, commits.
//!
//! The vocabulary below is what dissent reads, whichever system logs it. An adapter maps the lines of its
//! system to it, and a user may bring such records as JSON lines ([`LifecycleRecord`], one per line). What
//! a system does not log is left out: it limits what can be concluded, and is never made up. Every time is
//! read on the node's own clock, and no conclusion rests on comparing the clocks of two nodes.
//!
//! | kind | fields of `detail` |
//! | --- | --- |
//! | `boot` | `logs`: the kinds that this node logs, so that a missing event is evidence |
//! | `transition-created` | `message`, `transition`, `created_ms` (clock of the creator) |
//! | `transition-started` | `message`, `transition` |
//! | `transition-finished` | the same, `took_ms`, `result`, `outcome` (`done`, `skipped`, `failed`) |
//! | `skipped` | `state`: the transition of this segment was not needed |
//! | `registered` | `from`, `rows`, `registered_segments`, `reached` |
//! | `snapshot` | `registered_segments`: what merges see when consumption begins |
//! | `consume-start` | `start` |
//! | `caught-up` | `rows`: consumed until the end of the log, or the node's first count, was reached |
//! | `consumed` | `reached`: all before it is merged |
//! | `consume-end` | `end`, `rows`, `complete` |
//! | `gate` | the fields of [`GateRecord`] |
//! | `crc-changed` | `old_crc`, `crc`: the committed copy is not the node's own |
//! | `downloading`, `downloaded`, `replaced` | `old_copy`, `copy`, `crc`, `reached` |
//! | `position-ahead` | `position`, `end`: consumed beyond the committed end |
//! | `keys-not-replaced` | `keys`: dropped from metadata although a later segment holds them |
//! | `segment-reported` | of the authority: `server`, `offset` |
//! | `commit-winner` | of the authority: `server`, `offset` |
//! | `segment-committed` | of the authority: `server`, `offset`, `crc` |
//! | `buffered` | of a writer of a shared frontier: `first`, `last` (times), `entries`, `shard` |
//! | `drain` | what it decides: `shard`, `input`, `emitted`, `later`, `passed`, `dropped`, `earliest` |
//! | `append-lost` | its append found the shared frontier elsewhere: `from`, `found` |
//! | `appended` | of the authority, or of the writer: `object`, `from`, `to`, `by` (`name`, `incarnation`) |
//!
//! `shard` is the shared frontier as far as the writer knew at that moment. `passed` counts buffered entries
//! that the shared frontier has passed, `dropped` those of them that are not kept, `earliest` is the lowest
//! time that is still buffered.
//!
//! `reached` is the offset that the node's consumption of this partition has reached at that moment: the end
//! of what it has merged.

use serde::{Deserialize, Serialize};

/// The kind of the events with which consumption of a segment begins.
pub const CONSUME_START: &str = "consume-start";

/// An event of a node's lifecycle, in the node's program order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LifecycleRecord {
    /// The node: a replica, or the authority, which is in no roster.
    pub replica: String,
    /// The incarnation of its process.
    pub incarnation: u64,
    /// Position in the node's program order; ascends within an incarnation.
    pub seq: u64,
    /// The node's own clock, in milliseconds. Never used for ordering.
    pub node_ms: u64,
    /// The segment it concerns; `None` if it concerns the whole node.
    pub segment: Option<String>,
    /// What happened. A target may add kinds of its own.
    pub kind: String,
    /// The target's other fields, as sent.
    pub detail: serde_json::Value,
}

impl LifecycleRecord {
    /// The kinds that the node says it logs. None of an event other than `boot`.
    pub fn logs(&self) -> impl Iterator<Item = &str> {
        self.detail["logs"].as_array().into_iter().flatten().filter_map(|kind| kind.as_str())
    }
}

/// The fields of a `gate` event: a condition was evaluated before a segment was consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GateRecord {
    /// What the gate tests, in the target's own words.
    pub name: Option<String>,
    /// What it was evaluated for. Without fields: for the whole node.
    pub subject: GateSubject,
    /// When it was evaluated, on the node's clock, in milliseconds. Long ago if it is never tested again.
    pub evaluated_at: Option<u64>,
    /// How long the consumer had waited for it, in milliseconds.
    pub waited_ms: Option<u64>,
    /// What let the consumer begin: `predicate`, `signal`, `time-out` or `already-open`. `None`: it stays
    /// closed.
    pub released_by: Option<String>,
    /// The counts that it saw.
    pub seen: GateCounts,
}

/// What a gate was evaluated for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GateSubject {
    /// The partition.
    pub partition: Option<u32>,
    /// The one segment, by sequence number.
    pub seq: Option<u32>,
    /// All segments of the partition below this sequence number.
    pub before_seq: Option<u32>,
    /// The one segment, by name.
    pub segment: Option<String>,
}

/// The counts that a gate saw. Counts tell more than a boolean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GateCounts {
    /// How many segments it waits for.
    pub wanted: Option<u64>,
    /// How many of them it saw registered.
    pub registered: Option<u64>,
}

/// The fields of `appended`: an append moved a shared frontier.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Appended {
    /// The shared frontier.
    pub object: String,
    /// Where it was.
    pub from: u64,
    /// Where it is.
    pub to: u64,
    /// Who made the append, if another node logged it.
    #[serde(default)]
    pub by: Option<NodeName>,
}

/// A node and its incarnation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NodeName {
    /// Its name.
    pub name: String,
    /// Its incarnation, if that is logged.
    #[serde(default)]
    pub incarnation: Option<u64>,
}

/// The fields of `drain`: a writer decided on what it buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Drain {
    /// The shared frontier, as far as the writer knew.
    pub shard: u64,
    /// How many buffered entries the shared frontier has passed.
    pub passed: u64,
    /// How many of these the writer does not keep.
    pub dropped: u64,
    /// The earliest time that it still buffers.
    #[serde(default)]
    pub earliest: Option<u64>,
}
