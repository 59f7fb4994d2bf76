//! What an explanation starts from: the roots of a finding, the tables of their partition, and what nodes
//! logged.

use super::event_graph::EventGraph;
use super::node_events::{EventIndex, NodeEvents};
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::RootCause;
use crate::history::run_record::RunRecord;
use std::collections::BTreeSet;

/// The kinds of events that an explanation can use, in the order in which they are asked for.
const KINDS: [&str; 6] =
    ["registered", "consume-start", "transition-created", "transition-started", "snapshot", "gate"];

/// A wrong row that its replica merged itself.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) replica: usize,
    pub(crate) key: String,
    pub(crate) off: u64,
    /// Its segment, by index.
    pub(crate) segment: usize,
    /// The segments of the ops that it lacks, by index; empty if rows do not show their ops.
    pub(crate) missing: BTreeSet<usize>,
    pub(crate) class: RootCause,
    /// The read that showed it.
    pub(crate) read: Option<u64>,
}

/// What is known of one partition.
#[derive(Clone, Copy)]
pub(crate) struct PartitionTables<'p> {
    pub(crate) log_index: &'p LogIndex,
    pub(crate) timeline: &'p CopyTimeline,
    /// The (replica, offset) pairs of all rows that were merged wrongly where they are, in any finding.
    pub(crate) wrong: &'p BTreeSet<(usize, u64)>,
}

/// Explains findings by the events that nodes logged.
pub(crate) struct Explainer<'e> {
    pub(super) record: &'e dyn RunRecord,
    pub(crate) history: &'e History<'e>,
    pub(crate) events: NodeEvents,
    pub(super) graph: EventGraph,
}

/// The roots that one replica made as it consumed one segment once.
pub(super) struct RootGroup<'r> {
    pub(super) replica: usize,
    pub(super) segment: usize,
    /// The event that began that consumption; if it never began, the last test of its guard.
    pub(super) began: EventIndex,
    /// By offset.
    pub(super) roots: Vec<&'r Root>,
}

impl<'e> Explainer<'e> {
    pub(crate) fn new(record: &'e dyn RunRecord, history: &'e History<'e>) -> Explainer<'e> {
        let events = NodeEvents::read(record, history);
        let graph = EventGraph::of(&events);
        Explainer { record, history, events, graph }
    }

    /// The kinds of events that would have told more, had any node logged them.
    pub(super) fn not_logged(&self) -> Vec<String> {
        self.events.not_logged(&KINDS)
    }

    /// The name of a segment.
    pub(super) fn name(&self, partition: u32, segment: usize) -> &'e str {
        &self.history.segments[partition as usize][segment].name
    }
}
