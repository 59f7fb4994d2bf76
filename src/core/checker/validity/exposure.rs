//! Whether the opportunity that the plan aims at arose (`RULES.md` 8). Only faults of the plan count, only as
//! far as they are known to have been in force, and only on a replica that takes part in what they affect. A
//! control run needs rows compared, not keys under a hold.

use crate::checker::tables::history::{FaultSpan, History, RowsRead};
use crate::checker::tables::log_index::{Effect, LogIndex};
use crate::checker::tables::segments::SegmentSpan;
use crate::checker::verdict::{CheckResult, Doubt, DoubtKind, Exposure, Finding, FindingKind, Status};
use crate::history::check_name::CheckName;
use crate::history::fault::FaultKind;
use crate::history::row::{CopyState, ReadValidity};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// Counts the opportunities of the plan. `findings` show which replicas are frozen.
pub(crate) fn check(
    history: &History<'_>,
    log_indexes: &[LogIndex],
    rows_compared: u64,
    findings: &[Finding],
) -> (CheckResult, Vec<Exposure>, Vec<Doubt>) {
    let exposure = opportunities(history, log_indexes, rows_compared, findings);
    let doubts: Vec<Doubt> = exposure
        .iter()
        .filter(|exposure| exposure.count < exposure.demanded)
        .map(|Exposure { what, count, demanded }| Doubt {
            kind: DoubtKind::NoExposure,
            detail: format!("{what}: {count} of the {demanded} that the plan demands"),
        })
        .collect();
    let result = CheckResult {
        name: CheckName::Exposure,
        status: if doubts.is_empty() { Status::Pass } else { Status::Unknown },
        compared: exposure.iter().map(|exposure| exposure.count).sum(),
        unit: exposure.iter().map(|exposure| exposure.what.as_str()).collect::<Vec<_>>().join(" + "),
        reason: doubts.first().map(|doubt| doubt.detail.clone()),
    };
    (result, exposure, doubts)
}

fn opportunities(
    history: &History<'_>,
    log_indexes: &[LogIndex],
    rows_compared: u64,
    findings: &[Finding],
) -> Vec<Exposure> {
    let plan = &history.meta.nemesis;
    let planned = |name: &str| history.meta.steps.iter().any(|step| step.kind.name() == name);
    let holds = history.meta.steps.iter().any(|step| step.kind.withholds_a_segment());
    let mut exposure = Vec::new();
    let opportunity = |what: &str, count, demanded| Exposure { what: what.to_owned(), count, demanded };
    if holds {
        let carried = keys_carried(history, log_indexes, findings);
        exposure.push(opportunity("keys-carried-under-hold", carried, plan.min_exposure.max(1)));
    }
    // Faults that count by themselves.
    let done_once = FaultKind::ALL.into_iter().filter_map(|kind| Some((kind.name(), kind.counted_as()?)));
    let mut done_once: Vec<(&str, &str)> = done_once.filter(|(name, _)| planned(name)).collect();
    done_once.dedup();
    for (name, what) in done_once {
        let done =
            |span: &&FaultSpan| span.fault.kind.name() == name && span.counts() && has_part(history, span);
        let demanded = if holds { 1 } else { plan.min_exposure.max(1) };
        exposure.push(opportunity(what, history.faults.iter().filter(done).count() as u64, demanded));
    }
    if exposure.is_empty() && rows_compared == 0 && !history.meta.frontiers.is_empty() {
        let samples =
            history.frontier_samples.frontiers.iter().map(|(_, samples)| samples.len() as u64).sum();
        exposure.push(opportunity("looks-at-frontiers", samples, plan.min_exposure.max(1)));
    } else if exposure.is_empty() {
        exposure.push(opportunity("rows-compared", rows_compared, plan.min_exposure.max(1)));
    }
    exposure
}

impl FaultSpan {
    /// Whether it is a fault of the plan that came into force, and was still in force when its cure began.
    fn counts(&self) -> bool {
        self.is_planned && self.is_begun() && self.ended_early.is_none()
    }

    /// The (partition, sequence number) of the segment that it withholds.
    fn withheld(&self) -> Option<(u32, u32)> {
        let fault = &self.fault;
        if fault.kind.withholds_a_segment() { Some((fault.partition?, fault.seq?)) } else { None }
    }

    /// The end of a partition's log when its cure began.
    fn cured_at(&self, partition: u32) -> u64 {
        let end = self.cure_begun.as_ref().and_then(|(_, ends)| ends.get(partition as usize));
        end.copied().unwrap_or(u64::MAX)
    }
}

