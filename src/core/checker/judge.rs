//! The checks in order, and the word that they come to (`RULES.md` 10).

mod frontiers;

use crate::checker::findings::assemble;
use crate::checker::findings::evidence;
use crate::checker::liveness;
use crate::checker::liveness::ReadBack;
use crate::checker::owed;
use crate::checker::parallel::{both, each_partition};
use crate::checker::safety::absence::Absences;
use crate::checker::safety::calibration::{Calibration, calibrate};
use crate::checker::safety::current_rows::{self, CurrentRows};
use crate::checker::safety::mismatch::{Mismatch, ReplicaView};
use crate::checker::safety::rows;
use crate::checker::safety::shard::ShardCompared;
use crate::checker::tables::acks::acknowledged;
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::tables::named_row;
use crate::checker::validity::assumptions;
use crate::checker::validity::exposure;
use crate::checker::validity::log;
use crate::checker::verdict::{
    Anomaly, CheckResult, Compared, Doubt, DoubtKind, Exposure, Finding, FindingKind, Progress, Status,
    VERSION, Verdict, VerdictOutcome,
};
use crate::history::check_name::CheckName;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::schema::Column;
use crate::history::time::Nanos;
use frontiers::name_unseen;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// What replicas are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oracle {
    /// Each other, and what the log folds to.
    #[default]
    PeersAndModel,
    /// Each other alone and at the end, as a comparison of checksums would: what all agree on by then goes
    /// unjudged.
    PeersAlone,
}

/// Judges a run by its recorded evidence alone: the same evidence gives the same verdict.
///
/// A check that panics is our own bug: it becomes `unknown`, and the others go on.
pub fn judge(evidence: &dyn RunRecord) -> Verdict {
    judge_seeing(evidence, Oracle::default(), &mut |_, _| {})
}

