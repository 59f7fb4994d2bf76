//! The text of a spread: who held right and wrong copies when, how a wrong copy got about, and what evidence
//! is about to vanish.

use super::answer::Answer;
use crate::report::format::{Clock, count, joined, len, printable};
use dissent_core::checker::verdict::{Commit, LastRightGone, Replacement, Risk, Spread, SpreadMoment};

/// Changes, commits and replacements told; the rest is counted.
const LINES_MAX: usize = 8;

/// All answers on a spread.
pub(in crate::report) fn answers(spread: &Spread, clock: &Clock) -> Vec<Answer> {
    let mut answers = Vec::new();
    if !spread.moments.is_empty() {
        answers.push(list("How many copies were right and wrong?", "right:wrong", ratios(spread, clock)));
    }
    if !spread.commits.is_empty() {
        let told = spread.commits.iter().map(|it| commit(it, clock)).collect();
        answers.push(list("Whose copy was committed?", "committed", told));
    }
    if !spread.replacements.is_empty() {
        let told = spread.replacements.iter().map(|it| replacement(it, clock)).collect();
        answers.push(list("Whose copy was replaced?", "replaced", told));
    }
    answers.push(Answer::new("Where is the last right copy?", "last right", last_right(spread, clock)));
    answers.push(list("What evidence is about to vanish?", "at risk", risks(spread)));
    answers
}

/// What is about to destroy evidence or right copies, a sentence each without its full stop.
pub(in crate::report) fn risks(spread: &Spread) -> Vec<String> {
    match spread.at_risk.as_slice() {
        [] => vec!["nothing that dissent knows of".to_owned()],
        risks => risks.iter().map(risk).collect(),
    }
}

fn list(question: &'static str, label: &'static str, mut lines: Vec<String>) -> Answer {
    let rest = lines.len().saturating_sub(LINES_MAX);
    lines.truncate(LINES_MAX);
    if rest > 0 {
        lines.push(format!("{} more in verdict.json", count(rest as u64)));
    }
    Answer::lines(question, label, lines)
}

/// Right to wrong copies, wherever that changed.
fn ratios(spread: &Spread, clock: &Clock) -> Vec<String> {
    let mut changes: Vec<&SpreadMoment> = Vec::new();
    for moment in &spread.moments {
        let same = |it: &&&SpreadMoment| it.wrong == moment.wrong && it.right == moment.right;
        if changes.last().filter(same).is_none() {
            changes.push(moment);
        }
    }
    changes.into_iter().map(|it| moment(it, clock)).collect()
}

fn moment(moment: &SpreadMoment, clock: &Clock) -> String {
    let (right, wrong) = (len(&moment.right), len(&moment.wrong));
    let who = if moment.wrong.is_empty() { String::new() } else { format!(" ({})", joined(&moment.wrong)) };
    format!(
        "{} right : {} wrong{who} from capture {} on, {}",
        count(right),
        count(wrong),
        moment.capture,
        clock.both(moment.t)
    )
}

fn commit(commit: &Commit, clock: &Clock) -> String {
    let segment = printable(&commit.segment);
    let winner = match &commit.winner {
        Some(winner) => format!("{} won the commit of {segment}", printable(winner)),
        None => format!("{segment} was committed; the winner is not logged"),
    };
    let offset = commit.offset.map_or(String::new(), |offset| format!(" at offset {}", count(offset)));
    let others: Vec<String> =
        commit.at_equal_offset.iter().filter(|it| Some(*it) != commit.winner.as_ref()).cloned().collect();
    let equal = match others.as_slice() {
        [] => String::new(),
        equal => format!(", where {} also stood", joined(equal)),
    };
    let copy = match commit.wrong {
        Some(true) => "; its copy is wrong",
        Some(false) => "; its copy is right",
        None if commit.winner.is_none() => "",
        None => "; no capture shows its copy",
    };
    let seen = commit.t.map_or(String::new(), |t| format!("; seen {}", clock.both(t)));
    format!("{winner}{offset}{equal}{copy}{seen}")
}

fn replacement(it: &Replacement, clock: &Clock) -> String {
    let word = |wrong| match wrong {
        Some(true) => "wrong",
        Some(false) => "right",
        None => "not read",
    };
    let sums = it.checksums.as_ref().map_or(String::new(), |(own, committed)| {
        format!("; checksums: its own {}, committed {}", printable(own), printable(committed))
    });
    format!(
        "{}, {}: {} before, {} after; seen {}{sums}",
        printable(&it.replica),
        printable(&it.segment),
        word(it.wrong_before),
        word(it.wrong_after),
        clock.both(it.t),
    )
}

/// Where right copies are left.
pub(in crate::report) fn last_right(spread: &Spread, clock: &Clock) -> String {
    if let Some(LastRightGone { replicas, last_seen, gone }) = &spread.last_right_gone {
        return format!(
            "nowhere: {} held the last one, {}; it was gone by {}",
            joined(replicas),
            clock.both(*last_seen),
            clock.both(*gone),
        );
    }
    match (spread.last_right.as_slice(), spread.moments.last()) {
        ([], Some(last)) if last.right.len() > 1 => {
            format!("more than one is left: on {}", joined(&last.right))
        }
        ([], Some(last)) if !last.right.is_empty() => format!("on {}", joined(&last.right)),
        ([], _) => "not known: no capture shows one".to_owned(),
        ([only], _) => format!("on {} alone: do not reload, rebalance or restart it", printable(only)),
        (several, _) => format!("on {}: do not reload, rebalance or restart them", joined(several)),
    }
}

fn risk(risk: &Risk) -> String {
    match risk {
        Risk::NextCommit { segment } => {
            format!("{} is still open: its commit may give a wrong copy to all", printable(segment))
        }
        Risk::Reload { segment, replicas } => format!(
            "a reload or restart replaces the copies of {} on {}, which differ from the committed one",
            printable(segment),
            joined(replicas),
        ),
        Risk::Compaction => "compaction removes superseded rows, which are evidence".to_owned(),
        Risk::Retention { from } => {
            format!("the log's retention: offset {} and later are the only right source left", count(*from))
        }
    }
}
