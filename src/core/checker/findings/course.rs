//! The state of a finding at each capture, and its course (`RULES.md` 5).
//!
//! Only its own wrong views count: whatever else is wrong in the same rows is another finding, with its own
//! course.

use crate::checker::safety::mismatch::{Mismatch, ReplicaView};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::tables::history::{History, RowsRead};
use crate::checker::verdict::pattern::{classes, pattern, side, sizes};
use crate::checker::verdict::{CaptureState, Course, Side};
use std::collections::{BTreeMap, BTreeSet};

/// The first and the last state of a finding, when the last one was, and its course.
pub(crate) struct Trajectory {
    pub(crate) first: CaptureState,
    pub(crate) last: CaptureState,
    pub(crate) last_at: CapturePoint,
    pub(crate) course: Course,
    /// The replicas that were wrong when last seen, and are no longer assigned the rows.
    pub(crate) moved_away: BTreeSet<usize>,
}

/// All rows of one finding, and which of their views belong to it.
pub(crate) struct GroupRows<'r> {
    pub(crate) history: &'r History<'r>,
    pub(crate) partition: u32,
    pub(crate) mismatches: &'r [&'r Mismatch],
    pub(crate) is_member: &'r dyn Fn(&ReplicaView) -> bool,
}

impl GroupRows<'_> {
    /// The trajectory of a finding over the captures; `None` if no capture shows it.
    pub(crate) fn trajectory(&self) -> Option<Trajectory> {
        let scenes = self.mismatches.iter().flat_map(|mismatch| &mismatch.views_by_capture);
        let changes: Vec<CapturePoint> =
            scenes.map(|scene| scene.when).collect::<BTreeSet<_>>().into_iter().collect();
        let tallies: Vec<CaptureTally> = changes.iter().map(|when| self.tally(*when)).collect();
        let first = tallies.iter().position(|tally| !tally.wrong.is_empty())?;
        let last = tallies.iter().rposition(|tally| !tally.wrong.is_empty())?;
        let (was, is) = (&tallies[first], &tallies[last]);
        let last_at = self.until(changes[last], changes.get(last + 1).copied());
        let ends: Vec<BTreeMap<usize, ReplicaEnd>> = self.mismatches.iter().map(|it| self.ends(it)).collect();
        let is_healed = ends.iter().flat_map(BTreeMap::values).all(|end| *end != ReplicaEnd::Wrong);
        let has_grown = is.wrong.len() > was.wrong.len();
        let course = if is_healed {
            Course::Healed
        } else if is.is_all_wrong() && (has_grown || !was.is_all_wrong()) {
            Course::Spread
        } else if has_grown {
            Course::Spreading
        } else {
            Course::Standing
        };
        let moved = ends.iter().flatten().filter(|(_, end)| **end == ReplicaEnd::MovedAway);
        Some(Trajectory {
            first: self.capture_state(was, changes[first].capture),
            last: self.capture_state(is, last_at.capture),
            last_at,
            course,
            moved_away: moved.map(|(replica, _)| *replica).collect(),
        })
    }

    /// A state lasts until the next change.
    fn until(&self, change: CapturePoint, next: Option<CapturePoint>) -> CapturePoint {
        let next = next.map_or(self.history.captures.len(), |next| next.capture);
        next.checked_sub(1).map_or(change, |before| change.max(CapturePoint::end_of(before)))
    }

    /// The end of the mismatch on every replica that was ever wrong here.
    fn ends(&self, mismatch: &Mismatch) -> BTreeMap<usize, ReplicaEnd> {
        let mut ends = BTreeMap::new();
        for view in mismatch.views_by_capture.iter().flat_map(|scene| &scene.views) {
            let view = &mismatch.views[*view];
            match (self.is_member)(view) {
                true => drop(ends.insert(view.replica, ReplicaEnd::Wrong)),
                false => drop(ends.entry(view.replica).and_modify(|end| *end = ReplicaEnd::Right)),
            }
        }
        for (replica, end) in ends.iter_mut().filter(|(_, end)| **end == ReplicaEnd::Wrong) {
            if mismatch.over.contains(replica) {
                *end = ReplicaEnd::Right;
            } else if !self.is_assigned(mismatch, *replica) {
                *end = ReplicaEnd::MovedAway;
            }
        }
        ends
    }

    /// Whether a replica is still assigned the segment of a mismatch at the end.
    fn is_assigned(&self, mismatch: &Mismatch, replica: usize) -> bool {
        let last = self.history.captures.len().checked_sub(1);
        last.zip(mismatch.segment)
            .is_none_or(|(last, segment)| self.history.is_holder(self.partition, segment, last, replica))
    }

    fn tally(&self, when: CapturePoint) -> CaptureTally {
        let mut tally = CaptureTally::default();
        for mismatch in self.mismatches {
            let views: Vec<&ReplicaView> = mismatch.at(when).collect();
            let wrong = views.iter().filter(|view| (self.is_member)(view)).map(|view| view.replica);
            let wrong: BTreeSet<usize> = wrong.collect();
            let right = views.iter().filter(|view| view.anomaly.is_none()).map(|view| view.replica);
            let right: BTreeSet<usize> = right.collect();
            tally.is_majority |= side(wrong.len(), views.len()) == Side::Majority;
            tally.is_right_left |= views.len() > wrong.len();
            tally.faulty.extend(views.iter().map(|view| view.replica).filter(|it| !right.contains(it)));
            for view in &views {
                let others = views.iter().filter(|other| other.group != view.group);
                tally.unequal.extend(others.map(|other| (view.replica, other.replica)));
                tally.comparable.insert(view.replica);
            }
            tally.wrong.extend(wrong);
            tally.right.extend(right);
        }
        tally
    }

    /// The positions that these replicas told when they were last read in a capture.
    fn positions(&self, capture: u32, replicas: &BTreeSet<usize>) -> BTreeMap<String, u64> {
        let reads = self.history.reads.iter().filter(|read| {
            let header = read.header;
            self.history.captures[header.capture].number == capture && replicas.contains(&header.replica)
        });
        let told = |read: &RowsRead| {
            Some((self.history.meta.roster[read.header.replica].clone(), read.held.position?))
        };
        reads.filter_map(told).collect()
    }

    fn capture_state(&self, tally: &CaptureTally, capture: usize) -> CaptureState {
        let CaptureTally { comparable, wrong, .. } = tally;
        let replicas: Vec<usize> = comparable.iter().copied().collect();
        let groups = classes(&replicas, |a, b| !tally.unequal.contains(&(*a, *b)));
        let modelled = self.mismatches.iter().any(|mismatch| mismatch.modelled);
        let capture = self.history.captures[capture];
        let positions = self.positions(capture.number, comparable);
        CaptureState {
            positions,
            capture: capture.number,
            t: capture.t,
            pattern: pattern(&sizes(&groups)),
            side: if modelled { tally.side() } else { Side::Unknown },
            wrong: self.history.names(wrong),
            comparable: self.history.names(comparable),
            right: self.history.names(&tally.right_copies()),
        }
    }
}

