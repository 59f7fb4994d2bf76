//! The text of a verdict without findings. "Nothing wrong" means only as much as was compared, so a pass and
//! an inconclusive run both say how much that was.

use super::answer::{Answer, DOUBTS_NAMED, certainty, doubt_line, scope, steps};
use crate::report::doubts::advice;
use crate::report::format::{count, counted, excused, joined, len, printable, spaced, span};
use dissent_core::checker::verdict::{Exposure, Progress, Status, Verdict};
use dissent_core::history::check_name::CheckName;
use dissent_core::history::stored_name::stored_name;

/// A pass in one sentence.
pub(in crate::report) fn pass_headline(verdict: &Verdict) -> String {
    if verdict.compared.rows == 0 && verdict.progress.looks > 0 {
        let objects = verdict.progress.states.values().sum();
        let looks = counted(verdict.progress.looks, "sample");
        return format!("0 of {} stopped, in {looks}", counted(objects, "frontier"));
    }
    format!(
        "0 of {} differ, across {} and {}",
        counted(verdict.compared.rows, "row"),
        counted(len(&verdict.compared.replicas), "replica"),
        counted(verdict.compared.captures.into(), "capture"),
    )
}

/// An inconclusive run in one sentence.
pub(in crate::report) fn inconclusive_headline(verdict: &Verdict) -> String {
    match verdict.doubts.first() {
        Some(doubt) => {
            format!("{}: no violation was found, but that proves nothing", stored_name(&doubt.kind))
        }
        None => "no violation was found, but not everything was compared".to_owned(),
    }
}

/// All answers on a pass.
pub(in crate::report) fn pass_answers(verdict: &Verdict) -> Vec<Answer> {
    let mut answers =
        vec![amount(verdict), Answer::new("Which replicas?", "replicas", joined(&verdict.compared.replicas))];
    answers.extend(opportunity(verdict));
    answers.extend([checks(verdict), left_out(verdict)]);
    answers.extend(progress(verdict));
    answers.push(certainty(
        "valid for this seed and this data; to find races, try many seeds (`--runs N`)".to_owned(),
        verdict,
    ));
    answers
}

/// All answers on an inconclusive run: each doubt with its meaning and the next step.
pub(in crate::report) fn inconclusive_answers(verdict: &Verdict) -> Vec<Answer> {
    let mut answers = Vec::new();
    for doubt in verdict.doubts.iter().take(DOUBTS_NAMED) {
        let advice = advice(doubt.kind);
        answers.push(Answer::new("What was seen?", "seen", doubt_line(doubt)));
        answers.push(Answer::new("Why could that hide a bug?", "why", advice.why.to_owned()));
        answers.push(steps(vec![advice.next.to_owned()]));
    }
    if verdict.doubts.len() > DOUBTS_NAMED {
        let rest = counted((verdict.doubts.len() - DOUBTS_NAMED) as u64, "more doubt");
        answers.push(Answer::new("What else?", "seen", format!("{rest}, listed in the report")));
    }
    for check in verdict.checks.iter().filter(|check| check.status == Status::Unknown) {
        let reason = check.reason.as_deref().unwrap_or("no reason given");
        let short = format!("{}: {}", stored_name(&check.name), printable(reason));
        answers.push(Answer::new("Which check could not run?", "unknown", short));
    }
    answers.push(amount(verdict));
    answers.extend(opportunity(verdict));
    answers.extend([checks(verdict), left_out(verdict)]);
    answers
}

/// The state of consuming positions and frontiers at the end; none if none was sampled.
fn progress(verdict: &Verdict) -> Option<Answer> {
    let Progress { states, lagging, waiting, healed, .. } = &verdict.progress;
    let all = states.values().sum();
    let states: Vec<String> =
        states.iter().map(|(state, n)| state_words(&stored_name(state), *n, all)).collect();
    let lags = lagging.iter().map(|it| {
        let pace = format!("{}.{:03} units/s", it.slope_milli / 1_000, it.slope_milli % 1_000);
        let left = it
            .catches_up_in
            .map_or("it will not catch up".to_owned(), |left| format!("it will catch up in {}", span(left)));
        let object = printable(&it.object);
        format!("{object} is {} behind and moves at {pace}: no value pins it; {left}.", count(it.behind))
    });
    let waits = waiting.iter().map(|it| {
        let (object, at, watched) = (printable(&it.object), count(it.position), span(it.watched));
        format!(
            "{object} had been at {at} for {watched} when last seen; it counts as frozen after {}.",
            span(it.threshold)
        )
    });
    let heals = healed.iter().map(|it| {
        let (object, watched) = (printable(&it.object), span(it.watched));
        match it.within {
            Some(within) => {
                let within = span(within);
                format!(
                    "{object} stopped for {watched} and resumed within the {within} that its target allows."
                )
            }
            None => {
                format!("{object} stopped for {watched} and caught up before the deadline: lag, no freeze.")
            }
        }
    });
    let question = "Did consuming positions and frontiers make progress?";
    (!states.is_empty()).then(|| {
        Answer::new(question, "progress", states.join("; ")).because(lags.chain(waits).chain(heals).collect())
    })
}

