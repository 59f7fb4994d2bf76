//! `index.html` of a results folder: every run and sweep, the newest one first.

use super::parts::{document, page_of, prose, scroll};
use super::rates;
use crate::report::format::counted;
use crate::report::sweep::{counts, status};
use dissent_core::campaign::document::CampaignDocument;
use dissent_core::campaign::trend::TrendEntry;
use dissent_core::history::stored_name::stored_name;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// A folder.
pub struct IndexEntry {
    /// Its name.
    pub name: String,
    /// When its reports were written, in UTC.
    pub ended: String,
    /// What is in it.
    pub kind: IndexKind,
}

/// What is in a folder.
pub enum IndexKind {
    /// A run, an audit, a comparison, or many runs of one command.
    Run {
        /// The word for its outcome.
        outcome: String,
        /// What was found.
        headline: String,
        /// Whether it has a page.
        has_page: bool,
    },
    /// A sweep.
    Sweep(Box<CampaignDocument>),
}

/// The page. `left_out` older folders are only counted.
pub fn index(entries: &[IndexEntry], left_out: usize) -> String {
    let sweeps: Vec<(&IndexEntry, &CampaignDocument)> = entries
        .iter()
        .filter_map(|entry| match &entry.kind {
            IndexKind::Sweep(campaign) => Some((entry, campaign.as_ref())),
            IndexKind::Run { .. } => None,
        })
        .collect();
    let body = html! {
        h1 { "Results" }
        p.lead {
            (counted(entries.len() as u64, "folder"))
            @if left_out > 0 { ", " (left_out) " older ones not shown" }
        }
        main {
            @for (entry, campaign) in newest(&sweeps) { (latest(entry, campaign)) }
            @if !sweeps.is_empty() { (sweep_table(&sweeps)) }
            @if entries.len() > sweeps.len() { (run_table(entries)) }
        }
        footer { "dissent " (env!("CARGO_PKG_VERSION")) }
    };
    document("Results of dissent", "Results of dissent", &body)
}

/// The last sweep of each plan.
fn newest<'e>(
    sweeps: &[(&'e IndexEntry, &'e CampaignDocument)],
) -> Vec<(&'e IndexEntry, &'e CampaignDocument)> {
    let mut plans = BTreeSet::new();
    sweeps.iter().copied().filter(|(_, campaign)| plans.insert(&campaign.name)).collect()
}

/// What the last sweep of a plan found, over time.
fn latest(entry: &IndexEntry, campaign: &CampaignDocument) -> Markup {
    html! {
        section {
            h2 { (campaign.name) " " (outcome(&stored_name(&campaign.outcome))) }
            p.lead { a href=(page_of("./", &entry.name)) { (entry.ended) } ": " (counts(campaign)) }
            @if !campaign.trends.is_empty() {
                (scroll("Findings over time", html! {
                    table {
                        thead { tr { th { "finding" } th { "arm" } th { "now" } th { "rate" } } }
                        tbody { @for trend in &campaign.trends { (trend_row(trend)) } }
                    }
                }))
            }
        }
    }
}

fn trend_row(trend: &TrendEntry) -> Markup {
    html! {
        tr {
            th { (trend.kind) }
            td { (trend.arm) }
            td { (status(trend.status)) @if trend.known { " (known)" } }
            td { (rates::spark(&trend.sweeps)) }
        }
    }
}

fn sweep_table(sweeps: &[(&IndexEntry, &CampaignDocument)]) -> Markup {
    let table = html! {
        table {
            thead { tr { th { "ended" } th { "outcome" } th { "plan" } th { "runs" } } }
            tbody {
                @for (entry, campaign) in sweeps {
                    tr {
                        td { a href=(page_of("./", &entry.name)) { (entry.ended) } }
                        td { (outcome(&stored_name(&campaign.outcome))) }
                        td { (campaign.name) }
                        td { (counts(campaign)) }
                    }
                }
            }
        }
    };
    html! { section { h2 { "Sweeps" } (scroll("Sweeps", table)) } }
}

fn run_table(entries: &[IndexEntry]) -> Markup {
    let table = html! {
        table {
            thead { tr { th { "ended" } th { "outcome" } th { "run" } th { "found" } } }
            tbody {
                @for entry in entries {
                    @if let IndexKind::Run { outcome: word, headline, has_page } = &entry.kind {
                        tr {
                            td { (entry.ended) }
                            td { (outcome(word)) }
                            td {
                                @if *has_page { a href=(page_of("./", &entry.name)) { (entry.name) } }
                                @else { (entry.name) }
                            }
                            td { (prose(headline)) }
                        }
                    }
                }
            }
        }
    };
    html! { section { h2 { "Runs" } (scroll("Runs", table)) } }
}

fn outcome(word: &str) -> Markup {
    let class = match word {
        "PASS" => "good",
        "FAIL" => "bad",
        _ => "doubtful",
    };
    html! { span class=(class) { (word) } }
}
