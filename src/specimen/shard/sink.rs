//! The output end of a writer: cuts the operator's output into batches and appends them. Other writers append
//! the same times. The first one wins, and the others skip what is written.

use super::messages::Batch;
use super::persist::Update;
use std::collections::VecDeque;

pub(crate) struct Sink {
    /// The upper of the batches that were cut. A lost append does not change it.
    minted: u64,
    /// Updates that are in no batch yet.
    collected: Vec<Update>,
    /// The batches to append, in order. The first may be in flight.
    batches: VecDeque<Batch>,
}

impl Sink {
    pub(crate) fn new(upper: u64) -> Self {
        Sink { minted: upper, collected: Vec::new(), batches: VecDeque::new() }
    }

    /// Takes the operator's output and its frontier. A frontier that does not move beyond `minted` makes no
    /// batch; this is where a frozen writer goes silent.
    pub(crate) fn take(&mut self, mut output: Vec<Update>, frontier: u64) {
        self.collected.append(&mut output);
        if frontier > self.minted {
            let complete = |update: &mut Update| update.ts < frontier;
            let updates = self.collected.extract_if(.., complete).collect();
            self.batches.push_back(Batch { lower: self.minted, upper: frontier, updates });
            self.minted = frontier;
        }
    }

    pub(crate) fn next(&self) -> Option<&Batch> {
        self.batches.front()
    }

    /// The shard's upper is `upper`: everything below was written by this writer or another, and is cut off.
    /// Feedback reports this too, and can be faster than the answer to an append.
    pub(crate) fn passed(&mut self, upper: u64) {
        self.batches.retain(|batch| batch.upper > upper);
        if let Some(first) = self.batches.front_mut().filter(|first| first.lower < upper) {
            first.lower = upper;
            first.updates.retain(|update| update.ts >= upper);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Entry;
    use std::sync::Arc;

    fn at(ts: u64) -> Update {
        Update { ts, entry: Arc::new(Entry::default()), diff: 1 }
    }

    #[test]
    fn what_another_writer_has_appended_is_cut_off_and_the_rest_is_tried_again() {
        let mut sink = Sink::new(3);
        sink.take(vec![at(3), at(5)], 6);
        sink.take(vec![at(6)], 6);
        assert_eq!(sink.next(), Some(&Batch { lower: 3, upper: 6, updates: vec![at(3), at(5)] }));
        sink.take(Vec::new(), 7);
        sink.passed(4);
        assert_eq!(sink.next(), Some(&Batch { lower: 4, upper: 6, updates: vec![at(5)] }));
        sink.passed(6);
        assert_eq!(sink.next(), Some(&Batch { lower: 6, upper: 7, updates: vec![at(6)] }));
        sink.passed(7);
        assert_eq!(sink.next(), None);
    }
}
