//! Which wrong rows are roots, which inherited a wrong row, and which were downloaded with it (`RULES.md`
//! 5).

use super::merge_functions::{merged, shows};
use super::mismatch::{MismatchCause, MissingOps, ReplicaView};
use super::missing_ops::{MergeContext, MissingOpsFinder};
use super::offset_view::{Claim, ExpectedRow, OffsetView};
use crate::checker::tables::copies::{CapturePoint, CopyTimeline, SegmentCopy};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::{Effect, LogIndex};
use crate::checker::verdict::{Anomaly, Origin, RootCause};
use crate::history::row::CopyState;
use crate::history::schema::{Column, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The verdict of one oracle on one offset.
#[derive(Default)]
pub(crate) struct OracleViews {
    /// Whether the oracle is the model, not the peers.
    pub(crate) modelled: bool,
    pub(crate) views: Vec<ReplicaView>,
    /// By view: its claim; past the last one for a replica that makes none.
    pub(crate) of: Vec<usize>,
    /// Which views were shown from each point on.
    pub(crate) scenes: Vec<(CapturePoint, Vec<usize>)>,
}

impl OracleViews {
    /// The claims that are wrong (without a model: that differ).
    pub(crate) fn wrong(&self) -> impl Iterator<Item = usize> {
        let both = self.views.iter().zip(&self.of);
        both.filter(|(view, _)| view.anomaly.is_some()).map(|(_, claim)| *claim)
    }
}

/// A wrong row that a later row of its key may have been merged onto.
struct Ancestor {
    modelled: bool,
    replica: usize,
    /// The index of the log entry that it is the row of.
    at: usize,
    row: Vec<Value>,
    cause: MismatchCause,
}

/// Traces wrong rows back to their roots, in log order.
pub(crate) struct Lineage<'j> {
    pub(crate) columns: &'j [Column],
    pub(crate) model_on: &'j [bool],
    pub(crate) history: &'j History<'j>,
    pub(crate) log_index: &'j LogIndex,
    pub(crate) timeline: &'j CopyTimeline,
    pub(crate) missing: MissingOpsFinder,
    /// By key: what was wrong at its previous merged row.
    ancestors: BTreeMap<usize, Vec<Ancestor>>,
    /// The (incarnation, segment) pairs with any wrong row.
    wrong_segments: BTreeSet<(usize, usize)>,
}