/// As `judge`, by this oracle; `also` sees all events as they are read.
pub fn judge_seeing(
    evidence: &dyn RunRecord,
    oracle: Oracle,
    also: &mut dyn FnMut(Nanos, EventRef<'_>),
) -> Verdict {
    let mut sheet = VerdictBuilder { oracle, ..VerdictBuilder::default() };
    let (history, log_indexes) = both(
        evidence,
        || History::gather(evidence, also),
        || each_partition(evidence, |partition| LogIndex::read(evidence, partition)),
    );
    let history = sheet.settle(&CheckName::ALL, history);
    let log_indexes = history.as_ref().and_then(|_| sheet.settle(&CheckName::ALL, log_indexes));
    if let (Some(history), Some(mut log_indexes)) = (history, log_indexes) {
        log_indexes
            .iter_mut()
            .zip(&history.segments)
            .for_each(|(log_index, spans)| log_index.assign_segments(spans));
        sheet.judge(evidence, &history, &log_indexes);
    }
    sheet.conclude(evidence)
}

/// The verdict in the making.
#[derive(Default)]
struct VerdictBuilder {
    oracle: Oracle,
    checks: Vec<CheckResult>,
    findings: Vec<Finding>,
    doubts: Vec<Doubt>,
    compared: Compared,
    exposure: Vec<Exposure>,
    progress: Progress,
}

impl VerdictBuilder {
    fn judge<'h>(&mut self, evidence: &dyn RunRecord, history: &'h History<'h>, log_indexes: &'h [LogIndex]) {
        self.measure(history, log_indexes);
        let trust = self.attempt(&[CheckName::Log], || log::Trust::of(evidence, history, log_indexes));
        let Some(mut trust) = trust else { return };
        let mut contents = None;
        let mut partitions = None;
        if history.meta.has_segments() {
            let calibration = self.calibrate(evidence, history, log_indexes);
            partitions = self.compare(evidence, history, log_indexes, &calibration, &trust);
        } else {
            contents = self.compare_contents(evidence, history, trust.is_whole);
        }
        let damage = evidence.damage();
        if let Some((result, doubts)) =
            self.attempt(&[CheckName::Assumptions], || assumptions::check(history, log_indexes, &damage))
        {
            self.checks.push(result);
            self.doubts.extend(doubts);
            self.doubts.append(&mut trust.doubts);
        }
        if let Some(partitions) = partitions {
            let reads: Vec<owed::Reads<'_>> = partitions
                .iter()
                .zip(log_indexes)
                .map(|(it, log_index)| owed::Reads { log_index, timeline: &it.timeline, flags: &it.flags })
                .collect();
            if let Some((result, doubts)) = self.attempt(&[CheckName::Owed], || owed::check(history, &reads))
            {
                self.checks.push(result);
                self.doubts.extend(doubts);
            }
        }
        trust.is_whole &= damage.is_empty();
        let none = ShardCompared::default();
        let data = ReadBack { log_indexes, log: &trust, contents: contents.as_ref().unwrap_or(&none) };
        let progress = self.attempt(&[CheckName::Progress], || liveness::check(history, &data));
        let rows = self.compared.rows;
        let standing = progress.as_ref().map_or(&[][..], |(_, _, findings, _)| findings.as_slice());
        if let Some((result, exposure, doubts)) =
            self.attempt(&[CheckName::Exposure], || exposure::check(history, log_indexes, rows, standing))
        {
            self.checks.push(result);
            self.exposure = exposure;
            self.doubts.extend(doubts);
        }
        if let Some((result, findings)) =
            self.attempt(&[CheckName::Log], || log::check(evidence, history, log_indexes, trust.is_whole))
        {
            self.checks.push(result);
            self.findings.extend(findings);
        }
        if let Some((result, progress, mut findings, doubts)) = progress {
            findings.iter_mut().for_each(|finding| name_unseen(finding, &data.contents.unseen));
            self.checks.push(result);
            self.progress = progress;
            self.findings.extend(findings);
            self.doubts.extend(doubts);
        }
        self.look_for_looks(history, log_indexes, contents.as_ref());
    }

    fn calibrate(
        &mut self,
        evidence: &dyn RunRecord,
        history: &History<'_>,
        log_indexes: &[LogIndex],
    ) -> Calibration {
        if self.oracle == Oracle::PeersAlone {
            self.set_aside(CheckName::Calibration, "there is no model to calibrate");
            return Calibration::none(&history.meta.schema.columns);
        }
        let calibration = self.attempt(&[CheckName::Calibration], || {
            let partitions = 0..history.meta.partitions;
            let timelines: Vec<CopyTimeline> = partitions
                .map(|partition| CopyTimeline::build(history, partition, &BTreeSet::new()))
                .collect();
            calibrate(evidence, history, log_indexes, &timelines)
        });
        let Some(mut calibration) = calibration else {
            return Calibration::unproven(&history.meta.schema.columns);
        };
        self.doubts.append(&mut calibration.doubts);
        let off = calibration.model_on.iter().filter(|on| !**on).count();
        let reason = match (calibration.rows, off) {
            (0, _) => Some("no calibration row was compared".to_owned()),
            (_, 0) => None,
            (_, off) => Some(format!("the model is off for {off} columns")),
        };
        let status = if reason.is_none() { Status::Pass } else { Status::Unknown };
        self.check(CheckName::Calibration, status, calibration.rows, "rows", reason);
        calibration
    }

    /// Rows and flags of all partitions. The record may turn out torn while it is read: then reads that
    /// lack rows are void, and the partition is compared once more without them.
    fn compare<'h>(
        &mut self,
        evidence: &dyn RunRecord,
        history: &'h History<'h>,
        log_indexes: &'h [LogIndex],
        calibration: &Calibration,
        trust: &log::Trust,
    ) -> Option<Vec<PartitionCompared<'h>>> {
        const CHECKS: [CheckName; 3] = [CheckName::Group, CheckName::Model, CheckName::Current];
        let by_model = self.oracle == Oracle::PeersAndModel;
        let compared = self.attempt(&CHECKS, || {
            let partitions = each_partition(evidence, |partition| {
                let log_index = &log_indexes[partition as usize];
                PartitionCompared::compare(evidence, history, log_index, calibration, trust, by_model)
            });
            let ops = partitions.iter().flat_map(|it| &it.mismatches).filter_map(|it| it.op).collect();
            let times = acknowledged(evidence, &ops);
            let findings = partitions.iter().zip(log_indexes).flat_map(|(partition, log_index)| {
                let PartitionCompared { flags, mismatches, .. } = partition;
                assemble::assemble(history, log_index, Some(flags), mismatches, &times)
            });
            let findings: Vec<Finding> = findings.filter(|it| by_model || !agrees_at_last(it)).collect();
            (partitions, findings)
        });
        let (mut partitions, findings) = compared?;
        let first_finding = self.findings.len();
        self.findings.extend(findings);
        let mut unproven = BTreeMap::new();
        for partition in &mut partitions {
            self.compared.add(&partition.compared);
            self.doubts.append(&mut partition.doubts);
            for (cell, text) in std::mem::take(&mut partition.unproven) {
                unproven.entry(cell).or_insert(text);
            }
        }
        self.doubts.extend(unproven_doubt(&history.meta.schema.columns, unproven));
        let replicas = &history.meta.roster;
        self.compared.replicas.sort_by_key(|name| replicas.iter().position(|known| known == name));
        self.compared.replicas.dedup();
        let found = |wanted: fn(&Finding) -> bool| self.findings[first_finding..].iter().any(wanted);
        let (apart, wrong, flags) = (found(is_apart), found(is_wrong_by_model), found(is_of_flags));
        let (offsets, rows, flags_compared) =
            (self.compared.offsets, self.compared.rows, self.compared.flags);
        let model_on = calibration.model_on.iter().any(|on| *on);
        let rows_by_model = if model_on { rows } else { 0 };
        self.count(CheckName::Group, apart, offsets, "offsets");
        if self.oracle == Oracle::PeersAlone {
            self.set_aside(CheckName::Model, "what all replicas agree on at the end was not judged");
            self.set_aside(CheckName::Current, "which row is current is known from the log alone");
            return Some(partitions);
        }
        self.count(CheckName::Model, wrong, rows_by_model, "rows");
        self.count(CheckName::Current, flags, flags_compared, "flags");
        Some(partitions)
    }

    /// A check that this oracle does not have.
    fn set_aside(&mut self, name: CheckName, reason: &str) {
        self.check(name, Status::NotApplicable, 0, "", Some(reason.to_owned()));
    }

    fn measure(&mut self, history: &History<'_>, log_indexes: &[LogIndex]) {
        self.compared.entries = log_indexes.iter().map(|log_index| log_index.len() as u64).sum();
        self.compared.keys = log_indexes.iter().map(|log_index| log_index.keys.len() as u64).sum();
        self.compared.captures = history.captures.len() as u32;
    }

    fn count(&mut self, name: CheckName, found: bool, compared: u64, unit: &str) {
        let status = match (found, compared) {
            (true, _) => Status::Fail,
            (false, 0) => Status::Unknown,
            (false, _) => Status::Pass,
        };
        let reason = (compared == 0).then(|| format!("no {unit} were compared"));
        self.check(name, status, compared, unit, reason);
    }

    fn check(&mut self, name: CheckName, status: Status, compared: u64, unit: &str, reason: Option<String>) {
        self.checks.push(CheckResult { name, status, compared, unit: unit.to_owned(), reason });
    }

    /// Runs a part of the judge for these checks, and makes them unknown if it panics.
    fn attempt<T>(&mut self, names: &[CheckName], part: impl FnOnce() -> T) -> Option<T> {
        self.settle(names, catch_unwind(AssertUnwindSafe(part)))
    }

    /// What a part of the judge came to; its checks are unknown if it panicked.
    fn settle<T>(&mut self, names: &[CheckName], done: thread::Result<T>) -> Option<T> {
        if let Err(panic) = &done {
            let said = panic.downcast_ref::<&str>().map(|said| (*said).to_owned());
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            for &name in names {
                self.check(name, Status::Unknown, 0, "", Some(format!("the check panicked: {said}")));
            }
            let detail = format!("{names:?} panicked, a bug of this program: {said}");
            self.doubts.push(Doubt { kind: DoubtKind::CheckFailed, detail });
        }
        done.ok()
    }

    fn conclude(mut self, evidence: &dyn RunRecord) -> Verdict {
        self.checks.sort_by_key(|check| check.name);
        assemble::sort(&mut self.findings);
        // That somebody is gone explains what else is lacking.
        self.doubts.sort_by_key(|doubt| doubt.kind != DoubtKind::ServerDied);
        let mut verdict = Verdict {
            version: VERSION,
            outcome: VerdictOutcome::Inconclusive,
            checks: self.checks,
            findings: self.findings,
            doubts: self.doubts,
            compared: self.compared,
            exposure: self.exposure,
            progress: self.progress,
            known: None,
        };
        let found = !verdict.findings.is_empty();
        verdict.outcome = outcome(&verdict, &evidence.meta().nemesis.required, found);
        verdict
    }
}

