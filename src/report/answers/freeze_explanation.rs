//! The text on why a frontier does not move and what waits behind it. Lag, idleness, back-pressure and a
//! freeze are told apart in the same words: what it waits for, and whether that will ever come.

use super::answer::Answer;
use crate::report::format::{Clock, count, counted, joined, printable};
use dissent_core::checker::verdict::{
    ChainLink, ChainRole, Confidence, EventPoint, FreezeExplanation, Frozen, PassedValue, PassingAppend,
    RestartEffect, SeenAt, WaitsFor,
};

/// What the object and all that hold it back wait for; none for a consuming position.
pub(super) fn cause(f: &Frozen, clock: &Clock) -> Option<Answer> {
    let parts: Vec<(&str, &FreezeExplanation)> =
        f.all().filter_map(|it| Some((it.object.as_str(), it.freeze_explanation.as_deref()?))).collect();
    let (_, own) = parts.first()?;
    let short = parts.iter().flat_map(|(object, it)| waits_for(&printable(object), &it.waits_for, clock));
    let more = parts.iter().filter_map(|(object, it)| match &it.waits_for {
        WaitsFor::PassedValue(passed) => Some(evidence(&printable(object), passed, clock)),
        _ => None,
    });
    let mut answer = Answer::new("Why does it not move, and will it ever?", "why", String::new());
    answer.short = short.collect();
    Some(answer.because(more.flatten().chain(not_logged(own)).collect()))
}

/// The chain from what holds the others back to the readers.
pub(super) fn behind(f: &Frozen, clock: &Clock) -> Option<Answer> {
    let it = f.freeze_explanation.as_ref()?;
    let links: Vec<String> = it.chain.iter().filter(|link| link.role != ChainRole::Left).map(link).collect();
    let left = it.chain.iter().filter(|link| link.role == ChainRole::Left).map(|link| {
        let at = link.position.map_or(String::new(), |at| format!(", at {}", count(at)));
        let seen = link.last_seen.map_or(String::new(), |t| format!(" {}", clock.both(t)));
        format!("{} fed it too, and has left: it was last sampled{seen}{at}.", printable(&link.object))
    });
    let waits = counted(it.dependants().count() as u64, "dependant");
    let roots: Vec<String> = it.roots().map(|root| root.object.clone()).collect();
    let stands_for =
        format!("The root is {}, with {waits}; it is one finding for all of them.", joined(&roots));
    let answer = Answer::new("What waits behind it?", "behind it", links.join(" -> "));
    Some(answer.because(std::iter::once(stands_for).chain(left).collect()))
}

/// What a restart does, in one sentence.
pub(super) fn restart(f: &Frozen) -> Option<String> {
    let is_buffered = |it: &Frozen| {
        let waits_for = it.freeze_explanation.as_ref().map(|it| &it.waits_for);
        matches!(waits_for, Some(WaitsFor::PassedValue(it)) if it.confidence == Confidence::Shown)
    };
    let whose: Vec<String> = f.all().filter(|it| is_buffered(it)).map(|it| it.object.clone()).collect();
    Some(match f.freeze_explanation.as_ref()?.restart {
        RestartEffect::Cleared => "A restart cleared it.".to_owned(),
        RestartEffect::DidNotClear => {
            "A restart did not clear it: a new incarnation stood there too.".to_owned()
        }
        RestartEffect::NotTried if whose.is_empty() => "No restart was tried.".to_owned(),
        RestartEffect::NotTried => format!(
            "No restart was tried. What pins it is buffered in the process of {}, so a restart of that \
             should clear it.",
            joined(&whose)
        ),
    })
}

/// What could make the explanation wrong; none if events show it.
pub(super) fn otherwise(f: &Frozen) -> Option<String> {
    let by_samples = f.all().find(|it| {
        let waits_for = it.freeze_explanation.as_ref().map(|it| &it.waits_for);
        matches!(waits_for, Some(WaitsFor::PassedValue(it)) if it.confidence != Confidence::Shown)
    })?;
    let object = printable(&by_samples.object);
    Some(format!("no event shows what {object} buffers: it would look the same if its own input stood still"))
}

