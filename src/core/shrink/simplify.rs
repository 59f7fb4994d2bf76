//! Changes that make a candidate easier to read, and quicker to run, without taking a piece away.

use super::candidate::Candidate;
use crate::history::fault::Condition;
use crate::history::nemesis::Ending;
use crate::history::time::Nanos;
use std::collections::BTreeSet;

const MILLISECOND: u64 = 1_000_000;
/// The shortest load. It goes on until everything is sent and the plan is done.
const SHORTEST_LOAD: Nanos = Nanos(MILLISECOND);
/// When the first thing happens.
const FIRST: Nanos = Nanos(100 * MILLISECOND);

/// Times between one thing and the next, the best first.
const SPACINGS: [u64; 2] = [500 * MILLISECOND, 200 * MILLISECOND];
/// With more times than this the load would take too long.
const SPACED_MAX: usize = 64;

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Simplification {
    /// Writes, boundaries and steps that begin or end at a time are this far apart.
    Spaced(u64),
    /// Times of writes and boundaries are whole multiples of this.
    Round(u64),
    /// Nothing happens for a while at the beginning: everything is moved to an earlier time.
    Earlier,
    /// The load has no minimum.
    ShortLoad,
    /// The load does not go on after the last cure.
    NoTail,
    /// The committed copy is not loaded again.
    NoReload,
    /// Nothing happens after all has settled.
    NoEnding,
    /// The table has no partition that nothing happens in.
    OnePartition,
}

impl Simplification {
    /// All changes, in the order in which they are tried.
    pub(super) const ALL: [Simplification; 11] = [
        Simplification::Spaced(SPACINGS[0]),
        Simplification::Spaced(SPACINGS[1]),
        Simplification::Round(MILLISECOND),
        Simplification::Round(10 * MILLISECOND),
        Simplification::Round(100 * MILLISECOND),
        Simplification::Earlier,
        Simplification::ShortLoad,
        Simplification::NoTail,
        Simplification::NoReload,
        Simplification::NoEnding,
        Simplification::OnePartition,
    ];
}

impl Candidate {
    /// The candidate with a change; `None` if that changes nothing.
    pub(super) fn simplified(&self, by: Simplification) -> Option<Candidate> {
        let mut other = self.clone();
        match by {
            Simplification::Spaced(unit) => other = self.spaced(unit)?,
            Simplification::Round(unit) => other.sent_at(|at, _| Nanos(at.0 / unit * unit)),
            Simplification::Earlier => {
                let by = self.times().min()?.0.0.saturating_sub(FIRST.0);
                other.sent_at(|at, _| Nanos(at.0 - by));
                other.conditions_at(|at| Nanos(at.0 - by));
            }
            Simplification::ShortLoad => other.workload.load = SHORTEST_LOAD,
            Simplification::NoTail => other.nemesis.tail = Nanos(0),
            Simplification::NoReload => other.nemesis.reload = false,
            Simplification::NoEnding => {
                (other.nemesis.ending, other.nemesis.reload) = (Ending::Uncommitted, false);
            }
            Simplification::OnePartition => {
                self.only_partition()?;
                other.move_to_one_partition();
            }
        }
        (other != *self).then_some(other)
    }

    /// The candidate with times this far apart, in the same order. `None` if there are too many, or if they
    /// are already that far apart or farther.
    fn spaced(&self, unit: u64) -> Option<Candidate> {
        let times: BTreeSet<(Nanos, bool)> = self.times().collect();
        let spaced = |unit: u64| {
            let mut other = self.clone();
            let at = |at: Nanos, is_boundary| {
                Nanos(FIRST.0 + times.range(..(at, is_boundary)).count() as u64 * unit)
            };
            other.sent_at(at);
            other.conditions_at(|time| at(time, false));
            other
        };
        let is_done = SPACINGS.iter().any(|other| *other >= unit && spaced(*other) == *self);
        (times.len() <= SPACED_MAX && !is_done).then(|| spaced(unit))
    }

    /// Changes the times of writes and boundaries. The second argument of `change` tells them apart.
    fn sent_at(&mut self, change: impl Fn(Nanos, bool) -> Nanos) {
        let writes = self.workload.writes.iter_mut().flatten();
        writes.for_each(|write| write.at = change(write.at, false));
        let boundaries = self.workload.boundaries.iter_mut().flatten();
        boundaries.for_each(|boundary| boundary.at = change(boundary.at, true));
    }

    /// Changes the times that steps begin and end at.
    fn conditions_at(&mut self, change: impl Fn(Nanos) -> Nanos) {
        let steps = self.nemesis.steps.iter_mut().flat_map(|step| [&mut step.begin, &mut step.until]);
        for condition in steps {
            if let Condition::At(at) = condition {
                *at = change(*at);
            }
        }
    }

    /// All times that are given, each with whether it is that of a boundary.
    fn times(&self) -> impl Iterator<Item = (Nanos, bool)> {
        let writes = self.workload.writes.iter().flatten().map(|write| (write.at, false));
        let boundaries = self.workload.boundaries.iter().flatten().map(|boundary| (boundary.at, true));
        let conditions = self.nemesis.steps.iter().flat_map(|step| [&step.begin, &step.until]);
        let steps = conditions.filter_map(|condition| match condition {
            Condition::At(at) => Some((*at, false)),
            _ => None,
        });
        writes.chain(boundaries).chain(steps)
    }

    /// The partition of all writes and steps, if there is only one.
    fn only_partition(&self) -> Option<u32> {
        let writes = self.workload.writes.iter().flatten().map(|write| write.partition);
        let mut all = writes.chain(self.nemesis.steps.iter().filter_map(|step| step.partition));
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }

    /// Makes a table of one partition.
    fn move_to_one_partition(&mut self) {
        self.workload.partitions = 1;
        self.workload.writes.iter_mut().flatten().for_each(|write| write.partition = 0);
        let partitions = self.nemesis.steps.iter_mut().filter_map(|step| step.partition.as_mut());
        partitions.for_each(|partition| *partition = 0);
    }
}
