//! Runs the checks in order and concludes the verdict (`RULES.md` 10).

use super::explanation::explainer::{Explainer, PartitionTables};
use super::explanation::stuck_consumer::StuckAt;
use super::findings::assemble::assemble;
use super::findings::newest_rows;
use super::liveness::{self, LivenessFound, ReadBack};
pub use super::oracle::Oracle;
use super::owed::{self, FrontiersOwed, Reads};
use super::parallel::{both, each_partition};
use super::safety::calibration::{Calibration, calibrate};
use super::safety::compare_partition::PartitionCompared;
use super::safety::mismatch::{Mismatch, ReplicaView};
use super::safety::newest_rows::{NewestRowsCompared, compare};
use super::tables::acks::acknowledged;
use super::tables::copies::CopyTimeline;
use super::tables::history::History;
use super::tables::log_index::LogIndex;
use super::tables::{named_row, shared_reads};
use super::validity::input_log::{self, LogExtent, LogValidity};
use super::validity::{assumptions, exposure};
use super::verdict::{
    Course, Doubt, DoubtKind, Finding, FindingKind, FreezeCourse, NotVisible, Origin, Pattern, Side, Status,
    Verdict,
};
use super::verdict_builder::VerdictBuilder;
use crate::history::check_name::CheckName;
use crate::history::run_record::{Damage, EventRef, RunRecord};
use crate::history::schema::Column;
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Judges a run by its record alone. The same record gives the same verdict.
///
/// A check that panics is a bug of ours: it becomes `unknown`, and the others go on.
pub fn judge(record: &dyn RunRecord) -> Verdict {
    judge_seeing(record, Oracle::default(), &mut |_, _| {})
}

/// As `judge`, with this oracle. `also` gets all events as they are read.
pub fn judge_seeing(
    record: &dyn RunRecord,
    oracle: Oracle,
    also: &mut dyn FnMut(Nanos, EventRef<'_>),
) -> Verdict {
    let mut verdict = VerdictBuilder::default();
    let (history, log_indexes) = both(
        record,
        || History::gather(record, also),
        || each_partition(record, |partition| LogIndex::read(record, partition)),
    );
    match history.and_then(|history| Ok((history, log_indexes?))) {
        Ok((history, mut log_indexes)) => {
            let segments = log_indexes.iter_mut().zip(&history.segments);
            segments.for_each(|(log_index, spans)| log_index.assign_segments(spans));
            if record.meta().schema.rules.has_own_log() {
                log_indexes.iter_mut().for_each(|log_index| {
                    log_index.mark_undecided(history.acks.acked_in(log_index.partition));
                });
            }
            verdict = Judge::new(record, oracle, &history, &log_indexes).run();
        }
        Err(panic) => verdict.panicked(&CheckName::ALL, &*panic),
    }
    verdict.conclude(&record.meta().nemesis.required)
}

/// A run that is being judged: its record, its tables, and the results of the steps so far.
struct Judge<'h> {
    record: &'h dyn RunRecord,
    oracle: Oracle,
    history: &'h History<'h>,
    log_indexes: &'h [LogIndex],
    trust: Option<LogValidity>,
    calibration: Calibration,
    partitions: Option<Vec<PartitionCompared<'h>>>,
    damage: Vec<Damage>,
    shard: Option<NewestRowsCompared>,
    stalls: Option<LivenessFound>,
    /// Made when there is something to explain.
    explainer: Option<Explainer<'h>>,
    verdict: VerdictBuilder,
}