/// How a finding ended on one replica.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReplicaEnd {
    /// It was wrong when it was last comparable. A replica that went down while wrong is not healed:
    ///
    /// ```text
    /// capture 1: a b c right, d wrong. Capture 2: d is down, a b c right.
    /// ```
    Wrong,
    Right,
    /// The segment is assigned to other replicas now, and took its wrong rows with it.
    MovedAway,
}

/// All rows of a finding at one point, taken together. Two replicas are equal if they agree in all rows that
/// both show.
#[derive(Default)]
struct CaptureTally {
    comparable: BTreeSet<usize>,
    wrong: BTreeSet<usize>,
    /// The replicas that are right in any row.
    right: BTreeSet<usize>,
    /// The replicas that are not right in every row, by whatever cause.
    faulty: BTreeSet<usize>,
    unequal: BTreeSet<(usize, usize)>,
    /// Whether in any row most replicas are wrong, but not all.
    is_majority: bool,
    /// Whether any replica is not wrong in any row.
    is_right_left: bool,
}

impl CaptureTally {
    fn is_all_wrong(&self) -> bool {
        !self.is_right_left
    }

    /// The sides of all rows are combined, but a right copy that is left of any row keeps the warning:
    ///
    /// ```text
    /// row 4: a, b, d wrong, c right; row 7: a, c, d wrong, b right. Together all four are wrong, and the
    /// last right copies are on b and c.
    /// ```
    fn side(&self) -> Side {
        match side(self.wrong.len(), self.comparable.len()) {
            Side::All if !self.is_all_wrong() => Side::Majority,
            Side::Minority | Side::Half if self.is_majority => Side::Majority,
            side => side,
        }
    }

    /// The replicas that are right in all rows that they show; if there are none, those that are right in
    /// any.
    fn right_copies(&self) -> BTreeSet<usize> {
        let whole: BTreeSet<usize> = self.right.difference(&self.faulty).copied().collect();
        if whole.is_empty() { self.right.clone() } else { whole }
    }
}
