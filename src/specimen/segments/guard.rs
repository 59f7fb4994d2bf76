//! Guards: the condition that is tested just before a server starts to consume a segment.
//!
//! To add a guard, change only this file: add a variant, its line in [`NAMES`], and its arm in
//! [`Gate::test`]. Guard names never reach the event log. There a gate is named after the state that it
//! tests, so that an explanation of a violation must follow from the events.

use super::messages::SegmentId;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// The guard of a cluster's servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Guard {
    /// Opens once all segments that were committed at boot are loaded. It is never tested again.
    ///
    /// ```text
    /// boot: nothing committed, so nothing to load: the latch opens on day 1
    /// day 3: SEG_M is committed by the others; this server has not seen it
    /// consumption of SEG_M1 begins: the latch is open, and stays open whatever is missing
    /// ```
    #[default]
    StartupLatch,
    /// Open for (p, s) while every segment of p before s is registered in its committed form.
    PartitionGate,
    /// Opens for (p, s) when a transition of (p, s - 1) ends: by success, failure or skip. This is the
    /// tempting fix, and it still has the bug:
    ///
    /// ```text
    /// this server learns late that SEG_M is committed: it skips it, and the skip is a signal
    /// consumption of SEG_M1 begins: after the skip there is nothing to wait for
    /// SEG_M is fetched and registered: too late
    /// ```
    SignalGate,
    /// [`Guard::PartitionGate`], but tested only on a wake-up, and waits have no timeout. Success and failure
    /// of a transition wake the waiters. A segment that is downloaded after a skip is registered in place and
    /// wakes nobody:
    ///
    /// ```text
    /// consumption of SEG_M1 waits for SEG_M, which this server then skips and fetches
    /// SEG_M is registered: the gate would open now, but nobody tests it
    /// ```
    PartitionGateNoSkipWake,
}

/// Every guard with its name in settings and on the command line.
pub const NAMES: [(&str, Guard); 4] = [
    ("startup-latch", Guard::StartupLatch),
    ("partition-gate", Guard::PartitionGate),
    ("signal-gate", Guard::SignalGate),
    ("partition-gate-no-skip-wake", Guard::PartitionGateNoSkipWake),
];

/// The error for a name that is not in [`NAMES`].
#[derive(Debug, thiserror::Error)]
#[error("no guard `{given}`; use one of {}", NAMES.map(|(name, _)| name).join(", "))]
pub struct UnknownGuard {
    given: String,
}

impl FromStr for Guard {
    type Err = UnknownGuard;

    fn from_str(given: &str) -> Result<Self, UnknownGuard> {
        let known = NAMES.iter().find(|(name, _)| *name == given);
        known.map(|(_, guard)| *guard).ok_or_else(|| UnknownGuard { given: given.to_owned() })
    }
}

impl TryFrom<String> for Guard {
    type Error = UnknownGuard;

    fn try_from(given: String) -> Result<Self, UnknownGuard> {
        given.parse()
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, guard)| guard == self).map_or("", |(name, _)| *name);
        out.write_str(name)
    }
}

impl From<Guard> for String {
    fn from(guard: Guard) -> String {
        guard.to_string()
    }
}

pub(crate) struct GateView<'a> {
    /// The segment to consume.
    pub(crate) segment: SegmentId,
    /// The segments that were committed when this process joined.
    pub(crate) boot: &'a BTreeSet<SegmentId>,
    /// The segments that are registered in their committed form.
    pub(crate) registered: &'a BTreeSet<SegmentId>,
}

/// How a transition ended. No transition of this specimen fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Loaded,
    /// The message to consume came too late: the segment still has to be downloaded.
    Skipped,
}

/// A server's guard and its state.
pub(crate) struct Gate {
    guard: Guard,
    /// When the latch opened, in nanoseconds of the server's clock.
    opened_at: Option<u64>,
    /// When a transition of each segment first ended.
    ended: BTreeMap<SegmentId, u64>,
    /// The segments whose message to consume was skipped.
    skipped: BTreeSet<SegmentId>,
    /// The segments whose transition found the gate closed and waits for a wake-up.
    asleep: BTreeSet<SegmentId>,
}

