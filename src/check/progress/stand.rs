//! Where one object stood still behind its upstream, and for how long is too long.

use super::excuse::Excuses;
use super::lives::Lives;
use super::track::{Object, Sight};
use crate::check::canary::Standstill;
use crate::check::verdict::{FreezeCourse, Lagging, State, Waiting};
use crate::record::row::Nanos;

/// So many gaps between advances make a baseline.
const GAPS_MIN: usize = 30;

/// An object is frozen after so many times the largest gap of its baseline.
const GAP_FACTOR: u64 = 5;

/// Of a gap between two looks counts at most so many times the usual one, or this part of the floor.
///
/// ```text
/// looks every second, floor 10 s; the sampler stalls from 20 to 30, and so does the object, until 31
/// two looks saw one value "for 10 s": nobody looked meanwhile
/// ```
const STALL_FACTOR: u64 = 2;
const STALL_SHARE: u64 = 10;

/// Looks, from the first to the last by index, that saw an object behind at one unchanged place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) watched: Nanos,
    pub(super) threshold: Nanos,
    pub(super) baseline: bool,
}

/// How one object went.
pub(super) struct Stand<'h> {
    pub(super) object: Object<'h>,
    pub(super) sights: &'h [Sight],
    /// Those that passed their threshold, in time. Of a consuming position only one that lasts to the end, or
    /// to our restart of what had not settled by then: what it has not loaded before the deadline is lag
    /// (`semantics` 1).
    pub(super) too_long: Vec<Window>,
    /// The window at the end.
    pub(super) at_end: Option<Window>,
    /// The longest time between two advances while behind.
    longest_gap: Nanos,
    behind: Vec<bool>,
    held_at_end: bool,
    lives: Lives,
}

