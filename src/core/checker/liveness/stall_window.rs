//! The times in which samples show an object behind at one unchanged position, and its usual time between two
//! moves.

use super::fault_windows::FaultWindows;
use crate::checker::tables::frontier_samples::FrontierSample;
use crate::history::time::Nanos;

/// This many gaps between advances make a baseline.
const GAPS_MIN: usize = 30;

/// An object is frozen after this many times the largest gap of its baseline.
pub(super) const GAP_FACTOR: u64 = 5;

/// A gap between two samples counts for at most this many times the usual gap, or for the floor divided by
/// `STALL_SHARE` if that is longer.
///
/// ```text
/// samples every second, floor 10 s; the sampler stalls from 20 to 30, and so does the object, until 31
/// two samples show one value "for 10 s", but nobody sampled meanwhile
/// ```
const STALL_FACTOR: u64 = 2;
const STALL_SHARE: u64 = 10;

/// Up to this many samples in a row that give no information do not end a window, nor do those that last for
/// less than the floor divided by `STALL_SHARE`.
const ODD_MAX: usize = 2;

/// A run of samples, from `first` to `last` by index, that show an object behind at one unchanged position.
#[derive(Clone, Copy, Debug)]
pub(super) struct StallWindow {
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) watched: Nanos,
    pub(super) threshold: Nanos,
    pub(super) baseline: bool,
}

impl StallWindow {
    pub(super) fn new(first: usize, last: usize, watched: Nanos) -> StallWindow {
        StallWindow { first, last, watched, threshold: Nanos(0), baseline: false }
    }
}

/// The samples of one object, and what is derived from them.
pub(super) struct WatchedSamples<'v> {
    pub(super) samples: &'v [FrontierSample],
    /// By sample: whether it shows the object behind.
    pub(super) behind: &'v [bool],
    /// By sample: whether it is ignored, since it gives no information and is one of only a few in a row.
    pub(super) ignored: &'v [bool],
    /// A clock that runs only while samples are taken.
    pub(super) clock: &'v [u64],
    pub(super) held: &'v [bool],
}

impl WatchedSamples<'_> {
    /// The indices of the samples that are not ignored.
    pub(super) fn seen(&self) -> impl DoubleEndedIterator<Item = usize> {
        (0..self.samples.len()).filter(|at| !self.ignored[*at])
    }

    /// All windows within one incarnation, with the gaps between advances. Their thresholds are not set.
    pub(super) fn windows(
        &self,
        excuses: &FaultWindows<'_>,
        floor: Nanos,
    ) -> (Vec<StallWindow>, AdvanceGaps) {
        let (mut windows, mut gaps) = (Vec::new(), Vec::new());
        let mut seen = self.seen();
        let Some(mut first) = seen.next() else { return (windows, AdvanceGaps::of(gaps, floor)) };
        let (mut last, mut advanced) = (first, None);
        for at in seen {
            let goes_on = self.continues(last, at, excuses);
            if !goes_on || !self.samples[last].same_position(&self.samples[at]) {
                windows.extend(self.window(first, last));
                first = at;
                match goes_on {
                    false => advanced = None,
                    true => {
                        let before = advanced.replace(self.clock[at]);
                        gaps.extend(before.map(|before| (self.clock[at] - before, at)));
                    }
                }
            }
            last = at;
        }
        windows.extend(self.window(first, last));
        (windows, AdvanceGaps::of(gaps, floor))
    }

    fn window(&self, first: usize, last: usize) -> Option<StallWindow> {
        let watched = Nanos(self.clock[last] - self.clock[first]);
        self.behind[last].then(|| StallWindow::new(first, last, watched))
    }

    fn continues(&self, before: usize, now: usize, excuses: &FaultWindows<'_>) -> bool {
        let (was, is) = (&self.samples[before], &self.samples[now]);
        self.behind[before]
            && was.incarnation == is.incarnation
            && !was.is_uninformative(self.held)
            && !is.is_uninformative(self.held)
            && !excuses.cover(was.t, is.t)
    }
}