fn waits_for(object: &str, it: &WaitsFor, clock: &Clock) -> Vec<String> {
    match it {
        WaitsFor::PassedValue(it) => {
            let (shared, value) = (printable(&it.shared), count(it.value));
            let never = format!(
                "{object} waits for {shared} to be at {value}, which {shared} has passed: it only grows, so \
                 this never comes"
            );
            vec![never, who_and_when(it, clock)]
        }
        WaitsFor::Downstream { object: fed, position } => {
            let (fed, position) = (printable(fed), count(*position));
            vec![format!(
                "{object} waits for {fed}, which has only come to {position}: back-pressure; it moves on \
                 when {fed} does"
            )]
        }
        WaitsFor::Inputs { objects } if objects.is_empty() => {
            vec![format!("{object} waits for an input, and none that is known holds it back")]
        }
        WaitsFor::Inputs { objects } => {
            vec![format!("{object} waits for {}: it moves on when that does", joined(objects))]
        }
        WaitsFor::MoreInput => {
            vec![format!("{object} waits for more input: it buffers nothing, so no value pins it")]
        }
        WaitsFor::Unknown => vec![format!("nothing on record tells what {object} waits for")],
    }
}

fn who_and_when(it: &PassedValue, clock: &Clock) -> String {
    let shared = printable(&it.shared);
    let between = match it.after {
        Some(after) => format!("between {} and {}", clock.both(after), clock.both(it.first_beyond.t)),
        None => format!("before {}", clock.both(it.first_beyond.t)),
    };
    match &it.passed_by {
        Some(by) => format!(
            "{} moved {shared} from {} to {}, {between}",
            incarnation_of(by),
            count(by.from),
            count(by.to)
        ),
        None => format!("{shared} passed it {between}; no node logged who moved it"),
    }
}

fn incarnation_of(by: &PassingAppend) -> String {
    let writer = printable(&by.writer);
    by.incarnation.map_or(writer.clone(), |number| format!("{writer} (incarnation {number})"))
}

/// The events and samples behind it, in sentences.
fn evidence(object: &str, it: &PassedValue, clock: &Clock) -> Vec<String> {
    let (shared, value) = (printable(&it.shared), count(it.value));
    let seen = |seen: SeenAt| format!("{} ({})", clock.both(seen.t), count(seen.position));
    let mut told = Vec::new();
    told.extend(
        it.last_equal
            .map(|equal| format!("{object} and {shared} were last sampled at one value {}.", seen(equal))),
    );
    told.extend(it.passed_by.as_ref().map(|by| {
        let jumped = match by.from == it.value {
            true => format!("{shared} was at {value} until then"),
            false => format!("{shared} was never at {value}: the append jumped over it"),
        };
        format!("The append is {}; {jumped}.", named(&by.event))
    }));
    told.extend(it.buffered.as_ref().map(|at| {
        let when = if at.position > it.value { "had already been passed" } else { "had not been passed yet" };
        let known = count(at.position);
        format!(
            "{object} took {value} up with {}. As far as it knew, {shared} was at {known}: the value {when}.",
            named(&at.event)
        )
    }));
    told.extend(it.lost_append.as_ref().map(|at| {
        let found = count(at.position);
        format!("Its own append lost: it found {shared} at {found} ({}).", named(&at.event))
    }));
    told.extend(it.drain.as_ref().map(|drain| {
        let (kept, passed) = (count(drain.kept), counted(drain.passed, "entry"));
        format!(
            "With {shared} at {} it kept {kept} of the {passed} that had been passed ({}).",
            count(drain.position),
            named(&drain.event)
        )
    }));
    told
}

/// An event by its place in the program order of its node, with the time of that node's own clock.
fn named(event: &EventPoint) -> String {
    let (kind, node) = (printable(&event.kind), printable(&event.node));
    format!("event {} `{kind}` of {node}, at {} ms of its own clock", event.seq, count(event.node_ms))
}

fn not_logged(it: &FreezeExplanation) -> Option<String> {
    let kinds: Vec<String> = it.not_logged.iter().map(|kind| format!("`{kind}`")).collect();
    (!kinds.is_empty()).then(|| format!("No node logged {}; with these, more could be said.", joined(&kinds)))
}

fn link(link: &ChainLink) -> String {
    let object = printable(&link.object);
    let name = if link.kind.is_some() { object } else { format!("readers of {object}") };
    let at = link.position.map_or(String::new(), |at| format!(" at {}", count(at)));
    match link.role {
        ChainRole::Root => format!("{name} (root, stuck{at})"),
        ChainRole::Dependant => format!("{name} (waits{at})"),
        ChainRole::GoesOn | ChainRole::Left => format!("{name} (goes on{at})"),
    }
}
