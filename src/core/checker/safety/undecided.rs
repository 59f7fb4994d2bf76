//! Ops of which nobody knows whether they happened: both states are right, but all replicas must show the
//! same one (`RULES.md` 15).
//!
//! Such an op may take effect at any time. So replicas are compared only at one and the same position, which
//! did not move while they were read:
//!
//! ```text
//! op 9 timed out. a is read at position 50 without it, then b at position 51 with it: it came in between.
//! a at 50 without it, b at 50 with it: they differ
//! ```

use super::lineage::{OracleViews, join_causes};
use super::mismatch::ViewAnomaly;
use super::offset_view::{Claim, OffsetView};
use super::peer_vote::view;
use crate::checker::tables::copies::{CapturePoint, CopyTimeline, VisibleCopy};
use crate::checker::tables::history::History;
use crate::checker::tables::undecided_rows::UndecidedRows;
use crate::checker::verdict::{Anomaly, Origin};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the undecided ops of a partition.
#[derive(Clone, Copy)]
pub(crate) struct UndecidedOps<'j> {
    pub(crate) history: &'j History<'j>,
    pub(crate) timeline: &'j CopyTimeline,
    pub(crate) rows: &'j UndecidedRows,
}

/// What one replica showed of an undecided op.
struct Vote {
    copy: usize,
    took_effect: bool,
}

impl UndecidedOps<'_> {
    /// The replicas that disagree about the op at this offset, at the last capture.
    pub(crate) fn disagreement(&self, offset: &OffsetView<'_, '_>) -> Option<OracleViews> {
        let (when, shown) = self.timeline.changes(offset.segment?).last()?;
        let votes = self.votes(offset.off, shown);
        let did = votes.iter().filter(|vote| vote.took_effect).count();
        let did_not = votes.len() - did;
        if did == 0 || did_not == 0 {
            return None;
        }
        let is_odd = |vote: &Vote| if vote.took_effect { did <= did_not } else { did_not <= did };
        let views = votes.iter().map(|vote| {
            let wrong = is_odd(vote).then(|| {
                let mut wrong = ViewAnomaly::of(Anomaly::Differs);
                wrong.origin = Origin::Root;
                wrong.cause.roots = BTreeSet::from([self.timeline.copies[vote.copy].replica]);
                wrong
            });
            let (at, claim) = claim(offset, vote.copy);
            (view(self.timeline, offset, claim, usize::from(vote.took_effect), wrong), at)
        });
        let (mut views, of): (Vec<_>, Vec<_>) = views.unzip();
        join_causes(&mut views);
        let all = (0..views.len()).collect();
        Some(OracleViews { modelled: false, views, of, scenes: vec![(*when, all)] })
    }

    /// The replicas that were read at the position at which most of them were.
    fn votes(&self, off: u64, shown: &[Option<VisibleCopy>]) -> Vec<Vote> {
        let mut by_position: BTreeMap<Option<u64>, Vec<Vote>> = BTreeMap::new();
        for copy in shown.iter().flatten().map(|shown| shown.copy) {
            let last = self.timeline.copies[copy].reads.last();
            let Some(read) = last.and_then(|read| self.history.read_index(read.id)) else { continue };
            let read = &self.history.reads[read];
            let stood = read.held.position == read.position_after;
            let is_known = read.held.position.is_some() || self.history.settled == Some(true);
            if stood && is_known && off < read.held.end {
                // Where a history is kept, an earlier read of the copy may have brought the row.
                let reads = &self.timeline.copies[copy].reads;
                let took_effect = reads.iter().any(|read| self.rows.took_effect(off, read.id));
                by_position.entry(read.held.position).or_default().push(Vote { copy, took_effect });
            }
        }
        by_position.into_values().max_by_key(Vec::len).unwrap_or_default()
    }
}

/// What the copy shows at the offset, and the index of that claim; past the last one if it makes none.
fn claim(offset: &OffsetView<'_, '_>, copy: usize) -> (usize, Claim) {
    let known = offset.claims.iter().copied().enumerate().rfind(|(_, claim)| claim.copy == copy);
    let none = Claim { copy, row: None, is_double: false, since: CapturePoint::START, is_early: false };
    known.unwrap_or((offset.claims.len(), none))
}
