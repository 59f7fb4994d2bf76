//! Whether the opportunity that the plan is for arose (`semantics` 8). Only faults that the plan has are
//! counted: a control run needs rows compared, not keys under a hold.

use super::history::{FaultSpan, History};
use super::ledger::{Effect, Ledger};
use super::verdict::{CheckName, CheckResult, Doubt, DoubtKind, Exposure, Status};
use crate::plan::schedule::FaultKind;
use std::collections::{BTreeMap, BTreeSet};

/// Counts the opportunities of the plan.
pub(super) fn check(
    history: &History<'_>,
    ledgers: &[Ledger],
    rows_compared: u64,
) -> (CheckResult, Vec<Exposure>, Vec<Doubt>) {
    let plan = &history.facts.nemesis;
    let planned = |name| history.facts.steps.iter().any(|step| step.kind.name() == name);
    let holds = history.facts.steps.iter().any(|step| step.kind.withholds_a_segment());
    let done = [
        ("restart", "restarts"),
        ("pause", "pauses"),
        ("rebalance", "rebalances"),
        ("pause-consumption", "pauses of consumption"),
        ("second-writer", "second writers"),
        ("drop-writer", "writers dropped"),
        ("cutover", "cutovers"),
        ("lag", "lags"),
        ("delay-queue", "delays of a queue"),
    ];
    let mut exposure = Vec::new();
    let opportunity = |what: &str, count, demanded| Exposure { what: what.to_owned(), count, demanded };
    if holds {
        let carried = keys_carried(history, ledgers);
        exposure.push(opportunity("keys-carried-under-hold", carried, plan.min_exposure.max(1)));
    }
    for (name, what) in done.iter().filter(|(name, _)| planned(*name)) {
        let begun = history
            .faults
            .iter()
            .filter(|span| span.is_planned && span.fault.kind.name() == *name && span.is_begun());
        let demanded = if holds { 1 } else { plan.min_exposure.max(1) };
        exposure.push(opportunity(what, begun.count() as u64, demanded));
    }
    if exposure.is_empty() && rows_compared == 0 && !history.facts.frontiers.is_empty() {
        let looks = history.tracks.frontiers.iter().map(|(_, sights)| sights.len() as u64).sum();
        exposure.push(opportunity("looks-at-frontiers", looks, plan.min_exposure.max(1)));
    } else if exposure.is_empty() {
        exposure.push(opportunity("rows-compared", rows_compared, plan.min_exposure.max(1)));
    }
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

impl FaultSpan {
    /// The segment that it withholds.
    fn withheld(&self) -> Option<(u32, u32)> {
        let fault = &self.fault;
        if fault.kind.withholds_a_segment() { Some((fault.partition?, fault.seq?)) } else { None }
    }
}

/// Keys with an accepted entry in the held segment, and then one in the next segment while the victim
/// could not see the held one. The hold that ends last decides: with two holds the registration's.
fn keys_carried(history: &History<'_>, ledgers: &[Ledger]) -> u64 {
    let mut until: BTreeMap<(&str, u32, u32), (FaultKind, u64)> = BTreeMap::new();
    for span in history.faults.iter().filter(|span| span.is_begun()) {
        let Some((partition, seq)) = span.withheld() else { continue };
        let ends = span.cure_begun.as_ref().and_then(|(_, ends)| ends.get(partition as usize));
        let end = ends.copied().unwrap_or(u64::MAX);
        let kind = span.fault.kind;
        let known = until.entry((&span.fault.replica, partition, seq)).or_insert((kind, end));
        if kind >= known.0 {
            *known = (kind, end);
        }
    }
    let carried = until.into_iter().map(|((_, partition, seq), (_, end))| {
        let ledger = ledgers.get(partition as usize)?;
        let spans = &history.segments[partition as usize];
        let held = spans.iter().position(|span| span.seq == seq)?;
        let next = spans.iter().position(|span| span.seq == seq + 1)?;
        Some(carried(ledger, held, next, end))
    });
    carried.flatten().sum()
}

fn carried(ledger: &Ledger, held: usize, next: usize, end: u64) -> u64 {
    let merged = ledger.lines().filter(|line| line.effect == Effect::Merged);
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for line in merged {
        if line.segment == Some(held) {
            before.insert(line.key);
        } else if line.segment == Some(next) && line.off < end && before.contains(&line.key) {
            after.insert(line.key);
        }
    }
    after.len() as u64
}
