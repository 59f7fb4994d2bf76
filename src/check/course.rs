//! How a finding stood at each capture, and how it went on (`semantics` 5).

use super::deviation::Deviation;
use super::group::{classes, pattern, side, sizes};
use super::history::History;
use super::verdict::{Course, Side, Standing};
use std::collections::{BTreeMap, BTreeSet};

/// The first and last standing of a finding, the last one's capture by index, and its course.
pub(super) struct Run {
    pub(super) first: Standing,
    pub(super) last: Standing,
    pub(super) last_capture: usize,
    pub(super) course: Course,
}

/// The run of a finding over the captures. None: no capture shows it wrong.
pub(super) fn run(history: &History<'_>, deviations: &[&Deviation]) -> Option<Run> {
    let scenes = deviations.iter().flat_map(|deviation| &deviation.scenes);
    let changes: Vec<usize> =
        scenes.map(|scene| scene.capture).collect::<BTreeSet<_>>().into_iter().collect();
    let tallies: Vec<Tally> = changes.iter().map(|capture| Tally::of(deviations, *capture)).collect();
    let first = tallies.iter().position(|tally| !tally.wrong.is_empty())?;
    let last = tallies.iter().rposition(|tally| !tally.wrong.is_empty())?;
    let (was, is) = (&tallies[first], &tallies[last]);
    // What stood at a change stands until the next one.
    let last = changes.get(last + 1).map_or(history.captures.len(), |next| *next) - 1;
    let first = changes[first];
    let course = if deviations.iter().all(|deviation| is_healed(deviation)) {
        Course::Healed
    } else if is.is_all_wrong() && !was.is_all_wrong() {
        Course::Spread
    } else if is.wrong.len() > was.wrong.len() {
        Course::Spreading
    } else {
        Course::Standing
    };
    let modelled = deviations.iter().any(|deviation| deviation.modelled);
    Some(Run {
        first: was.standing(history, first, modelled),
        last: is.standing(history, last, modelled),
        last_capture: last,
        course,
    })
}

/// Whether every replica that was ever wrong here was right when it was last comparable. One that went
/// dark while wrong is not healed:
/// > capture 1: a b c right, d wrong. Capture 2: d is down, a b c right.
fn is_healed(deviation: &Deviation) -> bool {
    let mut last: BTreeMap<usize, bool> = BTreeMap::new();
    for scene in &deviation.scenes {
        for &view in &scene.views {
            let view = &deviation.views[view];
            last.insert(view.replica, view.wrong.is_some());
        }
    }
    last.values().all(|wrong| !wrong)
}

/// All rows of a finding at one capture, taken together: replicas are equal if they are in all rows that
/// both of them show.
#[derive(Default)]
struct Tally {
    comparable: BTreeSet<usize>,
    wrong: BTreeSet<usize>,
    unequal: BTreeSet<(usize, usize)>,
}

impl Tally {
    fn of(deviations: &[&Deviation], capture: usize) -> Tally {
        let mut tally = Tally::default();
        for deviation in deviations {
            for view in deviation.at(capture) {
                tally.comparable.insert(view.replica);
                if view.wrong.is_some() {
                    tally.wrong.insert(view.replica);
                }
                let others = deviation.at(capture).filter(|other| other.group != view.group);
                tally.unequal.extend(others.map(|other| (view.replica, other.replica)));
            }
        }
        tally
    }

    fn is_all_wrong(&self) -> bool {
        self.wrong.len() == self.comparable.len()
    }

    fn standing(&self, history: &History<'_>, capture: usize, modelled: bool) -> Standing {
        let comparable: Vec<usize> = self.comparable.iter().copied().collect();
        let groups = classes(&comparable, |a, b| !self.unequal.contains(&(*a, *b)));
        Standing {
            capture: history.captures[capture].number,
            t: history.captures[capture].t,
            pattern: pattern(&sizes(&groups)),
            side: if modelled { side(self.wrong.len(), comparable.len()) } else { Side::Unknown },
            wrong: history.names(&self.wrong),
            comparable: history.names(&self.comparable),
        }
    }
}
