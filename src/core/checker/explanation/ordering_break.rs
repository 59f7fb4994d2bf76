//! The break of an order (`RULES.md` 9): rows of one segment were merged before the segments that they
//! build on were visible, in the replica's own program order. It needs no healthy replica; peers are
//! second witnesses.

use super::explainer::{Explainer, PartitionTables, RootGroup};
use super::node_events::{EventIndex, NodeEvent, NodeEvents, SegmentIndex};
use super::prediction::{EarlyMerge, predict};
use super::setup;
use crate::checker::tables::segments::SegmentSpan;
use crate::checker::verdict::{Anchor, BreakStrength, NoWitness, OrderingBreak, Prediction};
use crate::history::lifecycle::CONSUME_START;
use crate::history::row::CopyState;
use std::collections::{BTreeMap, BTreeSet};

/// An earlier segment with rows, and the event that made it visible.
pub(super) struct EarlierSegment {
    pub(super) segment: usize,
    /// `None`: it never became visible in this incarnation.
    pub(super) visible: Option<EventIndex>,
}

impl EarlierSegment {
    /// The one of these that became visible last; one that never did is later than all.
    pub(super) fn last(segments: &[EarlierSegment]) -> Option<&EarlierSegment> {
        segments.iter().max_by_key(|it| it.visible.map_or(usize::MAX, |index| index.at))
    }
}

impl Explainer<'_> {
    /// The segments with rows before this one in its partition, as the node and incarnation of an event
    /// made them visible.
    pub(super) fn earlier(&self, (partition, segment): SegmentIndex, of: EventIndex) -> Vec<EarlierSegment> {
        let incarnation = self.events.event(of).record.incarnation;
        let spans = self.history.segments[partition as usize][..segment].iter().enumerate();
        let with_rows = spans.filter(|(_, span)| span.end != Some(span.start));
        let earlier = with_rows.map(|(segment, span)| {
            let visibility = Visibility { partition, segment, span, incarnation };
            EarlierSegment { segment, visible: visibility.find(&self.events, of.node) }
        });
        earlier.collect()
    }
}

/// The break that made these roots; `None` if all that they build on was visible before.
pub(super) fn find(
    explainer: &mut Explainer<'_>,
    tables: PartitionTables<'_>,
    group: &RootGroup<'_>,
) -> Option<OrderingBreak> {
    let partition = tables.log_index.partition;
    let late = late_segments(explainer, partition, group);
    let known: BTreeSet<usize> = group.roots.iter().flat_map(|root| root.missing.iter().copied()).collect();
    let is_told = !known.is_empty();
    let late: Vec<EarlierSegment> =
        late.into_iter().filter(|it| !is_told || known.contains(&it.segment)).collect();
    let last = EarlierSegment::last(&late)?;
    let (prediction, strength) = predicted(explainer, tables, group, &late);
    // Without provenance, only an exact prediction tells which segments were missing.
    if !is_told && !prediction.is_exact() {
        return None;
    }
    let (history, events) = (explainer.history, &explainer.events);
    let began = events.event(group.began);
    let visible = last.visible.map(|index| events.event(index));
    let mut dependencies: Vec<usize> = late.iter().map(|it| it.segment).collect();
    dependencies.sort_unstable();
    let (witnesses, no_witnesses) = peers(explainer, tables, group, &dependencies);
    let setup = setup::find(explainer, partition, group, last.segment, last.visible);
    Some(OrderingBreak {
        replica: history.meta.roster[group.replica].clone(),
        incarnation: began.record.incarnation,
        anchor: Anchor { key: group.roots[0].key.clone(), off: group.roots[0].off },
        dependencies: dependencies.iter().map(|at| explainer.name(partition, *at).to_owned()).collect(),
        visible: visible.map(|event| event.point()),
        dependent: explainer.name(partition, group.segment).to_owned(),
        began: began.point(),
        late_by_ms: visible
            .filter(|_| explainer.events.logs[group.began.node].is_steady())
            .map(|event| event.record.node_ms.saturating_sub(began.record.node_ms)),
        strength,
        prediction,
        witnesses,
        no_witnesses,
        setup,
    })
}

