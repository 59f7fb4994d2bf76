//! The text of findings on frontiers that went back, or are ahead of their upstream.

use super::answer::{Answer, basis, certainty, steps};
use super::known_issues::novelty;
use crate::report::format::{Clock, count, counted, printable};
use dissent_core::checker::verdict::{Ahead, Finding, PrecedingEvent, Regressed, Verdict};
use dissent_core::history::stored_name::stored_name;

/// The last thing that happened before, and when.
pub(in crate::report) fn preceding_event(happening: Option<&PrecedingEvent>, clock: &Clock) -> String {
    let Some(it) = happening else { return "nothing on record".to_owned() };
    let what = match it {
        PrecedingEvent::Phase { phase, .. } => format!("phase {} began", stored_name(phase)),
        PrecedingEvent::FaultBegin { step, .. } => format!("fault {} began", printable(step)),
        PrecedingEvent::CureBegin { step, .. } => {
            format!("the end of fault {} was requested", printable(step))
        }
        PrecedingEvent::Cured { step, .. } => format!("fault {} ended", printable(step)),
        PrecedingEvent::Incarnation { incarnation, .. } => {
            format!("incarnation {incarnation} was first seen")
        }
    };
    format!("{what}, {}", clock.both(it.t()))
}

/// The finding in one sentence.
pub(in crate::report) fn regressed_headline(r: &Regressed) -> String {
    let though = match (r.durable, r.incarnations.0 == r.incarnations.1) {
        (true, false) => "across a restart, although it is declared durable",
        _ => "without a restart",
    };
    let (from, to) = (count(r.from), count(r.to));
    format!("regressed: {} went back from {from} to {to} {though}", printable(&r.object))
}

/// All answers on a frontier that went back.
pub(in crate::report) fn regressed_answers(
    r: &Regressed,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
    let real = format!("yes: two consecutive samples show it, {} in total", counted(r.times, "time"));
    let data = format!("data between {} and {} was reported as complete, and no longer is", r.to, r.from);
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", whose(&r.object, r.replica.as_deref())),
        Answer::new("Since when?", "since when", clock.both(r.t))
            .because(vec![format!("Just before: {}.", preceding_event(r.before.as_ref(), clock))]),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            format!("save the on-disk state and the logs of {}", printable(&r.object)),
            "look for a second writer, or for state restored from an older copy".to_owned(),
        ]),
        certainty(
            "taken directly from the samples. Wrong if two objects share this name".to_owned(),
            verdict,
        ),
    ]
}

/// The finding in one sentence.
pub(in crate::report) fn ahead_headline(a: &Ahead) -> String {
    let (at, upper) = (count(a.position), count(a.upper));
    let other = match &a.input {
        Some(input) => format!("its input {} is at {upper}", printable(input)),
        None => format!("its upstream ends at {upper}"),
    };
    format!("ahead: {} reports {at} while {other}", printable(&a.object))
}

/// All answers on a frontier that is ahead of its upstream.
pub(in crate::report) fn ahead_answers(
    a: &Ahead,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
    let other = if a.input.is_some() { "input" } else { "upstream" };
    let samples = counted(a.samples, "sample");
    let real = format!("yes: seen in {samples}; the {other} is always read last");
    let data = format!("data between {} and {} may be treated as complete too early", a.upper, a.position);
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", whose(&a.object, a.replica.as_deref())),
        Answer::new("Since when?", "since when", clock.both(a.t)),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            match &a.input {
                Some(input) => format!("check for late data of {} that was dropped", printable(input)),
                None => "check whether the upstream was recreated or truncated".to_owned(),
            },
            format!("stop the readers of {}: they skip data that they never saw", printable(&a.object)),
        ]),
        certainty(
            "taken directly from the samples. Wrong if the two count different things".to_owned(),
            verdict,
        ),
    ]
}

/// An object, and its replica if it has one.
pub(in crate::report) fn whose(object: &str, replica: Option<&str>) -> String {
    match replica {
        Some(replica) if replica == object => printable(replica),
        Some(replica) => format!("{} on {}", printable(object), printable(replica)),
        None => format!("{} (shared by all replicas)", printable(object)),
    }
}