impl<'j> Lineage<'j> {
    pub(crate) fn new(
        columns: &'j [Column],
        model_on: &'j [bool],
        log_index: &'j LogIndex,
        timeline: &'j CopyTimeline,
        missing: MissingOpsFinder,
        history: &'j History<'j>,
    ) -> Lineage<'j> {
        let (ancestors, wrong_segments) = (BTreeMap::new(), BTreeSet::new());
        Lineage { columns, model_on, history, log_index, timeline, missing, ancestors, wrong_segments }
    }

    /// Takes a merged row that these copies show rightly.
    pub(crate) fn clear_copies(&mut self, logged: ExpectedRow<'_>, copies: impl Iterator<Item = usize>) {
        if logged.indexed.effect == Effect::Merged
            && let Some(previous) = logged.indexed.previous
            && let Some(segment) = self.log_index.segment(self.log_index.off(previous))
            && Some(segment) != logged.indexed.segment
            && self.log_index.entry(previous).effect == Effect::Merged
        {
            let copies = copies.map(|copy| &self.timeline.copies[copy]);
            for copy in copies.filter(|copy| copy.state != CopyState::Downloaded) {
                self.missing.mark_seen(copy.life, segment, logged.indexed.off);
            }
        }
    }

    /// Forgets the wrong rows of a key whose row is right everywhere.
    pub(crate) fn clear_key(&mut self, logged: ExpectedRow<'_>) {
        if !self.ancestors.is_empty() && logged.indexed.effect.is_accepted() {
            let of_key = self.ancestors.remove(&logged.indexed.key).unwrap_or_default();
            self.keep(logged, of_key.into_iter().filter(|it| it.at == logged.at).collect());
        }
    }

    /// Steps over a row that a replica may lack: what was wrong before is what the row was merged onto. An
    /// excused absence is no evidence, neither of a root nor of a row that was put right.
    pub(crate) fn pass(&mut self, logged: ExpectedRow<'_>, replica: usize) {
        let Some(of_key) = self.ancestors.get_mut(&logged.indexed.key) else { return };
        match logged.indexed.effect {
            Effect::OutOfOrder | Effect::Ignored | Effect::Undecided => {}
            Effect::Deleted => of_key.retain(|ancestor| ancestor.replica != replica),
            Effect::Merged => {
                for ancestor in of_key.iter_mut().filter(|ancestor| ancestor.replica == replica) {
                    ancestor.row = merged(self.columns, &ancestor.row, &logged.entry.cols);
                    ancestor.at = logged.at;
                }
            }
        }
    }

    fn keep(&mut self, logged: ExpectedRow<'_>, of_key: Vec<Ancestor>) {
        if !of_key.is_empty() {
            self.ancestors.insert(logged.indexed.key, of_key);
        }
    }

    /// Fills in origin and cause of all that is wrong at an offset, by both oracles.
    pub(crate) fn trace(
        &mut self,
        offset: &OffsetView<'_, '_>,
        by_model: &mut OracleViews,
        by_peers: &mut OracleViews,
    ) {
        let key = offset.logged.map(|logged| logged.indexed.key);
        let ancestors = key.and_then(|key| self.ancestors.remove(&key)).unwrap_or_default();
        for judged in [&mut *by_model, &mut *by_peers] {
            for at in 0..judged.views.len() {
                self.trace_merged(offset, judged, at, &ancestors);
            }
            for at in 0..judged.views.len() {
                self.trace_copied(offset, judged, at, &ancestors);
            }
            join_causes(&mut judged.views);
            self.wrong_segments.extend(judged.wrong().map(|claim| {
                let copy = &self.timeline.copies[offset.claims[claim].copy];
                (copy.life, copy.segment)
            }));
        }
        let Some(logged) = offset.logged else { return };
        let next = match logged.indexed.effect {
            Effect::Merged => {
                let passed = ancestors.into_iter().filter(|ancestor| ancestor.at == logged.at);
                let wrong_here =
                    descendants(offset, logged, by_model).chain(descendants(offset, logged, by_peers));
                wrong_here.chain(passed).collect()
            }
            Effect::OutOfOrder | Effect::Ignored | Effect::Undecided => ancestors,
            Effect::Deleted => Vec::new(),
        };
        self.keep(logged, next);
    }

    /// A row that this replica merged itself is a root, unless merging the event onto its own wrong row
    /// gives it.
    fn trace_merged(
        &mut self,
        offset: &OffsetView<'_, '_>,
        judged: &mut OracleViews,
        at: usize,
        ancestors: &[Ancestor],
    ) {
        let view = &judged.views[at];
        if view.anomaly.is_none() || view.state == Some(CopyState::Downloaded) {
            return;
        }
        let (modelled, claim) = (judged.modelled, offset.claims[judged.of[at]]);
        let ancestor = ancestors.iter().find(|ancestor| {
            (ancestor.replica, ancestor.modelled) == (view.replica, modelled)
                && (!modelled || self.reproduces(ancestor, offset, claim))
        });
        let (origin, cause, lost) = if let Some(ancestor) = ancestor {
            (Origin::Inherited, ancestor.cause.clone(), None)
        } else if let Some(segment) = self.hidden_download(offset, claim) {
            let source = self.source(ancestors, modelled, offset, claim);
            let known = source.map(|source| source.cause.clone());
            let (cause, lost) = self.cause_of_copy(known, offset, (judged, at), segment);
            (Origin::Copied, cause, lost)
        } else {
            let lost = self.missing_ops(offset, view, claim, true);
            let cause = MismatchCause { class: class_of(&lost), roots: BTreeSet::from([view.replica]) };
            (Origin::Root, cause, lost)
        };
        if let Some(wrong) = &mut judged.views[at].anomaly {
            (wrong.origin, wrong.cause, wrong.missing) = (origin, cause, lost);
        }
    }

    /// A downloaded row has the cause of the row it was copied from: one seen at this offset, or the row
    /// that follows from an older wrong row of any replica.
    fn trace_copied(
        &mut self,
        offset: &OffsetView<'_, '_>,
        judged: &mut OracleViews,
        at: usize,
        ancestors: &[Ancestor],
    ) {
        let view = &judged.views[at];
        if view.anomaly.is_none() || view.state != Some(CopyState::Downloaded) {
            return;
        }
        let claim = offset.claims[judged.of[at]];
        let source = judged.views.iter().find(|other| {
            other.group == view.group && other.anomaly.as_ref().is_some_and(|w| w.origin != Origin::Copied)
        });
        let known = source.and_then(|source| source.anomaly.as_ref()).map(|wrong| wrong.cause.clone());
        let known = known.or_else(|| {
            let source = self.source(ancestors, judged.modelled, offset, claim);
            source.map(|source| source.cause.clone())
        });
        let segment = self.timeline.copies[claim.copy].segment;
        let (cause, lost) = self.cause_of_copy(known, offset, (judged, at), segment);
        if let Some(wrong) = &mut judged.views[at].anomaly {
            (wrong.cause, wrong.missing) = (cause, lost);
        }
    }

    /// The cause of a row that came with a download of this segment: that of its source, if it is known.
    /// Otherwise what the row lacks, and the replica that the download must have come from.
    fn cause_of_copy(
        &mut self,
        known: Option<MismatchCause>,
        offset: &OffsetView<'_, '_>,
        (judged, at): (&OracleViews, usize),
        segment: usize,
    ) -> (MismatchCause, Option<MissingOps>) {
        if let Some(cause) = known {
            return (cause, None);
        }
        let (view, claim) = (&judged.views[at], offset.claims[judged.of[at]]);
        let lost = self.missing_ops(offset, view, claim, false);
        let is_right = |replica: usize| {
            judged.views.iter().any(|view: &ReplicaView| view.replica == replica && view.anomaly.is_none())
        };
        let roots = self.only_own_holder(segment).into_iter().filter(|it| !is_right(*it)).collect();
        (MismatchCause { class: class_of(&lost), roots }, lost)
    }

    /// The wrong row of any replica that the claim's row follows from.
    fn source<'a>(
        &self,
        ancestors: &'a [Ancestor],
        modelled: bool,
        offset: &OffsetView<'_, '_>,
        claim: Claim,
    ) -> Option<&'a Ancestor> {
        let mut of_oracle = ancestors.iter().filter(|ancestor| ancestor.modelled == modelled);
        of_oracle.find(|ancestor| self.reproduces(ancestor, offset, claim))
    }

    /// Whether the event on top of the ancestor gives the claim's row.
    fn reproduces(&self, ancestor: &Ancestor, offset: &OffsetView<'_, '_>, claim: Claim) -> bool {
        let (Some(logged), Some(read_row)) = (offset.logged, offset.row_of_entry(claim)) else {
            return false;
        };
        if logged.indexed.effect != Effect::Merged || read_row.row.cmp != logged.entry.cmp {
            return false;
        }
        // Its replica may lack the row at this offset, and was stepped over: it has the event already.
        let given = match ancestor.at == logged.at {
            true => Cow::Borrowed(&ancestor.row),
            false => Cow::Owned(merged(self.columns, &ancestor.row, &logged.entry.cols)),
        };
        let cells = self.columns.iter().zip(given.iter()).zip(&read_row.row.cols);
        cells.zip(self.model_on).all(|(((column, given), shown), on)| !on || shows(column, given, shown))
    }

    /// If the row that was first merged without its past is hidden, and lies in a segment that the replica
    /// has downloaded: that segment. The row was wrong when it came.
    fn hidden_download(&self, offset: &OffsetView<'_, '_>, claim: Claim) -> Option<usize> {
        let (logged, row) = (offset.logged?, offset.row_of_entry(claim)?.row);
        let root = self.missing.hidden_root(self.log_index, logged.at, logged.expected?, &row.cols)?;
        let copy = &self.timeline.copies[claim.copy];
        let when = copy.reads.first()?.when;
        let mut shown = self.timeline.changes(root.segment?).iter().rev();
        let (_, shown) = shown.find(|(since, _)| *since <= CapturePoint::end_of(when.capture))?;
        let held = shown[copy.replica]?;
        root.segment.filter(|_| self.timeline.copies[held.copy].state == CopyState::Downloaded)
    }

    /// The replica from which all others have a segment in the end, since only it made its own. `None` if
    /// any of those that are to have it was not seen.
    fn only_own_holder(&self, segment: usize) -> Option<usize> {
        let (since, shown) = self.timeline.changes(segment).last()?;
        let span = &self.history.segments[self.log_index.partition as usize][segment];
        let assigned = span.assigned(since.capture);
        if assigned.iter().any(|replica| shown[*replica].is_none()) {
            return None;
        }
        let is_own = |replica: &usize| {
            shown[*replica].is_some_and(|held| self.timeline.copies[held.copy].state != CopyState::Downloaded)
        };
        let mut own = (0..shown.len()).filter(is_own);
        own.next().filter(|_| own.next().is_none())
    }

    /// The last read in which the replica showed this row. Where only newest rows are kept, every read
    /// shows a row again, and what the target told between two of them counts for both.
    fn last_shown(&self, offset: &OffsetView<'_, '_>, claim: Claim) -> u64 {
        let replica = |claim: &Claim| self.timeline.copies[claim.copy].replica;
        let own = offset.claims.iter().filter(|other| replica(other) == replica(&claim));
        let newest_only = self.history.meta.schema.rules.keeps_newest_only();
        let all = own.filter(|_| newest_only).chain([&claim]).filter_map(|it| offset.row(*it));
        all.map(|read_row| read_row.read).max().unwrap_or_default()
    }

    /// Whether the replica itself reported, before this read of a copy, that it dropped keys of an earlier
    /// segment.
    fn were_keys_dropped(&self, copy: &SegmentCopy, read: u64) -> bool {
        let spans = &self.history.segments[self.log_index.partition as usize];
        let read_at = self.history.read_index(read).map(|at| self.history.reads[at].header.t);
        self.history.dropped_keys.iter().any(|record| {
            record.replica == copy.replica
                && read_at.is_some_and(|read_at| record.t <= read_at)
                && spans[..copy.segment].iter().any(|span| span.name == record.segment)
        })
    }

    fn missing_ops(
        &mut self,
        offset: &OffsetView<'_, '_>,
        view: &ReplicaView,
        claim: Claim,
        local: bool,
    ) -> Option<MissingOps> {
        let what = view.anomaly.as_ref()?.what;
        let (logged, read_row) = (offset.logged?, offset.row(claim)?);
        let expected = logged.expected.filter(|_| matches!(what, Anomaly::WrongValue | Anomaly::Differs))?;
        if logged.indexed.effect == Effect::OutOfOrder {
            return Some(MissingOps { class: RootCause::Unexplained, segments: BTreeSet::new(), ops: 0 });
        }
        let copy = &self.timeline.copies[claim.copy];
        let life = local.then_some(copy.life);
        let was_registered = |segment: usize, off: u64| {
            let is_known = |life| {
                self.timeline.was_registered(life, segment, off)
                    && !self.wrong_segments.contains(&(life, segment))
            };
            life.is_some_and(is_known)
        };
        let keys_dropped = local && self.were_keys_dropped(copy, self.last_shown(offset, claim));
        let merged = MergeContext { life, was_registered: &was_registered, keys_dropped };
        Some(self.missing.of(self.log_index, logged.at, expected, &read_row.row.cols, &merged))
    }
}

