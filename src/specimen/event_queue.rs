//! Virtual time: what is due, and the present.

use std::collections::BTreeMap;

/// What is due, in time; of one time, in the order in which it was put down.
pub(crate) struct EventQueue<D> {
    now: u64,
    due: BTreeMap<(u64, u64), D>,
    created: u64,
}

impl<D> Default for EventQueue<D> {
    /// At time 0 nothing is due.
    fn default() -> Self {
        EventQueue { now: 0, due: BTreeMap::new(), created: 0 }
    }
}

impl<D> EventQueue<D> {
    /// The present, in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// When the next thing is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Puts something down for `pause` from now.
    pub(crate) fn after(&mut self, pause: u64, due: D) {
        self.created += 1;
        self.due.insert((self.now + pause, self.created), due);
    }

    /// Takes the next thing that is due up to and at `to`, and its time becomes the present; once there is
    /// none, `to` does.
    pub(crate) fn next(&mut self, to: u64) -> Option<D> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= to);
        let Some(((at, _), due)) = first.map(|first| first.remove_entry()) else {
            self.now = self.now.max(to);
            return None;
        };
        self.now = at;
        Some(due)
    }
}
