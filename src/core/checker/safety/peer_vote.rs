//! Replicas compared with each other, for cells where no model decides who is right (`RULES.md` 5).
//!
//! A replica has one vote at a time, that of the copy that it shows:
//! ```text
//! the model is off for n; c fetched its wrong copy three times, a and b show the right one once each.
//! By copies c has 3 votes of 5, and a and b would be outvoted.
//! ```

use super::lineage::OracleViews;
use super::merge_functions::alike;
use super::mismatch::{ReplicaView, ViewAnomaly};
use super::offset_view::{Claim, OffsetView};
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::verdict::Anomaly;
use crate::checker::verdict::pattern::{classes, sizes};
use crate::history::schema::Column;
use std::collections::{BTreeMap, BTreeSet};

/// The vote of the replicas at one offset.
pub(crate) struct PeerVote<'j> {
    pub(crate) columns: &'j [Column],
    pub(crate) timeline: &'j CopyTimeline,
    pub(crate) offset: &'j OffsetView<'j, 'j>,
    /// By cell: whether the peers decide it, since the model does not.
    pub(crate) open: Vec<bool>,
    pub(crate) by_model: &'j OracleViews,
}

impl PeerVote<'_> {
    /// Finds who differs and when. A claim has one view for when it is in the majority, and another for when
    /// it is not.
    pub(crate) fn judge(&self) -> OracleViews {
        let mut judged = OracleViews { modelled: false, ..OracleViews::default() };
        if !self.open.contains(&true) || self.offset.logged.is_none() {
            return judged;
        }
        let groups = classes(self.offset.claims, |a, b| self.offset.same(self.columns, &self.open, *a, *b));
        let mut known: BTreeMap<(usize, bool), usize> = BTreeMap::new();
        for (when, seen) in &self.by_model.scenes {
            let voters = self.voters(seen, &groups);
            let odd = self.outvoted(&voters, &groups);
            let differing = if odd.is_empty() { Vec::new() } else { self.differing(&voters) };
            let views = voters.into_iter().map(|claim| {
                let is_odd = odd.contains(&claim);
                *known.entry((claim, is_odd)).or_insert_with(|| {
                    let wrong = is_odd.then(|| ViewAnomaly {
                        columns: differing.clone(),
                        ..ViewAnomaly::of(Anomaly::Differs)
                    });
                    let of = self.offset.claims[claim];
                    judged.views.push(view(self.timeline, self.offset, of, groups[claim], wrong));
                    judged.of.push(claim);
                    judged.views.len() - 1
                })
            });
            let views = views.collect();
            judged.scenes.push((*when, views));
        }
        judged
    }

    /// The claims that may vote. A replica that the model finds wrong here votes only if a replica that is
    /// not wrong shows the same.
    fn voters(&self, seen: &[usize], groups: &[usize]) -> Vec<usize> {
        let is_wrong = |claim: usize| self.by_model.views[claim].anomaly.is_some();
        let of_entry = |claim: &&usize| self.offset.row_of_entry(self.offset.claims[**claim]).is_some();
        let clean: BTreeSet<usize> = seen
            .iter()
            .filter(of_entry)
            .filter(|claim| !is_wrong(**claim))
            .map(|&claim| groups[claim])
            .collect();
        let allowed = seen.iter().filter(of_entry).filter(|claim| clean.contains(&groups[**claim]));
        allowed.copied().collect()
    }

    /// The claims outside the largest group; all of them if no group is the largest. Claims that the model
    /// finds wrong are left out, since they are reported for that.
    fn outvoted(&self, voters: &[usize], groups: &[usize]) -> BTreeSet<usize> {
        let numbers: Vec<usize> = voters.iter().map(|&claim| groups[claim]).collect();
        let sizes = sizes(&numbers);
        let largest = sizes.iter().copied().max().unwrap_or(0);
        let is_tied = sizes.iter().filter(|size| **size == largest).count() > 1;
        let size = |claim: usize| numbers.iter().filter(|number| **number == groups[claim]).count();
        let odd = voters.iter().copied().filter(|&claim| is_tied || size(claim) < largest);
        odd.filter(|&claim| self.by_model.views[claim].anomaly.is_none()).collect()
    }

    /// The open cells in which the rows of these claims are not all alike.
    fn differing(&self, voters: &[usize]) -> Vec<usize> {
        let rows: Vec<_> = voters
            .iter()
            .filter_map(|&claim| self.offset.row(self.offset.claims[claim]))
            .map(|read_row| read_row.row)
            .collect();
        let differs = |&cell: &usize| match self.columns.get(cell) {
            Some(column) => rows.iter().any(|row| !alike(column, &rows[0].cols[cell], &row.cols[cell])),
            None => rows.iter().any(|row| row.cmp != rows[0].cmp),
        };
        (0..self.open.len()).filter(|cell| self.open[*cell]).filter(differs).collect()
    }
}

/// The view for a claim, without its content.
pub(crate) fn view(
    timeline: &CopyTimeline,
    offset: &OffsetView<'_, '_>,
    claim: Claim,
    group: usize,
    wrong: Option<ViewAnomaly>,
) -> ReplicaView {
    let copy = &timeline.copies[claim.copy];
    ReplicaView {
        replica: copy.replica,
        state: Some(copy.state),
        read: offset.row(claim).map(|read_row| read_row.read),
        group,
        anomaly: wrong.map(Box::new),
        content: None,
    }
}
