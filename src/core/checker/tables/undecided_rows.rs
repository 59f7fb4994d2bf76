//! What reads showed of keys whose last op may or may not have happened (`RULES.md` 15). Only a log of our
//! own sessions has such ops.

use super::log_index::LogIndex;
use crate::history::run_record::RunRecord;
use std::collections::{BTreeMap, BTreeSet};

/// An op with an unknown outcome.
struct UndecidedOp {
    off: u64,
    is_delete: bool,
}

/// The rows of undecided ops, and of the ops before them, that reads returned.
#[derive(Default)]
pub(crate) struct UndecidedRows {
    /// The undecided op of a key, by the offset of the op before it.
    after: BTreeMap<u64, UndecidedOp>,
    /// By offset of an undecided op: the offset of the op before it, if it is a delete.
    deleted: BTreeMap<u64, Option<u64>>,
    /// (Read, offset) pairs.
    shown: BTreeSet<(u64, u64)>,
}

impl UndecidedRows {
    /// Collects them. Nothing is read where every op is decided.
    pub(crate) fn read(record: &dyn RunRecord, log_index: &LogIndex) -> UndecidedRows {
        let mut rows = UndecidedRows::default();
        if log_index.undecided.is_empty() {
            return rows;
        }
        let deletes: BTreeSet<u64> =
            record.log(log_index.partition).filter(|entry| entry.tombstone).map(|entry| entry.off).collect();
        let mut wanted = BTreeSet::new();
        for &at in &log_index.undecided {
            let (off, previous) = (log_index.entry(at).off, log_index.entry(at).previous);
            let before = previous.map(|at| log_index.entry(at).off);
            let is_delete = deletes.contains(&off);
            wanted.extend([Some(off), before].into_iter().flatten());
            rows.after.extend(before.map(|before| (before, UndecidedOp { off, is_delete })));
            if is_delete {
                rows.deleted.insert(off, before);
            }
        }
        let shown = record.rows(log_index.partition).filter(|(_, row)| wanted.contains(&row.off));
        rows.shown = shown.map(|(read, row)| (read, row.off)).collect();
        rows
    }

    /// Whether the op after the one at this offset took its place in a read: its row is there, or it is a
    /// delete.
    pub(crate) fn supersedes(&self, off: u64, read: u64) -> bool {
        self.after.get(&off).is_some_and(|op| op.is_delete || self.shown.contains(&(read, op.off)))
    }

    /// Whether a read shows that the undecided op at this offset took effect: its row is there, or what it
    /// deletes is gone.
    pub(crate) fn took_effect(&self, off: u64, read: u64) -> bool {
        match self.deleted.get(&off) {
            Some(before) => before.is_none_or(|before| !self.shown.contains(&(read, before))),
            None => self.shown.contains(&(read, off)),
        }
    }
}