/// The earlier segments of the partition that were not visible when this consumption began.
fn late_segments(
    explainer: &mut Explainer<'_>,
    partition: u32,
    group: &RootGroup<'_>,
) -> Vec<EarlierSegment> {
    let began = explainer.events.event(group.began);
    let mut all = explainer.earlier((partition, group.segment), group.began);
    all.retain(|it| began.builds_on(explainer.name(partition, it.segment)));
    let demands: Vec<_> = all.iter().filter_map(|it| Some((it.visible?, group.began))).collect();
    let broken = explainer.graph.broken(&demands);
    let broken: BTreeSet<EventIndex> =
        demands.iter().zip(broken).filter(|(_, broken)| *broken).map(|((first, _), _)| *first).collect();
    // Where no registration is logged at all, that one is absent says nothing.
    let is_logged = explainer.events.of(group.began.node).any(|(_, event)| event.registers());
    all.into_iter().filter(|it| it.visible.map_or(is_logged, |index| broken.contains(&index))).collect()
}

/// A segment on a node, in one incarnation.
struct Visibility<'v> {
    partition: u32,
    segment: usize,
    span: &'v SegmentSpan,
    incarnation: u64,
}

impl Visibility<'_> {
    /// Whether the node says that it has consumed the segment to its end.
    fn is_whole(&self, event: &NodeEvent) -> bool {
        let reached = event.number("reached").or(event.number("position"));
        self.span.end.zip(reached).is_some_and(|(end, reached)| reached >= end)
    }

    /// The event that made all rows of the segment visible to merges: the end of its consumption, if that
    /// was complete, or its registration.
    fn find(&self, events: &NodeEvents, node: usize) -> Option<EventIndex> {
        let mut is_consumed = false;
        let own = events.of(node).filter(|(_, event)| event.record.incarnation == self.incarnation);
        for (index, event) in own {
            let is_its_own = event.segment == Some((self.partition, self.segment));
            match event.kind() {
                _ if event.states("writes", &self.span.name) => return Some(index),
                _ if !is_its_own => {}
                CONSUME_START => is_consumed = true,
                "consume-end" if is_consumed && event.record.detail["complete"] != false => {
                    return Some(index);
                }
                "consumed" | "sealing" if is_consumed && self.is_whole(event) => return Some(index),
                _ if event.registers() => return Some(index),
                _ => {}
            }
        }
        None
    }
}

/// Between which offsets a replica's consumption was at a moment.
#[derive(Clone, Copy)]
struct Reached {
    from: u64,
    to: u64,
}

impl Reached {
    /// How far a replica had consumed a partition when this event happened: as it logged with the event
    /// itself, or between what it logged before and after; or between two samples.
    fn at(events: &NodeEvents, index: EventIndex, start: u64) -> Option<Reached> {
        let event = events.event(index);
        if let Some(reached) = event.number("reached") {
            return Some(Reached { from: reached, to: reached });
        }
        if let Some(to) = event.number("reached_to") {
            return Some(Reached { from: event.number("reached_from").unwrap_or(start), to });
        }
        let partition = event.segment.map(|(partition, _)| partition);
        let counts = |event: &NodeEvent| {
            let is_here = event.segment.map(|(partition, _)| partition) == partition;
            event.number("reached").filter(|_| is_here && event.kind() == "consumed")
        };
        let from = events.before(index).find_map(|(_, event)| counts(event)).unwrap_or(start);
        let to = events.of(index.node).skip(index.at).find_map(|(_, event)| counts(event))?;
        Some(Reached { from: from.max(start), to })
    }
}

