//! The text of an explanation: what went wrong first, whether that predicts the wrong rows, what led to it,
//! and which guard let it happen (`RULES.md` 9). What is not logged is said, and never guessed.

use super::answer::Answer;
use super::guard;
use crate::report::format::{capitalised, count, counted, joined, millis, printable};
use dissent_core::checker::verdict::{
    BreakStrength, DroppedKeys, Edge, Explanation, LoggedCount, NeverBegan, NoWitness, NotShown,
    OrderingBreak, Prediction, Setup, ShownCause,
};
use std::collections::BTreeMap;

/// Causes of other rows that are told.
const FURTHER_MAX: usize = 5;

/// The cause in one sentence.
pub(in crate::report) fn cause(explanation: &Explanation) -> String {
    one_cause(&explanation.cause)
}

fn one_cause(cause: &ShownCause) -> String {
    match cause {
        ShownCause::OrderingBreak(broken) => broken_order(broken),
        ShownCause::DroppedKeys(dropped) => dropped_keys(dropped),
        ShownCause::NeverBegan(stuck) => never_began(stuck),
        ShownCause::NotShown { reason } => format!("not shown: {}", not_shown(*reason)),
    }
}

/// The cause as one of the answers on a finding; the terminal prints it only if there is one.
pub(super) fn why(explanation: &Explanation) -> Answer {
    let unknown = matches!(explanation.cause, ShownCause::NotShown { .. });
    let mut more = vec![format!("{}.", capitalised(&guard::sentence(explanation)))];
    if let ShownCause::OrderingBreak(broken) = &explanation.cause {
        more.insert(0, format!("{}.", prediction(&broken.prediction)));
    }
    Answer::new("Why?", "why", cause(explanation)).because(more).page_only(unknown)
}

/// All answers on the cause.
pub(in crate::report) fn answers(explanation: &Explanation) -> Vec<Answer> {
    let mut answers = vec![first(explanation)];
    match &explanation.cause {
        ShownCause::OrderingBreak(broken) => {
            answers.push(predicts(broken));
            answers.push(peers(broken));
            answers.extend(broken.setup.as_ref().map(|setup| led_to_it(setup, &broken.replica)));
        }
        ShownCause::NeverBegan(stuck) => {
            answers.extend(stuck.setup.as_ref().map(|setup| led_to_it(setup, &stuck.replica)));
        }
        ShownCause::DroppedKeys(_) | ShownCause::NotShown { .. } => {}
    }
    answers.push(guard::answer(explanation));
    if !explanation.not_logged.is_empty() {
        answers.push(not_logged(&explanation.not_logged));
    }
    answers.push(sureness(explanation));
    answers
}

fn first(explanation: &Explanation) -> Answer {
    let from = |key: &str, off| {
        format!("Found from key {}, offset {}: the first row that went wrong.", printable(key), count(off))
    };
    let mut more = match &explanation.cause {
        ShownCause::OrderingBreak(broken) => vec![from(&broken.anchor.key, broken.anchor.off)],
        ShownCause::DroppedKeys(dropped) => vec![from(&dropped.anchor.key, dropped.anchor.off)],
        ShownCause::NeverBegan(_) | ShownCause::NotShown { .. } => Vec::new(),
    };
    let further = explanation.further.iter().take(FURTHER_MAX);
    more.extend(further.map(|it| format!("Other wrong rows have a cause of their own: {}.", one_cause(it))));
    Answer::new("What went wrong first?", "first break", cause(explanation)).because(more)
}

fn broken_order(broken: &OrderingBreak) -> String {
    let (replica, dependent) = (printable(&broken.replica), printable(&broken.dependent));
    let needed = joined(&broken.dependencies);
    let (was, were) = match broken.dependencies.len() {
        1 => ("was", "was"),
        _ => ("were", "were all"),
    };
    match (broken.strength, broken.late_by_ms, &broken.visible) {
        (_, _, None) => {
            format!("{replica} consumed {dependent}, and {needed} {was} never visible to its merges")
        }
        (BreakStrength::Ordered, Some(late), Some(_)) => format!(
            "{replica} began to consume {dependent} {} before {needed} {were} visible to its merges",
            millis(late)
        ),
        (BreakStrength::Ordered, None, Some(_)) => {
            format!("{replica} consumed rows of {dependent} before {needed} {were} visible to its merges")
        }
        (BreakStrength::Concurrent, ..) => format!(
            "{replica} consumed {dependent} while {needed} {was} becoming visible to its merges: which row \
             came first is not logged"
        ),
    }
}

