//! How far wrong copies spread (`RULES.md` 5): who was right and who was wrong at each capture, whose copy
//! was committed, which copies were replaced, and what will destroy the right ones that are left.

use super::explainer::{Explainer, PartitionTables};
use super::node_events::{NodeEvent, SegmentIndex};
use crate::checker::safety::mismatch::{Mismatch, ReplicaView};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::tables::history::History;
use crate::checker::verdict::{
    CaptureState, Commit, KeyCopies, LastRightGone, Replacement, Risk, Side, Spread, SpreadMoment,
};
use crate::history::row::CopyState;
use crate::history::schema::rules::Absence;
use std::collections::{BTreeMap, BTreeSet};

/// Keys of which it is told which replicas are wrong.
const KEYS_MAX: usize = 100;

/// The rows of one finding, and which of their views belong to it.
pub(crate) struct WrongRows<'w> {
    pub(crate) mismatches: &'w [&'w Mismatch],
    pub(crate) is_member: &'w dyn Fn(&ReplicaView) -> bool,
}

/// Who was wrong and who was right at one point.
#[derive(Default)]
struct Sides {
    wrong: BTreeSet<usize>,
    right: BTreeSet<usize>,
}

impl WrongRows<'_> {
    fn sides(&self, when: CapturePoint, segment: Option<usize>) -> Sides {
        let of_segment = self.mismatches.iter().filter(|it| segment.is_none() || it.segment == segment);
        let mut sides = Sides::default();
        of_segment.for_each(|mismatch| self.add(mismatch, when, &mut sides));
        sides.right.retain(|replica| !sides.wrong.contains(replica));
        sides
    }

    fn add(&self, mismatch: &Mismatch, when: CapturePoint, sides: &mut Sides) {
        for view in mismatch.at(when) {
            match (self.is_member)(view) {
                true => drop(sides.wrong.insert(view.replica)),
                false if view.anomaly.is_none() => drop(sides.right.insert(view.replica)),
                false => {}
            }
        }
    }

    /// Which replicas show wrong rows of which key at a point: the first keys, by offset.
    fn keys(&self, when: CapturePoint, history: &History<'_>) -> Vec<KeyCopies> {
        let mut order: Vec<&String> = Vec::new();
        let mut by_key: BTreeMap<&String, Sides> = BTreeMap::new();
        for mismatch in self.mismatches {
            if !by_key.contains_key(&mismatch.key) {
                if order.len() == KEYS_MAX {
                    continue;
                }
                order.push(&mismatch.key);
            }
            self.add(mismatch, when, by_key.entry(&mismatch.key).or_default());
        }
        let copies = order.into_iter().filter_map(|key| {
            let Sides { wrong, mut right } = by_key.remove(key)?;
            right.retain(|replica| !wrong.contains(replica));
            Some(KeyCopies { key: key.clone(), wrong: history.names(&wrong), right: history.names(&right) })
        });
        copies.filter(|it| !it.wrong.is_empty()).collect()
    }

    /// The points at which anything changed, at most one a capture: its last.
    fn changes(&self) -> Vec<CapturePoint> {
        let scenes = self.mismatches.iter().flat_map(|mismatch| &mismatch.views_by_capture);
        let by_capture: BTreeMap<usize, CapturePoint> = scenes
            .map(|scene| scene.when)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .map(|it| (it.capture, it))
            .collect();
        by_capture.into_values().collect()
    }

    fn segments(&self) -> BTreeSet<usize> {
        self.mismatches.iter().filter_map(|mismatch| mismatch.segment).collect()
    }
}

