//! What a shard holds, compared with the fold of the log. Rows are whole, and a shard has the newest row of
//! each key. So the fold is the last entry of every key, and a tombstone leaves none.
//!
//! A shard is one copy: no replica disagrees with it, and what is wrong in it is wrong for everyone.

use crate::checker::tables::shard_snapshots::{PARTITION, captures, unseen};
use crate::checker::validity::input_log::LogExtent;
use crate::checker::verdict::{Anomaly, NotVisible};
use crate::history::row::Entry;
use crate::history::run_record::RunRecord;
use crate::history::shard_snapshot::{CountedRow, ShardSnapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The result of the comparison.
#[derive(Default)]
pub(crate) struct NewestRowsCompared {
    /// (capture x key) pairs compared.
    pub(crate) rows: u64,
    /// By shard: what its last capture did not show.
    pub(crate) unseen: BTreeMap<String, NotVisible>,
    /// The shards whose last capture is wrong.
    pub(crate) wrong_at_last: BTreeSet<String>,
    /// The captures that were judged.
    pub(crate) captures: Vec<ShardSnapshot>,
    pub(crate) mismatches: Vec<KeyMismatch>,
}

/// A key for which a capture shows something other than the fold of the log.
pub(crate) struct KeyMismatch {
    /// The index of the capture among those that were judged.
    pub(crate) at: usize,
    pub(crate) what: Anomaly,
    pub(crate) key: String,
    pub(crate) expected: Option<Entry>,
    pub(crate) held: Vec<CountedRow>,
    /// The newest offset and op that this mismatch involves.
    pub(crate) newest: (u64, Option<u64>),
}

/// Compares every capture of a shard with the log up to where that capture was complete. If only a part of
/// the log was read, captures that are complete beyond that part are not judged. If all of it was read, every
/// capture is judged, even one that is complete beyond the last entry:
///
/// ```text
/// entries are at 0, 1 and 2, and a transaction marker at 3; the shard is complete below 4, and lacks 2
/// ```
pub(crate) fn compare(record: &dyn RunRecord, extent: LogExtent) -> NewestRowsCompared {
    let mut captures = captures(record);
    let mut log = record.log(PARTITION).peekable();
    let (mut fold, mut reached) = (NewestRows::default(), 0);
    let mut mismatches = Vec::new();
    let mut rows = 0;
    for (at, contents) in captures.iter().enumerate() {
        while let Some(entry) = log.next_if(|entry| entry.off < contents.log_end) {
            reached = entry.off + 1;
            fold.take(entry.into_owned());
        }
        if reached < contents.log_end && extent == LogExtent::Partial {
            captures.truncate(at);
            break;
        }
        rows += fold.compare(at, contents, &mut mismatches);
    }
    let last: BTreeMap<&String, usize> =
        captures.iter().enumerate().map(|(at, contents)| (&contents.object, at)).collect();
    let wrong = last.into_iter().filter(|(_, last)| mismatches.iter().any(|it| it.at == *last));
    let wrong_at_last = wrong.map(|(object, _)| object.clone()).collect();
    let unseen = unseen(record, &captures);
    NewestRowsCompared { rows, unseen, wrong_at_last, captures, mismatches }
}

/// The last entry of every key, and the offset of each op.
#[derive(Default)]
struct NewestRows {
    newest: BTreeMap<Arc<str>, Entry>,
    offs: BTreeMap<u64, u64>,
}

impl NewestRows {
    fn take(&mut self, entry: Entry) {
        self.offs.insert(entry.op, entry.off);
        self.newest.insert(Arc::clone(&entry.key), entry);
    }

    /// Compares the keys of a capture that have a row or should have one. Returns their number.
    fn compare(&self, at: usize, contents: &ShardSnapshot, mismatches: &mut Vec<KeyMismatch>) -> u64 {
        let rows = self.newest.values().filter_map(|entry| live(Some(entry)));
        let mut keys: BTreeMap<&str, Vec<&CountedRow>> =
            rows.map(|entry| (&*entry.key, Vec::new())).collect();
        for held in &contents.rows {
            keys.entry(&held.key).or_default().push(held);
        }
        for (key, held) in &keys {
            let newest = self.newest.get(*key);
            let Some(what) = wrong(newest, held) else { continue };
            let expected = live(newest);
            let offs = held.iter().filter_map(|held| Some((*self.offs.get(&held.op)?, Some(held.op))));
            mismatches.push(KeyMismatch {
                at,
                what,
                key: (*key).to_owned(),
                expected: expected.cloned(),
                held: held.iter().map(|held| (*held).clone()).collect(),
                newest: offs.chain(expected.map(|it| (it.off, Some(it.op)))).max().unwrap_or_default(),
            });
        }
        keys.len() as u64
    }
}

/// The row that a key should have if this is its last log entry; `None` for a delete.
pub(crate) fn live(newest: Option<&Entry>) -> Option<&Entry> {
    newest.filter(|entry| !entry.tombstone)
}

/// What is wrong with the rows of a key if this is its last log entry; `None` if nothing is.
///
/// ```text
/// the log has k=w, k=x, k=y; the shard has w -1, x +1, y +1: two rows of k are there, and one is owed
/// ```
pub(crate) fn wrong(newest: Option<&Entry>, held: &[&CountedRow]) -> Option<Anomaly> {
    let present: i64 = held.iter().map(|held| held.count.max(0)).sum();
    let is_deleted = newest.is_some_and(|entry| entry.tombstone);
    match (live(newest), held) {
        (None, []) => None,
        (Some(entry), [only]) if only.count == 1 => (!is_of(only, entry)).then_some(Anomaly::WrongValue),
        _ if is_deleted && present > 0 => Some(Anomaly::Resurrected),
        _ if present > 1 => Some(Anomaly::DuplicateCurrent),
        (Some(_), _) if present == 0 => Some(Anomaly::Missing),
        // This includes a row that was retracted more often than written, besides the right one.
        _ => Some(Anomaly::Extra),
    }
}

/// Whether a row that is there is the row of this entry.
pub(crate) fn is_of(held: &CountedRow, entry: &Entry) -> bool {
    (held.op, held.cmp, &held.cols) == (entry.op, entry.cmp, &entry.cols)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::schema::Value;

    fn entry(off: u64, key: &str, tombstone: bool) -> Entry {
        let (op, cmp) = (off + 100, off.cast_signed());
        Entry { off, key: key.into(), op, cmp, tombstone, cols: vec![Value::Long(cmp)] }
    }

    fn held(off: u64, count: i64) -> CountedRow {
        let Entry { key, op, cmp, cols, .. } = entry(off, "k", false);
        CountedRow { key, op, cmp, cols, count }
    }

    /// The log of `k` (offset, tombstone), what the shard holds of it (offset, count), and what is wrong.
    #[test]
    fn the_newest_row_of_a_key_is_there_once_or_something_is_wrong() {
        for (log, rows, expected) in [
            (vec![(1, false), (2, false)], vec![(2, 1)], None),
            (vec![(1, false), (2, true)], vec![], None),
            (vec![(1, false), (2, true), (3, false)], vec![(3, 1)], None),
            (vec![(1, false), (2, false)], vec![(1, 1)], Some(Anomaly::WrongValue)),
            (vec![(1, false)], vec![], Some(Anomaly::Missing)),
            (vec![(1, false), (2, true)], vec![(1, 1)], Some(Anomaly::Resurrected)),
            (vec![], vec![(1, 1)], Some(Anomaly::Extra)),
            (vec![(1, false), (2, false)], vec![(2, 2)], Some(Anomaly::DuplicateCurrent)),
            (
                vec![(1, false), (2, false), (3, false)],
                vec![(1, -1), (2, 1), (3, 1)],
                Some(Anomaly::DuplicateCurrent),
            ),
            (vec![(1, false), (2, false)], vec![(1, -1), (2, 1)], Some(Anomaly::Extra)),
            (vec![(1, false)], vec![(1, -1)], Some(Anomaly::Missing)),
        ] {
            let mut fold = NewestRows::default();
            log.iter().for_each(|(off, tombstone)| fold.take(entry(*off, "k", *tombstone)));
            let rows = rows.iter().map(|(off, count)| held(*off, *count)).collect();
            let contents =
                ShardSnapshot { capture: 0, object: "shard".to_owned(), upper: 9, log_end: 9, rows };
            let mut found = Vec::new();
            fold.compare(0, &contents, &mut found);
            let found = found.first().map(|it| it.what);
            assert_eq!(found, expected, "{log:?} {:?}", contents.rows);
        }
    }
}
