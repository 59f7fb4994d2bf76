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

/// What one replica owes.
pub(super) struct OwedRead {
    pub(super) replica: usize,
    pub(super) kind: DoubtKind,
    /// What is not known of it, and why: segment, range, and the read that should have brought it.
    pub(super) detail: String,
    /// Whether this replica's other debts without a reason of their own go into the same doubt.
    pub(super) joins: bool,
}