fn class_of(lost: &Option<MissingOps>) -> RootCause {
    lost.as_ref().map_or(RootCause::NoProvenance, |lost| lost.class)
}

/// The wrong rows at this offset, onto which the key's next row may be merged.
fn descendants(
    offset: &OffsetView<'_, '_>,
    logged: ExpectedRow<'_>,
    judged: &OracleViews,
) -> impl Iterator<Item = Ancestor> {
    judged.views.iter().zip(&judged.of).filter_map(move |(view, claim)| {
        let wrong = view.anomaly.as_ref()?;
        if !matches!(wrong.what, Anomaly::WrongValue | Anomaly::Differs) {
            return None;
        }
        let row = offset.row(offset.claims[*claim])?.row.cols.clone();
        let (modelled, replica, cause) = (judged.modelled, view.replica, wrong.cause.clone());
        Some(Ancestor { modelled, replica, at: logged.at, row, cause })
    })
}

/// Merges roots of the same class at one offset into one cause. If no root is known, the replicas that show
/// the wrong row are named instead.
pub(crate) fn join_causes(views: &mut [ReplicaView]) {
    let mut roots: BTreeMap<(Anomaly, RootCause), (BTreeSet<usize>, BTreeSet<usize>)> = BTreeMap::new();
    for view in views.iter() {
        let Some(wrong) = &view.anomaly else { continue };
        let (holding, showing) = roots.entry((wrong.what, wrong.cause.class)).or_default();
        holding.extend(&wrong.cause.roots);
        showing.insert(view.replica);
    }
    for wrong in views.iter_mut().filter_map(|view| view.anomaly.as_mut()) {
        if let Some((holding, showing)) = roots.get(&(wrong.what, wrong.cause.class)) {
            wrong.cause.roots = if holding.is_empty() { showing.clone() } else { holding.clone() };
        }
    }
}
