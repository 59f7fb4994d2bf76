//! Frontiers that went back, or are ahead of their upstream, in words.

use super::answers::{Answer, basis, certainty, steps};
use super::format::{Clock, count, counted, name, printable};
use super::known::novelty;
use dissent_core::checker::verdict::{Ahead, Finding, PrecedingEvent, Regressed, Verdict};

/// What happened last before, and when.
pub(super) fn preceding_event(happening: Option<&PrecedingEvent>, clock: &Clock) -> String {
    let Some(it) = happening else { return "nothing that the run knows of".to_owned() };
    let what = match it {
        PrecedingEvent::Phase { phase, .. } => format!("phase {} began", name(phase)),
        PrecedingEvent::FaultBegin { step, .. } => format!("fault {} began", printable(step)),
        PrecedingEvent::CureBegin { step, .. } => format!("the cure of fault {} began", printable(step)),
        PrecedingEvent::Cured { step, .. } => format!("fault {} was cured", printable(step)),
        PrecedingEvent::Incarnation { incarnation, .. } => {
            format!("incarnation {incarnation} was first seen")
        }
    };
    format!("{what}, {}", clock.both(it.t()))
}

/// The finding in one sentence.
pub(super) fn regressed_headline(r: &Regressed) -> String {
    let though = match (r.durable, r.incarnations.0 == r.incarnations.1) {
        (true, false) => "over a restart, though it is declared durable",
        _ => "within one life",
    };
    let (from, to) = (count(r.from), count(r.to));
    format!("regressed: {} went back from {from} to {to} {though}", printable(&r.object))
}

/// All answers on a frontier that went back.
pub(super) fn regressed_answers(
    r: &Regressed,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
    let real = format!("yes: two samples in a row show it, {} in all", counted(r.times, "time"));
    let data = format!("what lay between {} and {} was promised, and is promised again", r.to, r.from);
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", whose(&r.object, r.replica.as_deref())),
        Answer::new("Since when?", "since when", clock.both(r.t))
            .because(vec![format!("Just before: {}.", preceding_event(r.before.as_ref(), clock))]),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            format!("save what {} keeps on disk, and its log", printable(&r.object)),
            "look for a second writer, or state that was restored from an older copy".to_owned(),
        ]),
        certainty(
            "the samples say so. It would be overturned if another object bears its name".to_owned(),
            verdict,
        ),
    ]
}

/// The finding in one sentence.
pub(super) fn ahead_headline(a: &Ahead) -> String {
    let (at, upper) = (count(a.position), count(a.upper));
    let other = match &a.input {
        Some(input) => format!("its input {} is at {upper}", printable(input)),
        None => format!("its upstream ends at {upper}"),
    };
    format!("ahead: {} says {at} while {other}", printable(&a.object))
}

/// All answers on a frontier that is ahead of its upstream.
pub(super) fn ahead_answers(a: &Ahead, finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let other = if a.input.is_some() { "input" } else { "upstream" };
    let real = format!("yes: in {}; the {other} was read after it", counted(a.samples, "sample"));
    let data = format!("what comes between {} and {} may be taken for done", a.upper, a.position);
    vec![
        Answer::new("Is it real?", "is it real", real).because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", whose(&a.object, a.replica.as_deref())),
        Answer::new("Since when?", "since when", clock.both(a.t)),
        Answer::new("Which data, and do users see it?", "which data", data),
        novelty(finding, verdict),
        steps(vec![
            match &a.input {
                Some(input) => format!("see what of {} came late, and was dropped", printable(input)),
                None => "see whether the upstream was made anew, or lost its end".to_owned(),
            },
            format!("stop what commits by {}: it skips what it never saw", printable(&a.object)),
        ]),
        certainty(
            "the samples say so. It would be overturned if the two count different things".to_owned(),
            verdict,
        ),
    ]
}

/// An object and the replica that it belongs to.
pub(super) fn whose(object: &str, replica: Option<&str>) -> String {
    match replica {
        Some(replica) => format!("{}, of {}", printable(object), printable(replica)),
        None => format!("{}, of no single replica", printable(object)),
    }
}
