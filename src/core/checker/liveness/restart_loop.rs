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
    lives: usize,
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
        let (mut chains, mut chain): (Vec<RestartLoop>, Option<RestartLoop>) = (Vec::new(), None);
        for at in self.seen() {
            if let Some(open) = &mut chain {
                if self.is_coming_up(open, at) {
                    continue;
                }
                if self.timelines(at) && self.samples[at].same_position(&self.samples[open.first]) {
                    self.extend(open, at, excuses);
                    continue;
                }
            }
            chains.extend(chain.take());
            if self.timelines(at) {
                chain = Some(RestartLoop { first: at, last: at, lives: 1, up: 0, unexcused: 0 });
            }
        }
        chains.extend(chain);
        let moved = |it: &RestartLoop| self.samples[it.first].u1 < self.samples[it.last].u1;
        let chains = chains.into_iter().filter(|it| it.lives > 1 && moved(it));
        chains.map(|it| StallWindow::new(it.first, it.last, it.watched())).collect()
    }

    fn timelines(&self, at: usize) -> bool {
        self.behind[at] && !self.samples[at].tells_nothing(self.held)
    }

    /// Whether a later incarnation has not reached the position of the one before yet: it is starting, or
    /// reads again.
    fn is_coming_up(&self, chain: &RestartLoop, at: usize) -> bool {
        let (stood, now) = (&self.samples[chain.last], &self.samples[at]);
        stood.incarnation != now.incarnation && (now.tells_nothing(self.held) || now.f < stood.f)
    }

    fn extend(&self, chain: &mut RestartLoop, at: usize, excuses: &FaultWindows<'_>) {
        let (was, now) = (&self.samples[chain.last], &self.samples[at]);
        if was.incarnation == now.incarnation {
            let watched = self.clock[at] - self.clock[chain.last];
            chain.up += if excuses.is_down(was.t, now.t) { 0 } else { watched };
            chain.unexcused += if excuses.cover(was.t, now.t) { 0 } else { watched };
        } else {
            chain.lives += 1;
        }
        chain.last = at;
    }
}

impl RestartLoop {
    fn watched(&self) -> Nanos {
        Nanos(if self.lives < LOOP_MIN { self.unexcused } else { self.up })
    }
}
