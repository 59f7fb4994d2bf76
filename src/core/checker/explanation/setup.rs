//! What led to a break and is not the break itself: the transition of the late segment that lost more time
//! than on the peers, and what the nodes counted (`RULES.md` 9).

use super::explainer::{Explainer, RootGroup};
use super::node_events::{EventIndex, NodeEvents, SegmentIndex};
use crate::checker::verdict::{Edge, LoggedCount, Setup};
use std::collections::BTreeMap;

/// A transition of a segment on a node, as far as it was logged.
#[derive(Default)]
struct TransitionTimes {
    transition: String,
    /// When its message was created, on the clock of its creator.
    created_ms: Option<u64>,
    /// From the creation of its message to its start, beyond the quickest message of the same node: that
    /// takes out the difference between the clock of the node and that of the message's creator.
    queued_ms: Option<u64>,
    ran_ms: Option<u64>,
    outcome: Option<String>,
    events: Vec<EventIndex>,
}

impl TransitionTimes {
    fn took(&self, edge: Edge) -> Option<u64> {
        match edge {
            Edge::CreatedToStarted => self.queued_ms,
            Edge::StartedToFinished => self.ran_ms,
        }
    }
}

/// Walks back from the event that made a segment visible (if none did: over all events of the segment) to
/// the step that took the longest, compared with the peers; `None` if none took longer than there.
pub(super) fn find(
    explainer: &Explainer<'_>,
    partition: u32,
    group: &RootGroup<'_>,
    segment: usize,
    visible: Option<EventIndex>,
) -> Option<Setup> {
    let (events, node) = (&explainer.events, group.began.node);
    let of = (partition, segment);
    let led = match visible {
        Some(visible) => explainer.graph.led_to(visible),
        None => events.of(node).filter(|(_, event)| event.segment == Some(of)).map(|(at, _)| at).collect(),
    };
    let here = transitions(events, node, &led);
    let roster = explainer.history.meta.roster.iter().enumerate();
    let peers: Vec<(&String, Vec<TransitionTimes>)> = roster
        .filter(|(replica, _)| *replica != group.replica)
        .filter_map(|(_, name)| Some((name, events.node(name)?)))
        .map(|(name, node)| {
            let own = events.of(node).filter(|(_, event)| event.segment == Some(of)).map(|(at, _)| at);
            (name, transitions(events, node, &own.collect::<Vec<_>>()))
        })
        .collect();
    let steps = here.iter().flat_map(|it| {
        [Edge::CreatedToStarted, Edge::StartedToFinished]
            .into_iter()
            .filter_map(move |edge| Some((it, edge, it.took(edge)?)))
    });
    let on_peers = |it: &TransitionTimes, edge: Edge| {
        let same = |(name, all): &(&String, Vec<TransitionTimes>)| {
            let took = all.iter().find(|other| other.transition == it.transition)?.took(edge)?;
            Some(((*name).clone(), took))
        };
        peers.iter().filter_map(same).collect::<BTreeMap<String, u64>>()
    };
    let excess = |it: &TransitionTimes, edge: Edge, took: u64| {
        took.saturating_sub(on_peers(it, edge).values().copied().max().unwrap_or(0))
    };
    let slow = steps.filter(|(it, edge, took)| excess(it, *edge, *took) > 0);
    let (slow, edge, took_ms) = slow.max_by_key(|(it, edge, took)| excess(it, *edge, *took))?;
    let skipped = here.iter().rev().find_map(|it| it.outcome.clone());
    Some(Setup {
        segment: explainer.name(partition, segment).to_owned(),
        transition: slow.transition.clone(),
        edge,
        took_ms,
        peers_ms: on_peers(slow, edge),
        outcome: slow.outcome.clone().or(skipped),
        events: slow.events.iter().map(|index| events.event(*index).point()).collect(),
        snapshot: counted(explainer, (partition, group.segment), group, "snapshot", "registered_segments"),
        catch_up: counted(explainer, (partition, group.segment), group, "caught-up", "rows"),
    })
}