/// Whether the fault hit a replica that is assigned some of the table. Without segments, every replica takes
/// part.
fn has_part(history: &History<'_>, span: &FaultSpan) -> bool {
    let mut segments = history.segments.iter().flatten().peekable();
    span.fault.kind.is_of_all()
        || segments.peek().is_none()
        || span.replica.is_some_and(|replica| segments.any(|segment| segment.was_assigned(replica)))
}

/// A segment that was withheld from a replica, and the ranges of the log that may have been merged without
/// it.
#[derive(Debug)]
struct Withheld {
    replica: usize,
    partition: u32,
    seq: u32,
    without: Vec<(u64, u64)>,
}

/// One for each segment and victim. Two holds on one segment withhold it together, as long as either is in
/// force.
fn withheld(history: &History<'_>) -> Vec<Withheld> {
    let mut all: BTreeMap<(usize, u32, u32), Vec<(u64, u64)>> = BTreeMap::new();
    for span in history.faults.iter().filter(|span| span.counts()) {
        if let (Some(replica), Some((partition, seq))) = (span.replica, span.withheld()) {
            let before = merged_before(history, (replica, partition, seq + 1), span.t);
            all.entry((replica, partition, seq)).or_default().push((before, span.cured_at(partition)));
        }
    }
    let each = |((replica, partition, seq), without)| Withheld { replica, partition, seq, without };
    all.into_iter().map(each).collect()
}

/// The number of keys with an accepted entry in a held segment, and then one in the next segment that the
/// victim reached while it could not see the held one. What the victim makes of that entry must be visible:
/// the victim merged it itself and was read before its copy was replaced, or it is frozen before the entry.
///
/// ```text
/// the victim merges s4 onto rows it does not have; a healthy copy of s4 wins the commit and replaces its own
/// the next capture reads the right copy: no read could show that the victim was wrong
/// ```
fn keys_carried(history: &History<'_>, log_indexes: &[LogIndex], findings: &[Finding]) -> u64 {
    let carried = withheld(history).into_iter().map(|it| {
        let log_index = log_indexes.get(it.partition as usize)?;
        let spans = &history.segments[it.partition as usize];
        let of = |seq| spans.iter().position(|span: &SegmentSpan| span.seq == seq);
        let (held, next) = (of(it.seq)?, of(it.seq + 1)?);
        if ![held, next].iter().all(|at| spans[*at].was_assigned(it.replica)) {
            return None;
        }
        let own = own_reads(history, (it.replica, it.partition, it.seq + 1));
        let mut seen: Vec<(u64, u64)> = own.map(|read| (read.from, read.held.end)).collect();
        seen.extend(is_stuck(history, &it, findings).then_some((0, u64::MAX)));
        Some(carried(log_index, held, next, &it.without, &seen))
    });
    carried.flatten().sum()
}

/// The reads of a segment, given as (replica, partition, sequence number), that returned what the replica had
/// merged itself.
fn own_reads<'h>(history: &'h History<'_>, of: (usize, u32, u32)) -> impl Iterator<Item = &'h RowsRead> {
    history.reads_of(of).filter(|read| {
        read.header.soundness == ReadValidity::Sound
            && read.held.is_visible()
            && read.held.state != CopyState::Downloaded
    })
}

/// How far a replica is known to have merged a segment by this time.
///
/// ```text
/// the hold on s0 began long after the victim had merged all of s1: nothing was carried under it
/// ```
fn merged_before(history: &History<'_>, of: (usize, u32, u32), t: Nanos) -> u64 {
    let earlier = own_reads(history, of).filter(|read| read.header.t <= t);
    earlier.map(|read| read.held.end).max().unwrap_or(0)
}

/// Whether the victim was found frozen in this partition, so that it will never merge what is written.
fn is_stuck(history: &History<'_>, victim: &Withheld, findings: &[Finding]) -> bool {
    findings.iter().any(|finding| match &finding.kind {
        FindingKind::Frozen(frozen) => {
            frozen.replica.as_ref() == history.meta.roster.get(victim.replica)
                && frozen.partition == Some(victim.partition)
        }
        _ => false,
    })
}

fn carried(
    log_index: &LogIndex,
    held: usize,
    next: usize,
    without: &[(u64, u64)],
    seen: &[(u64, u64)],
) -> u64 {
    let lies_in = |ranges: &[(u64, u64)], off| ranges.iter().any(|&(from, to)| from <= off && off < to);
    let merged = log_index.entries().filter(|entry| entry.effect == Effect::Merged);
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for entry in merged {
        if entry.segment == Some(held) {
            before.insert(entry.key);
        } else if entry.segment == Some(next)
            && before.contains(&entry.key)
            && lies_in(without, entry.off)
            && lies_in(seen, entry.off)
        {
            after.insert(entry.key);
        }
    }
    after.len() as u64
}
