//! Guards: what is tested just before a server begins to consume a segment.
//!
//! This is the one file that a further guard is added to: a variant, its line in [`NAMES`], its arm in
//! [`Gate::test`]. The names of guards never reach the log of events; gates are called there by what they
//! look at, so that whoever explains a break has to understand it.

use crate::messages::SegmentId;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
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
}

/// Every guard and its name.
pub const NAMES: [(&str, Guard); 2] =
    [("startup-latch", Guard::StartupLatch), ("partition-gate", Guard::PartitionGate)];

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
pub(crate) struct Seen<'a> {
    /// The segment to be consumed.
    pub(crate) segment: SegmentId,
    /// The segments that were committed when this process joined.
    pub(crate) boot: &'a BTreeSet<SegmentId>,
    /// The segments that are registered in their committed form.
    pub(crate) registered: &'a BTreeSet<SegmentId>,
}

/// A server's guard and what it remembers.
pub(crate) struct Gate {
    guard: Guard,
    /// When the latch opened, in the server's nanoseconds.
    opened_at: Option<u64>,
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
        Gate { guard, opened_at: None }
    }

    /// Tests the guard for one segment at `now`.
    pub(crate) fn test(&mut self, now: u64, seen: &Seen<'_>) -> Tested {
        let SegmentId { partition, seq } = seen.segment;
        let (name, subject, wanted, registered) = match self.guard {
            Guard::StartupLatch => {
                let loaded = seen.boot.intersection(seen.registered).count();
                ("boot-segments-loaded", json!({}), seen.boot.len(), loaded)
            }
            Guard::PartitionGate => {
                let earlier = SegmentId { partition, seq: 0 }..seen.segment;
                let subject = json!({"partition": partition, "before_seq": seq});
                let count = seen.registered.range(earlier).count();
                ("earlier-segments-registered", subject, seq as usize, count)
            }
        };
        let already = self.opened_at.is_some();
        let open = already || registered == wanted;
        if self.guard == Guard::StartupLatch && open {
            self.opened_at.get_or_insert(now);
        }
        Tested {
            name,
            subject,
            evaluated_at: self.opened_at.unwrap_or(now),
            wanted,
            registered,
            released_by: open.then_some(if already { "already-open" } else { "predicate" }),
        }
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
        assert_eq!(error, "no guard `latch`; use one of startup-latch, partition-gate");
    }

    /// Goal: each guard's answer for segment (0, 2) from what is registered.
    #[test]
    fn opens_only_for_what_it_looks_at() {
        let id = |seq| SegmentId { partition: 0, seq };
        // Guard, committed at boot, registered at two tests in turn, answers of the two tests.
        type Case = (Guard, &'static [u32], [&'static [u32]; 2], [Option<&'static str>; 2]);
        let cases: [Case; 4] = [
            (Guard::StartupLatch, &[0], [&[], &[0]], [None, Some("predicate")]),
            (Guard::StartupLatch, &[], [&[], &[]], [Some("predicate"), Some("already-open")]),
            (Guard::PartitionGate, &[], [&[0], &[0, 1]], [None, Some("predicate")]),
            (Guard::PartitionGate, &[], [&[0, 1], &[1]], [Some("predicate"), None]),
        ];
        for (guard, boot, registered, answers) in cases {
            let mut gate = Gate::new(guard);
            let boot = boot.iter().map(|seq| id(*seq)).collect();
            for (registered, answer) in registered.iter().zip(answers) {
                let registered = registered.iter().map(|seq| id(*seq)).collect();
                let seen = Seen { segment: id(2), boot: &boot, registered: &registered };
                assert_eq!(gate.test(7, &seen).released_by, answer, "{guard} {boot:?} {registered:?}");
            }
        }
    }
}
