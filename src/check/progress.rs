//! Consuming positions as frontiers, in the same domain as the log's end (`semantics` 7): behind iff the
//! position is below the log's end as read before it; frozen iff behind with one unchanged position over the
//! whole window, whether or not the log's end moved, up to the last sample.

use super::fingerprint::fingerprint;
use super::history::{History, Position};
use super::ledger::{bounds, segment_of};
use super::verdict::{CheckName, CheckResult, Doubt, DoubtKind, Finding, FindingKind, Frozen, Status};
use crate::record::row::Nanos;

/// So many gaps between advances make a baseline.
const GAPS_MIN: usize = 30;

/// A position is frozen after so many times the largest gap of its baseline.
const GAP_FACTOR: u64 = 5;

/// Looks for positions that stand still behind the log's end at the end of the run.
pub(super) fn check(history: &History<'_>) -> (CheckResult, Vec<Finding>, Vec<Doubt>) {
    let (mut findings, mut doubts) = (Vec::new(), Vec::new());
    let mut samples = 0;
    for (&(replica, partition), positions) in &history.positions {
        samples += positions.len() as u64;
        let watch = Watch::of(history, replica, positions);
        let name = &history.facts.roster[replica];
        if let Some((t, error)) = watch.silent_at_end {
            let detail = format!("{name} did not answer its last sampling, at {} ns: {error}", t.0);
            doubts.push(Doubt { kind: DoubtKind::Unreadable, detail });
        }
        let (Some(first), Some(last)) = (watch.window.first(), positions.last()) else { continue };
        let watched = Nanos(last.t.0 - first.t.0);
        if watched >= watch.threshold {
            let spans = history.segments.get(partition as usize);
            let segment =
                spans.and_then(|spans| Some(spans[segment_of(&bounds(spans), last.f)?].name.clone()));
            let kind = FindingKind::Frozen(Frozen {
                replica: name.clone(),
                partition,
                position: last.f,
                segment,
                log_end: last.u1,
                since: first.t,
                watched,
                threshold: watch.threshold,
                baseline: watch.baseline,
                status: last.status.clone(),
                samples: watch.window.len() as u64,
            });
            findings.push(Finding { fingerprint: fingerprint(&kind), kind });
        } else if history.settled != Some(true) {
            let (f, end) = (last.f, last.u1);
            let detail =
                format!("{name} was still at {f} of {end} in partition {partition}, and not yet frozen");
            doubts.push(Doubt { kind: DoubtKind::NotSettled, detail });
        }
    }
    if history.settled == Some(false) && findings.is_empty() && doubts.is_empty() {
        let detail = "not every replica had caught up at the deadline".to_owned();
        doubts.push(Doubt { kind: DoubtKind::NotSettled, detail });
    }
    let status = match (findings.is_empty(), doubts.is_empty() && samples > 0) {
        (false, _) => Status::Fail,
        (true, true) => Status::Pass,
        (true, false) => Status::Unknown,
    };
    let reason = match samples {
        0 => Some("no consuming position was sampled".to_owned()),
        _ => doubts.first().map(|doubt: &Doubt| doubt.detail.clone()),
    };
    let unit = "samples".to_owned();
    let result = CheckResult { name: CheckName::Progress, status, compared: samples, unit, reason };
    (result, findings, doubts)
}

/// The last samples of one position: those that are behind, at one unchanged place, without an excuse.
struct Watch<'h> {
    window: &'h [Position],
    threshold: Nanos,
    baseline: bool,
    silent_at_end: Option<(Nanos, &'h str)>,
}

impl<'h> Watch<'h> {
    fn of(history: &'h History<'_>, replica: usize, positions: &'h [Position]) -> Watch<'h> {
        let floor = history.facts.frozen_floor;
        let excuses: Vec<(Nanos, Nanos)> = history
            .faults
            .iter()
            .filter(|span| span.is_on(replica) && span.fault.kind.holds_back())
            .map(|span| (span.t, span.excused_until(floor)))
            .collect();
        let silences = history.silences.iter().filter(|(silent, ..)| *silent == replica);
        let silences: Vec<(Nanos, &str)> = silences.map(|(_, t, error)| (*t, error.as_str())).collect();
        let excused = |from: Nanos, to: Nanos| excuses.iter().any(|&(begin, end)| begin <= to && from < end);
        let silent = |from: Nanos, to: Nanos| silences.iter().any(|(t, _)| from < *t && *t <= to);
        let goes_on = |pair: &[Position]| {
            pair[0].incarnation == pair[1].incarnation
                && pair[0].is_behind()
                && !silent(pair[0].t, pair[1].t)
                && !excused(pair[0].t, pair[1].t)
        };
        let mut gaps = Vec::new();
        let mut advanced: Option<Nanos> = None;
        let mut start = 0;
        for (at, pair) in positions.windows(2).enumerate() {
            let moved = pair[0].f != pair[1].f;
            if !goes_on(pair) {
                (start, advanced) = (at + 1, None);
            } else if moved {
                start = at + 1;
                gaps.extend(advanced.replace(pair[1].t).map(|t| pair[1].t.0 - t.0));
            }
        }
        let behind = positions.last().is_some_and(Position::is_behind);
        let largest = gaps.iter().copied().max().unwrap_or(0);
        let baseline = gaps.len() >= GAPS_MIN;
        let factor = if baseline { GAP_FACTOR } else { 0 };
        let end = positions.last().map_or(Nanos(0), |last| last.t);
        Watch {
            window: if behind { &positions[start..] } else { &[] },
            threshold: floor.max(Nanos(largest.saturating_mul(factor))),
            baseline,
            silent_at_end: silences.iter().copied().find(|&(t, _)| t > end && !excused(t, t)),
        }
    }
}

impl Position {
    fn is_behind(&self) -> bool {
        self.f < self.u1
    }
}
