//! What one replica of a state store has shown: its newest rows, and the versions that it has kept.

use dissent_core::conductor::CurrentRowsAnswer;
use dissent_core::history::row::{CurrentRow, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rows of one replica, in one life of it.
#[derive(Debug, Default)]
pub(super) struct ShownRows {
    incarnation: u64,
    /// The offset of the newest row of each key, as last read.
    newest: BTreeMap<Arc<str>, u64>,
    /// Whether `newest` was read since it was last told.
    is_fresh: bool,
    /// What was last told, and how often something was.
    told: BTreeMap<Arc<str>, u64>,
    version: u64,
    /// The versions that the replica has kept, by offset. More than one at an offset: it has them twice.
    history: BTreeMap<u64, Vec<Row>>,
    /// Where its history goes on.
    history_from: u64,
}

impl ShownRows {
    /// Forgets everything if the replica was restarted: it may show something else for the same position.
    pub(super) fn begin_life(&mut self, incarnation: u64) {
        if self.incarnation != incarnation {
            *self = ShownRows { incarnation, ..ShownRows::default() };
        }
    }

    /// Takes a whole read of the newest rows.
    pub(super) fn see(&mut self, rows: &[Row]) {
        self.newest = rows.iter().map(|row| (row.key.clone(), row.off)).collect();
        self.is_fresh = true;
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.is_fresh
    }

    /// The keys whose newest row has changed since this version; all keys if that is not the last one told.
    pub(super) fn changes(&mut self, since: u64) -> (CurrentRowsAnswer, Vec<CurrentRow>) {
        let known = since == self.version && since != 0;
        let is_news = |(key, off): &(&Arc<str>, &u64)| !known || self.told.get(*key) != Some(*off);
        let shown = self.newest.iter().filter(is_news);
        let shown = shown.map(|(key, off)| CurrentRow { key: Arc::clone(key), offs: vec![*off] });
        let gone = self.told.keys().filter(|key| !self.newest.contains_key(*key));
        let gone = gone.map(|key| CurrentRow { key: Arc::clone(key), offs: Vec::new() });
        let changes: Vec<CurrentRow> = shown.chain(gone).collect();
        self.version += 1;
        self.told.clone_from(&self.newest);
        self.is_fresh = false;
        let (incarnation, version, keys) = (self.incarnation, self.version, changes.len() as u64);
        (CurrentRowsAnswer { incarnation, version, keys }, changes)
    }

    /// Where the history goes on; 0: at its beginning.
    pub(super) fn history_from(&self) -> u64 {
        self.history_from
    }

    /// Takes what was read of the history from one place to another.
    pub(super) fn add_history(&mut self, from: u64, next: u64, rows: Vec<Row>) {
        if from == self.history_from {
            self.history_from = next;
            rows.into_iter().for_each(|row| self.history.entry(row.off).or_default().push(row));
        }
    }

    /// The versions at these offsets, in their order.
    pub(super) fn history(&self, from: u64, to: u64) -> Vec<Row> {
        self.history.range(from..to.max(from)).flat_map(|(_, rows)| rows).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, off: u64) -> Row {
        Row { off, key: key.into(), op: off, cmp: 0, cols: Vec::new(), doc: 0 }
    }

    fn told(shown: &mut ShownRows, since: u64) -> (u64, Vec<(String, Vec<u64>)>) {
        let (answer, changes) = shown.changes(since);
        (answer.version, changes.into_iter().map(|it| (it.key.to_string(), it.offs)).collect())
    }

    #[test]
    fn changes_build_on_what_was_told_and_begin_anew_where_that_was_lost() {
        let mut shown = ShownRows::default();
        shown.begin_life(7);
        shown.see(&[row("a", 1), row("b", 2)]);
        let all = vec![("a".to_owned(), vec![1]), ("b".to_owned(), vec![2])];
        assert_eq!(told(&mut shown, 0), (1, all));
        shown.see(&[row("a", 1), row("c", 3)]);
        let changed = vec![("c".to_owned(), vec![3]), ("b".to_owned(), vec![])];
        assert_eq!(told(&mut shown, 1), (2, changed));
        shown.see(&[row("a", 1)]);
        let (_, again) = told(&mut shown, 1);
        assert!(again.contains(&("a".to_owned(), vec![1])), "version 2 was never heard of: {again:?}");
        shown.begin_life(8);
        assert_eq!(told(&mut shown, 3), (1, Vec::new()));
    }
}
