//! `report.html`: one self-contained file, readable without JavaScript, on a phone and on paper. The answers
//! come first, then the evidence. Its size is bounded, however long the run.

mod cells;
mod comparison;
mod coverage;
mod divergence;
mod evidence;
mod figure;
mod finding;
mod frontier_lines;
mod frontiers;
pub mod index;
mod key_map;
mod lanes;
mod node_timelines;
mod parts;
mod races;
mod rates;
mod run;
pub mod sweep;
pub mod timeline;
mod triage;

use super::answers::{answers, finding_answers, finding_headline, headline};
use super::doubts::{advice, purpose};
use super::format::{Clock, capitalised, count, counted, len, modelled, repeat, run_words, seed, spaced};
use dissent_core::checker::verdict::{Divergence, Finding, FindingKind, Status, Verdict};
use dissent_core::history::run_record::{Activity, RunMeta};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use finding::Context;
use maud::{Markup, html};
use parts::{answer_list, code, document, folded, outcome_class, prose, scroll};
use timeline::Timeline;

/// Findings shown with their evidence; the rest is counted.
const FINDINGS_MAX: usize = 12;
/// Doubts shown; the rest is counted.
const DOUBTS_MAX: usize = 20;

/// The page of a run.
pub fn page(verdict: &Verdict, meta: &RunMeta, timeline: &Timeline) -> String {
    let clock = Clock::of(meta);
    let title = format!("{} · {}{}", stored_name(&verdict.outcome), meta.target, seed_words(meta));
    let is_run = meta.activity == Activity::Run;
    let body = html! {
        (header(verdict, meta, &clock))
        (contents(verdict, meta))
        main {
            (answer_section(verdict, &clock))
            @if is_run && let Some((_, d)) = first_divergence(verdict) {
                (triage::section(d, verdict, &clock))
            }
            (findings(verdict, meta, timeline, &clock))
            @if is_run { (over_time(verdict, meta, timeline)) }
            (checks(verdict))
            (exposure(verdict))
            (doubts(verdict))
            @if is_run { (run::section(meta, timeline, &clock)) }
            @else { (comparison::section(verdict, meta)) }
        }
        footer { "dissent " (env!("CARGO_PKG_VERSION")) (seed_words(meta)) }
    };
    document(&title, &run_name(meta, &clock), &body)
}

/// Which run this is.
fn run_name(meta: &RunMeta, clock: &Clock) -> String {
    let started = clock.start().unwrap_or_else(|| "virtual time".to_owned());
    format!("{}{} · {started}", run_words(meta).join(" · "), seed_words(meta))
}

fn seed_words(meta: &RunMeta) -> String {
    seed(meta).map_or(String::new(), |seed| format!(" · seed {seed}"))
}

fn header(verdict: &Verdict, meta: &RunMeta, clock: &Clock) -> Markup {
    html! {
        header class=(outcome_class(verdict.outcome)) {
            p.run { (run_name(meta, clock)) }
            p.outcome { (stored_name(&verdict.outcome)) }
            h1 { (prose(&headline(verdict))) }
            p.repeat { "Run again: " (code(&repeat(meta))) }
        }
    }
}

/// The sections of the page, as links.
fn contents(verdict: &Verdict, meta: &RunMeta) -> Markup {
    let is_run = meta.activity == Activity::Run;
    let findings = verdict.findings.iter().take(FINDINGS_MAX).enumerate();
    html! {
        nav aria-label="Contents" {
            a href="#answers" { "Answers" }
            @if is_run && first_divergence(verdict).is_some() { a href="#triage" { "Triage" } }
            @for (i, found) in findings {
                @let id = format!("finding-{}", i + 1);
                a href=(format!("#{id}")) {
                    @if verdict.findings.len() > 1 { "Finding " (i + 1) } @else { "Finding" }
                }
                @if i == 0 && let FindingKind::Divergence(d) = &found.kind {
                    a href=(format!("#{id}-rows")) { "Rows" }
                    @if d.explanation.is_some() { a href=(format!("#{id}-why")) { "Why" } }
                    @if d.spread.is_some() && modelled(d) { a href=(format!("#{id}-spread")) { "Spread" } }
                    @if is_run { a href=(format!("#{id}-contain")) { "Containment" } }
                }
            }
            @if is_run { a href="#over-time" { "Over time" } }
            a href="#checks" { "Checks" }
            @if !verdict.exposure.is_empty() { a href="#exposure" { "Exposure" } }
            a href="#doubts" { "Doubts" }
            @if is_run { a href="#run" { "The run" } } @else { a href="#compared" { "What was compared" } }
        }
    }
}

/// The divergence that the page is about; none if it is about something else.
fn first_divergence(verdict: &Verdict) -> Option<(&Finding, &Divergence)> {
    match verdict.findings.first() {
        Some(finding @ Finding { kind: FindingKind::Divergence(d), .. }) => Some((finding, d)),
        _ => None,
    }
}

fn answer_section(verdict: &Verdict, clock: &Clock) -> Markup {
    html! {
        section id="answers" {
            h2 { "Answers" }
            (answer_list(&answers(verdict, clock)))
        }
    }
}

