//! The checklist of an incident at 2 AM, each step answered with what the run shows.

use super::divergence::{next_steps, what_words};
use super::{explanation, guard};
use crate::report::format::{Clock, count, counted, joined, listed, modelled};
use dissent_core::checker::verdict::{Divergence, ShownCause, Verdict};

/// A step of the checklist.
pub(in crate::report) struct ChecklistStep {
    /// What to do.
    pub(in crate::report) step: &'static str,
    /// What the run shows.
    pub(in crate::report) shown: String,
    /// Whether the run answers it; otherwise it is left to the reader.
    pub(in crate::report) done: bool,
}

/// The five steps for a divergence.
pub(in crate::report) fn steps(d: &Divergence, verdict: &Verdict, clock: &Clock) -> Vec<ChecklistStep> {
    let step = |step, shown: String, done| ChecklistStep { step, shown, done };
    let (timelines, compared) = timelines(d);
    let (cause, known) = first_break(d);
    vec![
        step("Confirm divergence from raw node state first", raw(d, verdict), true),
        step("Narrow to one node, one key and one time window", narrowed(d, clock), d.began().is_some()),
        step("Reconstruct broken and healthy timelines side by side", timelines, compared),
        step("Pinpoint the first ordering break, then inspect that guard", cause, known),
        step("Contain spread before starting broader cleanup", contain(d, clock), false),
    ]
}

fn raw(d: &Divergence, verdict: &Verdict) -> String {
    format!(
        "{}: {} of {}, read from each replica itself",
        what_words(d),
        count(d.roots + d.inherited + d.copied),
        counted(verdict.compared.rows.max(verdict.compared.flags), "compared row"),
    )
}

fn narrowed(d: &Divergence, clock: &Clock) -> String {
    let window = match (d.window(), d.offsets()) {
        (Some((from, to)), _) => format!("; {} to {}", clock.both(from), clock.both(to)),
        (None, Some((from, to))) => format!("; offsets {} to {}", count(from), count(to)),
        (None, None) => String::new(),
    };
    format!("{}; {} ({}){window}", joined(&d.replicas), counted(d.key_count(), "key"), listed(&d.keys, 1))
}

fn timelines(d: &Divergence) -> (String, bool) {
    let nodes: Vec<String> = d
        .explanation
        .iter()
        .flat_map(|it| &it.timelines)
        .filter(|it| !it.events.is_empty())
        .map(|it| it.node.clone())
        .collect();
    match nodes.as_slice() {
        [] => ("not possible: no node logged what it did to these segments".to_owned(), false),
        [only] => (format!("only {only} logged what it did to these segments"), false),
        several => (format!("{} are side by side below", joined(several)), true),
    }
}

fn first_break(d: &Divergence) -> (String, bool) {
    match &d.explanation {
        None => ("not known: nothing is logged of it".to_owned(), false),
        Some(it) => {
            let known = !matches!(it.cause, ShownCause::NotShown { .. });
            (format!("{}; {}", explanation::cause(it), guard::sentence(it)), known)
        }
    }
}

/// The first thing to do now.
fn contain(d: &Divergence, clock: &Clock) -> String {
    let first = next_steps(d, clock).short.into_iter().next().unwrap_or_default();
    let last = d.spread.as_ref().filter(|_| modelled(d)).map(|it| super::spread::last_right(it, clock));
    let step = first.trim_start_matches("1. ").to_owned();
    match last {
        Some(last) => format!("{step}; the last right copy: {last}"),
        None => step,
    }
}
