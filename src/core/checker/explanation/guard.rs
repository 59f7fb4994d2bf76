//! The guard of a consumption, from `gate` events only (`RULES.md` 9): was it evaluated for this
//! consumption, for the right subject, and did it hold? The unit that it protects is read from how its
//! evaluations differ, never from a name.

use super::node_events::{EventIndex, NodeEvent, NodeEvents};
use crate::checker::tables::history::History;
use crate::checker::tables::segments::SegmentSpan;
use crate::checker::verdict::{Confidence, Guard, GuardState};
use crate::history::lifecycle::{GateRecord, GateSubject};
use serde::Deserialize;
use std::collections::BTreeSet;

const GATE: &str = "gate";
const PARTITION: &str = "partition";
const SEGMENT: &str = "segment";

/// A consumption that a guard should have kept waiting.
pub(crate) struct Consumption<'c> {
    pub(crate) partition: u32,
    /// The segment that was to be consumed, by index.
    pub(crate) segment: usize,
    /// The event that began it; `None` if it never began.
    pub(crate) began: Option<EventIndex>,
    pub(crate) node: usize,
    /// The segments that had to be visible before, by index.
    pub(crate) needed: &'c [usize],
}

/// What is said of a guard about which no event is known.
pub(crate) fn unseen(events: &NodeEvents) -> Guard {
    let is_logged = events.all().any(|(_, event)| event.kind() == GATE);
    let state = if is_logged { GuardState::OrderAssumed } else { GuardState::NotLogged };
    Guard {
        state,
        name: None,
        event: None,
        evaluated_ms: None,
        waited_ms: None,
        released_by: None,
        counts: None,
        enforced_scope: Vec::new(),
        required_scope: required_scope(),
        confidence: Confidence::NotObservable,
    }
}

/// Finds out what the guard of a consumption did.
pub(crate) fn find(events: &NodeEvents, history: &History<'_>, consumption: &Consumption<'_>) -> Guard {
    let Some((index, gate)) = last_gate(events, consumption) else { return untested(events, consumption) };
    let event = events.event(index);
    let spans = &history.segments[consumption.partition as usize];
    let state = state(events, consumption, index, &gate, spans);
    let counts = gate.seen.wanted.zip(gate.seen.registered);
    let is_steady = events.logs[consumption.node].is_steady();
    Guard {
        state,
        event: Some(event.point()),
        evaluated_ms: gate.evaluated_at.filter(|_| is_steady),
        waited_ms: gate.waited_ms.filter(|_| is_steady),
        released_by: gate.released_by,
        counts,
        enforced_scope: enforced_scope(events, gate.name.as_deref()),
        name: gate.name,
        required_scope: required_scope(),
        confidence: Confidence::Shown,
    }
}

fn required_scope() -> Vec<String> {
    vec![PARTITION.to_owned(), SEGMENT.to_owned()]
}

fn gate_of(event: &NodeEvent) -> Option<GateRecord> {
    let gate = (event.kind() == GATE).then(|| GateRecord::deserialize(&event.record.detail))?;
    gate.ok()
}

/// The last evaluation for this consumption, before it began.
fn last_gate(events: &NodeEvents, consumption: &Consumption<'_>) -> Option<(EventIndex, GateRecord)> {
    let of = (consumption.partition, consumption.segment);
    let until = consumption.began.map_or(usize::MAX, |began| began.at);
    let own = events.of(consumption.node).take_while(|(index, _)| index.at < until);
    let own = own.filter(|(_, event)| event.segment == Some(of) && event.kind() == GATE);
    let (index, event) = own.last()?;
    let same_life = consumption
        .began
        .is_none_or(|began| events.event(began).record.incarnation == event.record.incarnation);
    Some((index, gate_of(event)?)).filter(|_| same_life)
}

