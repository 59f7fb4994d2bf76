//! The upsert metadata of one partition on one server: the current row of each key, which the next event is
//! merged onto. A row that is not registered here does not exist for merges.

use super::shared_work::Results;
use crate::value::{Column, Entry, KeyMap};
use serde::Serialize;
use std::sync::Arc;

/// The current row of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// The key, as written by the client.
    pub key: Arc<str>,
    /// The offset of the current row; empty for a key that was deleted or dropped.
    pub offs: Vec<u64>,
}

#[derive(Debug)]
struct Latest {
    /// The sequence number of the segment that holds the row.
    seq: u32,
    /// The current row. A tombstone stays here so that older rows cannot bring the key back.
    row: Arc<Entry>,
    /// The version at which `row` moved to another offset.
    moved: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Upsert {
    keys: KeyMap<Latest>,
    /// The keys that were dropped and have not come back, with the version at which they were.
    dropped: KeyMap<u64>,
    version: u64,
    /// Whether a later event must have a larger comparison value than the current row, and not the same.
    first_wins: bool,
}

impl Upsert {
    pub(crate) fn new(first_wins: bool) -> Self {
        Upsert { first_wins, ..Upsert::default() }
    }

    /// Merges an event of segment `seq` that was just consumed, and returns the raw row to store.
    ///
    /// ```text
    /// k@10 x=1      the first of its key: stored as it is
    /// k@20 y=2      merged: x=1 y=2, current
    /// k@15 x=7      out of order: stored alone, x=7 y=null, never current
    /// ```
    pub(crate) fn merge(
        &mut self,
        seq: u32,
        event: &Arc<Entry>,
        columns: &[Column],
        shared: &mut Results,
    ) -> Arc<Entry> {
        let Some(latest) = self.keys.get_mut(&event.key) else {
            self.point(seq, event);
            return Arc::clone(event);
        };
        if event.cmp < latest.row.cmp || self.first_wins && event.cmp == latest.row.cmp {
            return Arc::clone(event);
        }
        let row = if event.tombstone || latest.row.tombstone {
            Arc::clone(event)
        } else {
            shared.merged(&latest.row, event, columns)
        };
        self.version += 1;
        *latest = Latest { seq, row: Arc::clone(&row), moved: self.version };
        row
    }

    /// Registers the rows of a downloaded or loaded segment, in offset order. If a key's current row is in
    /// the copy that these rows replace, it gets the new copy's row. Any other key keeps the later row.
    ///
    /// ```text
    /// SEG_M  has k@5, not registered in time
    /// SEG_M1 has k@12, merged without it: wrong, and current
    /// now SEG_M is registered: k@5 must not become current, even though k@12 stays wrong
    /// ```
    pub(crate) fn add(&mut self, seq: u32, rows: &[Arc<Entry>]) {
        for row in rows {
            match self.keys.get_mut(&row.key) {
                Some(latest) if latest.seq == seq && latest.row.off == row.off => {
                    latest.row = Arc::clone(row);
                }
                Some(latest) if row.cmp < latest.row.cmp => {}
                Some(latest)
                    if row.cmp == latest.row.cmp && (row.off < latest.row.off) != self.first_wins => {}
                _ => self.point(seq, row),
            }
        }
    }

    /// Drops the keys whose current row is a surplus row of segment `seq`: one at or beyond its `end`. The
    /// next event of such a key is merged onto nothing.
    pub(crate) fn drop_surplus(&mut self, seq: u32, end: u64) -> Vec<Arc<str>> {
        let is_surplus = |latest: &Latest| latest.seq == seq && latest.row.off >= end;
        let surplus = self.keys.iter().filter(|(_, latest)| is_surplus(latest));
        let mut keys: Vec<Arc<str>> = surplus.map(|(key, _)| key.clone()).collect();
        keys.sort_unstable();
        for key in &keys {
            self.version += 1;
            self.keys.remove(key);
            self.dropped.insert(key.clone(), self.version);
        }
        keys
    }

    /// Whether this is the current row of its key.
    pub(crate) fn is_current(&self, row: &Entry) -> bool {
        let latest = self.keys.get(&row.key);
        latest.is_some_and(|latest| latest.row.off == row.off && !latest.row.tombstone)
    }

    fn point(&mut self, seq: u32, row: &Arc<Entry>) {
        self.version += 1;
        self.dropped.remove(&row.key);
        let latest = Latest { seq, row: Arc::clone(row), moved: self.version };
        self.keys.insert(row.key.clone(), latest);
    }

