//! Virtual time for processes that poll a service: what is due, how long calls travel, and who sleeps.
//! Nothing here reads a clock or sleeps; two of one seed do the same to the last byte.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A millisecond, in nanoseconds.
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// The shortest and the longest time that a call or an answer travels, in nanoseconds.
const TRAVEL: (u64, u64) = (200_000, 3_000_000);

/// What is due, in time; of one time, in the order in which it was put down.
pub(crate) struct VirtualTime<D> {
    rng: ChaCha8Rng,
    now: u64,
    due: BTreeMap<(u64, u64), D>,
    created: u64,
    poll_ms: u64,
    /// By process that is paused: what reached it meanwhile, in order.
    paused: BTreeMap<usize, Vec<D>>,
}

impl<D> VirtualTime<D> {
    /// At time 0 nothing is due. Processes pause for about `poll_ms` between two polls.
    pub(crate) fn new(seed: u64, poll_ms: u64) -> VirtualTime<D> {
        VirtualTime {
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: 0,
            due: BTreeMap::new(),
            created: 0,
            poll_ms,
            paused: BTreeMap::new(),
        }
    }

    /// The present, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// When the next thing is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the next thing that is due up to and at `to`, and its time becomes the present; once there is
    /// none, `to` does. What is due for a paused process waits until that is resumed.
    pub(crate) fn next(&mut self, to: u64, receiver: impl Fn(&D) -> Option<usize>) -> Option<D> {
        loop {
            let first = self.due.first_entry().filter(|first| first.key().0 <= to);
            let Some(((at, _), due)) = first.map(|first| first.remove_entry()) else {
                self.now = self.now.max(to);
                return None;
            };
            self.now = at;
            match receiver(&due).and_then(|process| self.paused.get_mut(&process)) {
                Some(waiting) => waiting.push(due),
                None => return Some(due),
            }
        }
    }

    /// Puts something down for `pause` from now.
    pub(crate) fn after(&mut self, pause: u64, due: D) {
        self.created += 1;
        self.due.insert((self.now + pause, self.created), due);
    }

    /// Puts down a call or an answer that travels, and takes `work` nanoseconds beside that.
    pub(crate) fn send(&mut self, work: u64, due: D) {
        let travel = TRAVEL.0 + self.below(TRAVEL.1 - TRAVEL.0);
        self.after(travel + work, due);
    }

    /// Puts down the next poll: after the configured pause, a quarter more or less.
    pub(crate) fn poll_later(&mut self, due: D) {
        let pause = self.poll_ms * MILLISECOND;
        let pause = pause - pause / 4 + self.below(pause / 2);
        self.after(pause, due);
    }

    /// A number below `bound`, which is small beside 2^64: no bias that matters.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// Whether a process is paused.
    pub(crate) fn is_paused(&self, process: usize) -> bool {
        self.paused.contains_key(&process)
    }

    /// Stops a process: what is due for it waits.
    pub(crate) fn pause(&mut self, process: usize) {
        self.paused.entry(process).or_default();
    }

    /// Lets a paused process go on, with everything that reached it meanwhile, in order.
    pub(crate) fn resume(&mut self, process: usize) {
        for due in self.paused.remove(&process).unwrap_or_default() {
            self.after(0, due);
        }
    }

    /// Ends a process, paused or not: what waited for it is dropped.
    pub(crate) fn end(&mut self, process: usize) {
        self.paused.remove(&process);
    }
}