fn findings(verdict: &Verdict, meta: &RunMeta, timeline: &Timeline, clock: &Clock) -> Markup {
    let several = verdict.findings.len() > 1;
    let plot = frontiers::plot(timeline, meta, verdict);
    let shows_plot = first_of_frontiers(verdict);
    html! {
        @for (i, found) in verdict.findings.iter().take(FINDINGS_MAX).enumerate() {
            @let id = format!("finding-{}", i + 1);
            section.finding id=(id) {
                h2 {
                    @if several { "Finding " (i + 1) " of " (verdict.findings.len()) }
                    @else { "What the replicas show" }
                    " " (code(&found.fingerprint))
                }
                // The page already opens with the answers on the first finding.
                @if i > 0 {
                    p.headline { (prose(&finding_headline(found))) }
                    (folded("Answers on this finding", answer_list(&finding_answers(found, verdict, clock))))
                }
                @let frontiers = plot.as_ref().filter(|_| shows_plot == Some(i));
                (finding::proof(found, &id, Context { meta, timeline, clock, frontiers }))
                (finding::meaning(found))
            }
        }
        @if verdict.findings.len() > FINDINGS_MAX {
            p { (counted(len(&verdict.findings) - FINDINGS_MAX as u64, "more finding")) " in verdict.json." }
        }
    }
}

/// The finding that shows the plot of frontiers: the first one that is about a frontier.
fn first_of_frontiers(verdict: &Verdict) -> Option<usize> {
    let findings = verdict.findings.iter().take(FINDINGS_MAX);
    findings.map(|found| &found.kind).position(|kind| {
        matches!(kind, FindingKind::Frozen(_) | FindingKind::Regressed(_) | FindingKind::Ahead(_))
    })
}

fn over_time(verdict: &Verdict, meta: &RunMeta, timeline: &Timeline) -> Markup {
    html! {
        section id="over-time" {
            h2 { "Over time" }
            (figure::figure(timeline, first_wrong(verdict)))
            @if first_of_frontiers(verdict).is_none()
                && let Some(plot) = frontiers::plot(timeline, meta, verdict) { (plot) }
        }
    }
}

/// The moment that the figure marks, and its label.
fn first_wrong(verdict: &Verdict) -> Option<(Nanos, &'static str)> {
    match &verdict.findings.first()?.kind {
        FindingKind::Divergence(d) if modelled(d) => Some((d.began()?, "first wrong row")),
        FindingKind::Divergence(d) => Some((d.began()?, "first row that differs")),
        FindingKind::Frozen(f) => Some((f.since, "stopped here")),
        FindingKind::Regressed(r) => Some((r.t, "went back")),
        FindingKind::Ahead(a) => Some((a.t, "first seen ahead")),
        FindingKind::LostAck(_) => None,
    }
}

fn checks(verdict: &Verdict) -> Markup {
    html! {
        section id="checks" {
            h2 { "Checks" }
            (scroll("Checks", html! {
                table {
                    thead {
                        tr {
                            th { "check" } th { "result" } th.number { "compared" } th { "" }
                            th { "what it checks" }
                        }
                    }
                    tbody {
                        @for check in &verdict.checks {
                            tr {
                                th scope="row" { (stored_name(&check.name)) }
                                td { (status(check.status)) }
                                td.number { (count(check.compared)) }
                                td { (check.unit) }
                                td {
                                    (capitalised(purpose(check.name))) ". "
                                    @if let Some(reason) = &check.reason { small { (prose(reason)) } }
                                }
                            }
                        }
                    }
                }
            }))
        }
    }
}

/// A status as a word and a mark, not only as a colour.
fn status(status: Status) -> Markup {
    let (class, mark) = match status {
        Status::Pass => ("good", "✓"),
        Status::Fail => ("bad", "✗"),
        Status::Unknown => ("doubtful", "?"),
        Status::NotApplicable => ("faint", "–"),
    };
    html! { span class=(class) { (mark) " " (spaced(&stored_name(&status))) } }
}

fn exposure(verdict: &Verdict) -> Markup {
    html! {
        @if !verdict.exposure.is_empty() {
            section id="exposure" {
                h2 { "Exposure" }
                p.lead { "How often the fault condition was exercised. Too few make a run inconclusive." }
                (scroll("Exposure", html! {
                    table {
                        thead { tr { th { "condition" } th.number { "count" } th.number { "required" } } }
                        tbody {
                            @for e in &verdict.exposure {
                                tr {
                                    th scope="row" { (spaced(&e.what)) }
                                    td.number { (count(e.count)) }
                                    td.number { (count(e.demanded)) }
                                }
                            }
                        }
                    }
                }))
            }
        }
    }
}

fn doubts(verdict: &Verdict) -> Markup {
    html! {
        section id="doubts" {
            h2 { "Doubts" }
            @if verdict.doubts.is_empty() {
                p {
                    "None: all assumptions held, all reads were complete"
                    @if verdict.comparison.is_none() { ", all faults were undone" }
                    "."
                }
            } @else {
                dl.answers {
                    @for doubt in verdict.doubts.iter().take(DOUBTS_MAX) {
                        div {
                            dt { (capitalised(&spaced(&stored_name(&doubt.kind)))) }
                            dd {
                                p { (prose(&doubt.detail)) }
                                p.more { "Why it matters: " (prose(advice(doubt.kind).why)) "." }
                                p.more { "Next: " (prose(advice(doubt.kind).next)) "." }
                            }
                        }
                    }
                }
                @if verdict.doubts.len() > DOUBTS_MAX {
                    @let rest = len(&verdict.doubts) - DOUBTS_MAX as u64;
                    p { (counted(rest, "more doubt")) " in verdict.json." }
                }
            }
        }
    }
}
