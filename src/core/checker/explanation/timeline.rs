//! What the replica with the roots and a healthy peer did, side by side. Each timeline is on its node's
//! own clock, from the moment at which that node began to consume the segment in question; the two clocks
//! are not compared.

use super::explainer::RootGroup;
use super::node_events::{EventIndex, NodeEvent, NodeEvents};
use crate::checker::tables::history::History;
use crate::checker::verdict::{EventPoint, EventRole, NodeTimeline, ShownCause, TimelineEvent};
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of events of one timeline.
const EVENTS_MAX: usize = 60;

/// The timelines of the replica with these roots, and of a peer that did it rightly, if there is one.
pub(super) fn side_by_side(
    events: &NodeEvents,
    history: &History<'_>,
    group: &RootGroup<'_>,
    partition: u32,
    cause: &ShownCause,
) -> Vec<NodeTimeline> {
    let spans = &history.segments[partition as usize];
    let named = |names: &[String]| (0..spans.len()).filter(|at| names.contains(&spans[*at].name)).collect();
    let late: BTreeSet<usize> = match cause {
        ShownCause::OrderingBreak(it) => named(&it.dependencies),
        ShownCause::NeverBegan(it) => named(&it.dependencies),
        _ => group.roots.iter().flat_map(|root| root.missing.iter().copied()).collect(),
    };
    let about = |event: &NodeEvent| {
        let of_segment = event
            .segment
            .is_some_and(|(of, at)| of == partition && (at == group.segment || late.contains(&at)));
        of_segment || event.kind() == "gate" && event.segment.is_none()
    };
    let healthy = match cause {
        ShownCause::OrderingBreak(it) => it.witnesses.first().cloned(),
        _ => history
            .meta
            .roster
            .iter()
            .enumerate()
            .find(|(at, _)| *at != group.replica)
            .map(|(_, it)| it.clone()),
    };
    let of_peer = healthy.and_then(|name| {
        let node = events.node(&name)?;
        let mut starts = events.of(node).filter(|(_, event)| event.begins((partition, group.segment)));
        Some((node, starts.next_back()?.0))
    });
    let chosen = [Some((group.began.node, group.began)), of_peer];
    let timelines = chosen.into_iter().flatten().map(|(node, began)| {
        let own = events.of(node).filter(|(_, event)| about(event));
        let own: Vec<(EventIndex, &NodeEvent)> = own.collect();
        let near = own.partition_point(|(index, _)| index.at < began.at);
        let first = near.saturating_sub(EVENTS_MAX / 2);
        let marks = Marks { cause, group, partition, began };
        NodeTimeline {
            node: events.logs[node].node.clone(),
            broken: node == group.began.node,
            skew_ms: events.logs[node].skew_ms(),
            events: own[first..]
                .iter()
                .take(EVENTS_MAX)
                .map(|(index, it)| marks.told(events, *index, it))
                .collect(),
        }
    });
    timelines.collect()
}

/// What gives the events of a timeline their roles.
struct Marks<'m> {
    cause: &'m ShownCause,
    group: &'m RootGroup<'m>,
    partition: u32,
    /// The start of the consumption on this node.
    began: EventIndex,
}

impl Marks<'_> {
    fn told(&self, events: &NodeEvents, index: EventIndex, event: &NodeEvent) -> TimelineEvent {
        let began = events.event(self.began);
        // A clock that was set tells no durations, so those of the samples have to do.
        let at = |event: &NodeEvent| match events.logs[index.node].is_steady() {
            true => event.record.node_ms,
            false => event.seen.map_or(0, |seen| seen.0 / 1_000_000),
        };
        TimelineEvent {
            at_ms: at(event).cast_signed().wrapping_sub(at(began).cast_signed()),
            seen: event.seen,
            event: event.point(),
            role: self.role(index, event),
            detail: detail(event),
        }
    }

    fn role(&self, index: EventIndex, event: &NodeEvent) -> EventRole {
        let point = event.point();
        let (visible, setup): (Option<&EventPoint>, &[EventPoint]) = match self.cause {
            ShownCause::OrderingBreak(it) => {
                (it.visible.as_ref(), it.setup.as_ref().map_or(&[], |setup| &setup.events))
            }
            ShownCause::DroppedKeys(it) => (Some(&it.event), &[]),
            ShownCause::NeverBegan(it) => {
                (it.visible.as_ref(), it.setup.as_ref().map_or(&[], |setup| &setup.events))
            }
            ShownCause::NotShown { .. } => (None, &[]),
        };
        let of_other = event.segment != Some((self.partition, self.group.segment));
        match event.kind() {
            "gate" => EventRole::Gate,
            _ if index == self.began => EventRole::Dependent,
            _ if visible == Some(&point) => EventRole::Dependency,
            // On a healthy peer the same kind of event made it visible.
            "registered" | "replaced" | "consume-end" if of_other && index.node != self.group.began.node => {
                EventRole::Dependency
            }
            _ if setup.contains(&point) => EventRole::Setup,
            "snapshot" | "caught-up" => EventRole::Count,
            _ => EventRole::Other,
        }
    }
}

/// The numbers and words of an event, without those that only tie it to others.
fn detail(event: &NodeEvent) -> BTreeMap<String, String> {
    let shown = event.all_told().filter(|(name, _)| *name != "look" && *name != "by");
    shown.map(|(name, value)| (name.clone(), value)).collect()
}
