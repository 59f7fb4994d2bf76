//! What really went wrong on a server, recorded where it happens. It is for tests only: no event, read or
//! status shows any of it, and nothing of it follows from the event log.

use super::guard::Guard;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A range of offsets, without its end.
type Offsets = (u64, u64);

/// What really happened on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergeTruth {
    /// Every consumption, in the order in which they began.
    pub begun: Vec<Begun>,
    /// Every registration of a committed copy, in order.
    pub visible: Vec<Visible>,
    /// The ranges that were merged while rows below them were not on this server.
    pub blind: Vec<BlindMerge>,
    /// The keys that replacements dropped from the upsert metadata.
    pub dropped: Vec<DroppedKeys>,
}

/// The consumption of a segment began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Counts the server's starts, from 1.
    pub incarnation: u64,
    /// The full name of the segment.
    pub segment: String,
    /// When, in nanoseconds of the server's clock.
    pub at: u64,
    /// The guard that let it begin.
    pub guard: Guard,
    /// Why the guard did. None if it tests nothing.
    pub released_by: Option<String>,
}

/// A committed copy became visible to merges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visible {
    /// Counts the server's starts, from 1.
    pub incarnation: u64,
    /// The full name of the segment.
    pub segment: String,
    /// When, in nanoseconds of the server's clock.
    pub at: u64,
    /// The end of what the server had merged of this partition by then. None if it had consumed nothing.
    pub reached: Option<u64>,
}

/// Entries that were merged while the server did not hold all rows below them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlindMerge {
    /// Counts the server's starts, from 1.
    pub incarnation: u64,
    /// The full name of the segment that was consumed.
    pub segment: String,
    /// Its partition.
    pub partition: u32,
    /// The offsets that were merged.
    pub merged: Offsets,
    /// The offsets below them that the server did not hold.
    pub unseen: Vec<Offsets>,
}

/// Keys that the replacement of a copy dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedKeys {
    /// The full name of the segment that was replaced.
    pub segment: String,
    /// The keys.
    pub keys: Vec<Arc<str>>,
}

/// A row that was merged onto something else than the previous row of its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrongRow {
    /// The partition.
    pub partition: u32,
    /// The offset of the row.
    pub off: u64,
    /// The key.
    pub key: String,
    /// The segments that hold the rows that were missing.
    pub missing: Vec<String>,
    /// Whether it is the first such row of its key, and not merged onto another wrong one.
    pub first: bool,
}

/// What really happened on a server, with the rows that became wrong by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerTruth {
    /// As the server recorded it.
    pub truth: MergeTruth,
    /// The rows that were merged without their past, while it was missing.
    pub wrong: Vec<WrongRow>,
}

impl MergeTruth {
    /// Takes a range that was just merged. A range that continues the last one in the same state joins it.
    pub(crate) fn merged(&mut self, new: BlindMerge) {
        match self.blind.last_mut() {
            Some(last)
                if (last.incarnation, &last.segment, &last.unseen, last.merged.1)
                    == (new.incarnation, &new.segment, &new.unseen, new.merged.0) =>
            {
                last.merged.1 = new.merged.1;
            }
            _ => self.blind.push(new),
        }
    }

    /// Adds what the server's next incarnation recorded.
    pub(crate) fn extend(&mut self, next: MergeTruth) {
        self.begun.extend(next.begun);
        self.visible.extend(next.visible);
        self.blind.extend(next.blind);
        self.dropped.extend(next.dropped);
    }

    /// The rows of a partition that were merged without their past. `keys` are the keys of its log, by
    /// offset; `segments` are the names and first offsets of its segments, in order.
    ///
    /// ```text
    /// SEG_M with k@5 is not on this server: k@12 is the first wrong row, and k@15 is merged onto it
    /// SEG_M has j@6, SEG_M1 has j@11 and was downloaded: j@21 is merged onto j@11, and right
    /// ```
    pub fn wrong_rows(&self, partition: u32, keys: &[&str], segments: &[(&str, u64)]) -> Vec<WrongRow> {
        let blind: Vec<&BlindMerge> =
            self.blind.iter().filter(|blind| blind.partition == partition).collect();
        let mut offsets: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        if !blind.is_empty() {
            (0..).zip(keys).for_each(|(off, key)| offsets.entry(key).or_default().push(off));
        }
        let (mut wrong, mut roots) = (Vec::new(), BTreeMap::new());
        for merge in blind {
            for off in merge.merged.0..merge.merged.1 {
                let Some(key) = keys.get(off as usize) else { break };
                let past = offsets[key].iter().rev().filter(|past| **past < off);
                let missing: BTreeSet<usize> = past
                    .take_while(|past| lies_in(&merge.unseen, **past))
                    .filter_map(|past| segment_of(segments, *past))
                    .collect();
                let copy = (merge.incarnation, merge.segment.as_str(), *key);
                let first = !missing.is_empty();
                if first {
                    let names: Vec<String> = missing.iter().map(|at| segments[*at].0.to_owned()).collect();
                    roots.insert(copy, names);
                }
                if let Some(missing) = roots.get(&copy) {
                    let (key, missing) = ((*key).to_owned(), missing.clone());
                    wrong.push(WrongRow { partition, off, key, missing, first });
                }
            }
        }
        wrong
    }
}

fn lies_in(ranges: &[Offsets], off: u64) -> bool {
    ranges.iter().any(|(from, to)| (*from..*to).contains(&off))
}

/// The index of the segment that holds an offset.
fn segment_of(segments: &[(&str, u64)], off: u64) -> Option<usize> {
    segments.iter().rposition(|(_, start)| *start <= off)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: which rows are wrong, and which of them first, while SEG_M = [0, 4) was missing for SEG_M2 but
    /// SEG_M1 = [4, 6) was there. Method: one blind merge of [6, 10), with the keys below.
    #[test]
    fn a_row_is_wrong_if_the_last_row_of_its_key_was_missing() {
        let blind = |merged| BlindMerge {
            incarnation: 1,
            segment: "m2".to_owned(),
            partition: 0,
            merged,
            unseen: vec![(0, 4)],
        };
        let mut truth = MergeTruth::default();
        truth.merged(blind((6, 8)));
        truth.merged(blind((8, 10)));
        assert_eq!(truth.blind, [blind((6, 10))], "one range in one state");
        let keys = ["a", "b", "a", "c", "b", "d", "a", "b", "new", "a"];
        let wrong = truth.wrong_rows(0, &keys, &[("m", 0), ("m1", 4), ("m2", 6)]);
        let row = |off, first| {
            let (key, missing) = ("a".to_owned(), vec!["m".to_owned()]);
            WrongRow { partition: 0, off, key, missing, first }
        };
        assert_eq!(wrong, [row(6, true), row(9, false)], "b was in the segment between");
        assert_eq!(truth.wrong_rows(1, &keys, &[]), []);
    }
}
