//! Whether what the other checks rely on holds. An unmet assumption is a result of its own, not a pass
//! (`RULES.md` 3, 10).

use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::tables::segments::SegmentSpan;
use crate::checker::verdict::{CheckResult, Doubt, DoubtKind, Status};
use crate::history::check_name::CheckName;
use crate::history::row::ReadValidity;
use crate::history::run_record::Damage;
use crate::history::time::Nanos;
use std::collections::BTreeMap;

/// Checks what must hold for the other checks to mean anything.
pub(crate) fn check(
    history: &History<'_>,
    log_indexes: &[LogIndex],
    damage: &[Damage],
) -> (CheckResult, Vec<Doubt>) {
    let mut doubts = history.doubts.clone();
    doubts.extend(damage.iter().map(|damage| Doubt {
        kind: DoubtKind::Damage,
        detail: format!("{}: {}", damage.file, damage.detail),
    }));
    faults(history, &mut doubts);
    restarts(history, &mut doubts);
    for log_index in log_indexes {
        segments(history, log_index, &mut doubts);
        if let Some((earlier, later)) = log_index.disorder
            && !history.meta.workload.is_disorderly()
        {
            let partition = log_index.partition;
            doubts.push(Doubt {
                kind: DoubtKind::UnmetAssumption,
                detail: format!(
                    "partition {partition}: the comparison value falls behind, offset {earlier} to {later}"
                ),
            });
        }
    }
    let examined = history.segments.iter().map(Vec::len).sum::<usize>()
        + history.meta.steps.len()
        + history.reads.len()
        + history.current_reads.len()
        + log_indexes.iter().map(|log_index| log_index.keys.len()).sum::<usize>();
    let result = CheckResult {
        name: CheckName::Assumptions,
        status: if doubts.is_empty() && examined > 0 { Status::Pass } else { Status::Unknown },
        compared: examined as u64,
        unit: "facts".to_owned(),
        reason: doubts.first().map(|doubt| doubt.detail.clone()),
    };
    (result, doubts)
}

/// The first incarnation that began without a restart of ours, and the one before it. A read is recorded when
/// it ends, with the incarnation in which it began, so an earlier incarnation that is recorded late is not a
/// new one.
fn unasked_restart(history: &History<'_>, replica: usize, mut seen: Vec<(Nanos, u64)>) -> Option<(u64, u64)> {
    seen.sort();
    let mut known: Vec<u64> = Vec::new();
    for (t, incarnation) in seen {
        if known.contains(&incarnation) {
            continue;
        }
        match known.last() {
            Some(before) if !history.restarting(replica, t) => return Some((*before, incarnation)),
            _ => known.push(incarnation),
        }
    }
    None
}

fn faults(history: &History<'_>, doubts: &mut Vec<Doubt>) {
    for step in &history.meta.steps {
        let span = history.faults.iter().find(|span| span.step == step.id);
        let failed = match span.map(|span| &span.begun) {
            None => "never began".to_owned(),
            Some(None) => "was not seen in force".to_owned(),
            Some(Some(Err(error))) => format!("could not be begun: {error}"),
            Some(Some(Ok(()))) => continue,
        };
        doubts.push(Doubt { kind: DoubtKind::FailedFault, detail: format!("step {}: {failed}", step.id) });
    }
    for span in &history.faults {
        // If a process of the target died, its fault could not be observed.
        if let Some(seen) = span.ended_early.as_ref().filter(|_| !history.has_lost_a_server()) {
            let detail = format!("step {} on {}: {seen}", span.step, span.fault.replica);
            doubts.push(Doubt { kind: DoubtKind::FaultEndedEarly, detail });
        }
        let failed = match &span.cured {
            None => "was not seen cured".to_owned(),
            Some((_, Err(error))) => format!("could not be cured: {error}"),
            Some((_, Ok(()))) => continue,
        };
        doubts.push(Doubt { kind: DoubtKind::FailedCure, detail: format!("step {}: {failed}", span.step) });
    }
}

/// Doubts about replicas with a new incarnation but no restart of ours, wherever the record shows
/// incarnations.
fn restarts(history: &History<'_>, doubts: &mut Vec<Doubt>) {
    let mut incarnations: BTreeMap<usize, Vec<(Nanos, u64)>> = BTreeMap::new();
    let samples = &history.frontier_samples;
    let positions = samples.positions.iter().map(|((replica, _), samples)| (*replica, samples));
    let declared = samples
        .frontiers
        .iter()
        .filter_map(|(frontier, samples)| Some((history.replica(frontier.replica.as_deref()?)?, samples)));
    for (replica, samples) in positions.chain(declared) {
        let seen = samples.iter().map(|sample| (sample.t, sample.incarnation));
        incarnations.entry(replica).or_default().extend(seen);
    }
    let reads = history
        .reads
        .iter()
        .map(|read| read.header)
        .chain(history.current_reads.iter().map(|read| read.header));
    for header in reads.filter(|header| header.soundness == ReadValidity::Sound) {
        incarnations.entry(header.replica).or_default().push((header.t, header.incarnation));
    }
    for (replica, seen) in incarnations {
        if let Some((before, after)) = unasked_restart(history, replica, seen) {
            let name = &history.meta.roster[replica];
            doubts.push(Doubt {
                kind: DoubtKind::UnmetAssumption,
                detail: format!("{name} restarted unasked: incarnation {before} became {after}"),
            });
        }
    }
}

/// Segments must follow one another without a gap and contain the whole log, each row once. A segment that
/// others have replaced must no longer be assigned to any replica.
fn segments(history: &History<'_>, log_index: &LogIndex, doubts: &mut Vec<Doubt>) {
    let partition = log_index.partition;
    let spans = &history.segments[partition as usize];
    let mut unmet = |detail| doubts.push(Doubt { kind: DoubtKind::UnmetAssumption, detail });
    let first: Vec<&SegmentSpan> = spans.iter().filter(|span| span.replaces.is_empty()).collect();
    for pair in first.windows(2) {
        if pair[0].end != Some(pair[1].start) {
            unmet(format!(
                "segment {} of partition {partition} ends at {:?}, {} starts at {}",
                pair[0].name, pair[0].end, pair[1].name, pair[1].start
            ));
        }
    }
    let last = history.captures.len().saturating_sub(1);
    for later in spans {
        let both = |span: &&SegmentSpan| {
            !span.assigned(last).is_empty() || span.end.is_none_or(|end| later.end.is_some_and(|to| to < end))
        };
        if let Some(earlier) = later.replaces.iter().map(|&at| &spans[at]).find(both) {
            let (name, of) = (&later.name, &earlier.name);
            unmet(format!(
                "segment {name} of partition {partition} holds a part of {of}, which is still held"
            ));
        }
    }
    let outside = log_index.entries().find(|entry| entry.segment.is_none() && history.meta.has_segments());
    if let Some(entry) = outside {
        unmet(format!("no segment holds offset {} of partition {partition}", entry.off));
    }
    let known = |seq| spans.iter().any(|span| span.seq == seq);
    let stray = history.reads.iter().find(|read| read.header.partition == partition && !known(read.held.seq));
    if let Some(read) = stray {
        unmet(format!("segment {} of partition {partition} was read, and nobody knows it", read.held.seq));
    }
}
