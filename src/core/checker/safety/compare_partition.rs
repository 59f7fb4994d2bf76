//! The comparison of one partition: its rows, then its current rows.

use super::absence::AllowedAbsences;
use super::calibration::Calibration;
use super::current_rows::{self, CurrentRows};
use super::lost_acks;
use super::mismatch::{Mismatch, ReplicaView};
use super::rows::{self, RowsCompared};
use super::stale::mark_stale;
use crate::checker::oracle::Oracle;
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::validity::input_log::{LogExtent, LogValidity};
use crate::checker::verdict::{Anomaly, Compared, Doubt, DoubtKind};
use crate::history::run_record::RunRecord;
use crate::history::schema::rules::Absence;
use std::collections::{BTreeMap, BTreeSet};

/// The result of comparing one partition.
pub(crate) struct PartitionCompared<'h> {
    pub(crate) compared: Compared,
    pub(crate) mismatches: Vec<Mismatch>,
    pub(crate) timeline: CopyTimeline,
    pub(crate) flags: CurrentRows<'h>,
    pub(crate) doubts: Vec<Doubt>,
    /// Acknowledged ops that no replica has. Only where the log is our own: else it tells.
    pub(crate) lost_acks: Vec<u64>,
    /// See [`rows::RowsCompared::unproven`].
    pub(crate) unproven: BTreeMap<usize, String>,
}

impl<'h> PartitionCompared<'h> {
    /// Compares the rows and flags of one partition. The record may turn out to be torn while it is read.
    /// Then the reads that lack rows are void, and the partition is compared again without them.
    pub(crate) fn compare(
        record: &dyn RunRecord,
        history: &'h History<'h>,
        log_index: &'h LogIndex,
        calibration: &Calibration,
        trust: &LogValidity,
        oracle: Oracle,
    ) -> PartitionCompared<'h> {
        // Beyond the end of a log that may have been longer, nothing can be proved.
        let end = if trust.extent == LogExtent::Whole { u64::MAX } else { log_index.end() };
        let contradicted = trust.contradicted[log_index.partition as usize];
        let mut judged_to = end.min(contradicted);
        let mut doubts = Vec::new();
        let mut void = BTreeSet::new();
        let mut timeline = CopyTimeline::build(history, log_index.partition, &void);
        let (mut rows, absences) = loop {
            let absences = AllowedAbsences::of(record, history, log_index, &timeline);
            let rows =
                rows::compare(record, history, log_index, &timeline, &absences, calibration, judged_to);
            let torn = torn_reads(history, &timeline, &rows);
            if torn.is_empty() {
                break (rows, absences);
            }
            void.extend(torn);
            judged_to = log_index.end().min(contradicted);
            timeline = CopyTimeline::build(history, log_index.partition, &void);
        };
        let flags = CurrentRows::read(record, history, log_index);
        for id in void.iter().chain(&flags.torn) {
            let detail = format!("read {id} of partition {} is torn: it is left out", log_index.partition);
            doubts.push(Doubt { kind: DoubtKind::Damage, detail });
        }
        let mut mismatches: Vec<Mismatch> = std::mem::take(&mut rows.mismatches);
        mark_stale(record, history, log_index, &mut mismatches);
        let by_model = oracle == Oracle::PeersAndModel;
        let flags_to = if by_model { judged_to } else { 0 };
        let flags_compared = current_rows::compare(&flags, &absences, flags_to, &absent(&mismatches));
        report_tombstones_once(&mut mismatches, &flags_compared.mismatches);
        mismatches.extend(flags_compared.mismatches);
        let own_log = history.meta.schema.rules.has_own_log();
        let lost_acks = if own_log { lost_acks::take(&mut mismatches) } else { Vec::new() };
        let mut compared = loaded(history, log_index, &timeline);
        compared.undecided = log_index.undecided.len() as u64;
        (compared.offsets, compared.rows, compared.flags) = (rows.offsets, rows.rows, flags_compared.flags);
        compared.excused = rows.excused;
        if history.meta.schema.rules.keeps_newest_only() {
            // What a store does not keep by its nature is not left out of the comparison.
            let by_nature = |reason: &Absence| matches!(reason, Absence::Superseded | Absence::Tombstones);
            compared.excused.retain(|reason, _| !by_nature(reason));
        }
        let unproven = if by_model { rows.unproven } else { BTreeMap::new() };
        PartitionCompared { compared, mismatches, timeline, flags, doubts, lost_acks, unproven }
    }
}

/// Sound reads that have a different number of rows than they claim: the record is torn.
fn torn_reads(history: &History<'_>, timeline: &CopyTimeline, rows: &RowsCompared) -> Vec<u64> {
    let reads = history.reads.iter().zip(&timeline.by_read).filter(|(_, copy)| copy.is_some());
    let headers = reads.map(|(read, _)| read.header);
    let torn = headers.filter(|header| rows.rows_by_read.get(&header.id) != Some(&header.count));
    torn.map(|header| header.id).collect()
}

/// The (replica, offset) pairs with a missing or extra row: the flag of such a key cannot be right there.
fn absent(mismatches: &[Mismatch]) -> BTreeSet<(usize, u64)> {
    let views = mismatches.iter().flat_map(|it| it.views.iter().map(move |view| (it.off, view)));
    let gone = views.filter(|(_, view)| matches!(view.what(), Some(Anomaly::Missing | Anomaly::Extra)));
    gone.map(|(off, view)| (view.replica, off)).collect()
}

/// A tombstone without effect is reported as that. Its own row is then not reported as missing too.
fn report_tombstones_once(rows: &mut Vec<Mismatch>, flags: &[Mismatch]) {
    let views = flags.iter().flat_map(|it| it.views.iter().map(move |view| (it.off, view)));
    let back = views.filter(|(_, view)| view.what() == Some(Anomaly::Resurrected));
    let back: BTreeSet<(usize, u64)> = back.map(|(off, view)| (view.replica, off)).collect();
    for mismatch in rows.iter_mut().filter(|_| !back.is_empty()) {
        let off = mismatch.off;
        let is_reported = |view: &&mut ReplicaView| {
            view.what() == Some(Anomaly::Missing) && back.contains(&(view.replica, off))
        };
        mismatch.views.iter_mut().filter(is_reported).for_each(|view| view.anomaly = None);
    }
    rows.retain(|mismatch| mismatch.views.iter().any(|view| view.anomaly.is_some()));
}

/// Which replicas were compared, and what was not loaded at the last capture.
fn loaded(history: &History<'_>, log_index: &LogIndex, timeline: &CopyTimeline) -> Compared {
    let mut compared = Compared::default();
    let spans = &history.segments[log_index.partition as usize];
    let last = history.captures.len().checked_sub(1);
    for (segment, span) in spans.iter().enumerate() {
        let replicas: BTreeSet<usize> =
            timeline.by_segment[segment].iter().map(|&at| timeline.copies[at].replica).collect();
        compared.segments += replicas.len() as u64;
        compared.replicas.extend(history.names(&replicas));
        let Some(last) = last else { continue };
        let end = span.end.unwrap_or(u64::MAX);
        for &replica in span.assigned(last) {
            let not_loaded = match timeline.held_at_last(segment, replica) {
                Some(held) => {
                    log_index.count(span.start, held.start.min(end))
                        + log_index.count(held.read_to.min(end), end)
                }
                None => log_index.count(span.start, end),
            };
            if not_loaded > 0 {
                *compared.not_loaded.entry(history.meta.roster[replica].clone()).or_default() += not_loaded;
            }
        }
    }
    compared
}
