//! Guards: what is tested just before a server begins to consume a segment.
//!
//! This is the one file that a further guard is added to: a variant, its line in [`NAMES`], its arm in
//! [`Gate::test`]. The names of guards never reach the log of events; gates are called there by what they
//! look at, so that whoever explains a break has to understand it.

use super::messages::SegmentId;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// Which guard a cluster's servers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Guard {
    /// Open once all segments that were committed at boot are loaded; then never tested again.
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
    /// Opened for (p, s) by the end of a transition of (p, s - 1): success, failure or skip. The tempting
    /// fix, and still the bug:
    ///
    /// ```text
    /// this server hears late of SEG_M, which is committed: it skips it, and that is signalled
    /// consumption of SEG_M1 begins: the skip says that nothing is left to wait for
    /// SEG_M is fetched and registered: too late
    /// ```
    SignalGate,
    /// [`Guard::PartitionGate`], but tested only when woken, and waits have no time-out. Success and failure
    /// of a transition wake; what is fetched after a skip is registered in place, and wakes nobody:
    ///
    /// ```text
    /// consumption of SEG_M1 waits for SEG_M, which this server then skips and fetches
    /// SEG_M is registered: the gate would open now, and nobody asks
    /// ```
    PartitionGateNoSkipWake,
}

/// Every guard and its name.
pub const NAMES: [(&str, Guard); 4] = [
    ("startup-latch", Guard::StartupLatch),
    ("partition-gate", Guard::PartitionGate),
    ("signal-gate", Guard::SignalGate),
    ("partition-gate-no-skip-wake", Guard::PartitionGateNoSkipWake),
];

/// No guard has this name.
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

/// What a server knows when its guard is tested.
pub(crate) struct GateView<'a> {
    /// The segment to be consumed.
    pub(crate) segment: SegmentId,
    /// The segments that were committed when this process joined.
    pub(crate) boot: &'a BTreeSet<SegmentId>,
    /// The segments that are registered in their committed form.
    pub(crate) registered: &'a BTreeSet<SegmentId>,
}

/// How a transition ended. None of this specimen's fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The segment is registered in its committed form.
    Loaded,
    /// The order to consume came too late: the segment is yet to be fetched.
    Skipped,
}

/// A server's guard and what it remembers.
pub(crate) struct Gate {
    guard: Guard,
    /// When the latch opened, in the server's nanoseconds.
    opened_at: Option<u64>,
    /// When a transition of each segment first ended.
    ended: BTreeMap<SegmentId, u64>,
    /// The segments whose order to consume was skipped.
    skipped: BTreeSet<SegmentId>,
    /// The segments whose order found the gate shut and sleeps.
    asleep: BTreeSet<SegmentId>,
}

/// The outcome of one test.
pub(crate) struct Tested {
    /// What the gate looks at.
    pub(crate) name: &'static str,
    /// What the test was made for.
    pub(crate) subject: Json,
    /// When the condition was evaluated: long ago if it is not tested any more.
    pub(crate) evaluated_at: u64,
    /// How many segments were looked for.
    pub(crate) wanted: usize,
    /// How many of them were registered.
    pub(crate) registered: usize,
    /// Whether consumption may begin, and by what.
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

    /// A transition of a segment ended at `now`.
    pub(crate) fn ended(&mut self, now: u64, segment: SegmentId, how: Ended) {
        self.ended.entry(segment).or_insert(now);
        if how == Ended::Skipped {
            self.skipped.insert(segment);
        }
        if !self.skipped.contains(&segment) {
            self.asleep.retain(|waiting| waiting.partition != segment.partition);
        }
    }

    /// Tests the guard for one segment at `now`. None: it is not tested, since nobody woke who waits for it.
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

    /// What is registered is counted for the log only: the signal alone decides.
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

    /// Goal: each guard's answer for segment (0, 2) from what is registered.
    #[test]
    fn opens_only_for_what_it_looks_at() {
        // Guard, committed at boot, registered at two tests in turn, answers of the two tests.
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

    /// Goal: what the end of the predecessor's transition does, by how it ended, while it is registered or
    /// not: the answer for segment (0, 2), or that it is not tested at all.
    #[test]
    fn a_skip_opens_the_gate_of_signals_and_wakes_nobody_at_the_other() {
        // Guard, how (0, 1) ended in turn, what is registered in the end, the answer.
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
