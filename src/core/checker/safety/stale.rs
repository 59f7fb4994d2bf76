//! Which wrong cells show an older value of their key.

use super::merge_functions::merge_into;
use super::mismatch::{Content, Mismatch, ReplicaView, ViewAnomaly};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::{Effect, LogIndex};
use crate::history::row::{Entry, Row};
use crate::history::run_record::RunRecord;
use crate::history::schema::{Column, Value};
use std::collections::BTreeMap;

/// Marks the wrong cells that show a value which the same key had before. Folds the keys with wrong rows
/// again.
pub(crate) fn mark_stale(
    record: &dyn RunRecord,
    history: &History<'_>,
    log_index: &LogIndex,
    mismatches: &mut [Mismatch],
) {
    let columns = &history.meta.schema.columns;
    let mut keys: BTreeMap<usize, WrongKey<'_>> = BTreeMap::new();
    let mut last = 0;
    for mismatch in mismatches.iter_mut() {
        let Mismatch { off, ref key, ref mut views, .. } = *mismatch;
        let Some(key) = log_index.key(key) else { continue };
        for (row, wrong) in views.iter_mut().filter_map(shown_wrongly) {
            last = off;
            let wrong_key = keys.entry(key).or_insert_with(|| WrongKey::new(columns));
            wrong_key.shown.push(WrongRow { off, row, wrong });
        }
    }
    if keys.is_empty() {
        return;
    }
    let entries = record.log(log_index.partition).zip(log_index.entries());
    for (entry, indexed) in entries.take_while(|(entry, _)| entry.off < last) {
        if let Some(wrong_key) = keys.get_mut(&indexed.key) {
            wrong_key.take(&entry, indexed.effect);
        }
    }
    for shown in keys.into_values().flat_map(|wrong_key| wrong_key.shown) {
        shown.wrong.stale.sort_unstable();
    }
}

/// The row of a wrong view, if it was kept.
fn shown_wrongly(view: &mut ReplicaView) -> Option<(&Row, &mut ViewAnomaly)> {
    match (&view.content, &mut view.anomaly) {
        (Some(Content::Row(row)), Some(wrong)) => Some((row, wrong)),
        _ => None,
    }
}

/// A wrong row, and what is wrong with it.
struct WrongRow<'m> {
    off: u64,
    row: &'m Row,
    wrong: &'m mut ViewAnomaly,
}

/// A key with wrong rows.
struct WrongKey<'m> {
    columns: &'m [Column],
    /// Its fold so far.
    row: Vec<Value>,
    shown: Vec<WrongRow<'m>>,
}

impl<'m> WrongKey<'m> {
    fn new(columns: &'m [Column]) -> WrongKey<'m> {
        WrongKey { columns, row: vec![Value::Null; columns.len()], shown: Vec::new() }
    }

    fn take(&mut self, entry: &Entry, effect: Effect) {
        match effect {
            Effect::OutOfOrder | Effect::Ignored | Effect::Undecided => {}
            Effect::Deleted => self.row.fill(Value::Null),
            Effect::Merged => {
                for (at, event) in entry.cols.iter().enumerate().filter(|(_, event)| **event != Value::Null) {
                    merge_into(&self.columns[at], &mut self.row[at], event);
                    self.mark(entry.off, at);
                }
            }
        }
    }

    /// Marks the cells of this column that are wrong after an offset and show what the key had then.
    fn mark(&mut self, off: u64, at: usize) {
        let value = &self.row[at];
        for WrongRow { row, wrong, .. } in self.shown.iter_mut().filter(|it| it.off > off) {
            if wrong.columns.contains(&at) && row.cols.get(at) == Some(value) && !wrong.stale.contains(&at) {
                wrong.stale.push(at);
            }
        }
    }
}
