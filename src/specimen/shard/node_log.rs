//! What a writer or the service logs of its work, in program order. It lives in memory only, so it is lost
//! with the process.

use serde::Serialize;
use serde_json::Value as Json;

/// The name under which the service logs.
pub const SERVICE: &str = "service";

/// The name under which the shard appears in logs.
pub(crate) const SHARD: &str = "shard";

/// Event numbers of an incarnation start at its multiple of this, so numbers ascend across restarts.
const PER_INCARNATION: u64 = 1_000_000;

/// The kind of an event, which decides the shape of its detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeEventKind {
    /// A writer learnt the shard's upper and begins to read.
    Boot,
    /// Entries wait in a writer's stash for their time.
    Buffered,
    /// A writer decided about its stash: what is emitted, kept and dropped. Logged if it emitted something,
    /// or if more entries than before have been passed by the shard.
    Drain,
    /// A writer's append was refused, because another one had moved the shard.
    AppendLost,
    /// An append moved the shard. The service logs it.
    Appended,
}

/// The kinds that a writer logs.
pub(crate) const OF_WRITERS: [NodeEventKind; 4] =
    [NodeEventKind::Boot, NodeEventKind::Buffered, NodeEventKind::Drain, NodeEventKind::AppendLost];

/// One event of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NodeEvent {
    /// The writer, or [`SERVICE`].
    pub replica: String,
    /// Counts the node's starts, from 1.
    pub incarnation: u64,
    /// The position in program order. Ascends across restarts.
    pub seq: u64,
    /// The node's clock, in milliseconds.
    pub node_ms: u64,
    /// What happened.
    pub kind: NodeEventKind,
    /// Further facts, which depend on `kind`.
    pub detail: Json,
}

pub(crate) struct NodeLog {
    replica: String,
    incarnation: u64,
    events: Vec<NodeEvent>,
}

impl NodeLog {
    pub(crate) fn new(replica: &str, incarnation: u64) -> Self {
        NodeLog { replica: replica.to_owned(), incarnation, events: Vec::new() }
    }

    /// Appends an event at `now` (nanoseconds).
    pub(crate) fn log(&mut self, now: u64, kind: NodeEventKind, detail: Json) {
        self.events.push(NodeEvent {
            replica: self.replica.clone(),
            incarnation: self.incarnation,
            seq: self.first() + self.events.len() as u64,
            node_ms: now / 1_000_000,
            kind,
            detail,
        });
    }

    /// The events with numbers from `since` on.
    pub(crate) fn since(&self, since: u64) -> &[NodeEvent] {
        let skipped = usize::try_from(since.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.events.get(skipped..).unwrap_or_default()
    }

    fn first(&self) -> u64 {
        self.incarnation * PER_INCARNATION
    }
}