/// What is known of the guard if it was not evaluated for this consumption: it had opened before, for the
/// whole node; or the order was assumed; or no node logs its gates.
fn untested(events: &NodeEvents, consumption: &Consumption<'_>) -> Guard {
    let until = consumption.began.map_or(usize::MAX, |began| began.at);
    let earlier = events.of(consumption.node).take_while(|(index, _)| index.at < until);
    let opened = earlier
        .filter_map(|(index, event)| Some((index, gate_of(event)?)))
        .filter(|(_, gate)| gate.released_by.is_some() && gate.subject == GateSubject::default());
    let opened = opened.last();
    let unseen = unseen(events);
    match opened {
        Some((index, gate)) => {
            let event = events.event(index);
            Guard {
                state: GuardState::NotEvaluated,
                event: Some(event.point()),
                evaluated_ms: gate
                    .evaluated_at
                    .or(Some(event.record.node_ms))
                    .filter(|_| events.logs[consumption.node].is_steady()),
                released_by: gate.released_by,
                counts: gate.seen.wanted.zip(gate.seen.registered),
                name: gate.name,
                confidence: Confidence::ConsistentWithTimes,
                ..unseen
            }
        }
        None if events.declares(consumption.node, GATE) => {
            Guard { state: GuardState::OrderAssumed, confidence: Confidence::Shown, ..unseen }
        }
        None if unseen.state == GuardState::OrderAssumed => {
            Guard { confidence: Confidence::ConsistentWithTimes, ..unseen }
        }
        None => unseen,
    }
}

fn state(
    events: &NodeEvents,
    consumption: &Consumption<'_>,
    index: EventIndex,
    gate: &GateRecord,
    spans: &[SegmentSpan],
) -> GuardState {
    let covers = |needed: &usize| covers(&gate.subject, consumption.partition, &spans[*needed]);
    match gate.released_by.as_deref() {
        None if consumption.began.is_none() => GuardState::NeverTestedAgain,
        None => GuardState::OrderAssumed,
        Some("time-out") => GuardState::TimedOut,
        Some("already-open") => GuardState::NotEvaluated,
        Some("signal") => GuardState::SignalTooEarly,
        Some(_) if is_old(events, consumption, index, gate) => GuardState::NotEvaluated,
        Some(_) if consumption.needed.iter().all(covers) => GuardState::Kept,
        Some(_) => GuardState::WrongSubject,
    }
}

/// Whether the evaluation is older than the transition that it let pass. On a clock that was set meanwhile,
/// only an evaluation at the very time of its event is known to be new.
fn is_old(events: &NodeEvents, consumption: &Consumption<'_>, index: EventIndex, gate: &GateRecord) -> bool {
    let Some(evaluated) = gate.evaluated_at else { return false };
    if !events.logs[consumption.node].is_steady() {
        return evaluated != events.event(index).record.node_ms;
    }
    let of = (consumption.partition, consumption.segment);
    let started = events
        .before(index)
        .find(|(_, event)| event.kind() == "transition-started" && event.segment == Some(of));
    started.is_some_and(|(_, event)| evaluated < event.record.node_ms)
}

/// Whether a subject speaks of this segment.
fn covers(subject: &GateSubject, partition: u32, span: &SegmentSpan) -> bool {
    let by_seq = subject.partition == Some(partition)
        && (subject.seq == Some(span.seq) || subject.before_seq.is_some_and(|before| span.seq < before));
    by_seq || subject.segment.as_ref() == Some(&span.name)
}

/// The fields on which the evaluations of a gate differ, over all nodes: the unit that it tells apart.
fn enforced_scope(events: &NodeEvents, name: Option<&str>) -> Vec<String> {
    let gates = events.all().filter_map(|(_, event)| gate_of(event));
    let subjects: Vec<GateSubject> =
        gates.filter(|gate| gate.name.as_deref() == name).map(|gate| gate.subject).collect();
    let partitions: BTreeSet<_> = subjects.iter().map(|it| it.partition).collect();
    let segments: BTreeSet<_> =
        subjects.iter().map(|it| (it.partition, it.seq, it.before_seq, it.segment.clone())).collect();
    let is_told = |it: &GateSubject| it.seq.is_some() || it.before_seq.is_some() || it.segment.is_some();
    let mut scope = Vec::new();
    if partitions.len() > 1 {
        scope.push(PARTITION.to_owned());
    }
    if subjects.iter().any(is_told) && segments.len() > partitions.len() {
        scope.push(SEGMENT.to_owned());
    }
    scope
}
