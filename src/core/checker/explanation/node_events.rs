//! The events that nodes logged, by node, in each node's program order. Read only if there is something to
//! explain.

use super::observed;
use crate::checker::tables::history::History;
use crate::checker::verdict::EventPoint;
use crate::history::event::Event;
use crate::history::lifecycle::{CONSUME_START, LifecycleRecord};
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::time::Nanos;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A clock that contradicts the samples by more than this, in milliseconds, was set, and did not just drift.
const DRIFT_MS: i64 = 1_000;

/// Sources of events that show one moment only, so that their events have no order among each other.
const WITHOUT_ORDER: [&str; 2] = ["messages", "current-states"];

/// A segment: its partition, and its index in [`History::segments`].
pub(crate) type SegmentIndex = (u32, usize);

/// One event of a node.
pub(crate) struct NodeEvent {
    /// When dissent learned of it; `None` if it was brought in after the run.
    pub(crate) seen: Option<Nanos>,
    /// The segment; `None` if it concerns the whole node, or a segment that the authority does not know.
    pub(crate) segment: Option<SegmentIndex>,
    pub(crate) record: LifecycleRecord,
}

impl NodeEvent {
    fn new(seen: Option<Nanos>, record: LifecycleRecord, names: &HashMap<&str, SegmentIndex>) -> NodeEvent {
        let segment = record.segment.as_ref().and_then(|name| names.get(name.as_str())).copied();
        NodeEvent { seen, segment, record }
    }

    pub(crate) fn kind(&self) -> &str {
        &self.record.kind
    }

    /// A number in its detail, which may be written as text.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let value = &self.record.detail[name];
        value.as_u64().or_else(|| value.as_str()?.parse().ok())
    }

    /// A text in its detail.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.record.detail[name].as_str()
    }

    /// A field of its detail as it is told to people.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        told(&self.record.detail[name])
    }

    /// All fields of its detail as they are told to people, by name.
    pub(crate) fn all_told(&self) -> impl Iterator<Item = (&String, String)> {
        let fields = self.record.detail.as_object().into_iter().flatten();
        fields.filter_map(|(name, value)| Some((name, told(value)?)))
    }

    /// The id of the message that it belongs to, as text.
    pub(crate) fn message(&self) -> Option<String> {
        match &self.record.detail["message"] {
            Json::String(id) => Some(id.clone()),
            Json::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }

    /// Whether it says that its node logs events of this kind.
    fn declares(&self, kind: &str) -> bool {
        self.kind() == "boot" && self.states("logs", kind)
    }

    /// Whether it states a name in a list.
    pub(crate) fn states(&self, list: &str, name: &str) -> bool {
        let listed = self.record.detail[list].as_array();
        listed.is_some_and(|listed| listed.iter().any(|it| it.as_str() == Some(name)))
    }

    /// Whether it begins to merge rows of a segment: consumption, or whatever states what it reads to do so.
    pub(crate) fn begins(&self, segment: SegmentIndex) -> bool {
        self.segment == Some(segment)
            && (self.kind() == CONSUME_START || self.record.detail["reads"].is_array())
    }

    /// Whether it makes a whole copy of a segment visible to merges.
    pub(crate) fn registers(&self) -> bool {
        matches!(self.kind(), "registered" | "replaced") || self.record.detail["writes"].is_array()
    }

    /// Whether it builds on a segment: on every earlier one, unless it states what it reads.
    pub(crate) fn builds_on(&self, segment: &str) -> bool {
        !self.record.detail["reads"].is_array() || self.states("reads", segment)
    }

    pub(crate) fn point(&self) -> EventPoint {
        EventPoint::from(&self.record)
    }
}

/// What dissent saw of a node at one sample.
type Observation = (Nanos, Vec<LifecycleRecord>);

/// What one node logged.
pub(crate) struct NodeLog {
    pub(crate) node: String,
    /// In program order.
    pub(crate) events: Vec<NodeEvent>,
    /// When it was sampled.
    sampled: Vec<Nanos>,
}

