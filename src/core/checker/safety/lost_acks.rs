//! Acknowledged ops that no replica has, where the log is our own (`RULES.md` 15). All replicas agree, and
//! the write is gone: that is no divergence.

use super::mismatch::{Expected, Mismatch};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::verdict::Anomaly;

/// Removes these mismatches, and returns their ops.
pub(crate) fn take(mismatches: &mut Vec<Mismatch>) -> Vec<u64> {
    let (lost, others): (Vec<Mismatch>, Vec<Mismatch>) =
        std::mem::take(mismatches).into_iter().partition(is_lost);
    *mismatches = others;
    lost.into_iter().filter_map(|mismatch| mismatch.op).collect()
}

/// Whether the row of an op is missing on every replica that was last compared.
fn is_lost(mismatch: &Mismatch) -> bool {
    let is_of_row = mismatch.modelled && !matches!(mismatch.expected, Some(Expected::Current(_)));
    let mut views = mismatch.at(CapturePoint::LAST).peekable();
    is_of_row
        && mismatch.over.is_empty()
        && views.peek().is_some()
        && views.all(|view| view.what() == Some(Anomaly::Missing))
}
