//! A node's event log in program order: transitions, registrations, gates, commits.

use super::messages::SegmentId;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Event numbers of an incarnation start at its multiple of this, so numbers ascend across restarts.
pub(crate) const PER_INCARNATION: u64 = 1_000_000;

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The process started. The detail lists the kinds that it logs.
    Boot,
    /// A transition message arrived. The detail has its creation time.
    TransitionCreated,
    /// The transition left the queue for the pool.
    TransitionStarted,
    /// The transition is done or was not needed.
    TransitionFinished,
    /// A guard was tested. Logged once when it stays closed, and once when it opens.
    Gate,
    /// The number of the partition's segments that merges see when consumption of a segment begins.
    Snapshot,
    /// Consumption of a segment began.
    ConsumeStart,
    /// Consumption reached the end of the log, or of the sealed segment, for the first time.
    CaughtUp,
    /// Consumption reached the sealed end or was cut off.
    ConsumeEnd,
    /// A segment is visible to merges and reads in its committed form.
    Registered,
    /// The server's own finished copy differs from the committed one.
    CrcChanged,
    /// The server had consumed a segment beyond the end at which it was committed.
    PositionAhead,
    /// The replacement of a segment dropped keys from the upsert metadata.
    KeysNotReplaced,
    /// The rows of a segment were replaced by the stored copy's rows.
    Replaced,
    /// A replica reported to the controller that it reached the sealed end.
    SegmentReported,
    /// The controller decided which replica uploads its copy.
    CommitWinner,
    /// The controller stored the winner's copy.
    SegmentCommitted,
}

/// The kinds that servers log.
pub(crate) const BY_SERVERS: &[Kind] = &[
    Kind::Boot,
    Kind::TransitionCreated,
    Kind::TransitionStarted,
    Kind::TransitionFinished,
    Kind::Gate,
    Kind::Snapshot,
    Kind::ConsumeStart,
    Kind::CaughtUp,
    Kind::ConsumeEnd,
    Kind::Registered,
    Kind::CrcChanged,
    Kind::PositionAhead,
    Kind::KeysNotReplaced,
    Kind::Replaced,
];

/// The kinds that the controller logs.
pub(crate) const BY_CONTROLLER: &[Kind] =
    &[Kind::Boot, Kind::SegmentReported, Kind::CommitWinner, Kind::SegmentCommitted];

/// One event of the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// The name of the server, or `controller`.
    pub replica: String,
    /// Counts the node's starts, from 1.
    pub incarnation: u64,
    /// The position in program order. Ascends across restarts.
    pub seq: u64,
    /// The node's clock, in milliseconds.
    pub node_ms: u64,
    /// The full name of the segment that the event concerns. None for an event of the whole node.
    pub segment: Option<String>,
    /// The kind, which decides the shape of `detail`.
    pub kind: Kind,
    /// Further facts, which depend on `kind`.
    pub detail: Json,
}

/// An event log. It lives in memory only, so it is lost with the process.
pub(crate) struct Lifecycle {
    replica: String,
    incarnation: u64,
    table: Arc<str>,
    events: Vec<Event>,
}

impl Lifecycle {
    /// The log of a node that starts at `now` (nanoseconds) and logs events of these kinds.
    pub(crate) fn boot(now: u64, node: (&str, u64), table: &str, kinds: &[Kind]) -> Self {
        let (replica, incarnation) = (node.0.to_owned(), node.1);
        let mut log = Lifecycle { replica, incarnation, table: table.into(), events: Vec::new() };
        log.push(now, None, Kind::Boot, json!({"logs": kinds}));
        log
    }

    /// Appends an event of a segment at `now` (nanoseconds).
    pub(crate) fn log(&mut self, now: u64, segment: SegmentId, kind: Kind, detail: Json) {
        let segment = segment.name(&self.table);
        self.push(now, Some(segment), kind, detail);
    }

    fn push(&mut self, now: u64, segment: Option<String>, kind: Kind, detail: Json) {
        self.events.push(Event {
            replica: self.replica.clone(),
            incarnation: self.incarnation,
            seq: self.first() + self.events.len() as u64,
            node_ms: now / 1_000_000,
            segment,
            kind,
            detail,
        });
    }

    /// The events with numbers from `since` on.
    pub(crate) fn since(&self, since: u64) -> &[Event] {
        let skipped = usize::try_from(since.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.events.get(skipped..).unwrap_or_default()
    }

    fn first(&self) -> u64 {
        self.incarnation * PER_INCARNATION
    }
}