/// One step of the judge: the checks whose results it gives, and the function that computes them.
type JudgeStep<'h> = (&'static [CheckName], fn(&mut Judge<'h>));

impl<'h> Judge<'h> {
    /// The steps in order. Each one sees the results of those before it.
    const STEPS: [JudgeStep<'h>; 11] = [
        (&[CheckName::Log], Judge::trust_log),
        (&[CheckName::Calibration], Judge::calibrate),
        (&[CheckName::Group, CheckName::Model, CheckName::Current], Judge::compare_rows),
        (&[CheckName::Model], Judge::compare_shard),
        (&[CheckName::Assumptions], Judge::check_assumptions),
        (&[CheckName::Owed], Judge::check_owed_reads),
        (&[CheckName::Progress], Judge::find_stalls),
        (&[CheckName::Exposure], Judge::check_exposure),
        (&[CheckName::Log], Judge::find_lost_acks),
        (&[CheckName::Progress], Judge::add_stalls),
        (&[CheckName::Owed], Judge::check_owed_samples),
    ];

    fn new(
        record: &'h dyn RunRecord,
        oracle: Oracle,
        history: &'h History<'h>,
        log_indexes: &'h [LogIndex],
    ) -> Judge<'h> {
        let mut verdict = VerdictBuilder::default();
        verdict.compared.entries = log_indexes.iter().map(|log_index| log_index.len() as u64).sum();
        verdict.compared.keys = log_indexes.iter().map(|log_index| log_index.keys.len() as u64).sum();
        verdict.compared.captures = history.captures.len() as u32;
        let calibration = Calibration::unproven(&history.meta.schema.columns);
        Judge {
            record,
            oracle,
            history,
            log_indexes,
            trust: None,
            calibration,
            partitions: None,
            damage: Vec::new(),
            shard: None,
            stalls: None,
            explainer: None,
            verdict,
        }
    }

    /// Runs every step. Unless it is known how far the log can be trusted, nothing can be concluded.
    fn run(mut self) -> VerdictBuilder {
        for (names, step) in Self::STEPS {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(&mut self))) {
                self.verdict.panicked(names, &*panic);
            }
            if self.trust.is_none() {
                break;
            }
        }
        self.verdict
    }

    /// How much of the log was read back; only a part if that is not known.
    fn log_extent(&self) -> LogExtent {
        self.trust.as_ref().map_or(LogExtent::Partial, |trust| trust.extent)
    }

    fn trust_log(&mut self) {
        self.trust = Some(LogValidity::of(self.record, self.history, self.log_indexes));
    }

    fn calibrate(&mut self) {
        if !self.history.meta.has_segments() {
            return self
                .verdict
                .not_applicable(CheckName::Calibration, "rows are whole: there is no merge to calibrate");
        }
        let columns = &self.history.meta.schema.columns;
        if self.oracle == Oracle::PeersAlone {
            self.calibration = Calibration::none(columns);
            return self.verdict.not_applicable(CheckName::Calibration, "there is no model to calibrate");
        }
        let partitions = 0..self.history.meta.partitions;
        let nothing_void = BTreeSet::new();
        let timelines: Vec<CopyTimeline> =
            partitions.map(|partition| CopyTimeline::build(self.history, partition, &nothing_void)).collect();
        let mut calibration = calibrate(self.record, self.history, self.log_indexes, &timelines);
        self.verdict.doubts.append(&mut calibration.doubts);
        let off = calibration.model_on.iter().filter(|on| !**on).count();
        let reason = match (calibration.rows, off) {
            (0, _) => Some("no calibration row was compared".to_owned()),
            (_, 0) => None,
            (_, off) => Some(format!("the model is off for {off} columns")),
        };
        let status = if reason.is_none() { Status::Pass } else { Status::Unknown };
        self.verdict.check(CheckName::Calibration, status, calibration.rows, "rows", reason);
        self.calibration = calibration;
    }

    /// Compares the rows and flags of all partitions, if rows are in segments.
    fn compare_rows(&mut self) {
        let Some(trust) = self.trust.as_ref().filter(|_| self.history.meta.has_segments()) else { return };
        let (record, history, log_indexes) = (self.record, self.history, self.log_indexes);
        let (calibration, oracle) = (&self.calibration, self.oracle);
        let mut partitions = each_partition(record, |partition| {
            let log_index = &log_indexes[partition as usize];
            PartitionCompared::compare(record, history, log_index, calibration, trust, oracle)
        });
        let ops = partitions.iter().flat_map(|it| &it.mismatches).filter_map(|it| it.op).collect();
        let times = acknowledged(record, &ops);
        let is_wrong = partitions.iter().any(|it| !it.mismatches.is_empty());
        if is_wrong {
            self.explainer = Some(Explainer::new(record, history));
        }
        let mut findings = Vec::new();
        for (partition, log_index) in partitions.iter().zip(log_indexes) {
            let PartitionCompared { flags, mismatches, timeline, .. } = partition;
            if let Some(explainer) = &mut self.explainer {
                let wrong = root_rows(mismatches);
                let tables = PartitionTables { log_index, timeline, wrong: &wrong };
                findings.extend(assemble(explainer, tables, Some(flags), mismatches, &times));
            }
        }
        findings.retain(|it| oracle == Oracle::PeersAndModel || !agrees_at_last(it));
        self.note_compared(&mut partitions);
        self.count_findings(&findings);
        self.verdict.findings.extend(findings);
        self.partitions = Some(partitions);
    }

    fn note_compared(&mut self, partitions: &mut [PartitionCompared<'_>]) {
        let verdict = &mut self.verdict;
        verdict.compared.traffic = self.history.traffic;
        verdict.compared.by_checksum = shared_reads::count(&self.history.reads);
        let mut unproven = BTreeMap::new();
        for partition in partitions {
            verdict.compared.add(&partition.compared);
            verdict.doubts.append(&mut partition.doubts);
            for (cell, text) in std::mem::take(&mut partition.unproven) {
                unproven.entry(cell).or_insert(text);
            }
        }
        verdict.doubts.extend(unproven_doubt(&self.history.meta.schema.columns, unproven));
        let roster = &self.history.meta.roster;
        verdict.compared.replicas.sort_by_key(|name| roster.iter().position(|known| known == name));
        verdict.compared.replicas.dedup();
    }

    fn count_findings(&mut self, findings: &[Finding]) {
        let found = |wanted: fn(&Finding) -> bool| findings.iter().any(wanted);
        let (disagree, wrong, flags) = (found(is_disagreement), found(is_wrong_by_model), found(is_of_flags));
        let verdict = &mut self.verdict;
        let compared = &verdict.compared;
        let (offsets, rows, flags_compared) = (compared.offsets, compared.rows, compared.flags);
        let model_on = self.calibration.model_on.iter().any(|on| *on);
        let rows_by_model = if model_on { rows } else { 0 };
        verdict.count(CheckName::Group, disagree, offsets, "offsets");
        if self.oracle == Oracle::PeersAlone {
            verdict.not_applicable(CheckName::Model, "what all replicas agree on at the end was not judged");
            verdict.not_applicable(CheckName::Current, "which row is current is known from the log alone");
        } else {
            verdict.count(CheckName::Model, wrong, rows_by_model, "rows");
            verdict.count(CheckName::Current, flags, flags_compared, "flags");
        }
    }

    /// Compares the contents of a shard, if rows are in one.
    fn compare_shard(&mut self) {
        if self.history.meta.has_segments() {
            return;
        }
        let extent = self.log_extent();
        let verdict = &mut self.verdict;
        verdict.not_applicable(CheckName::Group, "there is one shard: no other copy to compare it with");
        verdict.not_applicable(
            CheckName::Current,
            "a shard has current rows only: they are compared with the model",
        );
        if self.oracle == Oracle::PeersAlone {
            return verdict.not_applicable(CheckName::Model, "what is in the shard was not judged");
        }
        let compared = compare(self.record, extent);
        let findings = newest_rows::assemble(self.record, self.history, &compared);
        verdict.compared.rows = compared.rows;
        verdict.compared.replicas.extend(compared.unseen.keys().cloned());
        let not_loaded = compared.unseen.iter().filter(|(_, unseen)| unseen.entries > 0);
        let not_loaded = not_loaded.map(|(shard, unseen)| (shard.clone(), unseen.entries));
        verdict.compared.not_loaded.extend(not_loaded);
        verdict.count(CheckName::Model, !findings.is_empty(), compared.rows, "rows");
        verdict.findings.extend(findings);
        self.shard = Some(compared);
    }

    /// Checks what the other checks rely on. All reading is done by now, so all damage is known.
    fn check_assumptions(&mut self) {
        self.damage = self.record.damage();
        let checked = assumptions::check(self.history, self.log_indexes, &self.damage);
        self.verdict.add(checked);
        if let Some(trust) = &mut self.trust {
            self.verdict.doubts.append(&mut trust.doubts);
        }
    }

    fn check_owed_reads(&mut self) {
        let Some(partitions) = &self.partitions else { return };
        let of_partition = partitions.iter().zip(self.log_indexes);
        let reads: Vec<Reads<'_>> = of_partition
            .map(|(it, log_index)| Reads { log_index, timeline: &it.timeline, flags: &it.flags })
            .collect();
        self.verdict.add(owed::check(self.history, &reads));
    }

    fn find_stalls(&mut self) {
        let Some(trust) = &mut self.trust else { return };
        if !self.damage.is_empty() {
            trust.extent = LogExtent::Partial;
        }
        let no_shard = NewestRowsCompared::default();
        let read_back = ReadBack {
            log_indexes: self.log_indexes,
            log: trust,
            contents: self.shard.as_ref().unwrap_or(&no_shard),
        };
        let mut stalls = liveness::check(self.history, &read_back);
        stalls.findings.iter_mut().for_each(|finding| name_unseen(finding, &read_back.contents.unseen));
        self.stalls = Some(stalls);
    }

    fn check_exposure(&mut self) {
        let stalls = self.stalls.as_ref().map_or(&[][..], |stalls| &stalls.findings);
        let rows = self.verdict.compared.rows;
        let (result, exposure, doubts) = exposure::check(self.history, self.log_indexes, rows, stalls);
        self.verdict.exposure = exposure;
        self.verdict.add((result, doubts));
    }

    fn find_lost_acks(&mut self) {
        let extent = self.log_extent();
        let lost_everywhere = self.partitions.iter().flatten().zip(self.log_indexes);
        let lost_everywhere = lost_everywhere.map(|(it, of)| (of.partition, it.lost_acks.clone())).collect();
        let (result, findings) =
            input_log::check(self.record, self.history, self.log_indexes, extent, lost_everywhere);
        self.verdict.checks.push(result);
        self.verdict.findings.extend(findings);
    }

    fn add_stalls(&mut self) {
        let Some(mut stalls) = self.stalls.take() else { return };
        stalls.findings.iter_mut().for_each(|finding| self.explain_stuck(finding));
        self.verdict.progress = stalls.progress;
        self.verdict.findings.extend(stalls.findings);
        self.verdict.add((stalls.result, stalls.doubts));
    }

    /// Looks for the guard that keeps a replica from consuming the segment at its position.
    fn explain_stuck(&mut self, finding: &mut Finding) {
        let FindingKind::Frozen(frozen) = &mut finding.kind else { return };
        let (record, history) = (self.record, self.history);
        let at = || {
            let (partition, replica) = (frozen.partition?, history.replica(frozen.replica.as_ref()?)?);
            let spans = &history.segments[partition as usize];
            let segment = spans.iter().position(|span| Some(&span.name) == frozen.segment.as_ref())?;
            Some(StuckAt { replica, partition, segment })
        };
        if let Some(at) = at() {
            let explainer = self.explainer.get_or_insert_with(|| Explainer::new(record, history));
            frozen.explanation = Some(Box::new(explainer.explain_stuck(at)));
        }
    }

    /// Checks that every frontier was sampled to the end, and that every shard was read.
    fn check_owed_samples(&mut self) {
        let owed = FrontiersOwed {
            history: self.history,
            log_indexes: self.log_indexes,
            contents: self.shard.as_ref(),
            findings: &self.verdict.findings,
            doubts: &self.verdict.doubts,
        };
        let (owed, doubts) = owed.check();
        if owed > 0 {
            self.verdict.owe(owed, doubts);
        }
    }
}

