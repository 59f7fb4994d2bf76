//! Results that the servers of one process share.
//!
//! Servers nearly always merge the same event onto the same row, and sum up the same rows. Rows never change,
//! so each of these results is computed once. Inputs count as the same only if they are the same rows in
//! memory: a server that merged onto a wrong row shares nothing that follows from it.

use super::messages::SegmentId;
use crate::value::{Column, Entry, checksum};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many merges are remembered. Servers that are not held back are far closer together.
const MERGES_MAX: usize = 4096;

/// The results, shared by all clones.
#[derive(Clone, Default)]
pub(crate) struct SharedWork(Arc<Mutex<Results>>);

/// The merges and checksums computed last.
#[derive(Default)]
pub(crate) struct Results {
    /// By op, modulo [`MERGES_MAX`].
    merges: Vec<Option<Merged>>,
    checksums: BTreeMap<SegmentId, Summed>,
}

struct Merged {
    held: Arc<Entry>,
    event: Arc<Entry>,
    row: Arc<Entry>,
}

struct Summed {
    rows: Vec<Arc<Entry>>,
    sum: u64,
}

impl SharedWork {
    /// The results, for one server at a time.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Results> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Results {
    /// The row that results from merging a later event of the same key onto a row.
    pub(crate) fn merged(&mut self, held: &Arc<Entry>, event: &Arc<Entry>, columns: &[Column]) -> Arc<Entry> {
        let at = event.op as usize % MERGES_MAX;
        if at >= self.merges.len() {
            self.merges.resize_with(at + 1, || None);
        }
        let known = self.merges[at].as_ref();
        let known = known.filter(|it| Arc::ptr_eq(&it.held, held) && Arc::ptr_eq(&it.event, event));
        if let Some(known) = known {
            return Arc::clone(&known.row);
        }
        let row = Arc::new(held.merged(event, columns));
        let (held, event) = (Arc::clone(held), Arc::clone(event));
        self.merges[at] = Some(Merged { held, event, row: Arc::clone(&row) });
        row
    }

    /// The checksum of a segment's rows.
    pub(crate) fn checksum(&mut self, segment: SegmentId, rows: &[Arc<Entry>]) -> u64 {
        let known = self.checksums.get(&segment).filter(|it| are_same(&it.rows, rows));
        if let Some(known) = known {
            return known.sum;
        }
        let sum = checksum(rows);
        self.checksums.insert(segment, Summed { rows: rows.to_vec(), sum });
        sum
    }
}

fn are_same(some: &[Arc<Entry>], others: &[Arc<Entry>]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|(one, other)| Arc::ptr_eq(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Merge, Type, Value};

    fn entry(op: u64, add: i64) -> Arc<Entry> {
        let cols = vec![Value::Long(add)];
        Arc::new(Entry { off: op, key: "k".into(), op, cmp: op as i64, tombstone: false, cols })
    }

    /// Goal: the same rows give the same result in memory, and a row of equal content that is another row
    /// has its own. A result that was forgotten is computed again.
    #[test]
    fn only_results_of_the_same_rows_are_shared() {
        let columns = [Column { name: "n".to_owned(), ty: Type::Long, merge: Merge::Increment }];
        let mut results = Results::default();
        let (held, twin, event) = (entry(1, 1), entry(1, 1), entry(2, 5));
        let row = results.merged(&held, &event, &columns);
        assert_eq!(row.cols, [Value::Long(6)]);
        assert!(Arc::ptr_eq(&row, &results.merged(&held, &event, &columns)));
        let own = results.merged(&twin, &event, &columns);
        assert!(own == row && !Arc::ptr_eq(&own, &row));
        let displaced = results.merged(&held, &entry(2 + MERGES_MAX as u64, 7), &columns);
        assert_eq!(displaced.cols, [Value::Long(8)]);
        assert_eq!(results.merged(&held, &event, &columns), row);
    }

    #[test]
    fn other_rows_of_a_segment_have_a_checksum_of_their_own() {
        let segment = SegmentId { partition: 0, seq: 0 };
        let mut results = Results::default();
        let (rows, others) = ([entry(1, 1)], [entry(1, 2)]);
        for rows in [&rows, &rows, &others, &rows] {
            assert_eq!(results.checksum(segment, rows), checksum(rows));
        }
    }
}