/// How the rows of one finding spread.
pub(crate) fn find(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    rows: &WrongRows<'_>,
    last: &CaptureState,
) -> Spread {
    let history = explainer.history;
    let changes: Vec<(CapturePoint, Sides)> =
        rows.changes().into_iter().map(|when| (when, rows.sides(when, None))).collect();
    let told = changes.iter().filter(|(_, sides)| !sides.wrong.is_empty() || !sides.right.is_empty());
    let moments: Vec<SpreadMoment> = told.map(|(when, sides)| moment(history, *when, sides)).collect();
    let last_change = changes.last().map(|(when, _)| *when);
    let shown = changes.iter().rfind(|(_, sides)| !sides.wrong.is_empty());
    let segments = rows.segments();
    let of_segments = || segments.iter().map(|segment| (tables.log_index.partition, *segment));
    let commits: Vec<Commit> = of_segments().filter_map(|of| commit(explainer, of, rows)).collect();
    // Where rows are read by key alone, another copy is only another read or another life of the replica.
    let meta = explainer.history.meta;
    let has_copies = meta.has_boundaries() && !meta.schema.rules.keeps_newest_only();
    let of_copies = of_segments().filter(|_| has_copies);
    let mut replacements: Vec<Replacement> =
        of_copies.flat_map(|of| replacements(explainer, tables, of, rows)).collect();
    replacements.sort_by_key(|it| it.t);
    let last_right = if last.side == Side::Majority { last.right.clone() } else { Vec::new() };
    Spread {
        last_right_gone: last_right_gone(&moments),
        keys: shown.map_or_else(Vec::new, |(when, _)| rows.keys(*when, history)),
        at_risk: at_risk(explainer, tables, &segments, moments.last().zip(last_change), rows),
        moments,
        commits,
        replacements,
        last_right,
    }
}

fn moment(history: &History<'_>, when: CapturePoint, sides: &Sides) -> SpreadMoment {
    let capture = history.captures[when.capture];
    SpreadMoment {
        capture: capture.number,
        t: capture.t,
        wrong: history.names(&sides.wrong),
        right: history.names(&sides.right),
    }
}

/// The first capture since which no replica was right any more. One at which only wrong replicas had read
/// so far shows nothing of the others.
fn last_right_gone(moments: &[SpreadMoment]) -> Option<LastRightGone> {
    let last = moments.iter().rposition(|it| !it.right.is_empty())?;
    let (before, gone) = (&moments[last], moments.get(last + 1)?);
    Some(LastRightGone { replicas: before.right.clone(), last_seen: before.t, gone: gone.t })
}

fn commit(explainer: &Explainer<'_>, of: SegmentIndex, rows: &WrongRows<'_>) -> Option<Commit> {
    let (events, name) = (&explainer.events, explainer.name(of.0, of.1));
    let logged = |kind: &str| {
        let all = events.all().filter(|(_, event)| event.kind() == kind && event.segment == Some(of));
        all.map(|(_, event)| event).collect::<Vec<&NodeEvent>>()
    };
    let (winners, committed) = (logged("commit-winner"), logged("segment-committed"));
    let event = committed.last().or(winners.last()).copied();
    let seen = events.commits.get(&of).copied();
    if event.is_none() && seen.is_none() {
        return None;
    }
    let winner = event.and_then(|event| event.text("server")).map(str::to_owned);
    let offset = event.and_then(|event| event.number("offset"));
    let reported = logged("segment-reported");
    let equal = reported.iter().filter(|event| event.number("offset") == offset && offset.is_some());
    let equal: BTreeSet<String> = equal.filter_map(|event| event.text("server")).map(str::to_owned).collect();
    let wrong = winner.as_ref().and_then(|winner| {
        let replica = explainer.history.replica(winner)?;
        own_copy_is_wrong(rows, of.1, replica)
    });
    Some(Commit {
        segment: name.to_owned(),
        winner,
        offset,
        at_equal_offset: equal.into_iter().collect(),
        wrong,
        event: event.map(NodeEvent::point),
        t: seen,
    })
}

