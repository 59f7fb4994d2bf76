//! The page of a sweep: what may be concluded, the rates of all arms side by side, and what was found.

use super::coverage;
use super::parts::{code, document, folded, outcome_class, page_of, prose, scroll};
use super::{races, rates};
use crate::report::coverage::TargetCoverage;
use crate::report::format::{count, counted, span};
use crate::report::sweep::{conclusion, counts, drawn, paired, raced, rate_words, status, stopped, trend};
use dissent_core::campaign::document::{ArmEntry, CampaignDocument};
use dissent_core::campaign::trend::{ArmSeries, SeriesPoint, TrendEntry, TrendStatus};
use dissent_core::campaign::write_latency::WriteLatency;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use maud::{Markup, html};

/// Sentences that are not folded away.
const LINES_MAX: usize = 12;
/// The runs that are linked.
const KEPT_MAX: usize = 100;

/// The page. `kept` are the folders of runs below `runs/`.
pub fn page(campaign: &CampaignDocument, kept: &[String]) -> String {
    let name = format!("sweep {} · {} · seed {}", campaign.name, campaign.started, campaign.first_seed.0);
    let title = format!("{} · {}", stored_name(&campaign.outcome).to_lowercase(), campaign.name);
    let found = campaign.arms.iter().any(|arm| !arm.found.is_empty());
    let has_trends = campaign.trends.iter().any(|it| it.sweeps.len() > 1);
    let tried = TargetCoverage::of_all(campaign);
    let body = html! {
        (header(campaign, &name))
        nav aria-label="Contents" {
            a href="#rates" { "Failure rates" }
            a href="#conclusions" { "Conclusions" }
            @if found { a href="#found" { "Found" } }
            @if has_trends { a href="#trends" { "Earlier sweeps" } }
            @if races::has_races(campaign) { a href="#races" { "Writers" } }
            @if !tried.is_empty() { a href="#coverage" { "What was tried" } }
            a href="#arms" { "Arms" }
            @if !kept.is_empty() { a href="#kept" { "Runs that were kept" } }
        }
        main {
            (news(campaign))
            section #rates {
                h2 { "Failure rates" }
                p.lead {
                    "Of the runs that did what the plan is for. Bars are Wilson's intervals at 95 %, for a \
                     number of runs that was fixed beforehand; thin lines hold whenever one looks. Runs \
                     without a verdict widen both."
                }
                (rates::by_arm(&campaign.arms))
                @for curve in rates::curves(&campaign.arms) { (curve) }
            }
            (conclusions(campaign))
            @if found { (found_section(campaign)) }
            @if has_trends { (trends(campaign)) }
            @if races::has_races(campaign) { (races::section(campaign)) }
            @if !tried.is_empty() { (coverage::section(&tried)) }
            (arms(campaign))
            @if !kept.is_empty() {
                section #kept {
                    h2 { "Runs that were kept" }
                    ul {
                        @for run in kept.iter().take(KEPT_MAX) {
                            li { a href=(page_of("./runs/", run)) { (run) } }
                        }
                    }
                    @if kept.len() > KEPT_MAX { p { (kept.len() - KEPT_MAX) " more in " code { "runs/" } } }
                }
            }
        }
        footer { "dissent " (campaign.program) " · first seed " (campaign.first_seed.0) }
    };
    document(&title, &name, &body)
}

fn header(campaign: &CampaignDocument, name: &str) -> Markup {
    html! {
        header class=(outcome_class(campaign.outcome)) {
            p.run { (name) }
            p.outcome { (stored_name(&campaign.outcome).to_lowercase()) }
            h1 { (counts(campaign)) }
            @if let Some(by) = &campaign.stopped_by { p { (prose(&stopped(by))) } }
        }
    }
}

/// What is not as it was.
fn news(campaign: &CampaignDocument) -> Markup {
    let changed = campaign.trends.iter().filter(|it| it.status != TrendStatus::Again);
    let lines: Vec<String> = changed.filter_map(trend).collect();
    html! {
        @if !lines.is_empty() {
            section #news {
                h2 { "What has changed" }
                ul.checklist { @for line in &lines { li { (prose(line)) } } }
            }
        }
    }
}

fn conclusions(campaign: &CampaignDocument) -> Markup {
    let of_arms = campaign.arms.iter().map(conclusion).chain(campaign.arms.iter().filter_map(drawn));
    let of_arms = of_arms.chain(campaign.arms.iter().filter_map(raced));
    let lines: Vec<String> = of_arms.chain(campaign.pairs.iter().map(paired)).collect();
    let list = html! { ul.checklist { @for line in &lines { li { (prose(line)) } } } };
    html! {
        section #conclusions {
            h2 { "What may be concluded" }
            @if lines.len() > LINES_MAX { (folded(&counted(lines.len() as u64, "sentence"), list)) }
            @else { (list) }
        }
    }
}