/// One doubt, however many cells agree against a model that nothing confirms.
fn unproven_doubt(columns: &[Column], unproven: BTreeMap<usize, String>) -> Option<Doubt> {
    let mut unproven = unproven.into_iter();
    let (_, first) = unproven.next()?;
    let others: Vec<&str> = unproven.map(|(cell, _)| named_row::name(columns, cell)).collect();
    let also =
        if others.is_empty() { String::new() } else { format!(" (so it is with {})", others.join(", ")) };
    let detail = format!("{first}, and no calibration bears the model out{also}");
    Some(Doubt { kind: DoubtKind::Uncalibrated, detail })
}

/// A shard that is frozen to the end does not show what was written to the log since.
fn name_unseen(finding: &mut Finding, unseen: &BTreeMap<String, NotVisible>) {
    if let FindingKind::Frozen(frozen) = &mut finding.kind
        && frozen.course == FreezeCourse::Sticky
    {
        frozen.unseen = unseen.get(&frozen.object).copied().filter(|unseen| unseen.entries > 0);
    }
}

/// The (replica, offset) pairs of rows that a replica merged wrongly itself.
fn root_rows(mismatches: &[Mismatch]) -> BTreeSet<(usize, u64)> {
    let views = mismatches.iter().flat_map(|it| it.views.iter().map(move |view| (it.off, view)));
    let is_root = |view: &ReplicaView| view.anomaly.as_ref().is_some_and(|it| it.origin == Origin::Root);
    views.filter(|(_, view)| is_root(view)).map(|(off, view)| (view.replica, off)).collect()
}

fn is_disagreement(finding: &Finding) -> bool {
    matches!(&finding.kind, FindingKind::Divergence(it)
        if !it.flags
            && (it.last.pattern != Pattern::Unanimous || it.first.pattern != Pattern::Unanimous))
}

/// Whether all replicas agreed again at the end. Replicas compared only with each other count that as
/// healed, even if a wrong copy has replaced the right ones.
fn agrees_at_last(finding: &Finding) -> bool {
    matches!(&finding.kind, FindingKind::Divergence(it)
        if it.course == Course::Healed || it.last.pattern == Pattern::Unanimous)
}

fn is_wrong_by_model(finding: &Finding) -> bool {
    matches!(&finding.kind, FindingKind::Divergence(it)
        if !it.flags && it.last.side != Side::Unknown)
}

fn is_of_flags(finding: &Finding) -> bool {
    matches!(&finding.kind, FindingKind::Divergence(it) if it.flags)
}