/// `all 8 positions reached the end of their input`, `2 of 8 positions are frozen`.
fn state_words(state: &str, n: u64, all: u64) -> String {
    let (one, many) = match state {
        "advancing" => ("is still advancing", "are still advancing"),
        "idle" => ("reached the end of its input", "reached the end of their input"),
        "lagging" => ("is lagging", "are lagging"),
        "waiting" => (
            "has stopped, but not for long enough to count as frozen",
            "have stopped, but not for long enough to count as frozen",
        ),
        "held" => ("is paused or starting", "are paused or starting"),
        "sealed" => ("is complete", "are complete"),
        "never-written" => ("never had a value", "never had a value"),
        "frozen" => ("is frozen", "are frozen"),
        other => (other, other),
    };
    let words = if n == 1 { one } else { many };
    match (n, all) {
        (1, 1) => format!("the only position {words}"),
        _ if n == all => format!("all {} positions {words}", count(n)),
        _ => format!("{} of {} positions {words}", count(n), count(all)),
    }
}

fn amount(verdict: &Verdict) -> Answer {
    let compared = &verdict.compared;
    let short = format!(
        "{}, {}, {} {}",
        counted(compared.rows, "row"),
        counted(compared.flags, "current flag"),
        counted(compared.keys, "key"),
        scope(verdict),
    );
    Answer::new("How much was compared?", "compared", short).because(vec![format!(
        "{} and {}; the expected rows were computed from {}.",
        counted(compared.offsets, "offset"),
        counted(compared.segments, "segment copy"),
        counted(compared.entries, "log entry"),
    )])
}

/// How often the run exercised what the plan is for; none if nothing is counted.
fn opportunity(verdict: &Verdict) -> Option<Answer> {
    let lines: Vec<_> = verdict
        .exposure
        .iter()
        .map(|e| format!("{} (at least {} required)", exercised(e), count(e.demanded)))
        .collect();
    let question = "Was the fault condition actually exercised?";
    (!lines.is_empty()).then(|| Answer::new(question, "exposure", lines.join("; ")))
}

/// `118 keys carried under hold`, `1 restart`.
fn exercised(exposure: &Exposure) -> String {
    let what = spaced(&exposure.what);
    let mut words: Vec<&str> = what.split(' ').collect();
    if exposure.count == 1
        && let Some(noun) = words.iter_mut().find(|word| word.ends_with('s'))
    {
        *noun = noun.trim_end_matches('s');
    }
    format!("{} {}", count(exposure.count), words.join(" "))
}

fn checks(verdict: &Verdict) -> Answer {
    let words = [
        (Status::Pass, "passed"),
        (Status::Fail, "failed"),
        (Status::Unknown, "unknown"),
        (Status::NotApplicable, "not applicable"),
    ];
    let mut parts = Vec::new();
    for (status, word) in words {
        let checks = verdict.checks.iter().filter(|check| check.status == status);
        let names: Vec<_> = checks.map(|check| stored_name(&check.name)).collect();
        if !names.is_empty() {
            parts.push(format!("{word}: {}", names.join(", ")));
        }
    }
    let short = if parts.is_empty() { "none ran".to_owned() } else { parts.join("; ") };
    Answer::new("Which checks ran?", "checks", short)
}

/// What was not compared: rows that were not loaded, and rows that the table may lack.
fn left_out(verdict: &Verdict) -> Answer {
    let lines: Vec<_> = verdict
        .compared
        .not_loaded
        .iter()
        .filter(|(_, offsets)| **offsets > 0)
        .map(|(replica, offsets)| format!("{} on {replica} (not loaded)", counted(*offsets, "offset")))
        .collect();
    let aside = verdict.checks.iter().filter(|check| check.status == Status::NotApplicable);
    let aside = aside.filter(|check| check.name == CheckName::Model).filter_map(|check| check.reason.clone());
    let excused = excused(&verdict.compared.excused);
    let undecided = Some(verdict.compared.undecided).filter(|keys| *keys > 0).map(|keys| {
        format!("{} with the log: its last op may or may not have happened", counted(keys, "key"))
    });
    let lines: Vec<String> = aside.chain(lines).chain(excused).chain(undecided).collect();
    let short = if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") };
    Answer::new("What was not compared?", "not compared", short)
}
