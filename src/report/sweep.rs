//! A sweep in words: a line for each arm, and what may be concluded.

use super::coverage::TargetCoverage;
use super::format::counted;
use dissent_core::campaign::document::{
    ArmEntry, CampaignDocument, DrawEntry, PairEntry, RaceEntry, RateEntry, StoppedBy,
};
use dissent_core::campaign::trend::{TrendEntry, TrendStatus};
use dissent_core::history::stored_name::stored_name;
use std::fmt::Write as _;

/// The JSON Schema of `campaign.json`.
pub const SCHEMA: &str = include_str!("campaign.schema.json");

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
            rate_words(failure)
        );
    }
    for arm in campaign.arms.iter().filter(|arm| !arm.found.is_empty()) {
        let _ = writeln!(out, "{}:", arm.name);
        for found in &arm.found {
            let seeds: Vec<String> = found.seeds.iter().map(|seed| seed.0.to_string()).collect();
            let _ = writeln!(
                out,
                "  {} in {} of {}, such as seeds {}{}",
                found.kind,
                found.rate.hits,
                arm.runs,
                seeds.join(", "),
                if found.known == 0 { String::new() } else { format!(", known in {}", found.known) }
            );
        }
        let _ = writeln!(out, "  again: {}", arm.found[0].commands[0]);
    }
    let tried = TargetCoverage::of_all(campaign);
    let lines = conclusions(campaign).chain(campaign.trends.iter().filter_map(trend));
    for line in lines.chain(tried.iter().map(TargetCoverage::words)) {
        let _ = writeln!(out, "{line}");
    }
    out.truncate(out.trim_end().len());
    out
}

/// What may be concluded from the runs of each arm, from two arms seed by seed, and from races of writers.
fn conclusions(campaign: &CampaignDocument) -> impl Iterator<Item = String> {
    let (arms, pairs) = (&campaign.arms, &campaign.pairs);
    let of_arms = arms.iter().map(conclusion).chain(pairs.iter().map(paired));
    of_arms.chain(arms.iter().filter_map(drawn)).chain(arms.iter().filter_map(raced))
}

/// What may be concluded from the runs of an arm.
pub(super) fn conclusion(arm: &ArmEntry) -> String {
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

/// Below this share, what happens in a tick is called rare.
const RARE: f64 = 0.05;

/// How often writers of an arm strand. None if none of them raced another one.
pub(super) fn raced(arm: &ArmEntry) -> Option<String> {
    let RaceEntry { some_writer, leaving_writer, surviving_writer, visible_freeze, per_tick } =
        arm.writer_races.as_ref()?;
    let share = |rate: &RateEntry| rate.share.unwrap_or_default();
    let percent = |rate| format!("{:.1} %", 100.0 * share(rate));
    let is_deceptive = share(per_tick) < RARE && share(some_writer) >= RARE;
    Some(format!(
        "{}: a writer strands in {} of {} races, one that leaves in {}, one that stays in {}; readers notice \
         a freeze in {}; in one tick it strands in {}{}",
        arm.name,
        rate_words(some_writer),
        some_writer.trials,
        percent(leaving_writer),
        percent(surviving_writer),
        percent(visible_freeze),
        rate_words(per_tick),
        if is_deceptive { ": rare in a tick, but not in a run" } else { "" }
    ))
}

/// How much of its configurations an arm has tried. None if all its runs are alike.
pub(super) fn drawn(arm: &ArmEntry) -> Option<String> {
    let DrawEntry { combinations, block, pairs, pairs_met } = arm.drawn.as_ref()?;
    Some(format!(
        "{}: each seed draws one of {combinations} configurations; {pairs_met} of {pairs} pairs of values \
         were run, and {} seeds in a row have them all",
        arm.name,
        2 * block - 1
    ))
}

pub(super) fn paired(pair: &PairEntry) -> String {
    let PairEntry { first, second, .. } = pair;
    format!(
        "seed by seed: {} failed in `{first}` alone, {} in `{second}` alone, {} in both, {} in neither{}{}",
        pair.failed_in_first,
        pair.failed_in_second,
        pair.failed_in_both,
        pair.failed_in_neither,
        match pair.unknown {
            0 => String::new(),
            unknown => format!(", {unknown} unknown"),
        },
        match pair.p_value {
            p if p < 0.001 => " (McNemar p < 0.001)".to_owned(),
            p if p < 1.0 => format!(" (McNemar p = {p:.3})"),
            _ => String::new(),
        }
    )
}

/// What earlier sweeps say of a finding, beside this one. None if there are no earlier ones.
pub(super) fn trend(trend: &TrendEntry) -> Option<String> {
    let (last, earlier) = trend.sweeps.split_last().filter(|(_, earlier)| !earlier.is_empty())?;
    let (hits, trials) =
        earlier.iter().fold((0, 0), |(hits, trials), it| (hits + it.hits, trials + it.trials));
    let before = format!("{hits} of {trials} in {}", counted(earlier.len() as u64, "earlier sweep"));
    let known = if trend.known { " (known)" } else { "" };
    Some(format!(
        "{}{known}: {} in `{}`: {} of {} now, {before}",
        status(trend.status),
        trend.kind,
        trend.arm,
        last.hits,
        last.trials
    ))
}

/// A status in words.
pub(super) fn status(status: TrendStatus) -> &'static str {
    match status {
        TrendStatus::New => "new",
        TrendStatus::Again => "again",
        TrendStatus::Flaky => "flaky",
        TrendStatus::NotSeen => "not seen",
        TrendStatus::Gone => "gone",
    }
}

