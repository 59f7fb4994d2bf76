//! Where one object was stalled behind its upstream, and how long is too long.

use super::fault_windows::FaultWindows;
use super::read_back::ReadBack;
use super::restarts::Restarts;
use super::sample_age::seen_age;
use super::stall_window::{GAP_FACTOR, StallWindow, WatchedSamples, ignored, watched_clock};
use crate::checker::tables::canaries::Stall;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::verdict::{FreezeCourse, FrontierState, Lagging, Waiting};
use crate::history::frontier::Frontier;
use crate::history::time::Nanos;
use std::borrow::Cow;

/// The history of one object.
pub(super) struct FrontierTimeline<'h> {
    pub(super) object: Object<'h>,
    pub(super) samples: Cow<'h, [FrontierSample]>,
    /// The windows that passed their threshold, in time order. Of a consuming position, only a window that
    /// lasts to the end counts, or to the probe that restarts what has not settled: what a replica has not
    /// loaded before the deadline is lag (`RULES.md` 1).
    pub(super) too_long: Vec<StallWindow>,
    /// The other windows of a consuming position that passed their threshold, in time order.
    pub(super) caught_up: Vec<StallWindow>,
    /// The window at the end; `None` if the object was not behind then, or not meant to move.
    pub(super) at_end: Option<StallWindow>,
    /// All samples, if all of them show the object at its origin, and that for too long.
    pub(super) never_began: Option<StallWindow>,
    /// Whether the object is behind at the end by its number, but the log has nothing more for it.
    pub(super) is_done_by_data: bool,
    /// The longest time between two advances while behind, freezes excepted.
    longest_gap: Nanos,
    behind: Vec<bool>,
    ignored: Vec<bool>,
    held_at_end: bool,
    restarts: Restarts,
}

/// What an object is judged by, besides its samples.
pub(super) struct StallTerms<'t> {
    pub(super) excuses: FaultWindows<'t>,
    pub(super) restarts: Restarts,
    pub(super) held: &'t [bool],
    pub(super) floor: Nanos,
    pub(super) data: &'t ReadBack<'t>,
}

