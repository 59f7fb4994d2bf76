//! `check --explain`: for each finding, the sentences that the page has on its cause, its spread and its
//! containment, and what a broken and a healthy node did.

use super::answers::answer::Answer;
use super::answers::node_events::{from_break, is_fine, told, words};
use super::answers::{explained, explanation_of, finding_headline};
use super::format::{Clock, counted, printable};
use super::terminal::{Style, push_answer};
use dissent_core::checker::verdict::{Explanation, Verdict};
use dissent_core::history::run_record::RunMeta;

/// Findings explained; the page has more.
const FINDINGS_MAX: usize = 3;

/// The explanation of each finding, ending in a newline; empty without findings.
pub fn explanation(verdict: &Verdict, meta: &RunMeta, style: Style) -> String {
    let clock = Clock::of(meta);
    let mut out = String::new();
    for finding in verdict.findings.iter().take(FINDINGS_MAX) {
        let headline = printable(&finding_headline(finding));
        out.push_str(&format!("{}: {headline}\n", printable(&finding.fingerprint)));
        for Answer { more, short, label, question, .. } in explained(finding, meta, &clock) {
            let whole = short.into_iter().chain(more).map(|line| line.replace('`', "")).collect();
            push_answer(
                &mut out,
                &Answer { short: whole, ..Answer::new(question, label, String::new()) },
                style,
            );
        }
        if let Some(explanation) = explanation_of(finding) {
            push_timelines(&mut out, explanation);
        }
        out.push('\n');
    }
    out
}

fn push_timelines(out: &mut String, explanation: &Explanation) {
    let fine = is_fine(&explanation.timelines);
    for timeline in explanation.timelines.iter().filter(|it| !it.events.is_empty()) {
        let health = if timeline.broken { "broken" } else { "healthy" };
        out.push_str(&format!("\n  {} ({health})\n", printable(&timeline.node)));
        let (events, left_out) = told(timeline);
        for event in events {
            let at = from_break(event.at_ms, fine);
            let segment = event.event.segment.as_deref().map_or_else(String::new, printable);
            out.push_str(&format!("    {at:<13} {segment}  {}\n", words(event)));
        }
        if left_out > 0 {
            out.push_str(&format!("    {}\n", counted(left_out as u64, "more event")));
        }
    }
}