/// Whether the copy of a segment that a replica consumed itself was wrong; `None` if no capture read it.
fn own_copy_is_wrong(rows: &WrongRows<'_>, segment: usize, replica: usize) -> Option<bool> {
    let of_segment = rows.mismatches.iter().filter(|mismatch| mismatch.segment == Some(segment));
    let own = of_segment.flat_map(|mismatch| &mismatch.views).filter(|view| {
        view.replica == replica && view.state.is_some_and(|state| state != CopyState::Downloaded)
    });
    own.map(|view| (rows.is_member)(view)).reduce(|a, b| a || b)
}

/// The copies of a segment that were replaced on any replica, as captures show it.
fn replacements(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    of: SegmentIndex,
    rows: &WrongRows<'_>,
) -> Vec<Replacement> {
    let mut found = Vec::new();
    let changes = tables.timeline.changes(of.1);
    for replica in 0..explainer.history.meta.roster.len() {
        let mut before: Option<(CapturePoint, usize)> = None;
        for (when, shown) in changes {
            let Some(shown) = shown.get(replica).copied().flatten() else { continue };
            if let Some((since, copy)) = before
                && copy != shown.copy
            {
                found.push(replacement(explainer, of, replica, (since, *when), rows));
            }
            before = Some((*when, shown.copy));
        }
    }
    found
}

fn replacement(
    explainer: &Explainer<'_>,
    of: SegmentIndex,
    replica: usize,
    (before, after): (CapturePoint, CapturePoint),
    rows: &WrongRows<'_>,
) -> Replacement {
    let (events, roster) = (&explainer.events, &explainer.history.meta.roster);
    let node = events.node(&roster[replica]);
    let logged = |kind: &str| {
        let own = node.into_iter().flat_map(|node| events.of(node));
        let mut own = own.filter(|(_, event)| event.kind() == kind && event.segment == Some(of));
        own.next_back().map(|(_, event)| event)
    };
    let is_wrong = |when: CapturePoint| {
        let Sides { wrong, right } = rows.sides(when, Some(of.1));
        if wrong.contains(&replica) { Some(true) } else { right.contains(&replica).then_some(false) }
    };
    let checksums =
        logged("crc-changed").and_then(|event| Some((event.told("old_crc")?, event.told("crc")?)));
    Replacement {
        replica: roster[replica].clone(),
        segment: explainer.name(of.0, of.1).to_owned(),
        t: explainer.history.captures[after.capture].t,
        wrong_before: is_wrong(before),
        wrong_after: is_wrong(after),
        checksums,
        event: logged("replaced").map(NodeEvent::point),
    }
}

/// What will destroy right copies, or the evidence: by the last moment, and the last change.
fn at_risk(
    explainer: &Explainer<'_>,
    tables: PartitionTables<'_>,
    segments: &BTreeSet<usize>,
    last: Option<(&SpreadMoment, CapturePoint)>,
    rows: &WrongRows<'_>,
) -> Vec<Risk> {
    let history = explainer.history;
    let spans = &history.segments[tables.log_index.partition as usize];
    let mut risks = Vec::new();
    let Some((last, when)) = last.filter(|(last, _)| !last.wrong.is_empty()) else { return risks };
    if history.meta.schema.rules.has_own_log() {
        return risks;
    }
    for &segment in segments {
        let name = spans[segment].name.clone();
        if spans[segment].end.is_none() {
            risks.push(Risk::NextCommit { segment: name });
        } else {
            let differing = rows.sides(when, Some(segment)).right;
            let is_wrong_committed = last.wrong.len() > last.right.len();
            if !differing.is_empty() && is_wrong_committed {
                risks.push(Risk::Reload { segment: name, replicas: history.names(&differing) });
            }
        }
    }
    if history.meta.schema.rules.allow(Absence::Superseded) {
        risks.push(Risk::Compaction);
    }
    let first = rows.mismatches.iter().map(|mismatch| mismatch.off).min();
    let starts = segments.iter().map(|segment| spans[*segment].start).chain(first);
    if let Some(from) = starts.min() {
        risks.push(Risk::Retention { from });
    }
    risks
}