/// By sample: whether it is ignored. A sample that does not show an object's position does not end what was
/// seen before and after it.
///
/// ```text
/// w is at 40 for 400 s, and every 20 s one sample says `starting`
/// ```
pub(super) fn ignored(samples: &[FrontierSample], held: &[bool], floor: Nanos) -> Vec<bool> {
    let mut ignored = Vec::with_capacity(samples.len());
    for run in samples.chunk_by(|a, b| a.is_uninformative(held) == b.is_uninformative(held)) {
        let at = ignored.len();
        let (before, after) = (at.checked_sub(1).map(|it| &samples[it]), samples.get(at + run.len()));
        let lasted = before.zip(after).map(|(before, after)| after.t.0.saturating_sub(before.t.0));
        let is_short = run.len() <= ODD_MAX || lasted.is_some_and(|lasted| lasted <= floor.0 / STALL_SHARE);
        let is_ignored = run[0].is_uninformative(held) && is_short && before.is_some();
        ignored.resize(at + run.len(), is_ignored);
    }
    ignored
}

/// A clock that runs only while samples are taken.
pub(super) fn watched_clock(samples: &[FrontierSample], floor: Nanos) -> Vec<u64> {
    let mut gaps: Vec<u64> = samples.windows(2).map(|pair| pair[1].t.0.saturating_sub(pair[0].t.0)).collect();
    let middle = gaps.len() / 2;
    let usual = if gaps.is_empty() { 0 } else { *gaps.select_nth_unstable(middle).1 };
    let most = usual.saturating_mul(STALL_FACTOR).max(floor.0 / STALL_SHARE);
    let mut now = 0;
    let mut clock = vec![0; samples.len().min(1)];
    clock.extend(samples.windows(2).map(|pair| {
        now += pair[1].t.0.saturating_sub(pair[0].t.0).min(most);
        now
    }));
    clock
}

/// The gaps between advances while behind that are an object's usual pace.
pub(super) struct AdvanceGaps {
    count: usize,
    /// The two largest gaps, each with the sample that ended it.
    largest: [(u64, usize); 2],
    /// The samples that ended a gap, ascending.
    ends: Vec<usize>,
}

impl AdvanceGaps {
    /// Leaves out gaps that were freezes, healed or not: far larger than all smaller gaps, and too few to be
    /// a pace of their own.
    ///
    /// ```text
    /// 39 gaps of a second, then one of a minute: that gap does not make the next minute a usual one
    /// ```
    fn of(mut gaps: Vec<(u64, usize)>, floor: Nanos) -> AdvanceGaps {
        gaps.sort_unstable();
        let is_far = |pair: &[(u64, usize)]| pair[1].0 > floor.0.max(pair[0].0.saturating_mul(GAP_FACTOR));
        let joints = gaps.windows(2).enumerate().filter(|(_, pair)| is_far(pair)).map(|(at, _)| at + 1);
        let end = joints.into_iter().find(|at| gaps.len() - at < GAPS_MIN);
        gaps.truncate(end.unwrap_or(gaps.len()));
        let nth = |back: usize| gaps.len().checked_sub(back).map_or((0, 0), |at| gaps[at]);
        let largest = [nth(1), nth(2)];
        let mut ends: Vec<usize> = gaps.iter().map(|(_, at)| *at).collect();
        ends.sort_unstable();
        AdvanceGaps { count: gaps.len(), largest, ends }
    }

    pub(super) fn longest(&self) -> Nanos {
        Nanos(self.largest[0].0)
    }

    /// The threshold of a window that this sample ended, and whether it rests on a baseline. The window's own
    /// gap is left out: otherwise an object that stalled for an hour and moved on would make that hour usual.
    pub(super) fn threshold(&self, floor: Nanos, ended_by: usize) -> (Nanos, bool) {
        let own = usize::from(self.ends.binary_search(&ended_by).is_ok());
        if self.count - own < GAPS_MIN {
            return (floor, false);
        }
        let [(largest, at), (next, _)] = self.largest;
        let gap = if at == ended_by { next } else { largest };
        (floor.max(Nanos(gap.saturating_mul(GAP_FACTOR))), true)
    }
}
