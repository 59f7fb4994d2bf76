//! From mismatches to findings. All mismatches of a finding share the anomaly, the partition, the root cause
//! and the set of replicas with roots. Its keys, columns and segments are lists (`RULES.md` 5).

use super::course::{GroupRows, Trajectory};
use super::evidence::EvidencePicker;
use crate::checker::explanation::explainer::{Explainer, PartitionTables, Root};
use crate::checker::explanation::spread::{self, WrongRows};
use crate::checker::safety::current_rows::{CurrentRows, is_current};
use crate::checker::safety::mismatch::{FindingKey, Mismatch, ReplicaView, ViewAnomaly};
use crate::checker::tables::copies::CapturePoint;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::tables::named_row::name;
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::{
    Anomaly, Divergence, Finding, FindingKind, FreezeVisibility, LogPoint, MissingState, Origin, RootCause,
    Side,
};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// The findings of one partition.
pub(crate) fn assemble(
    explainer: &mut Explainer<'_>,
    tables: PartitionTables<'_>,
    flags: Option<&CurrentRows<'_>>,
    mismatches: &[Mismatch],
    acknowledged: &BTreeMap<u64, Nanos>,
) -> Vec<Finding> {
    let (history, log_index) = (explainer.history, tables.log_index);
    let mut groups: BTreeMap<FindingKey, Vec<&Mismatch>> = BTreeMap::new();
    for mismatch in mismatches {
        let wrongs = mismatch.views.iter().filter_map(|view| view.anomaly.as_ref());
        let keys: BTreeSet<FindingKey> = wrongs.map(|wrong| mismatch.finding_key(wrong)).collect();
        keys.into_iter().for_each(|found| groups.entry(found).or_default().push(mismatch));
    }
    let findings = groups.iter().filter_map(|(finding_key, mismatches)| {
        let group = FindingGroup { history, log_index, flags, finding_key, mismatches, acknowledged };
        let is_member = |view: &ReplicaView| group.is_member(view);
        let rows = GroupRows { history, partition: log_index.partition, mismatches, is_member: &is_member };
        let run = rows.trajectory()?;
        let mut divergence = group.divergence(run);
        if !divergence.flags {
            let rows = WrongRows { mismatches, is_member: &is_member };
            divergence.spread = Some(Box::new(spread::find(explainer, tables, &rows, &divergence.last)));
            // Without segments there is no order of segments to break.
            if !history.meta.schema.rules.has_own_log() {
                divergence.explanation = Some(Box::new(explainer.explain(tables, &group.root_rows())));
            }
        }
        let kind = FindingKind::Divergence(Box::new(divergence));
        Some(Finding { fingerprint: fingerprint(&kind), kind })
    });
    findings.collect()
}

/// Sorts findings: those with few right copies left first, then by size; then freezes, then other frontiers,
/// then lost acknowledgements.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| match &finding.kind {
        FindingKind::Divergence(divergence) => {
            let size = divergence.roots + divergence.inherited + divergence.copied;
            let is_last_copy = divergence.last.side == Side::Majority;
            // Of contents, what a model calls wrong says more than what only differs.
            let class = match (divergence.may_be_lag, divergence.since.is_some() || divergence.is_modelled())
            {
                (false, true) => 0,
                (false, false) => 1,
                (true, _) => 6,
            };
            (class, !is_last_copy, u64::MAX - size, divergence.partition)
        }
        FindingKind::Frozen(frozen) => {
            (2, frozen.grade != FreezeVisibility::Visible, frozen.kind as u64, frozen.partition.unwrap_or(0))
        }
        FindingKind::Regressed(regressed) => (3, false, regressed.kind as u64, 0),
        FindingKind::Ahead(ahead) => (4, false, ahead.kind as u64, 0),
        FindingKind::LostAck(lost) => (5, false, 0, lost.partition),
    });
}

/// The mismatches of one finding.
struct FindingGroup<'f> {
    history: &'f History<'f>,
    log_index: &'f LogIndex,
    flags: Option<&'f CurrentRows<'f>>,
    finding_key: &'f FindingKey,
    mismatches: &'f [&'f Mismatch],
    /// When ops were acknowledged, by op id.
    acknowledged: &'f BTreeMap<u64, Nanos>,
}