    /// The version, and the flags that changed after version `since`, by key.
    pub(crate) fn flags(&self, since: u64) -> (u64, Vec<Flag>) {
        let moved = self.keys.iter().filter(|(_, latest)| latest.moved > since);
        let flags = moved.map(|(key, latest)| {
            let offs = if latest.row.tombstone { Vec::new() } else { vec![latest.row.off] };
            Flag { key: key.clone(), offs }
        });
        let dropped = self.dropped.iter().filter(|(_, version)| **version > since);
        let gone = dropped.map(|(key, _)| Flag { key: key.clone(), offs: Vec::new() });
        let mut flags: Vec<Flag> = flags.chain(gone).collect();
        flags.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        (self.version, flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{Merge, Type, Value};

    /// An event of key `k` with an offset, a comparison value and an increment. None deletes the key.
    fn event(off: u64, cmp: i64, add: Option<i64>) -> Arc<Entry> {
        let cols = vec![add.map_or(Value::Null, Value::Long)];
        Arc::new(Entry { off, key: "k".into(), op: off, cmp, tombstone: add.is_none(), cols })
    }

    fn columns() -> [Column; 1] {
        [Column { name: "n".to_owned(), ty: Type::Long, merge: Merge::Increment }]
    }

    /// Goal: the raw row and the current flag after each event, in order.
    #[test]
    fn later_events_merge_late_ones_stay_alone_and_a_tombstone_ends_the_past() {
        let steps = [
            (event(0, 10, Some(1)), Value::Long(1), Some(0)),
            (event(1, 20, Some(2)), Value::Long(3), Some(1)),
            (event(2, 15, Some(7)), Value::Long(7), Some(1)),
            (event(3, 20, Some(4)), Value::Long(7), Some(3)),
            (event(4, 30, None), Value::Null, None),
            (event(5, 25, Some(1)), Value::Long(1), None),
            (event(6, 40, Some(9)), Value::Long(9), Some(6)),
        ];
        let mut upsert = Upsert::default();
        for (event, shown, current) in steps {
            let row = upsert.merge(0, &event, &columns(), &mut Results::default());
            assert_eq!(row.cols, [shown], "{event:?}");
            assert_eq!(upsert.flags(0).1[0].offs, Vec::from_iter(current), "{event:?}");
        }
    }

    #[test]
    fn of_two_events_with_the_same_comparison_value_the_later_one_wins_unless_the_first_one_does() {
        for (first_wins, shown, current) in [(false, 3, 1), (true, 2, 0)] {
            let mut upsert = Upsert::new(first_wins);
            let rows = [(0, 1), (1, 2)].map(|(off, add)| {
                upsert.merge(0, &event(off, 10, Some(add)), &columns(), &mut Results::default())
            });
            assert_eq!(rows[1].cols, [Value::Long(shown)]);
            assert_eq!(upsert.flags(0).1[0].offs, [current]);
            let mut loaded = Upsert::new(first_wins);
            loaded.add(0, &rows);
            assert_eq!(loaded.flags(0).1[0].offs, [current]);
        }
    }

    /// Goal: a surplus row takes its key along, and the key comes back without its past.
    #[test]
    fn a_key_that_is_dropped_with_a_surplus_row_begins_anew() {
        let mut upsert = Upsert::default();
        let rows = [(0, 10), (1, 20)].map(|(off, cmp)| {
            upsert.merge(0, &event(off, cmp, Some(1)), &columns(), &mut Results::default())
        });
        upsert.add(0, &rows[..1]);
        let (version, _) = upsert.flags(0);
        assert_eq!(upsert.drop_surplus(0, 2), Vec::<Arc<str>>::new(), "it lies below the end");
        assert_eq!(upsert.drop_surplus(0, 1), [Arc::from("k")]);
        let gone = Flag { key: "k".into(), offs: Vec::new() };
        assert_eq!(upsert.flags(version).1, [gone]);
        let row = upsert.merge(1, &event(1, 20, Some(1)), &columns(), &mut Results::default());
        assert_eq!(row.cols, [Value::Long(1)], "merged onto nothing");
        assert_eq!(upsert.flags(version).1, [Flag { key: "k".into(), offs: vec![1] }]);
    }

    #[test]
    fn a_replaced_copy_passes_its_keys_on_and_a_late_one_takes_none_from_later_segments() {
        let mut upsert = Upsert::default();
        upsert.merge(1, &event(12, 20, Some(1)), &columns(), &mut Results::default());
        let (version, _) = upsert.flags(0);
        upsert.add(0, &[event(5, 10, Some(5))]);
        assert_eq!(upsert.flags(version).1, [], "the late segment's row is older");
        upsert.add(1, &[event(12, 20, Some(6))]);
        let row = upsert.merge(2, &event(13, 30, Some(1)), &columns(), &mut Results::default());
        assert_eq!(row.cols, [Value::Long(7)], "merged onto the new copy's row");
        assert_eq!(upsert.flags(version).1, [Flag { key: "k".into(), offs: vec![13] }]);
    }
}
