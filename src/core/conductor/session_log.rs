//! The input log of a target that has none: our own ops in the order in which they were sent. See
//! `RULES.md` 12, 15.
//!
//! One session owns a key and waits for each answer, so the ops of a key are in the order in which they took
//! effect. Offsets are given out as ops are sent. What a replica covers follows from its position:
//!
//! ```text
//! ops 0..5 have ended, 5 is in flight; the upstream's end is read: 870. Whatever shows position 870 or more
//! has consumed 0..5. Whether it has consumed 5, nobody knows.
//! ```

use crate::history::event::{Op, OpOutcome};
use crate::history::row::Entry;
use std::collections::HashMap;

/// All entries below `off` lie at or below this position of the target.
#[derive(Clone, Copy, Debug)]
struct PositionMark {
    off: u64,
    position: u64,
}

/// What is known of one offset.
#[derive(Clone, Debug)]
enum Slot {
    /// An op that was sent; `None` while it is in flight.
    Sent(Entry, Option<OpOutcome>),
    /// A row that no op of ours wrote was seen, and needs an offset.
    Foreign,
}

/// The log of our own ops, in one partition.
#[derive(Debug, Default)]
pub struct SessionLog {
    slots: Vec<Slot>,
    by_op: HashMap<u64, u64>,
    foreign: HashMap<(String, u64), u64>,
    /// All ops below this offset have ended.
    ended: u64,
    /// Ascending in both.
    marks: Vec<PositionMark>,
}

impl SessionLog {
    /// Takes an op that is being sent, and gives it its offset.
    pub fn send(&mut self, op: &Op) -> u64 {
        let off = self.slots.len() as u64;
        let Op { key, cmp, cols, .. } = op.clone();
        let entry = Entry { off, key, op: op.id, cmp, tombstone: op.delete, cols };
        self.slots.push(Slot::Sent(entry, None));
        self.by_op.insert(op.id, off);
        off
    }

    /// Takes the outcome of an op.
    pub fn end(&mut self, op: u64, outcome: OpOutcome) {
        let off = self.by_op.get(&op).and_then(|off| usize::try_from(*off).ok());
        if let Some(Slot::Sent(_, ended)) = off.and_then(|off| self.slots.get_mut(off)) {
            *ended = Some(outcome);
        }
        self.find_end();
    }

    fn find_end(&mut self) {
        let is_over = |slot: &&Slot| !matches!(slot, Slot::Sent(_, None));
        let from = usize::try_from(self.ended).unwrap_or(usize::MAX);
        self.ended += self.slots.iter().skip(from).take_while(is_over).count() as u64;
    }

    /// The end of the log: all ops below it have ended.
    pub fn ended(&self) -> u64 {
        self.ended
    }

    /// Whether no op is in flight.
    pub fn is_idle(&self) -> bool {
        self.ended == self.slots.len() as u64
    }

    /// Notes that the upstream's end was read as `position` when all ops below `off` had already ended.
    pub fn mark(&mut self, off: u64, position: u64) {
        // An earlier reading says as much of the same ops, and a lower position says more.
        self.marks.retain(|mark| mark.off > off || mark.position < position);
        if self.marks.iter().all(|mark| mark.off < off) {
            self.marks.push(PositionMark { off, position });
        }
    }

    /// One past the last offset that a replica at this position has consumed for certain.
    pub fn covered(&self, position: u64) -> u64 {
        let reached = self.marks.iter().rev().find(|mark| mark.position <= position);
        reached.map_or(0, |mark| mark.off)
    }

    /// The offset of a row that shows this op as its newest. A row that no op of this key wrote gets an
    /// offset of its own, at which the log has no entry.
    pub fn place(&mut self, key: &str, op: u64) -> u64 {
        let known =
            self.by_op.get(&op).and_then(|off| Some((*off, self.slots.get(usize::try_from(*off).ok()?)?)));
        if let Some((off, Slot::Sent(entry, _))) = known
            && *entry.key == *key
        {
            return off;
        }
        let next = self.slots.len() as u64;
        let off = *self.foreign.entry((key.to_owned(), op)).or_insert(next);
        if off == next {
            self.slots.push(Slot::Foreign);
            self.find_end();
        }
        off
    }

    /// The entries `from..to`, without the ops that certainly did not happen.
    pub fn entries(&self, from: u64, to: u64) -> impl Iterator<Item = &Entry> {
        let [from, to] = [from, to].map(|off| usize::try_from(off).unwrap_or(usize::MAX));
        let slots = self.slots.iter().take(to).skip(from);
        slots.filter_map(|slot| match slot {
            Slot::Sent(_, Some(OpOutcome::Failed)) | Slot::Foreign => None,
            Slot::Sent(entry, _) => Some(entry),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::time::Nanos;

    fn op(id: u64, key: &str) -> Op {
        let (key, cmp) = (key.to_owned(), id.cast_signed());
        Op { id, partition: 0, key: key.into(), cmp, cols: Vec::new(), delete: false, due: Nanos(0) }
    }

    fn sent(ops: &[(u64, &str)]) -> SessionLog {
        let mut log = SessionLog::default();
        for (id, key) in ops {
            log.send(&op(*id, key));
        }
        log
    }

    #[test]
    fn a_position_covers_what_had_ended_when_it_was_the_upstreams_end() {
        let mut log = sent(&[(11, "a"), (12, "b"), (13, "c")]);
        assert_eq!((log.ended(), log.is_idle()), (0, false));
        log.end(12, OpOutcome::Ok);
        assert_eq!(log.ended(), 0, "11 is in flight below it");
        log.end(11, OpOutcome::Ok);
        assert_eq!(log.ended(), 2);
        log.mark(2, 870);
        log.mark(2, 900);
        log.end(13, OpOutcome::Unknown);
        log.mark(3, 910);
        assert!(log.is_idle());
        assert_eq!([869, 870, 909, 910, 2_000].map(|position| log.covered(position)), [0, 2, 2, 3, 3]);
    }

    #[test]
    fn an_upstream_that_goes_back_takes_its_promises_along() {
        let mut log = sent(&[(11, "a"), (12, "b")]);
        log.end(11, OpOutcome::Ok);
        log.mark(1, 500);
        log.end(12, OpOutcome::Ok);
        log.mark(2, 300);
        assert_eq!([299, 300, 500].map(|position| log.covered(position)), [0, 2, 2]);
    }

    #[test]
    fn what_failed_is_no_entry_and_what_nobody_sent_gets_a_place_without_one() {
        let mut log = sent(&[(11, "a"), (12, "b"), (13, "c")]);
        let outcomes = [(11, OpOutcome::Ok), (12, OpOutcome::Failed), (13, OpOutcome::Unknown)];
        outcomes.into_iter().for_each(|(op, outcome)| log.end(op, outcome));
        assert_eq!(log.place("b", 12), 1, "a failed op that shows is where it would have been");
        let foreign = log.place("a", 12);
        assert_eq!((foreign, log.place("a", 12), log.place("z", 0)), (3, 3, 4));
        assert_eq!(log.ended(), 5);
        let entries: Vec<u64> = log.entries(0, 9).map(|entry| entry.off).collect();
        assert_eq!(entries, [0, 2]);
    }
}