/// A rate with its interval.
pub(super) fn rate_words(rate: &RateEntry) -> String {
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

/// What ended a sweep early.
pub(super) fn stopped(by: &StoppedBy) -> String {
    match by {
        StoppedBy::Goal => "its goal was reached".to_owned(),
        StoppedBy::TimeLimit => "its time was up".to_owned(),
        StoppedBy::Signal { name } => format!("stopped by {name}"),
        StoppedBy::Error { error } => format!("stopped by {error}"),
    }
}

/// The runs of all arms, counted.
pub(super) fn counts(campaign: &CampaignDocument) -> String {
    let sum = |count: fn(&ArmEntry) -> u64| campaign.arms.iter().map(count).sum::<u64>();
    format!(
        "{} of {} runs failed, {} exposed, {} inconclusive, {} arms, {} parts missing",
        sum(|arm| arm.failed),
        sum(|arm| arm.runs),
        sum(|arm| arm.exposed),
        sum(|arm| arm.inconclusive),
        campaign.arms.len(),
        campaign.missing_parts.len(),
    )
}

/// `summary.md`: the whole as Markdown for the page of a CI job.
pub fn summary(campaign: &CampaignDocument) -> String {
    let word = stored_name(&campaign.outcome);
    let mut out = format!(
        "## {word}: sweep {}, first seed {}\n\n**{}**{}\n\n\
         | arm | runs | exposed | failed | unknown | failure rate |\n\
         | --- | ---: | ---: | ---: | ---: | --- |\n",
        cell(&campaign.name),
        campaign.first_seed.0,
        counts(campaign),
        campaign.stopped_by.as_ref().map_or_else(String::new, |by| format!(" ({})", cell(&stopped(by)))),
    );
    for arm in &campaign.arms {
        let ArmEntry { name, runs, exposed, failed, inconclusive, failure, .. } = arm;
        let (name, rate) = (cell(name), rate_words(failure));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {name} | {runs} | {exposed} | {failed} | {inconclusive} | {rate} |");
    }
    out.push('\n');
    let tried = TargetCoverage::of_all(campaign);
    let lines = conclusions(campaign).chain(tried.iter().map(TargetCoverage::words));
    for line in campaign.trends.iter().filter_map(trend).chain(lines) {
        let _ = writeln!(out, "- {}", cell(&line));
    }
    for arm in campaign.arms.iter().filter(|arm| !arm.found.is_empty()) {
        let again = &arm.found[0].commands[0];
        let _ = writeln!(out, "\nA failing run of {}:\n\n```sh\n{again}\n```", cell(&arm.name));
    }
    out
}

/// A text in a table of Markdown.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

/// The one line to grep for. No newline.
pub fn last_line(campaign: &CampaignDocument, folder: &str) -> String {
    let word = stored_name(&campaign.outcome);
    let stopped = campaign.stopped_by.as_ref().map_or(String::new(), |by| format!(", {}", stopped(by)));
    let seed = campaign.first_seed.0;
    format!("{word} {}{stopped} seed={seed} report={folder}/report.html", counts(campaign))
}