pub(crate) struct Tested {
    /// Names the state that the gate tests.
    pub(crate) name: &'static str,
    /// The segment that was tested, as JSON.
    pub(crate) subject: Json,
    /// When the condition was evaluated. Long ago if it is not tested any more.
    pub(crate) evaluated_at: u64,
    /// The number of segments that must be registered.
    pub(crate) wanted: usize,
    /// The number of those that are registered.
    pub(crate) registered: usize,
    /// Why consumption may begin. None while the gate is closed.
    pub(crate) released_by: Option<&'static str>,
}

impl Gate {
    pub(crate) fn new(guard: Guard) -> Self {
        Gate {
            guard,
            opened_at: None,
            ended: BTreeMap::new(),
            skipped: BTreeSet::new(),
            asleep: BTreeSet::new(),
        }
    }

    pub(crate) fn ended(&mut self, now: u64, segment: SegmentId, how: Ended) {
        self.ended.entry(segment).or_insert(now);
        if how == Ended::Skipped {
            self.skipped.insert(segment);
        }
        if !self.skipped.contains(&segment) {
            self.asleep.retain(|waiting| waiting.partition != segment.partition);
        }
    }

    /// Tests the guard for one segment at `now`. None if nothing has woken the waiter, so there is no test.
    pub(crate) fn test(&mut self, now: u64, seen: &GateView<'_>) -> Option<Tested> {
        match self.guard {
            Guard::StartupLatch => Some(self.test_latch(now, seen)),
            Guard::PartitionGate => Some(test_partition(now, seen)),
            Guard::SignalGate => Some(self.test_signal(now, seen)),
            Guard::PartitionGateNoSkipWake => {
                let tested = self.asleep.insert(seen.segment).then(|| test_partition(now, seen))?;
                if tested.released_by.is_some() {
                    self.asleep.remove(&seen.segment);
                }
                Some(tested)
            }
        }
    }

    fn test_latch(&mut self, now: u64, seen: &GateView<'_>) -> Tested {
        let (wanted, registered) = (seen.boot.len(), seen.boot.intersection(seen.registered).count());
        let already = self.opened_at.is_some();
        if registered == wanted {
            self.opened_at.get_or_insert(now);
        }
        let open = self.opened_at.map(|_| if already { "already-open" } else { "predicate" });
        Tested {
            name: "boot-segments-loaded",
            subject: json!({}),
            evaluated_at: self.opened_at.unwrap_or(now),
            wanted,
            registered,
            released_by: open,
        }
    }

    /// The count of registered segments is for the event log only. The signal alone decides.
    fn test_signal(&self, now: u64, seen: &GateView<'_>) -> Tested {
        let SegmentId { partition, seq } = seen.segment;
        let before = seq.checked_sub(1).map(|seq| SegmentId { partition, seq });
        let signalled = before.and_then(|before| self.ended.get(&before)).copied();
        Tested {
            name: "previous-transition-ended",
            subject: json!({"partition": partition, "seq": before.map(|before| before.seq)}),
            evaluated_at: signalled.unwrap_or(now),
            released_by: before.map_or(Some("already-open"), |_| signalled.map(|_| "signal")),
            ..test_partition(now, seen)
        }
    }
}