impl<'h> FrontierTimeline<'h> {
    pub(super) fn of(
        object: Object<'h>,
        samples: Cow<'h, [FrontierSample]>,
        terms: StallTerms<'_>,
    ) -> FrontierTimeline<'h> {
        let StallTerms { excuses, restarts, held, floor, data } = terms;
        let behind = behind(object, &samples, data);
        let (ignored, clock) = (ignored(&samples, held, floor), watched_clock(&samples, floor));
        let view =
            WatchedSamples { samples: &samples, behind: &behind, ignored: &ignored, clock: &clock, held };
        let (mut windows, gaps) = view.windows(&excuses, floor);
        let mut loops = view.restart_loops(&excuses);
        let last = view.seen().next_back();
        let next =
            |at: usize| (at + 1..samples.len()).find(|later| !ignored[*later]).unwrap_or(samples.len());
        for window in windows.iter_mut().chain(&mut loops) {
            (window.threshold, window.baseline) = gaps.threshold(floor, next(window.last));
        }
        let held_at_end = last.is_some_and(|last| samples[last].is_held(held));
        let at_end = windows.last().copied().filter(|window| Some(window.last) == last && !held_at_end);
        let never_began = never_began(&view, &excuses, floor);
        let is_done_by_data = last.is_some_and(|last| object.is_below(&samples[last]) && !behind[last])
            && object.partition().is_some();
        let longest_gap = gaps.longest();
        let mut timeline = FrontierTimeline {
            object,
            samples,
            too_long: Vec::new(),
            caught_up: Vec::new(),
            at_end,
            never_began,
            is_done_by_data,
            longest_gap,
            behind,
            ignored,
            held_at_end,
            restarts,
        };
        timeline.caught_up =
            windows.iter().copied().filter(|window| timeline.has_caught_up(window)).collect();
        timeline.too_long = timeline.select_too_long(windows, loops);
        timeline
    }

    /// Windows that passed their threshold. A window of several incarnations counts only if no window within
    /// it does.
    fn select_too_long(&self, windows: Vec<StallWindow>, loops: Vec<StallWindow>) -> Vec<StallWindow> {
        let mut long: Vec<StallWindow> =
            windows.into_iter().filter(|window| self.is_too_long(window)).collect();
        let within = |restart_loop: &StallWindow| {
            long.iter().any(|it| restart_loop.first <= it.first && it.last <= restart_loop.last)
        };
        let alone: Vec<StallWindow> = loops
            .into_iter()
            .filter(|restart_loop| !within(restart_loop) && self.is_too_long(restart_loop))
            .collect();
        long.extend(alone);
        long.sort_by_key(|window| window.last);
        long
    }

    /// The index of the first sample after this one that is not ignored.
    fn seen_after(&self, at: usize) -> Option<usize> {
        (at + 1..self.samples.len()).find(|later| !self.ignored[*later])
    }

    /// Whether the object went on after this window, by itself or restarted by something else than the probe.
    fn is_over(&self, window: &StallWindow) -> bool {
        let last = self.samples[window.last].t;
        let next = self.seen_after(window.last).map(|next| &self.samples[next]);
        next.is_some_and(|next| !self.restarts.probe_between(last, next.t))
    }

    /// Whether a consuming position stood for too long and went on before the end.
    fn has_caught_up(&self, window: &StallWindow) -> bool {
        matches!(self.object, Object::Position { .. })
            && self.is_over(window)
            && self.course(window) == FreezeCourse::SelfHealed
            && window.watched >= window.threshold
    }

    fn is_too_long(&self, window: &StallWindow) -> bool {
        let counts = match self.object {
            Object::Position { .. } => !self.is_over(window),
            Object::Declared(_) => true,
        };
        // An object that is still stalled, or was when it was restarted, may heal within the declared time.
        let threshold = match self.course(window) {
            FreezeCourse::SelfHealed => window.threshold,
            _ => window.threshold.max(self.object.heals_within()),
        };
        counts && window.watched >= threshold
    }

    /// How a window ended. An object without a process is restarted when its feeders are.
    pub(super) fn course(&self, window: &StallWindow) -> FreezeCourse {
        let (first, pinned) = (&self.samples[window.first], &self.samples[window.last]);
        let is_restarted = |over: &FrontierSample| {
            over.incarnation != pinned.incarnation
                || self.restarts.upstream_restarted(first.t, over.t, window.threshold)
        };
        match self.resumed_at(window).map(is_restarted) {
            None => FreezeCourse::Sticky,
            Some(false) => FreezeCourse::SelfHealed,
            Some(true) => FreezeCourse::ClearedByRestart,
        }
    }

    /// The first sample after a window that shows the object at another position, or at its upstream's end.
    /// An object that goes back when a new incarnation begins has not moved on yet:
    ///
    /// ```text
    /// at 40 of 100; restarted; seen at 0, 20, 40, and at 40 ever since: a restart does not help
    /// ```
    fn resumed_at(&self, window: &StallWindow) -> Option<&FrontierSample> {
        let pinned = &self.samples[window.last];
        let went_back = |sample: &FrontierSample| {
            sample.incarnation != pinned.incarnation
                && sample.f.zip(pinned.f).is_some_and(|(now, then)| now < then)
        };
        let later = (window.last + 1..self.samples.len()).filter(|at| !self.ignored[*at]);
        let elsewhere = later.filter(|at| !self.samples[*at].same_position(pinned) || !self.behind[*at]);
        elsewhere.map(|at| &self.samples[at]).find(|sample| !went_back(sample))
    }

    /// The time that it spent at the position of this window, from its last move before to its next.
    pub(super) fn stall(&self, window: &StallWindow) -> Stall {
        let until = self.resumed_at(window).map(|over| over.t);
        let (from, to) = (self.samples[self.stalled_since(window)].t, self.samples[window.last].t);
        Stall { from, to, until, threshold: window.threshold }
    }

    /// The index of the first sample at the position of this window. The window itself may begin later, after
    /// a fault that excuses the object.
    pub(super) fn stalled_since(&self, window: &StallWindow) -> usize {
        let before = (0..window.first).rev().filter(|at| !self.ignored[*at]);
        let there = |at: &usize| self.samples[*at].same_position(&self.samples[window.first]);
        before.take_while(there).last().unwrap_or(window.first)
    }

    /// When it should have moved again after it reached the position of this window. Whatever stopped it
    /// happened before that. A gap that was nearly a freeze does not count as usual.
    pub(super) fn expected_by(&self, window: &StallWindow) -> Nanos {
        let usual = self.longest_gap.0.min(window.threshold.0 / GAP_FACTOR);
        Nanos(self.samples[self.stalled_since(window)].t.0 + usual)
    }

    /// Whether it was stalled for too long at some time between these two.
    pub(super) fn is_pinned_in(&self, begin: Nanos, end: Nanos) -> bool {
        let span = |window: &StallWindow| (self.samples[window.first].t, self.samples[window.last].t);
        self.too_long.iter().map(span).any(|(from, to)| from <= end && begin <= to)
    }

    /// Whether it feeds this frontier.
    pub(super) fn feeds(&self, fed: &Frontier) -> bool {
        match self.object {
            Object::Declared(frontier) => frontier.feeds.as_deref() == Some(fed.object.as_str()),
            Object::Position { .. } => false,
        }
    }

    /// Its last sample up to this time.
    pub(super) fn sample_at(&self, t: Nanos) -> Option<&FrontierSample> {
        self.samples[..self.samples.partition_point(|sample| sample.t <= t)].last()
    }

    /// Whether its last sample up to this time shows it at or below this position.
    pub(super) fn was_at_or_below(&self, position: Option<u64>, t: Nanos) -> bool {
        self.sample_at(t).is_some_and(|sample| sample.f.is_some() && sample.f <= position)
    }

    /// Its state at the last sample that is not ignored.
    pub(super) fn state(&self) -> Option<FrontierState> {
        let at = (0..self.samples.len()).rfind(|at| !self.ignored[*at])?;
        let last = &self.samples[at];
        let is_declared = matches!(self.object, Object::Declared(_));
        let state = match last.f {
            None => FrontierState::Sealed,
            Some(0) if is_declared => FrontierState::NeverWritten,
            _ if self.held_at_end => FrontierState::Held,
            _ if self.too_long.iter().any(|it| self.course(it) == FreezeCourse::Sticky) => {
                FrontierState::Frozen
            }
            _ if !self.behind[at] => match self.object.is_foreign() || seen_age(&self.samples) > Nanos(0) {
                true if self.samples.iter().any(|sample| !sample.same_position(last)) => {
                    FrontierState::Advancing
                }
                _ => FrontierState::Idle,
            },
            Some(f) => self.state_behind(f, last),
        };
        Some(state)
    }

    /// The state of an object that is behind. What its upstream passed only just now is no lag.
    fn state_behind(&self, f: u64, last: &FrontierSample) -> FrontierState {
        let threshold = self.at_end.map_or(Nanos(u64::MAX), |window| window.threshold);
        let passed = &self.samples[self.passed_at(f)];
        let is_late = last.t.0 - passed.t.0 >= threshold.0;
        let from = if is_late { passed } else { &self.samples[0] };
        let waits = self.at_end.is_some_and(|window| window.watched > self.longest_gap);
        match (from.f.is_some_and(|from| from < f) && !self.object.is_foreign(), is_late) {
            (false, _) => FrontierState::Waiting,
            (true, false) if waits => FrontierState::Waiting,
            (true, false) => FrontierState::Advancing,
            (true, true) => FrontierState::Lagging,
        }
    }

    /// The entry in the report for an object that does not move at the end.
    pub(super) fn waiting(&self, name: &str) -> Option<Waiting> {
        let window = self.at_end?;
        Some(Waiting {
            object: name.to_owned(),
            position: self.samples[window.last].f?,
            since: self.samples[self.stalled_since(&window)].t,
            watched: window.watched,
            threshold: window.threshold,
        })
    }

    /// The index of the first sample with an upstream beyond this position.
    fn passed_at(&self, f: u64) -> usize {
        let last = self.samples.len() - 1;
        self.samples.iter().position(|sample| sample.u1 > f).unwrap_or(last)
    }

    /// How far it lags, and how fast it moves.
    pub(super) fn lagging(&self, name: &str) -> Option<Lagging> {
        let last = self.samples.last()?;
        let first = &self.samples[self.passed_at(last.f?)];
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

/// By sample: whether the object is behind, that is, there is something between it and its upstream's end. In
/// a foreign domain the numbers cannot show that: the object is behind once its upstream has moved since it
/// last moved itself.
fn behind(object: Object<'_>, samples: &[FrontierSample], data: &ReadBack<'_>) -> Vec<bool> {
    let is_written = |f: u64| f > 0 || matches!(object, Object::Position { .. });
    let is_done = |sample: &FrontierSample| {
        let (from, to) = (sample.f.unwrap_or(0), sample.u1);
        object.partition().is_some_and(|partition| data.holds_nothing(partition, from, to))
    };
    let is_behind = |sample: &FrontierSample| {
        sample.f.is_some_and(is_written) && object.is_below(sample) && !is_done(sample)
    };
    match object.is_foreign() {
        false => samples.iter().map(is_behind).collect(),
        true => {
            passed(samples).zip(samples).map(|(passed, it)| passed && it.f.is_some_and(is_written)).collect()
        }
    }
}

/// By sample: whether the upstream has moved since the sample's value was first seen.
fn passed(samples: &[FrontierSample]) -> impl Iterator<Item = bool> {
    let mut moved: Option<&FrontierSample> = None;
    samples.iter().map(move |sample| {
        let since = moved.filter(|moved| moved.same_position(sample)).unwrap_or(sample);
        moved = Some(since);
        sample.u1 > since.u2
    })
}

/// The last window of an object that was never seen anywhere but at its origin, if that window is too long.
fn never_began(view: &WatchedSamples<'_>, excuses: &FaultWindows<'_>, floor: Nanos) -> Option<StallWindow> {
    let is_at_origin =
        |at: usize| view.samples[at].f == Some(0) || view.samples[at].is_uninformative(view.held);
    if !view.seen().all(is_at_origin) {
        return None;
    }
    let behind: Vec<bool> = view.samples.iter().map(|sample| sample.f == Some(0) && sample.u1 > 0).collect();
    let (windows, _) = WatchedSamples { behind: &behind, ..*view }.windows(excuses, floor);
    let last = windows.last().filter(|window| window.watched >= floor)?;
    Some(StallWindow { threshold: floor, ..*last })
}