/// The transitions that these events belong to, in order.
fn transitions(events: &NodeEvents, node: usize, of_segment: &[EventIndex]) -> Vec<TransitionTimes> {
    let is_steady = events.logs[node].is_steady();
    let waits = if is_steady { queue_waits(events, node) } else { BTreeMap::new() };
    let quickest = waits.values().copied().min().unwrap_or(0);
    let mut found: Vec<TransitionTimes> = Vec::new();
    for &index in of_segment.iter().filter(|index| index.node == node) {
        let event = events.event(index);
        if event.kind() == "skipped" {
            if let Some(last) = found.last_mut() {
                last.outcome = Some("skipped".to_owned());
                last.events.push(index);
            }
            continue;
        }
        let (Some(transition), true) = (event.text("transition"), event.kind().starts_with("transition-"))
        else {
            continue;
        };
        if found.last().is_none_or(|last| last.transition != transition) {
            found.push(TransitionTimes { transition: transition.to_owned(), ..TransitionTimes::default() });
        }
        let Some(last) = found.last_mut() else { continue };
        last.events.push(index);
        match event.kind() {
            "transition-created" => last.created_ms = last.created_ms.or(event.number("created_ms")),
            "transition-started" => {
                last.queued_ms =
                    waits.get(&index).map(|waited| waited.saturating_sub(quickest).cast_unsigned());
            }
            "transition-finished" => {
                last.ran_ms = event.number("took_ms").filter(|_| is_steady);
                let outcome = event.text("outcome").filter(|outcome| *outcome != "done");
                last.outcome = outcome.map(|outcome| match event.text("result") {
                    Some(result) => format!("{outcome}: {result}"),
                    None => outcome.to_owned(),
                });
            }
            _ => {}
        }
    }
    note_never_started(&mut found);
    found
}

/// A message that never ran had waited when the next one of its segment was created: both times are of the
/// creator's clock.
fn note_never_started(transitions: &mut [TransitionTimes]) {
    for at in 1..transitions.len() {
        let next = transitions[at].created_ms;
        let waiting = &mut transitions[at - 1];
        if let (None, Some(created), Some(next)) = (waiting.queued_ms, waiting.created_ms, next) {
            waiting.queued_ms = Some(next.saturating_sub(created));
            waiting.outcome = Some("never started".to_owned());
        }
    }
}

/// From the creation of each message of a node to its start, in milliseconds, by the event that started it.
/// The two clocks may differ, so it may be negative.
fn queue_waits(events: &NodeEvents, node: usize) -> BTreeMap<EventIndex, i64> {
    let mut created = BTreeMap::new();
    let mut waits = BTreeMap::new();
    for (index, event) in events.of(node) {
        let Some(message) = event.message() else { continue };
        match event.kind() {
            "transition-created" => created.extend(event.number("created_ms").map(|at| (message, at))),
            "transition-started" => {
                waits.extend(created.get(&message).map(|at: &u64| {
                    (index, event.record.node_ms.cast_signed().wrapping_sub(at.cast_signed()))
                }))
            }
            _ => {}
        }
    }
    waits
}

/// What each node counted when it began to consume a segment.
fn counted(
    explainer: &Explainer<'_>,
    of: SegmentIndex,
    group: &RootGroup<'_>,
    kind: &str,
    name: &str,
) -> Option<LoggedCount> {
    let events = &explainer.events;
    let count = |node: usize, near: Option<EventIndex>| {
        let own = events.of(node).filter(|(_, event)| event.kind() == kind && event.segment == Some(of));
        let nearest = own.min_by_key(|(index, _)| near.map_or(0, |near| near.at.abs_diff(index.at)));
        nearest.and_then(|(_, event)| event.number(name))
    };
    let here = count(group.began.node, Some(group.began))?;
    let began = |node: usize| {
        let mut starts = events.of(node).filter(|(_, event)| event.begins(of));
        starts.next_back().map(|(index, _)| index)
    };
    let roster = explainer.history.meta.roster.iter().enumerate();
    let peers = roster.filter(|(replica, _)| *replica != group.replica).filter_map(|(_, name)| {
        let node = events.node(name)?;
        Some((name.clone(), count(node, began(node))?))
    });
    Some(LoggedCount { here, peers: peers.collect() })
}
