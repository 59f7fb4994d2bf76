//! `report.html`: one self-contained file, readable without JavaScript, on a phone and on paper. The answers
//! come first, then the evidence. Its size is bounded, however long the run.

mod figure;
mod finding;
mod frontier_lines;
mod frontiers;
mod run;
pub mod timeline;

use super::answers::answer::Answer;
use super::answers::{answers, finding_answers, finding_headline, headline};
use super::doubts::{advice, purpose};
use super::format::{Clock, capitalised, count, counted, len, modelled, repeat, shortened, spaced};
use dissent_core::checker::verdict::{FindingKind, Status, Verdict, VerdictOutcome};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use timeline::Timeline;

const STYLE: &str = include_str!("html/style.css");
/// Findings shown with their evidence; the rest is counted.
const FINDINGS_MAX: usize = 12;
/// Doubts shown; the rest is counted.
const DOUBTS_MAX: usize = 20;
/// Characters of a text from the target before it is cut.
const TEXT_MAX: usize = 400;

/// The page of a run.
pub fn page(verdict: &Verdict, meta: &RunMeta, timeline: &Timeline) -> String {
    let clock = Clock::of(meta);
    let title = format!("{} · {} · seed {}", stored_name(&verdict.outcome), meta.target, meta.seed.0);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(verdict, meta))
                main {
                    (answer_section(verdict, &clock))
                    (findings(verdict, meta, &clock))
                    (over_time(verdict, meta, timeline))
                    (checks(verdict))
                    (exposure(verdict))
                    (doubts(verdict))
                    (run::section(meta, timeline, &clock))
                }
                footer { "dissent " (env!("CARGO_PKG_VERSION")) " · seed " (meta.seed.0) }
            }
        }
    };
    page.into_string()
}

fn header(verdict: &Verdict, meta: &RunMeta) -> Markup {
    let class = match verdict.outcome {
        VerdictOutcome::Pass => "pass",
        VerdictOutcome::Inconclusive => "inconclusive",
        VerdictOutcome::Fail => "fail",
    };
    html! {
        header class=(class) {
            p.run {
                (meta.target) " · " (meta.workload.name) " · " (meta.nemesis.name)
                " · seed " strong { (meta.seed.0) }
            }
            p.outcome { (stored_name(&verdict.outcome)) }
            h1 { (prose(&headline(verdict))) }
            p.repeat { "Run again: " code { (repeat(meta)) } }
        }
    }
}

fn answer_section(verdict: &Verdict, clock: &Clock) -> Markup {
    html! {
        section {
            h2 { "Answers" }
            (answer_list(&answers(verdict, clock)))
        }
    }
}

fn answer_list(answers: &[Answer]) -> Markup {
    html! {
        dl.answers {
            @for answer in answers {
                div {
                    dt { (answer.question) }
                    dd {
                        @for line in &answer.short { p { (prose(line)) } }
                        @for line in &answer.more { p.more { (prose(line)) } }
                    }
                }
            }
        }
    }
}

/// A text, with the parts between backticks set as code.
fn prose(text: &str) -> Markup {
    let text = shortened(text, TEXT_MAX);
    html! {
        @for (i, part) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn findings(verdict: &Verdict, meta: &RunMeta, clock: &Clock) -> Markup {
    let several = verdict.findings.len() > 1;
    html! {
        @for (i, found) in verdict.findings.iter().take(FINDINGS_MAX).enumerate() {
            section.finding {
                h2 {
                    @if several { "Finding " (i + 1) " of " (verdict.findings.len()) }
                    @else { "What the replicas show" }
                    " " code { (found.fingerprint) }
                }
                // The page already opens with the answers on the first finding.
                @if i > 0 {
                    p.headline { (prose(&finding_headline(found))) }
                    (answer_list(&finding_answers(found, verdict, clock)))
                }
                (finding::proof(found, meta, clock))
            }
        }
        @if verdict.findings.len() > FINDINGS_MAX {
            p { (counted(len(&verdict.findings) - FINDINGS_MAX as u64, "more finding")) " in verdict.json." }
        }
    }
}

fn over_time(verdict: &Verdict, meta: &RunMeta, timeline: &Timeline) -> Markup {
    html! {
        section {
            h2 { "Over time" }
            (figure::figure(timeline, first_wrong(verdict)))
            @if let Some(plot) = frontiers::plot(timeline, meta, verdict) { (plot) }
        }
    }
}

/// The moment that the figure marks, and its label.
fn first_wrong(verdict: &Verdict) -> Option<(Nanos, &'static str)> {
    match &verdict.findings.first()?.kind {
        FindingKind::Divergence(d) if modelled(d) => Some((d.since.t?, "first wrong row")),
        FindingKind::Divergence(d) => Some((d.since.t?, "first row that differs")),
        FindingKind::Frozen(f) => Some((f.since, "stopped here")),
        FindingKind::Regressed(r) => Some((r.t, "went back")),
        FindingKind::Ahead(a) => Some((a.t, "first seen ahead")),
        FindingKind::LostAck(_) => None,
    }
}

fn checks(verdict: &Verdict) -> Markup {
    html! {
        section {
            h2 { "Checks" }
            div.scroll {
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
            }
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
            section {
                h2 { "Exposure" }
                p.lead { "How often the fault condition was exercised. Too few make a run inconclusive." }
                div.scroll {
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
                }
            }
        }
    }
}

fn doubts(verdict: &Verdict) -> Markup {
    html! {
        section {
            h2 { "Doubts" }
            @if verdict.doubts.is_empty() {
                p { "None: all assumptions held, all reads were complete, all faults were undone." }
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
