//! An object that is restarted again and again, and is at the same position in every incarnation.

use super::fault_windows::FaultWindows;
use super::stall_window::{StallWindow, WatchedSamples};
use crate::history::time::Nanos;

/// From this many incarnations at one position on, it is a loop. The short time that each is granted to start
/// up does not add up to an excuse.
const LOOP_MIN: usize = 3;

/// The sum of several incarnations.
struct RestartLoop {
    first: usize,
    last: usize,
    incarnations: usize,
    /// The time at this position during which no fault of ours had taken it down.
    up: u64,
    /// The same, without the time that a new incarnation is granted to start up.
    unexcused: u64,
}

impl WatchedSamples<'_> {
    /// Windows of several incarnations at one position while the upstream moves on, added up. Their
    /// thresholds are not set.
    ///
    /// ```text
    /// w is restarted every 20 s and is at 40 in four incarnations: none of them lasts longer than the floor
    /// ```
    pub(super) fn restart_loops(&self, excuses: &FaultWindows<'_>) -> Vec<StallWindow> {
        let (mut loops, mut restart_loop): (Vec<RestartLoop>, Option<RestartLoop>) = (Vec::new(), None);
        for at in self.seen() {
            if let Some(open) = &mut restart_loop {
                if self.is_coming_up(open, at) {
                    continue;
                }
                if self.is_stalled(at) && self.samples[at].same_position(&self.samples[open.first]) {
                    self.extend(open, at, excuses);
                    continue;
                }
            }
            loops.extend(restart_loop.take());
            if self.is_stalled(at) {
                restart_loop =
                    Some(RestartLoop { first: at, last: at, incarnations: 1, up: 0, unexcused: 0 });
            }
        }
        loops.extend(restart_loop);
        let moved = |it: &RestartLoop| self.samples[it.first].u1 < self.samples[it.last].u1;
        let loops = loops.into_iter().filter(|it| it.incarnations > 1 && moved(it));
        loops.map(|it| StallWindow::new(it.first, it.last, it.watched())).collect()
    }

    fn is_stalled(&self, at: usize) -> bool {
        self.behind[at] && !self.samples[at].is_uninformative(self.held)
    }

    /// Whether a later incarnation has not reached the position of the one before yet: it is starting, or
    /// reads again.
    fn is_coming_up(&self, restart_loop: &RestartLoop, at: usize) -> bool {
        let (was, now) = (&self.samples[restart_loop.last], &self.samples[at]);
        was.incarnation != now.incarnation && (now.is_uninformative(self.held) || now.f < was.f)
    }

    fn extend(&self, restart_loop: &mut RestartLoop, at: usize, excuses: &FaultWindows<'_>) {
        let (was, now) = (&self.samples[restart_loop.last], &self.samples[at]);
        if was.incarnation == now.incarnation {
            let watched = self.clock[at] - self.clock[restart_loop.last];
            restart_loop.up += if excuses.is_down(was.t, now.t) { 0 } else { watched };
            restart_loop.unexcused += if excuses.cover(was.t, now.t) { 0 } else { watched };
        } else {
            restart_loop.incarnations += 1;
        }
        restart_loop.last = at;
    }
}

impl RestartLoop {
    fn watched(&self) -> Nanos {
        Nanos(if self.incarnations < LOOP_MIN { self.unexcused } else { self.up })
    }
}
