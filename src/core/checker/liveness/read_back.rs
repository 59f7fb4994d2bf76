//! What was read of the log and of shards. It outranks the numbers: an object is behind if data is missing,
//! not if a number is lower (`RULES.md` 7).

use crate::checker::safety::newest_rows::NewestRowsCompared;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::validity::input_log::{LogExtent, LogValidity};

/// The partition whose log a shard contains.
const SHARDS_LOG: u32 = 0;

/// The data of a run that frontiers are checked against.
pub(crate) struct ReadBack<'e> {
    /// By partition.
    pub(crate) log_indexes: &'e [LogIndex],
    pub(crate) log: &'e LogValidity,
    /// The result of comparing the shards with the log.
    pub(crate) contents: &'e NewestRowsCompared,
}

impl ReadBack<'_> {
    /// Whether the log has no entry in `from..to`. A log that ends below `from` was not read back completely.
    ///
    /// ```text
    /// position 18896, end 18897, and the last offset is a transaction marker, which no reader gets
    /// ```
    pub(super) fn holds_nothing(&self, partition: u32, from: u64, to: u64) -> bool {
        let nothing = |log_index: &LogIndex| log_index.end() >= from && log_index.count(from, to) == 0;
        self.is_trusted(partition) && self.log_indexes.get(partition as usize).is_some_and(nothing)
    }

    /// Whether the last read of this shard shows everything that the log has.
    pub(super) fn shows_all(&self, object: &str) -> bool {
        let unseen = self.contents.unseen.get(object);
        self.is_trusted(SHARDS_LOG)
            && self.has_entries()
            && unseen.is_some_and(|unseen| unseen.entries == 0)
            && !self.contents.wrong_at_last.contains(object)
    }

    /// Whether the last read of one of these lacks entries of the log.
    pub(super) fn is_lacking(&self, objects: &[&str]) -> bool {
        let lacks = |object: &&str| self.contents.unseen.get(*object).is_some_and(|it| it.entries > 0);
        objects.iter().any(lacks)
    }

    fn is_trusted(&self, partition: u32) -> bool {
        self.log.extent == LogExtent::Whole
            && self.log.contradicted.get(partition as usize) == Some(&u64::MAX)
    }

    fn has_entries(&self) -> bool {
        self.log_indexes.iter().any(|log_index| log_index.len() > 0)
    }
}
