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
    /// [`Guard::PartitionGate`], but tested only on a wake-up, and waits have no timeout. Success and
    /// failure of a transition wake the waiters. A segment that is downloaded after a skip is registered
    /// in place and wakes nobody:
    ///
    /// ```text
    /// consumption of SEG_M1 waits for SEG_M, which this server then skips and fetches
    /// SEG_M is registered: the gate would open now, but nobody tests it
    /// ```
    PartitionGateNoSkipWake,
    /// Open while at least half of the committed segments that this server knows of are registered, of
    /// whichever partition. One missing segment never closes it.
    ReadinessFlag,
    /// No test. The controller delivers the messages to each server strictly in order, and the order is
    /// trusted to be that of the segments:
    ///
    /// ```text
    /// O->C(SEG_M) is held, and holds back O->C(SEG_M1) behind it
    /// both arrive: SEG_M is skipped, and only that report creates C->O(SEG_M). SEG_M1 begins first
    /// ```
    DeliveryOrder,
    /// Open for (p, s) when (p, s - 1) is registered, or after [`Config::wait_ms`](super::Config::wait_ms).
    TimedWait,
    /// Open for (p, s) when the newest registered segment of p is s - 1 or later:
    ///
    /// ```text
    /// SEG_M1 is registered, SEG_M is still missing: consumption of SEG_M2 begins without SEG_M
    /// ```
    MaxWatermarkGate,
}

