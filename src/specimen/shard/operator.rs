//! The upsert operator with continual feedback. It turns "key k has value v from offset o on" into updates
//! "one old row less, one new row more". For that it needs the old row, which it reads from the same shard
//! that its output goes to.
//!
//! So an update at time t can be made only while the shard's upper is t: the shard is complete below t, and t
//! is not written yet. Until then the update waits in the stash and holds the output frontier back.

use super::persist::{Contents, Update};
use super::rule::Rule;
use crate::value::Entry;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::sync::Arc;

/// The waiting entries: for each key and time the entry with the highest offset, because a reader of the
/// shard can never see another.
type Stash = BTreeMap<(u64, Arc<str>), Arc<Entry>>;

/// A batch of input that was staged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) entries: u64,
    /// The lowest and the highest of their times.
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What a drain decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Drained {
    pub(crate) output: Vec<Update>,
    pub(crate) counts: DrainCounts,
}

/// How a drain sorted the stash, in entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DrainCounts {
    /// Their time has come.
    pub(crate) emitted: u64,
    /// Their time has not come yet.
    pub(crate) later: u64,
    /// The shard has passed their time.
    pub(crate) passed: u64,
    /// The number of those that were dropped. The rest is kept.
    pub(crate) dropped: u64,
}

pub(crate) struct Operator {
    rule: Rule,
    /// The shard's upper when this writer started. Never updated.
    resume_upper: u64,
    /// The lowest time at which input can still arrive.
    input_frontier: u64,
    /// The shard's upper according to feedback. The contents are complete below it.
    feedback_frontier: u64,
    contents: Contents,
    /// The waiting entries by the capability that is held for them: the lowest time at which output can still
    /// be made.
    stashes: BTreeMap<u64, Stash>,
}

impl Operator {
    pub(crate) fn new(rule: Rule, resume_upper: u64) -> Self {
        Operator {
            rule,
            resume_upper,
            input_frontier: 0,
            feedback_frontier: 0,
            contents: Contents::default(),
            stashes: BTreeMap::new(),
        }
    }

    /// Whether the contents have caught up with the shard's upper at the start.
    pub(crate) fn hydrated(&self) -> bool {
        self.feedback_frontier >= self.resume_upper
    }

    pub(crate) fn stashed(&self) -> usize {
        self.stashes.values().map(BTreeMap::len).sum()
    }

    /// The earliest time of entries that the shard has passed, and that it will never release.
    pub(crate) fn stranded(&self) -> Option<u64> {
        let earliest = self.earliest().filter(|ts| *ts < self.feedback_frontier);
        earliest.filter(|_| self.rule == Rule::V2Stranding)
    }

    /// The earliest time of the entries in the stash.
    pub(crate) fn earliest(&self) -> Option<u64> {
        self.stashes.values().filter_map(|stash| stash.first_key_value()).map(|((ts, _), _)| *ts).min()
    }

    /// The shard's upper according to feedback.
    pub(crate) fn feedback_frontier(&self) -> u64 {
        self.feedback_frontier
    }

    /// The lowest time at which input can still arrive.
    pub(crate) fn input_frontier(&self) -> u64 {
        self.input_frontier
    }

    /// The lowest time at which this operator can still emit an update.
    pub(crate) fn output_frontier(&self) -> u64 {
        self.capability().map_or(self.input_frontier, |held| held.min(self.input_frontier))
    }

    fn capability(&self) -> Option<u64> {
        self.stashes.first_key_value().map(|(capability, _)| *capability)
    }

    /// Stages a batch of input and advances the input frontier to `frontier`. The frontier never moves back,
    /// not even when a lag begins.
    pub(crate) fn input(
        &mut self,
        batch: impl IntoIterator<Item = (u64, Arc<Entry>)>,
        frontier: u64,
    ) -> Staged {
        let mut staged = Staged::default();
        for (ts, entry) in batch {
            if self.is_wanted(ts) {
                let first = if staged.entries == 0 { ts } else { staged.first.min(ts) };
                staged = Staged { entries: staged.entries + 1, first, last: staged.last.max(ts) };
                self.stage(ts, entry);
            }
        }
        self.input_frontier = self.input_frontier.max(frontier);
        staged
    }