impl<'h> Stand<'h> {
    pub(super) fn of(
        object: Object<'h>,
        sights: &'h [Sight],
        excuses: &Excuses<'_>,
        lives: Lives,
        held: &[bool],
        floor: Nanos,
    ) -> Stand<'h> {
        let behind = behind(object, sights);
        let clock = watched_clock(sights, floor);
        let (mut windows, gaps) = windows(sights, &behind, &clock, excuses, held);
        for window in &mut windows {
            (window.threshold, window.baseline) = gaps.threshold(floor, window.last + 1);
        }
        let last = sights.len().wrapping_sub(1);
        let held_at_end = sights.last().is_some_and(|sight| sight.is_held(held));
        let at_end = windows.last().copied().filter(|window| window.last == last && !held_at_end);
        let (too_long, longest_gap) = (Vec::new(), Nanos(gaps.largest[0].0));
        let mut stand = Stand { object, sights, too_long, at_end, longest_gap, behind, held_at_end, lives };
        stand.too_long = windows.into_iter().filter(|window| stand.is_too_long(window)).collect();
        stand
    }

    fn is_too_long(&self, window: &Window) -> bool {
        let last = self.sights[window.last].t;
        let next = self.sights.get(window.last + 1);
        let counts = match self.object {
            Object::Position { .. } => next.is_none_or(|next| self.lives.probed(last, next.t)),
            Object::Declared(_) => true,
        };
        // What still stands, or did when it was restarted, may heal within the declared time.
        let threshold = match self.course(window) {
            FreezeCourse::SelfHealed => window.threshold,
            _ => window.threshold.max(self.object.heals_within()),
        };
        counts && window.watched >= threshold
    }

    /// How a window ended. What belongs to no process lives as those that feed it do.
    pub(super) fn course(&self, window: &Window) -> FreezeCourse {
        let (first, pinned) = (&self.sights[window.first], &self.sights[window.last]);
        let is_anew = |over: &Sight| {
            over.incarnation != pinned.incarnation || self.lives.fed_anew(first.t, over.t, window.threshold)
        };
        match self.went_on(window).map(is_anew) {
            None => FreezeCourse::Sticky,
            Some(false) => FreezeCourse::SelfHealed,
            Some(true) => FreezeCourse::ClearedByRestart,
        }
    }

    /// The first look after a window that saw the object elsewhere or at its upstream's end. What goes back
    /// as a new life begins has not gone on yet:
    ///
    /// ```text
    /// stood at 40 of 100; restarted; seen at 0, 20, 40, and at 40 ever since: a restart does not help
    /// ```
    fn went_on(&self, window: &Window) -> Option<&Sight> {
        let pinned = &self.sights[window.last];
        let went_back = |sight: &Sight| {
            sight.incarnation != pinned.incarnation
                && sight.f.zip(pinned.f).is_some_and(|(now, then)| now < then)
        };
        let later = self.sights.iter().zip(&self.behind).skip(window.last + 1);
        let elsewhere = later.filter(|(sight, behind)| !sight.stands_as(pinned) || !**behind);
        elsewhere.map(|(sight, _)| sight).find(|sight| !went_back(sight))
    }

    /// The time in which it stood where this window saw it, from its last move before to the next.
    pub(super) fn standstill(&self, window: &Window) -> Standstill {
        let until = self.went_on(window).map(|over| over.t);
        let (from, to) = (self.sights[self.came_at(window)].t, self.sights[window.last].t);
        Standstill { from, to, until, threshold: window.threshold }
    }

    /// The first look, by index, that saw it where this window did: a fault may excuse it for a while first.
    pub(super) fn came_at(&self, window: &Window) -> usize {
        let before = self.sights[..window.first].iter().rev();
        window.first - before.take_while(|sight| sight.stands_as(&self.sights[window.first])).count()
    }

    /// When it should have moved again after it came to where this window saw it: what made it stop happened
    /// before that. A gap between moves that nearly made a freeze is no usual one.
    pub(super) fn due_again(&self, window: &Window) -> Nanos {
        let usual = self.longest_gap.0.min(window.threshold.0 / GAP_FACTOR);
        Nanos(self.sights[self.came_at(window)].t.0 + usual)
    }

    /// Whether it stood still for too long at some time between these two.
    pub(super) fn is_pinned_in(&self, begin: Nanos, end: Nanos) -> bool {
        let span = |window: &Window| (self.sights[window.first].t, self.sights[window.last].t);
        self.too_long.iter().map(span).any(|(from, to)| from <= end && begin <= to)
    }

    /// How it stood at the last look.
    pub(super) fn state(&self) -> Option<State> {
        let last = self.sights.last()?;
        let is_declared = matches!(self.object, Object::Declared(_));
        let state = match last.f {
            None => State::Sealed,
            Some(0) if is_declared => State::NeverWritten,
            _ if self.held_at_end => State::Held,
            _ if self.too_long.iter().any(|it| self.course(it) == FreezeCourse::Sticky) => State::Frozen,
            _ if !self.behind.last().is_some_and(|behind| *behind) => match self.object.is_foreign() {
                true if self.sights.iter().any(|sight| !sight.stands_as(last)) => State::Advancing,
                _ => State::Idle,
            },
            Some(f) => self.state_behind(f, last),
        };
        Some(state)
    }

    /// How one that is behind stands: what its upstream passed just now is no lag.
    fn state_behind(&self, f: u64, last: &Sight) -> State {
        let threshold = self.at_end.map_or(Nanos(u64::MAX), |window| window.threshold);
        let passed = &self.sights[self.passed_at(f)];
        let is_late = last.t.0 - passed.t.0 >= threshold.0;
        let from = if is_late { passed } else { &self.sights[0] };
        let waits = self.at_end.is_some_and(|window| window.watched > self.longest_gap);
        match (from.f.is_some_and(|from| from < f) && !self.object.is_foreign(), is_late) {
            (false, _) => State::Waiting,
            (true, false) if waits => State::Waiting,
            (true, false) => State::Advancing,
            (true, true) => State::Lagging,
        }
    }

    /// That it stands still at the end.
    pub(super) fn waiting(&self, name: &str) -> Option<Waiting> {
        let window = self.at_end?;
        Some(Waiting {
            object: name.to_owned(),
            position: self.sights[window.last].f?,
            since: self.sights[self.came_at(&window)].t,
            watched: window.watched,
            threshold: window.threshold,
        })
    }

    /// The first look, by index, that saw its upstream beyond where it is now.
    fn passed_at(&self, f: u64) -> usize {
        let last = self.sights.len() - 1;
        self.sights.iter().position(|sight| sight.u1 > f).unwrap_or(last)
    }

    /// How fast it lags.
    pub(super) fn lagging(&self, name: &str) -> Option<Lagging> {
        let last = self.sights.last()?;
        let first = &self.sights[self.passed_at(last.f?)];
        let took = u128::from(last.t.0 - first.t.0).max(1);
        let slope = |moved: u64| u128::from(moved) * 1_000 * 1_000_000_000 / took;
        let ours = slope(last.f?.saturating_sub(first.f?));
        let theirs = slope(last.u1.saturating_sub(first.u1));
        let behind = last.u1.saturating_sub(last.f?);
        let closing = ours.saturating_sub(theirs);
        let left = (u128::from(behind) * 1_000 * 1_000_000_000).checked_div(closing);
        Some(Lagging {
            object: name.to_owned(),
            behind,
            slope_milli: u64::try_from(ours).unwrap_or(u64::MAX),
            catches_up_in: left.and_then(|left| u64::try_from(left).ok()).map(Nanos),
        })
    }
}