impl FindingGroup<'_> {
    fn divergence(&self, run: Trajectory) -> Divergence {
        let FindingKey { what, cause, of_flags, .. } = self.finding_key;
        let schema = &self.history.meta.schema;
        let wrongs = || self.members().map(|(_, _, wrong)| wrong);
        let columns: BTreeSet<usize> = wrongs().flat_map(|wrong| wrong.columns.iter().copied()).collect();
        let segments: BTreeSet<usize> = self.mismatches.iter().filter_map(|it| it.segment).collect();
        let keys: BTreeSet<&String> = self.members().map(|(it, view, _)| it.key_of(view)).collect();
        let counts = self.origins();
        let count = |origin| counts.values().filter(|found| **found == origin).count() as u64;
        let points = || self.mismatches.iter().map(|mismatch| self.point(mismatch));
        let nowhere = LogPoint { off: 0, t: None };
        let picker = EvidencePicker {
            history: self.history,
            log_index: self.log_index,
            flags: self.flags,
            at: run.last_at,
        };
        Divergence {
            what: *what,
            root_cause: cause.class,
            partition: self.log_index.partition,
            flags: *of_flags,
            replicas: self.history.names(&cause.roots),
            course: run.course,
            moved_away: self.history.names(&run.moved_away),
            keys: keys.into_iter().cloned().collect(),
            more_keys: 0,
            keys_visible: self.keys_visible(run.last_at),
            last: run.last,
            first: run.first,
            columns: columns.into_iter().map(|at| name(&schema.columns, at).to_owned()).collect(),
            segments: self.named(segments),
            roots: count(Origin::Root),
            inherited: count(Origin::Inherited),
            copied: count(Origin::Copied),
            since: Some(points().min_by_key(|point| point.off).unwrap_or(nowhere)),
            until: Some(points().max_by_key(|point| point.off).unwrap_or(nowhere)),
            may_be_lag: false,
            missing: self.missing(),
            shows_defaults: wrongs().any(|wrong| wrong.shows_default),
            shows_stale: wrongs().any(|wrong| !wrong.stale.is_empty()),
            evidence: picker.select_rows(self.mismatches, |view| self.is_member(view)),
            explanation: None,
            spread: None,
        }
    }

    /// The names of segments. A table that never ends a segment has none worth naming.
    fn named(&self, segments: BTreeSet<usize>) -> Vec<String> {
        let spans = &self.history.segments[self.log_index.partition as usize];
        let ends = self.history.meta.has_boundaries();
        segments.into_iter().filter(|_| ends).map(|at| spans[at].name.clone()).collect()
    }

    fn is_member(&self, view: &ReplicaView) -> bool {
        let FindingKey { what, cause, .. } = self.finding_key;
        view.anomaly.as_ref().is_some_and(|wrong| wrong.what == *what && wrong.cause == *cause)
    }

    /// All wrong views of this finding.
    fn members(&self) -> impl Iterator<Item = (&Mismatch, &ReplicaView, &ViewAnomaly)> {
        self.mismatches.iter().flat_map(|mismatch| {
            let members = mismatch.views.iter().filter(|view| self.is_member(view));
            members.filter_map(|view| view.anomaly.as_deref().map(|wrong| (*mismatch, view, wrong)))
        })
    }

    /// The rows that a replica merged wrongly itself, each once.
    fn root_rows(&self) -> Vec<Root> {
        let mut seen = BTreeSet::new();
        let roots = self.members().filter(|(_, _, wrong)| wrong.origin == Origin::Root);
        let roots = roots.filter_map(|(mismatch, view, wrong)| {
            let segment = mismatch.segment?;
            seen.insert((view.replica, mismatch.off)).then(|| Root {
                replica: view.replica,
                key: mismatch.key_of(view).clone(),
                off: mismatch.off,
                segment,
                missing: wrong.missing.as_ref().map(|it| it.segments.clone()).unwrap_or_default(),
                class: wrong.cause.class,
                read: view.read,
            })
        });
        roots.collect()
    }

    /// The origin of each wrong (replica, offset) pair. A replica that made a row wrong, and later fetched
    /// the same wrong row, counts as a root.
    fn origins(&self) -> BTreeMap<(usize, u64), Origin> {
        let mut origins = BTreeMap::new();
        for (mismatch, view, wrong) in self.members() {
            let known = origins.entry((view.replica, mismatch.off)).or_insert(wrong.origin);
            *known = (*known).min(wrong.origin);
        }
        origins
    }

    fn point(&self, mismatch: &Mismatch) -> LogPoint {
        LogPoint { off: mismatch.off, t: mismatch.op.and_then(|op| self.acknowledged.get(&op).copied()) }
    }

    /// The segments and the number of ops over all roots; over the copies if no root is known.
    fn missing(&self) -> Option<MissingState> {
        let class = self.finding_key.cause.class;
        let mut segments: BTreeSet<usize> = BTreeSet::new();
        let mut ops = 0;
        let mut counted = BTreeSet::new();
        for (mismatch, view, wrong) in self.members() {
            if let Some(lost) = &wrong.missing
                && counted.insert((view.replica, mismatch.off))
            {
                segments.extend(&lost.segments);
                ops += lost.ops;
            }
        }
        let segments = self.named(segments);
        let is_known = class != RootCause::NoProvenance && !counted.is_empty();
        is_known.then_some(MissingState { class, segments, ops })
    }

    /// The number of keys for which a user's query sees the mismatch: the wrong row is flagged as current,
    /// or the missing row should be.
    fn keys_visible(&self, at: CapturePoint) -> u64 {
        let mut visible = BTreeSet::new();
        for mismatch in self.mismatches {
            for view in mismatch.at(at).filter(|view| self.is_member(view)) {
                let key = mismatch.key_of(view);
                let seen = match self.finding_key.what {
                    _ if self.finding_key.of_flags => true,
                    Anomaly::WrongValue | Anomaly::Differs | Anomaly::Extra | Anomaly::DuplicateRow => {
                        is_current(self.flags, view.replica, key, mismatch.off, at)
                    }
                    Anomaly::Missing => {
                        let at = self.log_index.at(mismatch.off);
                        at.is_some_and(|at| self.log_index.last[self.log_index.entry(at).key] == at)
                    }
                    _ => false,
                };
                if seen {
                    visible.insert(key);
                }
            }
        }
        visible.len() as u64
    }
}
