//! The shard that all writers append to, and the contents that its updates add up to.

use crate::value::Entry;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A row added or removed at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Update {
    pub(crate) ts: u64,
    /// The row: the entry that gave the key its value.
    pub(crate) entry: Arc<Entry>,
    /// How many copies of the row are added; negative if they are removed.
    pub(crate) diff: i64,
}

/// A row and its multiplicity. Anything but one row per key with count 1 is wrong data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The entry that gave the key its value.
    pub entry: Arc<Entry>,
    /// Never 0. Negative if the row was retracted more often than written.
    pub count: i64,
}

/// The sum of updates, by key and offset.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents(BTreeMap<Arc<str>, BTreeMap<u64, Row>>);

impl Contents {
    /// Adds an update. A row whose count becomes 0 is removed.
    pub(crate) fn apply(&mut self, update: &Update) {
        let Update { entry, diff, .. } = update;
        let rows = self.0.entry(entry.key.clone()).or_default();
        let row = rows.entry(entry.off).or_insert_with(|| Row { entry: Arc::clone(entry), count: 0 });
        row.count += diff;
        if row.count == 0 {
            rows.remove(&entry.off);
        }
        if rows.is_empty() {
            self.0.remove(&entry.key);
        }
    }

    /// The row that a later value of the key replaces: the latest one present.
    pub(crate) fn current(&self, key: &Arc<str>) -> Option<&Arc<Entry>> {
        let present = self.0.get(key)?.values().rev().find(|row| row.count > 0);
        present.map(|row| &row.entry)
    }

    /// All rows, ordered by key and offset.
    pub(crate) fn into_rows(self) -> Vec<Row> {
        self.0.into_values().flat_map(BTreeMap::into_values).collect()
    }
}

/// An append-only collection of updates, complete below its upper.
#[derive(Default)]
pub(crate) struct Shard {
    upper: u64,
    /// Ordered by time.
    updates: Vec<Update>,
}

impl Shard {
    /// Moves the upper from `lower` to `upper` and adds the updates of the times between. If the upper is not
    /// `lower`, another writer has appended: the error is the current upper.
    pub(crate) fn compare_and_append(
        &mut self,
        lower: u64,
        upper: u64,
        mut updates: Vec<Update>,
    ) -> Result<(), u64> {
        if lower != self.upper {
            return Err(self.upper);
        }
        updates.sort_by_key(|update| update.ts);
        self.updates.append(&mut updates);
        self.upper = upper;
        Ok(())
    }

    /// The lowest time that is not complete.
    pub(crate) fn upper(&self) -> u64 {
        self.upper
    }

    /// All updates from index `from` on, in the order of their appends.
    pub(crate) fn updates(&self, from: usize) -> &[Update] {
        self.updates.get(from..).unwrap_or_default()
    }

    /// The contents at a time. None if the time is not complete.
    pub(crate) fn contents(&self, as_of: u64) -> Option<Vec<Row>> {
        if as_of >= self.upper {
            return None;
        }
        let mut contents = Contents::default();
        self.updates.iter().take_while(|update| update.ts <= as_of).for_each(|it| contents.apply(it));
        Some(contents.into_rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(ts: u64, off: u64, diff: i64) -> Update {
        Update { ts, entry: Arc::new(Entry { off, key: "k".into(), ..Entry::default() }), diff }
    }

    #[test]
    fn an_append_that_comes_late_learns_the_upper_and_changes_nothing() {
        let mut shard = Shard::default();
        assert_eq!(shard.compare_and_append(0, 4, vec![update(3, 0, 1)]), Ok(()));
        assert_eq!(shard.compare_and_append(0, 6, vec![update(5, 1, 1)]), Err(4));
        assert_eq!((shard.upper(), shard.updates(0).len()), (4, 1));
    }

    #[test]
    fn a_row_is_there_as_often_as_it_was_written_from_its_time_on_and_below_the_upper() {
        let mut shard = Shard::default();
        let updates = vec![update(2, 7, 1), update(1, 7, 1), update(2, 8, -1), update(3, 7, -2)];
        assert_eq!(shard.compare_and_append(0, 4, updates), Ok(()));
        let counts = |as_of| {
            let rows = shard.contents(as_of)?;
            Some(rows.into_iter().map(|row| (row.entry.off, row.count)).collect::<Vec<_>>())
        };
        let expected = [Some(vec![]), Some(vec![(7, 1)]), Some(vec![(7, 2), (8, -1)]), Some(vec![(8, -1)])];
        assert_eq!([0, 1, 2, 3].map(counts), expected);
        assert_eq!(counts(4), None);
    }
}