/// The word that a verdict begins with (`RULES.md` 10), by what was doubted and by whether anything was
/// `found`.
pub(super) fn outcome(verdict: &Verdict, required: &[CheckName], found: bool) -> VerdictOutcome {
    let Verdict { checks, doubts, compared, progress, .. } = verdict;
    let blind = checks.iter().any(|check| check.status == Status::Unknown && required.contains(&check.name));
    // Neither rows were compared nor frontiers looked at, of a target that declares any.
    let saw_nothing = compared.rows == 0 && progress.looks == 0;
    if found {
        VerdictOutcome::Fail
    } else if !doubts.is_empty() || blind || saw_nothing {
        VerdictOutcome::Inconclusive
    } else {
        VerdictOutcome::Pass
    }
}

/// What the comparison of one partition came to.
struct PartitionCompared<'h> {
    compared: Compared,
    mismatches: Vec<Mismatch>,
    timeline: CopyTimeline,
    flags: CurrentRows<'h>,
    doubts: Vec<Doubt>,
    /// See [`rows::RowsCompared::unproven`].
    unproven: BTreeMap<usize, String>,
}

impl<'h> PartitionCompared<'h> {
    fn compare(
        evidence: &dyn RunRecord,
        history: &'h History<'h>,
        log_index: &'h LogIndex,
        calibration: &Calibration,
        trust: &log::Trust,
        by_model: bool,
    ) -> PartitionCompared<'h> {
        // Beyond the end of a log that may have been longer nothing can be proved.
        let end = if trust.is_whole { u64::MAX } else { log_index.end() };
        let contradicted = trust.contradicted[log_index.partition as usize];
        let mut judged_to = end.min(contradicted);
        let mut doubts = Vec::new();
        let mut void = BTreeSet::new();
        let mut timeline = CopyTimeline::build(history, log_index.partition, &void);
        let (mut rows, absences) = loop {
            let absences = Absences::of(evidence, history, log_index, &timeline);
            let rows =
                rows::compare(evidence, history, log_index, &timeline, &absences, calibration, judged_to);
            let torn = torn_reads(history, &timeline, &rows);
            if torn.is_empty() {
                break (rows, absences);
            }
            void.extend(torn);
            judged_to = log_index.end().min(contradicted);
            timeline = CopyTimeline::build(history, log_index.partition, &void);
        };
        let flags = CurrentRows::read(evidence, history, log_index);
        for id in void.iter().chain(&flags.torn) {
            let detail = format!("read {id} of partition {} is torn: it is left out", log_index.partition);
            doubts.push(Doubt { kind: DoubtKind::Damage, detail });
        }
        let mut mismatches: Vec<Mismatch> = std::mem::take(&mut rows.mismatches);
        evidence::mark_stale(evidence, history, log_index, &mut mismatches);
        let flags_to = if by_model { judged_to } else { 0 };
        let flags_compared = current_rows::compare(&flags, &absences, flags_to, &absent(&mismatches));
        tell_once(&mut mismatches, &flags_compared.mismatches);
        mismatches.extend(flags_compared.mismatches);
        let mut compared = loaded(history, log_index, &timeline);
        (compared.offsets, compared.rows, compared.flags) = (rows.offsets, rows.rows, flags_compared.flags);
        compared.excused = rows.excused;
        let unproven = if by_model { rows.unproven } else { BTreeMap::new() };
        PartitionCompared { compared, mismatches, timeline, flags, doubts, unproven }
    }
}

