//! What was read of one partition, and a read that is owed.

use crate::checker::safety::current_rows::CurrentRows;
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::DoubtKind;

/// The reads of one partition, as the other checks used them.
pub(crate) struct Reads<'r> {
    pub(crate) log_index: &'r LogIndex,
    pub(crate) timeline: &'r CopyTimeline,
    pub(crate) flags: &'r CurrentRows<'r>,
}

/// A read that a replica owes.
pub(super) struct OwedRead {
    pub(super) replica: usize,
    pub(super) kind: DoubtKind,
    /// What is unknown, and why: segment, range, and the read that should have returned it.
    pub(super) detail: String,
    /// Whether it shares one doubt with the replica's other owed reads that have no reason of their own.
    pub(super) joins: bool,
}