fn dropped_keys(dropped: &DroppedKeys) -> String {
    let replica = printable(&dropped.replica);
    let keys = dropped.keys.map_or("keys".to_owned(), |keys| counted(keys, "key"));
    let segment = dropped.event.segment.as_deref().map_or("a segment".to_owned(), printable);
    let beyond = dropped.beyond_end.map_or(String::new(), |rows| {
        format!("; it had consumed {} beyond the committed end", counted(rows, "row"))
    });
    format!(
        "the order was kept, but {replica} dropped {keys} from its metadata when its copy of \
         {segment} was replaced{beyond}"
    )
}

fn never_began(stuck: &NeverBegan) -> String {
    let (replica, dependent) = (printable(&stuck.replica), printable(&stuck.dependent));
    let needed = joined(&stuck.dependencies);
    let since = match &stuck.visible {
        Some(visible) => format!(
            "{needed} became visible {} later, and nothing has tested it since",
            millis(visible.node_ms.saturating_sub(stuck.tested.node_ms)),
        ),
        None => format!("{needed} is still not visible"),
    };
    format!(
        "{replica} never began to consume {dependent}: its guard was shut when it was last tested; {since}"
    )
}

fn not_shown(reason: NotShown) -> &'static str {
    match reason {
        NotShown::NoRoot => {
            "the wrong rows were all copied, so the break lies on a replica that was not compared"
        }
        NotShown::NoMissingSegment => "the rows do not tell which state was missing",
        NotShown::NoEvents => "the replica logged nothing of the segments in question",
        NotShown::OrderWasKept => {
            "every segment that the rows build on was visible before they were merged, so the cause is \
             another one"
        }
    }
}

/// `214 of 214 wrong rows are predicted, 0 extra`.
pub(in crate::report) fn prediction(prediction: &Prediction) -> String {
    let extra = prediction.predicted.saturating_sub(prediction.found);
    let partly = if prediction.is_exact() { "" } else { ": partly explained" };
    format!(
        "{} of {} wrong rows are predicted, {} extra{partly}",
        count(prediction.explained),
        count(prediction.roots),
        count(extra),
    )
}

fn predicts(broken: &OrderingBreak) -> Answer {
    let range = &broken.prediction;
    let (from, last) = (count(range.from), count(range.to.saturating_sub(1)));
    let end = match range.logged {
        true => "as the replica logged it",
        false => "the end is estimated from what dissent saw",
    };
    let rule = format!(
        "The rule: the first row of each key of {} at offsets {from} to {last} ({end}).",
        joined(&broken.dependencies),
    );
    Answer::new("Does that predict the wrong rows?", "predicts", prediction(range)).because(vec![rule])
}

fn peers(broken: &OrderingBreak) -> Answer {
    let needed = joined(&broken.dependencies);
    let same = broken.no_witnesses.values().filter(|why| **why == NoWitness::SameOrder).count();
    let comparable = broken.witnesses.len() + same;
    let short = match broken.witnesses.as_slice() {
        [] => format!("none of {} peers did it in the right order", broken.no_witnesses.len()),
        right => format!(
            "{} of {} made {needed} visible first: {}",
            right.len(),
            counted(comparable as u64, "comparable peer"),
            joined(right),
        ),
    };
    let others = broken.no_witnesses.iter();
    let more = others.map(|(peer, why)| format!("{}: {}.", printable(peer), no_witness(*why)));
    Answer::new("What did the other replicas do?", "peers", short).because(more.collect())
}

fn no_witness(why: NoWitness) -> &'static str {
    match why {
        NoWitness::SameOrder => "broke the same order",
        NoWitness::Restarted => "no witness, because it restarted in between",
        NoWitness::Downloaded => "no witness, because it downloaded the segment and merged nothing",
        NoWitness::NoEvents => "no witness, because it logged nothing of the two",
    }
}

fn led_to_it(setup: &Setup, replica: &str) -> Answer {
    let (transition, segment) = (printable(&setup.transition), printable(&setup.segment));
    let took = millis(setup.took_ms);
    let what = match setup.edge {
        Edge::CreatedToStarted => format!("waited {took} in a queue"),
        Edge::StartedToFinished => format!("ran for {took}"),
    };
    let ended = match &setup.outcome {
        Some(outcome) => format!("; then: {}", printable(outcome)),
        None => String::new(),
    };
    let short = format!("`{transition}` of {segment} {what} on {}{}{ended}", printable(replica), than(setup));
    let visible = |it: &LoggedCount| counts(it, replica, "segments were visible when consumption began");
    let caught_up = |it: &LoggedCount| counts(it, replica, "rows came in the batch that caught up");
    let mut more: Vec<String> = setup.snapshot.iter().map(visible).collect();
    more.extend(setup.catch_up.iter().map(caught_up));
    more.push("This delay led to the break. It is not the break: a guard should have waited.".to_owned());
    Answer::new("What led to it?", "led to it", short).because(more)
}