/// An event: its node, and its place in that node's program order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EventIndex {
    pub(crate) node: usize,
    pub(crate) at: usize,
}

/// The events of all nodes.
#[derive(Default)]
pub(crate) struct NodeEvents {
    pub(crate) logs: Vec<NodeLog>,
    /// By segment: when the segment table first showed its commit.
    pub(crate) commits: BTreeMap<SegmentIndex, Nanos>,
    by_name: HashMap<String, usize>,
}

impl NodeEvents {
    /// Reads all events of a run once more.
    pub(crate) fn read(record: &dyn RunRecord, history: &History<'_>) -> NodeEvents {
        let names = names_of(history);
        let mut events = NodeEvents::default();
        let mut observations: BTreeMap<String, Vec<Observation>> = BTreeMap::new();
        let imported: BTreeSet<&str> = record.imported().iter().map(|it| it.replica.as_str()).collect();
        record.scan_events(&mut |t, event| {
            let EventRef::Other(event) = event else { return };
            match event {
                Event::Lifecycle(record) if imported.contains(record.replica.as_str()) => {}
                Event::Lifecycle(record) => events.add(Some(t), record, &names),
                Event::Sample { replica, .. } => {
                    let sampled = &mut events.log_of(replica).sampled;
                    if sampled.last() != Some(&t) {
                        sampled.push(t);
                    }
                }
                Event::Coverage(change) if !imported.contains(change.replica.as_str()) => {
                    let seen = observed::events_of(t, change);
                    observations.entry(change.replica.clone()).or_default().push((t, seen));
                }
                Event::Segment { segment } => {
                    if let (Some(&at), Some(_)) = (names.get(segment.name.as_str()), segment.end) {
                        events.commits.entry(at).or_insert(t);
                    }
                }
                _ => {}
            }
        });
        record.imported().iter().for_each(|record| events.add(None, record, &names));
        events.logs.iter_mut().for_each(|log| order_by_clock_if_unordered(&mut log.events));
        observations.into_iter().for_each(|(node, seen)| events.observe(&node, &seen, &names));
        events
    }

    /// Adds what dissent saw of a node, if that node logs no consumption itself. Its own events keep their
    /// order; where they have a clock, what was seen is put on that clock as it is estimated, to be shown
    /// beside them.
    fn observe(&mut self, node: &str, observations: &[Observation], names: &HashMap<&str, SegmentIndex>) {
        let log = self.log_of(node);
        if log.events.iter().any(|event| event.kind() == CONSUME_START) {
            return;
        }
        let ahead_ms = log.skew_ms().map_or(0, |(least, most)| i64::midpoint(least, most));
        for (t, records) in observations {
            for record in records {
                let mut record = record.clone();
                record.node_ms = record.node_ms.saturating_add_signed(ahead_ms);
                log.events.push(NodeEvent::new(Some(*t), record, names));
            }
        }
        log.events.sort_by_key(|event| event.seen);
    }

    fn add(&mut self, seen: Option<Nanos>, record: &LifecycleRecord, names: &HashMap<&str, SegmentIndex>) {
        let event = NodeEvent::new(seen, record.clone(), names);
        self.log_of(&record.replica).events.push(event);
    }

    fn log_of(&mut self, node: &str) -> &mut NodeLog {
        let at = match self.by_name.get(node) {
            Some(at) => *at,
            None => {
                let log = NodeLog { node: node.to_owned(), events: Vec::new(), sampled: Vec::new() };
                self.logs.push(log);
                self.by_name.insert(node.to_owned(), self.logs.len() - 1);
                self.logs.len() - 1
            }
        };
        &mut self.logs[at]
    }