fn found_section(campaign: &CampaignDocument) -> Markup {
    let found = campaign.arms.iter().flat_map(|arm| arm.found.iter().map(move |found| (arm, found)));
    let table = html! {
        table {
            thead { tr { th { "finding" } th { "arm" } th.number { "runs" } th { "rate" } th { "seeds" } } }
            tbody {
                @for (arm, found) in found {
                    tr {
                        th { (found.kind) @if found.known > 0 { small { "known in " (count(found.known)) } } }
                        td { (arm.name) }
                        td.number { (count(found.rate.hits)) }
                        td { (rate_words(&found.rate)) }
                        td {
                            @for (i, seed) in found.seeds.iter().enumerate() { @if i > 0 { ", " } (seed.0) }
                        }
                    }
                }
            }
        }
    };
    html! {
        section #found { h2 { "Found" } (scroll("Findings", table)) }
    }
}

fn trends(campaign: &CampaignDocument) -> Markup {
    let shown = campaign.trends.iter().filter(|it| it.sweeps.len() > 1);
    let table = html! {
        table {
            thead {
                tr {
                    th { "finding" } th { "arm" } th { "now" }
                    th { "hits of trials, this sweep at the right" }
                }
            }
            tbody { @for trend in shown { (trend_row(trend)) } }
        }
    };
    html! {
        section #trends {
            h2 { "Beside earlier sweeps" }
            p.lead {
                "Sweeps of this plan whose arm has the same command and version of the target. A finding is \
                 gone if so many trials without it would have a chance below 5 % at its old rate."
            }
            (scroll("Trends", table))
            (series(&campaign.series))
        }
    }
}

/// Exposed runs and writes of each arm, beside those of earlier sweeps.
fn series(all: &[ArmSeries]) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th { "arm" } th { "exposed of runs, this sweep at the right" }
                    th { "writes: median" } th { "99 %" }
                }
            }
            tbody { @for arm in all.iter().filter(|arm| arm.sweeps.len() > 1) { (series_row(arm)) } }
        }
    };
    scroll("Runs and writes", table)
}

fn series_row(arm: &ArmSeries) -> Markup {
    let last = &arm.sweeps[arm.sweeps.len().saturating_sub(rates::SPARKS)..];
    let each = |cell: &dyn Fn(&SeriesPoint) -> String| last.iter().map(cell).collect::<Vec<_>>().join(", ");
    let took = |of: fn(&WriteLatency) -> Nanos| each(&|it| self::took(it.write_latency.as_ref().map(of)));
    html! {
        tr {
            th { (arm.arm) }
            td { (each(&|it| format!("{} of {}", it.exposed, it.runs))) }
            td { (took(|latency| latency.p50_ns)) }
            td { (took(|latency| latency.p99_ns)) }
        }
    }
}

fn trend_row(trend: &TrendEntry) -> Markup {
    html! {
        tr {
            th { (trend.kind) }
            td { (trend.arm) }
            td { (status(trend.status)) @if trend.known { small { "known" } } }
            td {
                (rates::spark(&trend.sweeps))
                small {
                    @for (i, sweep) in trend.sweeps.iter().rev().take(rates::SPARKS).rev().enumerate() {
                        @if i > 0 { ", " } (sweep.hits) " of " (sweep.trials)
                    }
                }
            }
        }
    }
}

fn arms(campaign: &CampaignDocument) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th { "arm" } th.number { "runs" } th.number { "exposed" } th.number { "passed" }
                    th.number { "failed" } th.number { "unknown" } th.number { "rows" }
                    th.number { "writes: median" } th.number { "99\u{a0}%" } th { "one run" }
                }
            }
            tbody { @for arm in &campaign.arms { (arm_row(arm)) } }
        }
    };
    let missing = campaign.missing_parts.len() as u64;
    html! {
        section #arms {
            h2 { "Arms" }
            @if missing > 0 { p.lead { (counted(missing, "part")) " not done." } }
            (scroll("Arms", table))
        }
    }
}

/// How long something took; a dash if nobody knows.
fn took(time: Option<Nanos>) -> String {
    time.map_or("-".to_owned(), |time| span(time).replace(' ', "\u{a0}"))
}

fn arm_row(arm: &ArmEntry) -> Markup {
    let numbers = [arm.runs, arm.exposed, arm.passed, arm.failed, arm.inconclusive, arm.rows_compared];
    html! {
        tr {
            th { (arm.name) }
            @for number in numbers { td.number { (count(number)) } }
            td.number { (took(arm.write_latency.map(|it| it.p50_ns))) }
            td.number { (took(arm.write_latency.map(|it| it.p99_ns))) }
            td { (code(&arm.first_run)) }
        }
    }
}
