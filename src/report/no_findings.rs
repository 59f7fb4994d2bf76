//! A verdict without findings in words. "Nothing wrong" is worth what was looked at, so both a pass and an
//! inconclusive run say how much that was.

use super::answers::{Answer, DOUBTS_NAMED, certainty, doubt_line, scope, steps};
use super::doubts::advice;
use super::format::{count, counted, excused, joined, len, name, printable, spaced, span};
use dissent_core::checker::verdict::{CheckResult, Progress, Status, Verdict};
use dissent_core::history::check_name::CheckName;

/// A pass in one sentence.
pub(super) fn pass_headline(verdict: &Verdict) -> String {
    if verdict.compared.rows == 0 && verdict.progress.looks > 0 {
        let objects = verdict.progress.states.values().sum();
        let looks = counted(verdict.progress.looks, "sample");
        return format!("0 of {} stand still over {looks}", counted(objects, "frontier"));
    }
    format!(
        "0 of {} differ over {}, {}",
        counted(verdict.compared.rows, "row"),
        counted(len(&verdict.compared.replicas), "replica"),
        counted(verdict.compared.captures.into(), "capture"),
    )
}

/// An inconclusive run in one sentence.
pub(super) fn inconclusive_headline(verdict: &Verdict) -> String {
    match verdict.doubts.first() {
        Some(doubt) => format!("{}: nothing wrong was found, and nothing is proved", name(&doubt.kind)),
        None => "nothing wrong was found, but not all that should have been compared was".to_owned(),
    }
}

/// All answers on a pass.
pub(super) fn pass_answers(verdict: &Verdict) -> Vec<Answer> {
    let mut answers =
        vec![amount(verdict), Answer::new("Which replicas?", "replicas", joined(&verdict.compared.replicas))];
    answers.extend(opportunity(verdict));
    answers.extend([checks(verdict), left_out(verdict)]);
    answers.extend(progress(verdict));
    answers.push(certainty(
        "sure for this seed and what was compared; races need many seeds: try `--runs N`".to_owned(),
        verdict,
    ));
    answers
}

/// All answers on an inconclusive run: each doubt with its meaning and the next step.
pub(super) fn inconclusive_answers(verdict: &Verdict) -> Vec<Answer> {
    let mut answers = Vec::new();
    for doubt in verdict.doubts.iter().take(DOUBTS_NAMED) {
        let advice = advice(doubt.kind);
        answers.push(Answer::new("What was seen?", "seen", doubt_line(doubt)));
        answers.push(Answer::new("Why may that hide something?", "why", advice.why.to_owned()));
        answers.push(steps(vec![advice.next.to_owned()]));
    }
    if verdict.doubts.len() > DOUBTS_NAMED {
        let rest = count((verdict.doubts.len() - DOUBTS_NAMED) as u64);
        answers.push(Answer::new("What else?", "seen", format!("{rest} doubts more, listed in the report")));
    }
    for check in verdict.checks.iter().filter(|check| check.status == Status::Unknown) {
        let reason = check.reason.as_deref().unwrap_or("no reason was given");
        let short = format!("{}: {}", name(&check.name), printable(reason));
        answers.push(Answer::new("Which check could not run?", "unknown", short));
    }
    answers.push(amount(verdict));
    answers.extend(opportunity(verdict));
    answers.extend([checks(verdict), left_out(verdict)]);
    answers
}

/// How consuming positions and frontiers stood at the end; nothing to say where none was sampled.
fn progress(verdict: &Verdict) -> Option<Answer> {
    let Progress { states, lagging, waiting, healed, .. } = &verdict.progress;
    let states: Vec<String> =
        states.iter().map(|(state, n)| format!("{} {}", count(*n), spaced(&name(state)))).collect();
    let lags = lagging.iter().map(|it| {
        let pace = format!("{}.{:03} units/s", it.slope_milli / 1_000, it.slope_milli % 1_000);
        let left = it.catches_up_in.map_or("never".to_owned(), |left| format!("in {}", span(left)));
        let object = printable(&it.object);
        format!("{object} is {} behind at {pace}: it catches up {left}.", count(it.behind))
    });
    let waits = waiting.iter().map(|it| {
        let (object, at, watched) = (printable(&it.object), count(it.position), span(it.watched));
        format!(
            "{object} stood at {at} for {watched} when last seen; {} would be frozen.",
            span(it.threshold)
        )
    });
    let heals = healed.iter().map(|it| {
        let (object, watched, within) = (printable(&it.object), span(it.watched), span(it.within));
        format!("{object} stood still for {watched} and healed within the {within} that its target declares.")
    });
    let question = "How did consuming positions and frontiers go?";
    (!states.is_empty()).then(|| {
        Answer::new(question, "frontiers", states.join(", "))
            .because(lags.chain(waits).chain(heals).collect())
    })
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
        "{} and {}; the model folded {}.",
        counted(compared.offsets, "offset"),
        counted(compared.segments, "segment copy"),
        counted(compared.entries, "log entry"),
    )])
}

/// Whether what the plan hunts had its chance; nothing to say where no opportunity is counted.
fn opportunity(verdict: &Verdict) -> Option<Answer> {
    let lines: Vec<_> = verdict
        .exposure
        .iter()
        .map(|e| format!("{} {} (at least {} asked for)", count(e.count), spaced(&e.what), count(e.demanded)))
        .collect();
    let question = "Did what the plan hunts have its chance?";
    (!lines.is_empty()).then(|| Answer::new(question, "exposure", lines.join("; ")))
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
        let names: Vec<_> = checks.map(|check| name(&check.name)).collect();
        if !names.is_empty() {
            parts.push(format!("{word}: {}", names.join(", ")));
        }
    }
    let short = if parts.is_empty() { "none ran".to_owned() } else { parts.join("; ") };
    Answer::new("Which checks ran?", "checks", short)
}

/// What was left out, by not being loaded or by what the table may lack.
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
    let lines: Vec<String> = aside.chain(lines).chain(excused).collect();
    let short = if lines.is_empty() { "nothing that was assigned".to_owned() } else { lines.join("; ") };
    Answer::new("What was not compared?", "left out", short)
}

/// Whether the model agreed with the target on the calibration set, as a sentence.
pub(super) fn calibration(verdict: &Verdict) -> String {
    let passed = |check: &&CheckResult| check.name == CheckName::Calibration && check.status == Status::Pass;
    match verdict.checks.iter().find(passed) {
        Some(check) => format!(
            "Before any fault the target merged as the model does ({} {}).",
            count(check.compared),
            check.unit,
        ),
        None => "The model was not calibrated in this run.".to_owned(),
    }
}
