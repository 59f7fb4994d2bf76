//! Virtual time for processes that poll a service: scheduled events, travel times of calls, and paused
//! processes. It reads no clock and never sleeps. The same seed gives the same times to the last byte.

use crate::host::{Direction, Host, HostFault, Link, MILLISECOND};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// The minimum and the maximum travel time of a call or an answer, in nanoseconds.
const TRAVEL: (u64, u64) = (200_000, 3_000_000);

/// Scheduled events in order of time. Events of one time are in order of their scheduling.
pub(crate) struct VirtualTime<D> {
    rng: ChaCha8Rng,
    now: u64,
    due: BTreeMap<(u64, u64), D>,
    created: u64,
    poll_ms: u64,
    /// For each paused process the events that arrived since, in order.
    paused: BTreeMap<usize, Vec<D>>,
    /// What is wrong with the machines of processes.
    hosts: BTreeMap<usize, Host>,
    /// The paths of their messages.
    links: BTreeMap<usize, Link>,
}

impl<D> VirtualTime<D> {
    /// Time starts at 0 with nothing scheduled. Processes pause for about `poll_ms` between two polls.
    pub(crate) fn new(seed: u64, poll_ms: u64) -> VirtualTime<D> {
        VirtualTime {
            rng: ChaCha8Rng::seed_from_u64(seed),
            now: 0,
            due: BTreeMap::new(),
            created: 0,
            poll_ms,
            paused: BTreeMap::new(),
            hosts: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// The current time, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The time of the next event.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Removes the next event up to and including `to`, and sets the time to it. If there is none, sets the
    /// time to `to`. An event for a paused process waits until the process is resumed.
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

    /// Schedules an event `pause` nanoseconds from now.
    pub(crate) fn after(&mut self, pause: u64, due: D) {
        self.created += 1;
        self.due.insert((self.now + pause, self.created), due);
    }

    /// Schedules a call or an answer after its travel time plus `work` nanoseconds.
    pub(crate) fn send(&mut self, work: u64, due: D) {
        let travel = TRAVEL.0 + self.below(TRAVEL.1 - TRAVEL.0);
        self.after(travel + work, due);
    }

    /// Schedules a process's next poll after the configured pause, plus or minus a quarter.
    pub(crate) fn poll_later(&mut self, process: usize, due: D) {
        let pause = self.poll_ms * MILLISECOND;
        let pause = pause - pause / 4 + self.below(pause / 2);
        self.after(pause * self.times(process), due);
    }

    /// What a process's wall clock shows, in nanoseconds.
    pub(crate) fn clock(&self, process: usize) -> u64 {
        self.hosts.get(&process).map_or(self.now, |host| host.clock(self.now))
    }

    pub(crate) fn is_disk_full(&self, process: usize) -> bool {
        self.hosts.get(&process).is_some_and(Host::is_disk_full)
    }

    /// How much later a process on a slow machine gets to something, in nanoseconds.
    pub(crate) fn lateness(&self, process: usize) -> u64 {
        (self.times(process) - 1) * self.poll_ms * MILLISECOND
    }

    fn times(&self, process: usize) -> u64 {
        self.hosts.get(&process).map_or(1, Host::times)
    }

    /// A random number below `bound`. The bias does not matter, because `bound` is small compared with 2^64.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    /// Adds or replaces what is wrong with a process's machine under a name, or removes it.
    pub(crate) fn set_host(&mut self, process: usize, name: &str, fault: Option<HostFault>) {
        self.hosts.entry(process).or_default().set(name, fault);
    }

    /// How much longer a message to or from a process takes, in nanoseconds. None if it is lost.
    pub(crate) fn travel(&mut self, process: usize, way: Direction) -> Option<u64> {
        let Some(host) = self.hosts.get(&process) else { return Some(0) };
        let (rng, link) = (&mut self.rng, self.links.entry(process).or_default());
        host.travel(way, self.now, link, |bound| rng.next_u64() % bound)
    }

    pub(crate) fn is_paused(&self, process: usize) -> bool {
        self.paused.contains_key(&process)
    }

    /// Pauses a process: its events wait.
    pub(crate) fn pause(&mut self, process: usize) {
        self.paused.entry(process).or_default();
    }

    /// Resumes a process, which first receives the events that arrived while it was paused, in order.
    pub(crate) fn resume(&mut self, process: usize) {
        for due in self.paused.remove(&process).unwrap_or_default() {
            self.after(0, due);
        }
    }

    /// Ends a process, paused or not, and drops the events that waited for it.
    pub(crate) fn end(&mut self, process: usize) {
        self.paused.remove(&process);
    }
}