fn test_partition(now: u64, seen: &GateView<'_>) -> Tested {
    let SegmentId { partition, seq } = seen.segment;
    let registered = seen.registered.range(SegmentId { partition, seq: 0 }..seen.segment).count();
    let wanted = seq as usize;
    Tested {
        name: "earlier-segments-registered",
        subject: json!({"partition": partition, "before_seq": seq}),
        evaluated_at: now,
        wanted,
        registered,
        released_by: (registered == wanted).then_some("predicate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_an_unknown_one_is_told_the_others() {
        for (name, guard) in NAMES {
            assert_eq!(name.parse::<Guard>().expect(name), guard);
            assert_eq!(guard.to_string(), name);
        }
        let error = "latch".parse::<Guard>().expect_err("no such guard").to_string();
        assert_eq!(error, format!("no guard `latch`; use one of {}", NAMES.map(|(name, _)| name).join(", ")));
    }

    fn id(seq: u32) -> SegmentId {
        SegmentId { partition: 0, seq }
    }

    /// Goal: each guard's answer for segment (0, 2), given the registered segments.
    #[test]
    fn opens_only_for_what_it_looks_at() {
        // Guard, committed at boot, registered at each of two tests, answers of the two tests.
        type Case = (Guard, &'static [u32], [&'static [u32]; 2], [Option<&'static str>; 2]);
        let cases: [Case; 5] = [
            (Guard::StartupLatch, &[0], [&[], &[0]], [None, Some("predicate")]),
            (Guard::StartupLatch, &[], [&[], &[]], [Some("predicate"), Some("already-open")]),
            (Guard::PartitionGate, &[], [&[0], &[0, 1]], [None, Some("predicate")]),
            (Guard::PartitionGate, &[], [&[0, 1], &[1]], [Some("predicate"), None]),
            (Guard::SignalGate, &[], [&[0], &[0, 1]], [None, None]),
        ];
        for (guard, boot, registered, answers) in cases {
            let mut gate = Gate::new(guard);
            let boot = boot.iter().map(|seq| id(*seq)).collect();
            for (registered, answer) in registered.iter().zip(answers) {
                let registered = registered.iter().map(|seq| id(*seq)).collect();
                let seen = GateView { segment: id(2), boot: &boot, registered: &registered };
                let tested = gate.test(7, &seen).expect("it is tested every time");
                assert_eq!(tested.released_by, answer, "{guard} {boot:?} {registered:?}");
            }
        }
    }

    /// Goal: the effect of the end of the predecessor's transition, by how it ended and whether it is
    /// registered: the answer for segment (0, 2), or no test at all.
    #[test]
    fn a_skip_opens_the_gate_of_signals_and_wakes_nobody_at_the_other() {
        // Guard, how (0, 1) ended in turn, what is registered at the end, the answer.
        type Case = (Guard, &'static [Ended], &'static [u32], Option<Option<&'static str>>);
        let cases: [Case; 6] = [
            (Guard::SignalGate, &[Ended::Skipped], &[0], Some(Some("signal"))),
            (Guard::SignalGate, &[Ended::Loaded], &[0, 1], Some(Some("signal"))),
            (Guard::PartitionGateNoSkipWake, &[Ended::Loaded], &[0, 1], Some(Some("predicate"))),
            (Guard::PartitionGateNoSkipWake, &[Ended::Skipped], &[0], None),
            (Guard::PartitionGateNoSkipWake, &[Ended::Skipped, Ended::Loaded], &[0, 1], None),
            (Guard::PartitionGate, &[Ended::Skipped, Ended::Loaded], &[0, 1], Some(Some("predicate"))),
        ];
        for (guard, ends, registered, answer) in cases {
            let (mut gate, none) = (Gate::new(guard), BTreeSet::new());
            let shut = gate.test(1, &GateView { segment: id(2), boot: &none, registered: &none });
            assert_eq!(shut.expect("the first test is always made").released_by, None, "{guard}");
            ends.iter().for_each(|how| gate.ended(2, id(1), *how));
            let registered = registered.iter().map(|seq| id(*seq)).collect();
            let tested = gate.test(3, &GateView { segment: id(2), boot: &none, registered: &registered });
            assert_eq!(tested.map(|tested| tested.released_by), answer, "{guard} {ends:?}");
        }
        let mut gate = Gate::new(Guard::SignalGate);
        let none = BTreeSet::new();
        let first = gate.test(1, &GateView { segment: id(0), boot: &none, registered: &none });
        assert_eq!(first.expect("it is tested").released_by, Some("already-open"));
    }
}
