//! A sweep in words: a line for each arm, and what may be concluded.

use dissent_core::campaign::document::{ArmEntry, CampaignDocument, PairEntry, RateEntry};
use dissent_core::checker::verdict::VerdictOutcome;
use std::fmt::Write as _;

/// A table of the arms, and a sentence on each. No newline at the end.
pub fn words(campaign: &CampaignDocument) -> String {
    let names = campaign.arms.iter().map(|arm| arm.name.chars().count());
    let wide = names.chain([3]).max().unwrap_or(3);
    let mut out = format!(
        "{:wide$} {:>7} {:>7} {:>7} {:>7}  failure rate\n",
        "arm", "runs", "exposed", "failed", "unknown"
    );
    for arm in &campaign.arms {
        let ArmEntry { name, runs, exposed, failed, inconclusive, failure, .. } = arm;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{name:wide$} {runs:>7} {exposed:>7} {failed:>7} {inconclusive:>7}  {}",
            rate(failure)
        );
    }
    for arm in campaign.arms.iter().filter(|arm| !arm.found.is_empty()) {
        let _ = writeln!(out, "{}:", arm.name);
        for found in &arm.found {
            let seeds: Vec<String> = found.seeds.iter().map(|seed| seed.0.to_string()).collect();
            let _ = writeln!(
                out,
                "  {} in {} of {}, such as seeds {}",
                found.kind,
                found.rate.hits,
                arm.runs,
                seeds.join(", ")
            );
        }
        let _ = writeln!(out, "  again: dissent run {} --seed {}", arm.command, arm.found[0].seeds[0].0);
    }
    for line in campaign.arms.iter().map(conclusion).chain(campaign.pairs.iter().map(paired)) {
        let _ = writeln!(out, "{line}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// What may be concluded from the runs of an arm.
fn conclusion(arm: &ArmEntry) -> String {
    let (failed, runs, exposed) = (arm.failed, arm.runs, arm.exposed);
    let counted = format!("{}: {failed} of {runs} runs failed, {exposed} exposed", arm.name);
    match arm.failure.trials + arm.failure.unknown {
        0 => format!("{counted}: nothing can be concluded, since no run did what the plan is for"),
        _ => format!(
            "{counted}: {} at 95 % (Wilson), for schedules drawn from this plan",
            interval(&arm.failure)
        ),
    }
}

fn paired(pair: &PairEntry) -> String {
    let PairEntry { first, second, .. } = pair;
    format!(
        "seed by seed: {} failed in `{first}` alone, {} in `{second}` alone, {} in both, {} in neither{}",
        pair.failed_in_first,
        pair.failed_in_second,
        pair.failed_in_both,
        pair.failed_in_neither,
        match pair.unknown {
            0 => String::new(),
            unknown => format!(", {unknown} unknown"),
        }
    )
}

fn rate(rate: &RateEntry) -> String {
    match rate.share {
        Some(share) => format!("{:.1} % ({})", 100.0 * share, interval(rate)),
        None => "unknown".to_owned(),
    }
}

/// An interval in words. Its ends are rounded outwards.
fn interval(rate: &RateEntry) -> String {
    let (low, high) = ((rate.low * 1e4).floor() / 1e2, (rate.high * 1e4).ceil() / 1e2);
    match (low <= 0.0, high >= 100.0) {
        (true, true) => "anything between 0 and 100 %".to_owned(),
        (true, false) => format!("below {high:.2} %"),
        (false, true) => format!("above {low:.2} %"),
        (false, false) => format!("{low:.2} to {high:.2} %"),
    }
}

/// The one line to grep for. No newline.
pub fn last_line(campaign: &CampaignDocument, page: &str) -> String {
    let sum = |count: fn(&ArmEntry) -> u64| campaign.arms.iter().map(count).sum::<u64>();
    let word = match campaign.outcome {
        VerdictOutcome::Pass => "PASS",
        VerdictOutcome::Inconclusive => "INCONCLUSIVE",
        VerdictOutcome::Fail => "FAIL",
    };
    let stopped = campaign.stopped_by.as_ref().map_or(String::new(), |by| format!(", stopped by {by}"));
    format!(
        "{word} {} of {} runs failed, {} exposed, {} inconclusive, {} arms, {} parts missing{stopped} \
         seed={} sweep={page}",
        sum(|arm| arm.failed),
        sum(|arm| arm.runs),
        sum(|arm| arm.exposed),
        sum(|arm| arm.inconclusive),
        campaign.arms.len(),
        campaign.missing_parts.len(),
        campaign.first_seed.0
    )
}
