//! Which rows a break must have made wrong: those that are merged differently if the late segments do not
//! exist. A break that predicts just the rows that are wrong is the cause; any other is a suspect
//! (`RULES.md` 9).

use crate::checker::safety::merge_functions::{fold, shows};
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::history::row::Entry;
use crate::history::run_record::RunRecord;
use crate::history::schema::{Column, Value};
use std::collections::{BTreeSet, HashMap};

/// What was merged too early: a part of a segment's rows, before other segments were visible.
pub(crate) struct EarlyMerge {
    /// The segment that was merged too early, by index.
    pub(crate) dependent: usize,
    /// The segments that were not visible, each with one past the last offset that was merged without it.
    pub(crate) late: Vec<(usize, u64)>,
}

impl EarlyMerge {
    /// One past the last offset that was merged without any of the segments.
    pub(crate) fn to(&self) -> u64 {
        self.late.iter().map(|(_, to)| *to).max().unwrap_or(0)
    }

    /// Whether a row at this offset was merged before the segment was visible.
    fn lacks(&self, segment: Option<usize>, at: u64) -> bool {
        self.late.iter().any(|(late, to)| Some(*late) == segment && at < *to)
    }
}

/// The offsets of the rows that must be wrong: the first of each key in the dependent segment that is merged
/// differently without the late segments.
pub(crate) fn predict(record: &dyn RunRecord, log_index: &LogIndex, early: &EarlyMerge) -> BTreeSet<u64> {
    let columns = &record.meta().schema.columns;
    let keys = keys_of_late(log_index, early);
    let mut pasts: HashMap<usize, Vec<(IndexedEntry, Entry)>> = HashMap::new();
    let mut merged = BTreeSet::new();
    let mut predicted = BTreeSet::new();
    let log = record.log(log_index.partition).zip(log_index.entries());
    let log = log.take_while(|(_, indexed)| indexed.off < early.to());
    for (entry, indexed) in log.filter(|(_, indexed)| keys.contains(&indexed.key)) {
        let past = pasts.entry(indexed.key).or_default();
        past.push((indexed, entry.into_owned()));
        let is_first = indexed.segment == Some(early.dependent)
            && indexed.effect == Effect::Merged
            && merged.insert(indexed.key);
        if is_first && is_merged_otherwise(columns, past, early) {
            predicted.insert(indexed.off);
        }
    }
    predicted
}

/// Whether the last of these entries gives another row if it is merged onto the last row of its key that
/// was visible. The rows of a visible segment are right, also where they build on a segment that is not
/// visible here:
///
/// ```text
/// SEG_M has k@5 and is late; SEG_M1 = [10, 20) was downloaded from a healthy replica, and has k@12, which
/// was merged onto k@5. k@21 is merged onto k@12, and right.
/// ```
fn is_merged_otherwise(columns: &[Column], past: &[(IndexedEntry, Entry)], early: &EarlyMerge) -> bool {
    let Some(((last, event), before)) = past.split_last() else { return false };
    let visible = before.iter().rposition(|(indexed, _)| !early.lacks(indexed.segment, last.off));
    let merged_onto = |known: &[(IndexedEntry, Entry)]| {
        let mut state = vec![Value::Null; columns.len()];
        for (indexed, entry) in known {
            fold(columns, &mut state, indexed.effect, entry);
        }
        fold(columns, &mut state, last.effect, event);
        state
    };
    let whole = merged_onto(before);
    let shown = merged_onto(visible.map_or(&[], |at| &before[..=at]));
    columns.iter().zip(whole.iter().zip(&shown)).any(|(column, (whole, shown))| !shows(column, whole, shown))
}

/// The keys with an entry in any of the late segments.
fn keys_of_late(log_index: &LogIndex, early: &EarlyMerge) -> BTreeSet<usize> {
    let is_late = |segment: usize| early.late.iter().any(|(late, _)| *late == segment);
    let entries = log_index.entries().filter(|entry| entry.segment.is_some_and(is_late));
    entries.map(|entry| entry.key).collect()
}
