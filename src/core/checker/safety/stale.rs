//! Which wrong cells show an older value of their key.

use super::merge_functions::merge_into;
use super::mismatch::{Content, Mismatch, ReplicaView};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::{Effect, LogIndex};
use crate::history::run_record::RunRecord;
use crate::history::schema::Value;
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
    let mut pasts: BTreeMap<usize, KeyPast> = BTreeMap::new();
    let mut wrong: Vec<&mut Mismatch> = mismatches.iter_mut().filter(|it| it.has_content()).collect();
    let Some(last) = wrong.last().map(|mismatch| mismatch.off) else { return };
    for mismatch in &wrong {
        if let Some(key) = log_index.key(&mismatch.key) {
            pasts.entry(key).or_insert_with(|| KeyPast {
                row: vec![Value::Null; columns.len()],
                older: vec![Vec::new(); columns.len()],
            });
        }
    }
    let mut wrong = wrong.iter_mut().peekable();
    let entries = record.log(log_index.partition).zip(log_index.entries());
    for (entry, indexed) in entries.take_while(|(entry, _)| entry.off <= last) {
        while wrong.next_if(|mismatch| mismatch.off < indexed.off).is_some() {}
        let Some(past) = pasts.get_mut(&indexed.key) else { continue };
        while let Some(mismatch) = wrong.next_if(|mismatch| mismatch.off == indexed.off) {
            mismatch.views.iter_mut().for_each(|view| past.mark(view));
        }
        match indexed.effect {
            Effect::OutOfOrder | Effect::Ignored | Effect::Undecided => {}
            Effect::Deleted => past.row.fill(Value::Null),
            Effect::Merged => {
                for (at, event) in entry.cols.iter().enumerate().filter(|(_, event)| **event != Value::Null) {
                    merge_into(&columns[at], &mut past.row[at], event);
                    past.older[at].push(past.row[at].clone());
                }
            }
        }
    }
}

/// The values that a key's columns have had.
struct KeyPast {
    row: Vec<Value>,
    older: Vec<Vec<Value>>,
}

impl KeyPast {
    fn mark(&self, view: &mut ReplicaView) {
        let Some(Content::Row(row)) = &view.content else { return };
        let Some(wrong) = &mut view.anomaly else { return };
        let is_stale = |at: &usize| self.older.get(*at).is_some_and(|older| older.contains(&row.cols[*at]));
        wrong.stale = wrong.columns.iter().copied().filter(is_stale).collect();
    }
}