/// ` (0 ms to 20 ms on its peers)`.
fn than(setup: &Setup) -> String {
    match (setup.peers_ms.values().min(), setup.peers_ms.values().max()) {
        (Some(least), Some(most)) if least == most => format!(" ({} on its peers)", millis(*least)),
        (Some(least), Some(most)) => format!(" ({} to {} on its peers)", millis(*least), millis(*most)),
        _ => String::new(),
    }
}

/// `3 segments were visible when consumption began on server-1, 4 on server-0 and server-2.`
fn counts(logged: &LoggedCount, replica: &str, what: &str) -> String {
    let mut by_count: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (peer, n) in &logged.peers {
        by_count.entry(*n).or_default().push(peer.clone());
    }
    let peers = by_count.iter().map(|(n, peers)| format!(", {} on {}", count(*n), joined(peers)));
    format!("Logged: {} {what} on {}{}.", count(logged.here), printable(replica), peers.collect::<String>())
}

fn not_logged(kinds: &[String]) -> Answer {
    let short = format!("no node logged {}", joined(kinds));
    let mut more: Vec<String> = kinds.iter().map(|kind| format!("Log {}.", to_log(kind))).collect();
    more.dedup();
    Answer::new("What is not logged?", "not logged", short).because(more)
}

/// What a target should log so that an event of this kind can be read from it.
fn to_log(kind: &str) -> String {
    match kind {
        "gate" => {
            "each condition that is tested before consumption begins: for which partition and segment, when, \
             what released it, and the counts that it saw"
        }
        "snapshot" => "how many segments merges can see when consumption begins: a count, not a boolean",
        "transition-created" => "when each message was created, next to when it was executed",
        "transition-started" | "transition-finished" | "skipped" => {
            "when each transition starts and finishes, and whether it was done, skipped or failed"
        }
        "registered" => "when a segment becomes visible to merges, and the offset consumed by then",
        "consume-start" | "consume-end" => "at which offset consumption of a segment begins and ends",
        "caught-up" => "how many rows were consumed before the end of the log was reached",
        "boot" => "at start-up, which kinds of events the node logs, so that a missing one is evidence",
        "segment-reported" | "commit-winner" | "segment-committed" => {
            "which replica won a commit, at which offset, and who else had reported it"
        }
        "crc-changed" | "downloading" | "downloaded" | "replaced" => {
            "when a copy is replaced by another, with both checksums"
        }
        "position-ahead" | "keys-not-replaced" => {
            "how far consumption is beyond the committed end, and how many keys a replacement drops"
        }
        other => return format!("events of kind `{}`", printable(other)),
    }
    .to_owned()
}

fn sureness(explanation: &Explanation) -> Answer {
    let short = match &explanation.cause {
        ShownCause::OrderingBreak(broken) => sure_of_break(broken),
        ShownCause::DroppedKeys(_) => {
            "the replica logged it itself. Wrong if these keys were lost before that".to_owned()
        }
        ShownCause::NeverBegan(stuck) => {
            let replica = printable(&stuck.replica);
            format!(
                "{replica} logged the test and no later one. Wrong if it tests its guard without logging that"
            )
        }
        ShownCause::NotShown { .. } => "no cause is claimed".to_owned(),
    };
    let clocks = "Nothing here compares the clocks of two nodes.".to_owned();
    Answer::new("How sure is the cause, and what could disprove it?", "cause sure", short)
        .because(vec![clocks])
}

fn sure_of_break(broken: &OrderingBreak) -> String {
    let replica = printable(&broken.replica);
    let exact = broken.prediction.is_exact();
    let ground = match (broken.strength, exact, broken.witnesses.is_empty()) {
        (BreakStrength::Concurrent, ..) => "weak, because the two events overlap".to_owned(),
        (BreakStrength::Ordered, false, _) => {
            "a suspicion: the order is certain, but it predicts other rows than those that are wrong"
                .to_owned()
        }
        (BreakStrength::Ordered, true, true) => {
            format!("{replica} logged the order, and it predicts just the wrong rows; no peer confirms it")
        }
        (BreakStrength::Ordered, true, false) => {
            format!(
                "{replica} logged the order, it predicts just the wrong rows, and the peers did the reverse"
            )
        }
    };
    format!("{ground}. Wrong if {replica} logs its events in another order than they happen")
}