/// One doubt, however many cells agree against a model that nothing bears out.
fn unproven_doubt(columns: &[Column], unproven: BTreeMap<usize, String>) -> Option<Doubt> {
    let mut unproven = unproven.into_iter();
    let (_, first) = unproven.next()?;
    let others: Vec<&str> = unproven.map(|(cell, _)| named_row::name(columns, cell)).collect();
    let also =
        if others.is_empty() { String::new() } else { format!(" (so it is with {})", others.join(", ")) };
    let detail = format!("{first}, and no calibration bears the model out{also}");
    Some(Doubt { kind: DoubtKind::Uncalibrated, detail })
}

/// Sound reads that brought another number of rows than they say: the record is torn.
fn torn_reads(history: &History<'_>, timeline: &CopyTimeline, rows: &rows::RowsCompared) -> Vec<u64> {
    let reads = history.reads.iter().zip(&timeline.by_read).filter(|(_, copy)| copy.is_some());
    let looks = reads.map(|(read, _)| read.header);
    let torn = looks.filter(|look| rows.brought.get(&look.id) != Some(&look.count));
    torn.map(|look| look.id).collect()
}

/// Where a replica has no row of the key: its flag cannot be right there.
fn absent(mismatches: &[Mismatch]) -> BTreeSet<(usize, u64)> {
    let views = mismatches.iter().flat_map(|it| it.views.iter().map(move |view| (it.off, view)));
    let gone = views.filter(|(_, view)| matches!(view.what(), Some(Anomaly::Missing | Anomaly::Extra)));
    gone.map(|(off, view)| (view.replica, off)).collect()
}