    /// The index of a node that logged anything or was sampled.
    pub(crate) fn node(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn event(&self, index: EventIndex) -> &NodeEvent {
        &self.logs[index.node].events[index.at]
    }

    /// The events of a node, in program order, with their indices.
    pub(crate) fn of(&self, node: usize) -> impl DoubleEndedIterator<Item = (EventIndex, &NodeEvent)> {
        let events = self.logs[node].events.iter().enumerate();
        events.map(move |(at, event)| (EventIndex { node, at }, event))
    }

    /// The events of the same node before this one, the nearest first.
    pub(crate) fn before(&self, index: EventIndex) -> impl Iterator<Item = (EventIndex, &NodeEvent)> {
        let node = index.node;
        let events = self.logs[node].events[..index.at].iter().enumerate().rev();
        events.map(move |(at, event)| (EventIndex { node, at }, event))
    }

    /// All events of all nodes.
    pub(crate) fn all(&self) -> impl Iterator<Item = (EventIndex, &NodeEvent)> {
        (0..self.logs.len()).flat_map(|node| self.of(node))
    }

    /// Whether any node logs events of this kind: it did, or it says that it would.
    fn is_logged(&self, kind: &str) -> bool {
        self.all().any(|(_, event)| event.kind() == kind || event.declares(kind))
    }

    /// Whether a node says that it logs events of this kind.
    pub(crate) fn declares(&self, node: usize, kind: &str) -> bool {
        self.of(node).any(|(_, event)| event.declares(kind))
    }

    /// Those of `kinds` that no node logs.
    pub(crate) fn not_logged(&self, kinds: &[&str]) -> Vec<String> {
        kinds.iter().filter(|kind| !self.is_logged(kind)).map(|kind| (*kind).to_owned()).collect()
    }
}

impl NodeLog {
    /// How far the node's clock runs ahead of the run's, in milliseconds, at least and at most: an event
    /// happened before dissent learned of it, and after the sample before that.
    pub(crate) fn skew_ms(&self) -> Option<(i64, i64)> {
        self.skew_bounds().filter(|(least, most)| least <= most)
    }

    /// Whether durations on the node's clock can be believed: it was never set, as far as samples show.
    pub(crate) fn is_steady(&self) -> bool {
        self.skew_bounds().is_none_or(|(least, most)| least <= most + DRIFT_MS)
    }

    fn skew_bounds(&self) -> Option<(i64, i64)> {
        let ms = |nanos: u64| (nanos / 1_000_000).cast_signed();
        let mut bounds: Option<(i64, i64)> = None;
        for event in self.events.iter().filter(|event| event.record.node_ms > 0) {
            let Some(seen) = event.seen else { continue };
            let Some(before) = self.sampled_before(seen) else { continue };
            let at = event.record.node_ms.cast_signed();
            let (least, most) = (at - ms(seen.0), at - ms(before.0));
            bounds = Some(bounds.map_or((least, most), |(a, b)| (a.max(least), b.min(most))));
        }
        bounds
    }

    /// The last time before `t` at which the node was sampled.
    fn sampled_before(&self, t: Nanos) -> Option<Nanos> {
        self.sampled.partition_point(|at| *at < t).checked_sub(1).map(|at| self.sampled[at])
    }
}

/// A value in words: text without its quotes; `None` for null.
fn told(value: &Json) -> Option<String> {
    match value {
        Json::Null => None,
        Json::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The segments that the authority named, by name.
fn names_of<'h>(history: &'h History<'_>) -> HashMap<&'h str, SegmentIndex> {
    let partitions = (0..).zip(&history.segments);
    let named = partitions.flat_map(|(partition, spans)| {
        spans.iter().enumerate().map(move |(at, span)| (span.name.as_str(), (partition, at)))
    });
    named.collect()
}

/// Events of a source without an order are put in that of the node's own clock.
fn order_by_clock_if_unordered(events: &mut [NodeEvent]) {
    let is_unordered = |event: &NodeEvent| event.text("by").is_some_and(|by| WITHOUT_ORDER.contains(&by));
    if events.iter().all(is_unordered) {
        events.sort_by_key(|event| event.record.node_ms);
    }
}