/// Every guard with its name in settings and on the command line.
pub const NAMES: [(&str, Guard); 8] = [
    ("startup-latch", Guard::StartupLatch),
    ("partition-gate", Guard::PartitionGate),
    ("signal-gate", Guard::SignalGate),
    ("partition-gate-no-skip-wake", Guard::PartitionGateNoSkipWake),
    ("readiness-flag", Guard::ReadinessFlag),
    ("delivery-order", Guard::DeliveryOrder),
    ("timed-wait", Guard::TimedWait),
    ("max-watermark-gate", Guard::MaxWatermarkGate),
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
    /// By partition, the number of segments that this server knows to be committed: all below the newest.
    pub(crate) committed: &'a BTreeMap<u32, u32>,
    /// How long the transition has waited, in nanoseconds.
    pub(crate) waited: u64,
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
    /// How long [`Guard::TimedWait`] waits at most, in nanoseconds.
    wait: u64,
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

impl Tested {
    /// The details of a lifecycle event, for a transition that has waited for so many nanoseconds.
    pub(crate) fn detail(&self, waited: u64) -> Json {
        json!({
            "name": self.name,
            "subject": self.subject,
            "evaluated_at": self.evaluated_at / 1_000_000,
            "waited_ms": waited / 1_000_000,
            "released_by": self.released_by,
            "seen": {"wanted": self.wanted, "registered": self.registered},
        })
    }
}

impl Gate {
    pub(crate) fn new(guard: Guard, wait_ms: u64) -> Self {
        Gate {
            guard,
            wait: wait_ms.saturating_mul(1_000_000),
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

    /// Whether consumption begins without any test.
    pub(crate) fn is_absent(&self) -> bool {
        self.guard == Guard::DeliveryOrder
    }

    /// Tests the guard for one segment at `now`. None if there is no test: nothing has woken the waiter.
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
            Guard::ReadinessFlag => Some(test_half(now, seen)),
            Guard::DeliveryOrder => None,
            Guard::TimedWait => Some(self.test_previous(now, seen)),
            Guard::MaxWatermarkGate => Some(test_watermark(now, seen)),
        }
    }

    fn test_previous(&self, now: u64, seen: &GateView<'_>) -> Tested {
        let previous = seen.segment.previous();
        let registered = previous.filter(|previous| seen.registered.contains(previous));
        let released_by = match registered == previous {
            true => Some("predicate"),
            false => (seen.waited >= self.wait).then_some("time-out"),
        };
        Tested {
            name: "previous-segment-registered",
            subject: one(seen.segment),
            evaluated_at: now,
            wanted: previous.iter().count(),
            registered: registered.iter().count(),
            released_by,
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
        let before = seen.segment.previous();
        let signalled = before.and_then(|before| self.ended.get(&before)).copied();
        Tested {
            name: "previous-transition-ended",
            subject: one(seen.segment),
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

/// A gate's subject that is the predecessor alone.
fn one(segment: SegmentId) -> Json {
    json!({"partition": segment.partition, "seq": segment.previous().map(|previous| previous.seq)})
}

fn test_half(now: u64, seen: &GateView<'_>) -> Tested {
    let is_known = |id: &&SegmentId| seen.committed.get(&id.partition).is_some_and(|below| id.seq < *below);
    let registered = seen.registered.iter().filter(is_known).count();
    let wanted = seen.committed.values().map(|below| *below as usize).sum();
    Tested {
        name: "half-of-segments-registered",
        subject: json!({}),
        evaluated_at: now,
        wanted,
        registered,
        released_by: (2 * registered >= wanted).then_some("predicate"),
    }
}

/// It looks at one number, so it sees one segment.
fn test_watermark(now: u64, seen: &GateView<'_>) -> Tested {
    let previous = seen.segment.previous();
    let last = SegmentId { seq: u32::MAX, ..seen.segment };
    let reached = previous.is_none_or(|previous| seen.registered.range(previous..=last).next().is_some());
    Tested {
        name: "newest-registered-segment",
        subject: one(seen.segment),
        evaluated_at: now,
        wanted: previous.iter().count(),
        registered: if reached { previous.iter().count() } else { 0 },
        released_by: reached.then_some("predicate"),
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

    static NOTHING: BTreeSet<SegmentId> = BTreeSet::new();

    /// A view of a server that has just begun to wait, and had nothing to load at boot.
    fn view<'a>(
        segment: SegmentId,
        registered: &'a BTreeSet<SegmentId>,
        committed: &'a BTreeMap<u32, u32>,
    ) -> GateView<'a> {
        GateView { segment, boot: &NOTHING, registered, committed, waited: 0 }
    }

    fn id(seq: u32) -> SegmentId {
        SegmentId { partition: 0, seq }
    }

    /// Goal: each guard's answer for segment (0, 2), given the registered segments.
    #[test]
    fn opens_only_for_what_it_looks_at() {
        // Guard, committed at boot, registered at each of two tests, answers of the two tests.
        type Case = (Guard, &'static [u32], [&'static [u32]; 2], [Option<&'static str>; 2]);
        let cases: [Case; 10] = [
            (Guard::StartupLatch, &[0], [&[], &[0]], [None, Some("predicate")]),
            (Guard::StartupLatch, &[], [&[], &[]], [Some("predicate"), Some("already-open")]),
            (Guard::PartitionGate, &[], [&[0], &[0, 1]], [None, Some("predicate")]),
            (Guard::PartitionGate, &[], [&[0, 1], &[1]], [Some("predicate"), None]),
            (Guard::SignalGate, &[], [&[0], &[0, 1]], [None, None]),
            (Guard::ReadinessFlag, &[], [&[], &[0]], [None, Some("predicate")]),
            (Guard::ReadinessFlag, &[], [&[1], &[]], [Some("predicate"), None]),
            (Guard::TimedWait, &[], [&[0], &[1]], [None, Some("predicate")]),
            (Guard::MaxWatermarkGate, &[], [&[0], &[1]], [None, Some("predicate")]),
            (Guard::MaxWatermarkGate, &[], [&[], &[2]], [None, Some("predicate")]),
        ];
        for (guard, boot, registered, answers) in cases {
            let mut gate = Gate::new(guard, 9);
            let boot = boot.iter().map(|seq| id(*seq)).collect();
            for (registered, answer) in registered.iter().zip(answers) {
                let registered = registered.iter().map(|seq| id(*seq)).collect();
                let committed = BTreeMap::from([(0, 2)]);
                let seen = GateView { boot: &boot, ..view(id(2), &registered, &committed) };
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
            let (mut gate, known) = (Gate::new(guard, 9), BTreeMap::new());
            let shut = gate.test(1, &view(id(2), &NOTHING, &known));
            assert_eq!(shut.expect("the first test is always made").released_by, None, "{guard}");
            ends.iter().for_each(|how| gate.ended(2, id(1), *how));
            let registered = registered.iter().map(|seq| id(*seq)).collect();
            let tested = gate.test(3, &view(id(2), &registered, &known));
            assert_eq!(tested.map(|tested| tested.released_by), answer, "{guard} {ends:?}");
        }
        let mut gate = Gate::new(Guard::SignalGate, 9);
        let first = gate.test(1, &view(id(0), &NOTHING, &BTreeMap::new()));
        assert_eq!(first.expect("it is tested").released_by, Some("already-open"));
    }

    /// Goal: what each guard says that it looked at before segment (0, 2), where (0, 0) is missing: never
    /// more than it really tests.
    #[test]
    fn says_what_it_looked_at_and_what_it_saw() {
        let cases = [
            (Guard::StartupLatch, json!({}), (0, 0), Some("predicate")),
            (Guard::PartitionGate, json!({"partition": 0, "before_seq": 2}), (2, 1), None),
            (Guard::SignalGate, json!({"partition": 0, "seq": 1}), (2, 1), None),
            (Guard::ReadinessFlag, json!({}), (3, 2), Some("predicate")),
            (Guard::TimedWait, json!({"partition": 0, "seq": 1}), (1, 1), Some("predicate")),
            (Guard::MaxWatermarkGate, json!({"partition": 0, "seq": 1}), (1, 1), Some("predicate")),
        ];
        let other = SegmentId { partition: 1, seq: 0 };
        let (registered, known) = (BTreeSet::from([id(1), other]), BTreeMap::from([(0, 2), (1, 1)]));
        for (guard, subject, counts, released_by) in cases {
            let tested =
                Gate::new(guard, 9).test(7, &view(id(2), &registered, &known)).expect("it is tested");
            assert_eq!((tested.subject, tested.evaluated_at), (subject, 7), "{guard}");
            assert_eq!((tested.wanted, tested.registered), counts, "{guard}");
            assert_eq!(tested.released_by, released_by, "{guard}");
        }
        let mut absent = Gate::new(Guard::DeliveryOrder, 9);
        assert!(absent.is_absent() && absent.test(7, &view(id(2), &registered, &known)).is_none());
    }

    #[test]
    fn a_wait_ends_when_its_time_is_up_and_a_latch_is_never_tested_again() {
        let known = BTreeMap::from([(0, 2)]);
        let mut gate = Gate::new(Guard::TimedWait, 9);
        for (waited, released_by) in [(8_999_999, None), (9_000_000, Some("time-out"))] {
            let tested = gate.test(7, &GateView { waited, ..view(id(2), &NOTHING, &known) });
            assert_eq!(tested.expect("it is tested").released_by, released_by, "{waited}");
        }
        let mut latch = Gate::new(Guard::StartupLatch, 9);
        let tested = [3, 8].map(|now| latch.test(now, &view(id(2), &NOTHING, &known)).expect("an answer"));
        assert_eq!(tested.map(|tested| tested.evaluated_at), [3, 3]);
    }
}