/// What the break predicts, and how well the order is known.
fn predicted(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    group: &RootGroup<'_>,
    late: &[EarlierSegment],
) -> (Prediction, BreakStrength) {
    let log_index = tables.log_index;
    let span = &explainer.history.segments[log_index.partition as usize][group.segment];
    let offs: BTreeSet<u64> = group.roots.iter().map(|root| root.off).collect();
    let (first, last) = (group.roots[0].off, offs.last().map_or(0, |off| off + 1));
    let (mut logged, mut ordered) = (true, true);
    let mut window = |it: &EarlierSegment| {
        let Some(visible) = it.visible else { return span.end.unwrap_or(u64::MAX) };
        let reached = Reached::at(&explainer.events, visible, span.start);
        logged &= reached.is_some_and(|it| it.from == it.to);
        ordered &= reached.is_some_and(|it| first < it.from);
        reached.map_or(last, |it| last.clamp(it.from, it.to.max(it.from)))
    };
    let late: Vec<(usize, u64)> = late.iter().map(|it| (it.segment, window(it))).collect();
    let early = EarlyMerge { dependent: group.segment, late };
    let predicted = predict(explainer.record, log_index, &early);
    let predicted: BTreeSet<u64> =
        predicted.into_iter().filter(|off| was_read(tables, group, *off)).collect();
    let is_wrong = |off: &&u64| offs.contains(off) || tables.wrong.contains(&(group.replica, **off));
    let prediction = Prediction {
        roots: offs.len() as u64,
        explained: predicted.intersection(&offs).count() as u64,
        predicted: predicted.len() as u64,
        found: predicted.iter().filter(is_wrong).count() as u64,
        from: span.start,
        to: early.to().min(log_index.end().max(last)),
        logged,
    };
    (prediction, if ordered { BreakStrength::Ordered } else { BreakStrength::Concurrent })
}

/// Whether a row that the replica merged itself was read.
fn was_read(tables: PartitionTables<'_>, group: &RootGroup<'_>, off: u64) -> bool {
    tables.timeline.by_segment[group.segment].iter().any(|&at| {
        let copy = &tables.timeline.copies[at];
        copy.replica == group.replica && copy.state != CopyState::Downloaded && copy.claims(off)
    })
}

/// The peers that made all dependencies visible before they consumed the segment, and why the others are no
/// witnesses.
fn peers(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    group: &RootGroup<'_>,
    dependencies: &[usize],
) -> (Vec<String>, BTreeMap<String, NoWitness>) {
    let partition = tables.log_index.partition;
    let (mut witnesses, mut others) = (Vec::new(), BTreeMap::new());
    let roster = explainer.history.meta.roster.iter().enumerate();
    for (replica, name) in roster.filter(|(replica, _)| *replica != group.replica) {
        let span = &explainer.history.segments[partition as usize][group.segment];
        if !span.was_assigned(replica) {
            continue;
        }
        match testimony(explainer, tables, group, name, dependencies) {
            Ok(()) => witnesses.push(name.clone()),
            Err(reason) => drop(others.insert(name.clone(), reason)),
        }
    }
    (witnesses, others)
}

fn testimony(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    group: &RootGroup<'_>,
    peer: &str,
    dependencies: &[usize],
) -> Result<(), NoWitness> {
    let partition = tables.log_index.partition;
    let events = &explainer.events;
    let node = events.node(peer).ok_or(NoWitness::NoEvents)?;
    let began = events.of(node).rfind(|(_, event)| event.begins((partition, group.segment)));
    let Some((began, event)) = began else {
        let of_segment = events.of(node).any(|(_, event)| event.segment == Some((partition, group.segment)));
        return Err(if of_segment { NoWitness::Downloaded } else { NoWitness::NoEvents });
    };
    for &segment in dependencies {
        let span = &explainer.history.segments[partition as usize][segment];
        let of = Visibility { partition, segment, span, incarnation: event.record.incarnation };
        match of.find(events, node) {
            Some(visible) if visible.at < began.at => {}
            Some(_) => return Err(NoWitness::SameOrder),
            None => {
                let elsewhere = events.of(node).any(|(_, event)| event.segment == Some((partition, segment)));
                return Err(if elsewhere { NoWitness::Restarted } else { NoWitness::NoEvents });
            }
        }
    }
    Ok(())
}