/// Whether each look saw the object behind. In a foreign domain that is not to be seen in the numbers: it is
/// behind once its upstream has moved since it moved itself.
fn behind(object: Object<'_>, sights: &[Sight]) -> Vec<bool> {
    if !object.is_foreign() {
        return sights.iter().map(|sight| object.is_behind(sight)).collect();
    }
    let mut moved: Option<&Sight> = None;
    let mut behind = Vec::with_capacity(sights.len());
    for sight in sights {
        let since = moved.filter(|moved| moved.stands_as(sight)).unwrap_or(sight);
        moved = Some(since);
        behind.push(sight.f.is_some_and(|f| f > 0) && sight.u1 > since.u2);
    }
    behind
}

/// A clock that goes on only while somebody looks.
fn watched_clock(sights: &[Sight], floor: Nanos) -> Vec<u64> {
    let mut gaps: Vec<u64> = sights.windows(2).map(|pair| pair[1].t.0.saturating_sub(pair[0].t.0)).collect();
    let middle = gaps.len() / 2;
    let usual = if gaps.is_empty() { 0 } else { *gaps.select_nth_unstable(middle).1 };
    let most = usual.saturating_mul(STALL_FACTOR).max(floor.0 / STALL_SHARE);
    let mut now = 0;
    let mut clock = vec![0; sights.len().min(1)];
    clock.extend(sights.windows(2).map(|pair| {
        now += pair[1].t.0.saturating_sub(pair[0].t.0).min(most);
        now
    }));
    clock
}

/// All windows, without their thresholds, and the gaps between advances.
fn windows(
    sights: &[Sight],
    behind: &[bool],
    clock: &[u64],
    excuses: &Excuses<'_>,
    held: &[bool],
) -> (Vec<Window>, Gaps) {
    let (mut windows, mut gaps) = (Vec::new(), Gaps::default());
    let mut close = |first: usize, last: usize| {
        if behind[last] {
            let watched = Nanos(clock[last] - clock[first]);
            windows.push(Window { first, last, watched, threshold: Nanos(0), baseline: false });
        }
    };
    let (mut first, mut advanced) = (0, None);
    for at in 1..sights.len() {
        let (before, now) = (&sights[at - 1], &sights[at]);
        let goes_on = behind[at - 1]
            && before.incarnation == now.incarnation
            && !before.is_held(held)
            && !now.is_held(held)
            && !excuses.cover(before.t, now.t);
        if goes_on && before.stands_as(now) {
            continue;
        }
        close(first, at - 1);
        first = at;
        if !goes_on {
            advanced = None;
        } else if let Some(before) = advanced.replace(clock[at]) {
            gaps.add(at, clock[at] - before);
        }
    }
    if !sights.is_empty() {
        close(first, sights.len() - 1);
    }
    (windows, gaps)
}

/// The gaps between advances while behind: how many, and the two largest with the look that ended them.
#[derive(Default)]
struct Gaps {
    count: usize,
    largest: [(u64, usize); 2],
    ends: Vec<usize>,
}

impl Gaps {
    fn add(&mut self, at: usize, gap: u64) {
        self.count += 1;
        self.ends.push(at);
        if gap > self.largest[0].0 {
            self.largest = [(gap, at), self.largest[0]];
        } else if gap > self.largest[1].0 {
            self.largest[1] = (gap, at);
        }
    }

    /// The threshold of a window that this look ended. Its own gap is no part of its baseline: else what
    /// stood still for an hour and went on would be usual by its own example.
    fn threshold(&self, floor: Nanos, ended_by: usize) -> (Nanos, bool) {
        let own = usize::from(self.ends.binary_search(&ended_by).is_ok());
        if self.count - own < GAPS_MIN {
            return (floor, false);
        }
        let [(largest, at), (next, _)] = self.largest;
        let gap = if at == ended_by { next } else { largest };
        (floor.max(Nanos(gap.saturating_mul(GAP_FACTOR))), true)
    }
}
