//! The log that a server keeps of its own life, in program order: transitions, registrations, gates.

use super::messages::SegmentId;
use serde::Serialize;
use serde_json::Value as Json;
use std::sync::Arc;

/// Numbers of one incarnation begin at its own multiple of this, so that they ascend over restarts too.
pub(crate) const PER_INCARNATION: u64 = 1_000_000;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An order of the controller arrived; it was created at the time in the detail.
    TransitionCreated,
    /// It left the queue for the pool.
    TransitionStarted,
    /// It is done, or needs not be done.
    TransitionFinished,
    /// A guard was asked: once when it stays shut, once when it lets pass.
    Gate,
    /// How many segments of the partition merges can see as a consuming one begins.
    Snapshot,
    /// Consumption began.
    ConsumeStart,
    /// Consumption reached the sealed end, or was cut off.
    ConsumeEnd,
    /// A segment is visible to merges and reads in its committed form.
    Registered,
    /// The rows of a segment gave way to the stored copy's.
    Replaced,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// The server.
    pub replica: String,
    /// Which life of the server.
    pub incarnation: u64,
    /// The place in program order; ascends over restarts too.
    pub seq: u64,
    /// The server's clock, in milliseconds.
    pub node_ms: u64,
    /// The full name of the segment it is about.
    pub segment: Option<String>,
    /// What happened.
    pub kind: Kind,
    /// The rest.
    pub detail: Json,
}

/// The log itself; it dies with the process.
pub(crate) struct Lifecycle {
    replica: String,
    incarnation: u64,
    table: Arc<str>,
    events: Vec<Event>,
}

impl Lifecycle {
    pub(crate) fn new(replica: &str, incarnation: u64, table: &str) -> Self {
        Lifecycle { replica: replica.to_owned(), incarnation, table: table.into(), events: Vec::new() }
    }

    /// Adds a line at `now` (nanoseconds).
    pub(crate) fn log(&mut self, now: u64, segment: SegmentId, kind: Kind, detail: Json) {
        self.events.push(Event {
            replica: self.replica.clone(),
            incarnation: self.incarnation,
            seq: self.first() + self.events.len() as u64,
            node_ms: now / 1_000_000,
            segment: Some(segment.name(&self.table)),
            kind,
            detail,
        });
    }

    /// The lines whose number is `since` or greater.
    pub(crate) fn since(&self, since: u64) -> &[Event] {
        let skipped = usize::try_from(since.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.events.get(skipped..).unwrap_or_default()
    }

    fn first(&self) -> u64 {
        self.incarnation * PER_INCARNATION
    }
}