    /// Input that was in the shard at the start is dropped on arrival. Input that another writer appends
    /// while this one catches up is left to the rule.
    fn is_wanted(&self, ts: u64) -> bool {
        let from_before = self.input_frontier <= self.resume_upper && ts < self.resume_upper;
        let passed = match self.rule {
            Rule::V1 | Rule::V1DoubleDrain => ts < self.feedback_frontier,
            Rule::V2Stranding | Rule::V2Dropping => false,
        };
        !from_before && !passed
    }

    fn stage(&mut self, ts: u64, entry: Arc<Entry>) {
        let capability = self.input_frontier.max(self.resume_upper);
        let held = match self.rule {
            Rule::V1DoubleDrain => capability,
            Rule::V1 | Rule::V2Stranding | Rule::V2Dropping => self.capability().unwrap_or(capability),
        };
        self.stashes.entry(held).or_default().insert((ts, entry.key.clone()), entry);
    }

    /// Applies updates that any writer appended to the shard, complete up to `frontier`.
    pub(crate) fn feedback(&mut self, updates: &[Update], frontier: u64) {
        updates.iter().for_each(|update| self.contents.apply(update));
        self.feedback_frontier = frontier;
    }

    /// Emits the updates whose time has come, and keeps only the rest.
    ///
    /// It drains once per held capability. All drains read the same contents, which change by feedback only.
    /// With two capabilities, a key that is in both stashes at this time has its old row retracted twice.
    pub(crate) fn drain(&mut self) -> Drained {
        let mut drained = Drained::default();
        let due = self.capability().is_some_and(|held| held <= self.feedback_frontier);
        if !due || self.feedback_frontier >= self.input_frontier {
            return drained;
        }
        for mut stash in std::mem::take(&mut self.stashes).into_values() {
            self.drain_one(&mut stash, &mut drained);
            let Some(((earliest, _), _)) = stash.first_key_value() else { continue };
            match self.stashes.entry(*earliest) {
                Slot::Vacant(free) => {
                    free.insert(stash);
                }
                Slot::Occupied(other) => other.into_mut().extend(stash),
            }
        }
        drained
    }

    /// Takes out what is emitted or dropped. What waits stays where it is: it may be all that ever came.
    fn drain_one(&self, stash: &mut Stash, Drained { output, counts }: &mut Drained) {
        let at = |ts: u64| (ts, Arc::from(""));
        let (now, next) = (at(self.feedback_frontier), at(self.feedback_frontier + 1));
        // Another writer has written these times, so the shard's upper will never be there again.
        // `v2-stranding` misses that.
        let passed = stash.range(..&now).count() as u64;
        counts.passed += passed;
        if self.rule != Rule::V2Stranding && passed > 0 {
            counts.dropped += passed;
            *stash = stash.split_off(&now);
        }
        let due = |stash: &Stash| stash.range(&now..&next).next().map(|(key, _)| key.clone());
        while let Some(entry) = due(stash).and_then(|key| stash.remove(&key)) {
            counts.emitted += 1;
            self.replace(self.feedback_frontier, entry, output);
        }
        counts.later += stash.range(&next..).count() as u64;
    }

