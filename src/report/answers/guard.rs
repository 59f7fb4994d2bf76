//! The text of a guard: what it tested before consumption began, and what it should have tested.

use super::answer::Answer;
use crate::report::format::{count, counted, joined, millis, printable};
use dissent_core::checker::verdict::{Confidence, Explanation, Guard, GuardState, ShownCause};

/// Which guard let it happen, in one sentence.
pub(super) fn sentence(explanation: &Explanation) -> String {
    let guard = &explanation.guard;
    let name = match &guard.name {
        Some(name) => format!("the guard `{}`", printable(name)),
        None => "the guard".to_owned(),
    };
    let (needed, dependent) = match &explanation.cause {
        ShownCause::OrderingBreak(broken) => (joined(&broken.dependencies), printable(&broken.dependent)),
        ShownCause::NeverBegan(stuck) => (joined(&stuck.dependencies), printable(&stuck.dependent)),
        _ => ("what the rows build on".to_owned(), "this segment".to_owned()),
    };
    match guard.state {
        GuardState::NotLogged => "which guard is not known: no node logs one".to_owned(),
        GuardState::NotEvaluated => {
            format!("{name} was open{}, and was not tested for {dependent}", open_since(guard))
        }
        GuardState::WrongSubject => format!("{name} was tested, but not for {needed}"),
        GuardState::TimedOut => format!("{name} gave up{} and let consumption begin", after(guard)),
        GuardState::SignalTooEarly => {
            format!("{name} was opened by a signal{} while {needed} was not visible", after(guard))
        }
        GuardState::OrderAssumed => {
            format!("nothing was tested before {dependent} was consumed: its order was assumed")
        }
        GuardState::NeverTestedAgain => format!("{name} is shut, and nothing tests it again"),
        GuardState::Kept => format!("{name} was tested for {needed}, and held: the cause is another one"),
    }
}

/// How long before this consumption the guard was last tested, both on the replica's own clock.
fn open_since(guard: &Guard) -> String {
    match (guard.evaluated_ms, &guard.event) {
        (Some(at), Some(event)) if event.node_ms > at => {
            format!(" since a test {} earlier", millis(event.node_ms - at))
        }
        _ => " since an earlier test".to_owned(),
    }
}

fn after(guard: &Guard) -> String {
    guard.waited_ms.map_or(String::new(), |waited| format!(" after {}", millis(waited)))
}

/// The answer on the guard: what it did, what it protects and should protect, and how sure that is.
pub(super) fn answer(explanation: &Explanation) -> Answer {
    let guard = &explanation.guard;
    let mut more = Vec::new();
    if guard.state != GuardState::NotLogged {
        more.push(format!("It protects {}.", scope(&guard.enforced_scope, "the node as a whole")));
    }
    more.push(format!("The order needs {}.", scope(&guard.required_scope, "nothing more")));
    more.extend(guard.counts.filter(|(wanted, _)| *wanted > 0).map(|(wanted, seen)| {
        format!("It waits for {} and saw {} visible.", counted(wanted, "segment"), count(seen))
    }));
    more.extend(guard.released_by.iter().map(|by| format!("Released by: {}.", printable(by))));
    more.push(confidence(guard.confidence).to_owned());
    Answer::new("Which guard let it happen?", "guard", sentence(explanation)).because(more)
}

/// `each partition and segment`.
fn scope(fields: &[String], none: &str) -> String {
    if fields.is_empty() { none.to_owned() } else { format!("each {}", joined(fields)) }
}

fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Shown => "Shown: an event says it.",
        Confidence::ConsistentWithTimes => {
            "Consistent with the times that one node logged; no event says it."
        }
        Confidence::NotObservable => "Not observable: no event says anything of it.",
    }
}