/// A tombstone without effect is told as that, and its own row not as missing beside it.
fn tell_once(rows: &mut Vec<Mismatch>, flags: &[Mismatch]) {
    let views = flags.iter().flat_map(|it| it.views.iter().map(move |view| (it.off, view)));
    let back = views.filter(|(_, view)| view.what() == Some(Anomaly::Resurrected));
    let back: BTreeSet<(usize, u64)> = back.map(|(off, view)| (view.replica, off)).collect();
    for mismatch in rows.iter_mut().filter(|_| !back.is_empty()) {
        let off = mismatch.off;
        let told = |view: &&mut ReplicaView| {
            view.what() == Some(Anomaly::Missing) && back.contains(&(view.replica, off))
        };
        mismatch.views.iter_mut().filter(told).for_each(|view| view.wrong = None);
    }
    rows.retain(|mismatch| mismatch.views.iter().any(|view| view.wrong.is_some()));
}

/// What was compared of which replicas, and what the last capture had not loaded.
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

fn is_apart(finding: &Finding) -> bool {
    use crate::checker::verdict::Pattern;
    matches!(&finding.kind, FindingKind::Divergence(it)
        if !it.flags
            && (it.last.pattern != Pattern::Unanimous || it.first.pattern != Pattern::Unanimous))
}

/// Whether all replicas agreed again at the end: where a wrong copy has replaced the right ones, too, peers
/// alone take that for healed.
fn agrees_at_last(finding: &Finding) -> bool {
    use crate::checker::verdict::{Course, Pattern};
    matches!(&finding.kind, FindingKind::Divergence(it)
        if it.course == Course::Healed || it.last.pattern == Pattern::Unanimous)
}

fn is_wrong_by_model(finding: &Finding) -> bool {
    use crate::checker::verdict::Side;
    matches!(&finding.kind, FindingKind::Divergence(it)
        if !it.flags && it.last.side != Side::Unknown)
}

fn is_of_flags(finding: &Finding) -> bool {
    matches!(&finding.kind, FindingKind::Divergence(it) if it.flags)
}