    fn replace(&self, ts: u64, entry: Arc<Entry>, output: &mut Vec<Update>) {
        let old = self.contents.current(&entry.key).map(Arc::clone);
        output.extend(old.map(|entry| Update { ts, entry, diff: -1 }));
        if !entry.tombstone {
            output.push(Update { ts, entry, diff: 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule::NAMES;
    use super::*;

    fn entry(off: u64, key: &str) -> Arc<Entry> {
        Arc::new(Entry { off, key: key.into(), ..Entry::default() })
    }

    fn shown(updates: &[Update]) -> Vec<(u64, &str, u64, i64)> {
        updates.iter().map(|it| (it.ts, &*it.entry.key, it.entry.off, it.diff)).collect()
    }

    /// Goal: the published test. The shard is at 10 without output of this operator; input arrives at 5 and 7
    /// and is complete up to 11.
    #[test]
    fn a_replacement_that_lags_strands_what_the_shard_has_passed_only_under_one_rule() {
        for (name, rule) in NAMES {
            let mut operator = Operator::new(rule, 0);
            operator.feedback(&[], 10);
            operator.input([(5, entry(0, "a")), (7, entry(1, "b"))], 11);
            assert_eq!(operator.drain().output, [], "{name}");
            let (frontier, stashed) = if rule == Rule::V2Stranding { (5, 2) } else { (11, 0) };
            assert_eq!((operator.output_frontier(), operator.stashed()), (frontier, stashed), "{name}");
        }
    }

    /// Goal: the same when the shard passes while the input waits, and that no later time releases it.
    #[test]
    fn what_is_overtaken_in_the_stash_is_stranded_or_dropped() {
        for (name, rule) in NAMES {
            let mut operator = Operator::new(rule, 3);
            operator.feedback(&[], 3);
            operator.input([(2, entry(0, "a")), (5, entry(1, "a")), (7, entry(2, "b"))], 8);
            assert_eq!((operator.drain().output, operator.output_frontier()), (vec![], 5), "{name}");
            for shard in 10..20 {
                operator.feedback(&[], shard);
                operator.input([], shard + 1);
                assert_eq!(operator.drain().output, [], "{name}");
                let frontier = if rule == Rule::V2Stranding { 5 } else { shard + 1 };
                assert_eq!(operator.output_frontier(), frontier, "{name}");
            }
        }
    }

    /// Goal: each time in its turn, the last value per key and time, the retraction of the old row, a
    /// tombstone.
    #[test]
    fn a_writer_alone_gives_each_time_when_the_shard_comes_to_it() {
        for (name, rule) in NAMES {
            let mut operator = Operator::new(rule, 0);
            let gone = Arc::new(Entry { tombstone: true, ..(*entry(3, "a")).clone() });
            operator.input([(0, entry(0, "a")), (0, entry(1, "a")), (1, entry(2, "a")), (2, gone)], 3);
            let mut output = Vec::new();
            for shard in 0..3 {
                assert_eq!(operator.output_frontier(), shard, "{name}");
                let updates = operator.drain().output;
                operator.feedback(&updates, shard + 1);
                output.extend(updates);
            }
            let expected = [(0, "a", 1, 1), (1, "a", 1, -1), (1, "a", 2, 1), (2, "a", 2, -1)];
            assert_eq!(shown(&output), expected, "{name}");
            assert_eq!((operator.output_frontier(), operator.stashed()), (3, 0), "{name}");
        }
    }

    /// Goal: two batches that share a time. The shard reaches it in one step, or by way of the time before.
    #[test]
    fn a_shard_that_jumps_makes_one_rule_retract_an_old_row_twice() {
        for (name, rule) in NAMES {
            for jumps in [true, false] {
                let mut operator = Operator::new(rule, 4);
                let old = [Update { ts: 3, entry: entry(0, "k"), diff: 1 }];
                operator.feedback(&old, 4);
                operator.input([], 4);
                operator.input([(4, entry(1, "j")), (5, entry(2, "k"))], 5);
                operator.input([(5, entry(3, "k"))], 6);
                if !jumps {
                    assert_eq!(shown(&operator.drain().output), [(4, "j", 1, 1)], "{name}");
                }
                operator.feedback(&[], 5);
                let right = vec![(5, "k", 0, -1), (5, "k", 3, 1)];
                let wrong = vec![(5, "k", 0, -1), (5, "k", 2, 1), (5, "k", 0, -1), (5, "k", 3, 1)];
                let twice = jumps && rule == Rule::V1DoubleDrain;
                assert_eq!(shown(&operator.drain().output), if twice { wrong } else { right }, "{name}");
            }
        }
    }
}
