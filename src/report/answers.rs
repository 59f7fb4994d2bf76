//! What a reader asks, in the order in which it is asked at 2 AM, with the answers in words. Terminal and
//! page print the same answers: the terminal the short ones, the page what lies behind them too.

use super::divergence;
use super::doubts::{advice, purpose};
use super::words::{Clock, count, counted, fingerprint, joined, len, listed, name, spaced, span};
use crate::check::verdict::{
    CheckName, Doubt, DoubtKind, Finding, FindingKind, Frozen, LostAck, Outcome, Status, Verdict,
};
use crate::record::row::Nanos;

/// A question and its answer.
pub(super) struct Answer {
    /// The question, as the page asks it.
    pub(super) question: &'static str,
    /// The question in one or two words, for the terminal.
    pub(super) label: &'static str,
    /// The answer.
    pub(super) short: Vec<String>,
    /// What lies behind it.
    pub(super) more: Vec<String>,
}

impl Answer {
    /// An answer that needs no more than one line.
    pub(super) fn new(question: &'static str, label: &'static str, short: String) -> Self {
        Self {
            question,
            label,
            short: vec![short],
            more: Vec::new(),
        }
    }

    /// The same with what lies behind it.
    pub(super) fn because(mut self, more: Vec<String>) -> Self {
        self.more = more;
        self
    }
}

/// The verdict in one sentence.
pub(super) fn headline(verdict: &Verdict) -> String {
    let compared = &verdict.compared;
    match (verdict.outcome, verdict.findings.first()) {
        (_, Some(finding)) => finding_headline(finding),
        (Outcome::Pass, None) => format!(
            "0 of {} differ over {}, {}",
            counted(compared.rows, "row"),
            counted(len(&compared.replicas), "replica"),
            counted(compared.captures.into(), "capture"),
        ),
        (_, None) => match verdict.doubts.first() {
            Some(doubt) => format!(
                "{}: nothing wrong was found, but {}",
                name(&doubt.kind),
                advice(doubt.kind).why
            ),
            None => {
                "nothing wrong was found, but not all that should have been compared was".to_owned()
            }
        },
    }
}

/// A finding in one sentence.
pub(super) fn finding_headline(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::Divergence(d) => divergence::headline(d),
        FindingKind::Frozen(f) => format!(
            "frozen: {} has stood at offset {} of partition {} for {}, while the log goes on to {} and its \
             status says `{}`",
            f.replica,
            count(f.position),
            f.partition,
            span(f.watched),
            count(f.log_end),
            super::words::printable(&f.status),
        ),
        FindingKind::LostAck(lost) => format!(
            "lost: {} acknowledged, and not in the log of partition {}",
            counted(len(&lost.ops), "op"),
            lost.partition,
        ),
    }
}

/// The answers on the whole verdict: on its first finding, or on what was compared.
pub(super) fn answers(verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    match (verdict.findings.first(), verdict.outcome) {
        (Some(finding), _) => finding_answers(finding, verdict, clock),
        (None, Outcome::Pass) => pass_answers(verdict),
        (None, _) => inconclusive_answers(verdict),
    }
}

/// The answers on one finding.
pub(super) fn finding_answers(finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    match &finding.kind {
        FindingKind::Divergence(d) => divergence::answers(d, finding, verdict, clock),
        FindingKind::Frozen(f) => frozen_answers(f, finding, verdict, clock),
        FindingKind::LostAck(l) => lost_ack_answers(l, finding, verdict),
    }
}

/// How much was compared, and whether the replicas had settled.
pub(super) fn basis(verdict: &Verdict) -> String {
    let compared = &verdict.compared;
    let unsettled =
        |doubt: &Doubt| matches!(doubt.kind, DoubtKind::NotSettled | DoubtKind::Interrupted);
    format!(
        "{} compared over {} in {}; {}",
        counted(compared.rows, "row"),
        counted(len(&compared.replicas), "replica"),
        counted(compared.captures.into(), "capture"),
        match verdict.doubts.iter().any(unsettled) {
            true => "not all replicas had settled",
            false => "all replicas had settled",
        },
    )
}

/// Whether this finding was met before.
pub(super) fn novelty(finding: &Finding) -> Answer {
    let short = format!("new: {}", fingerprint(finding));
    Answer::new("Is it new or known?", "new or known", short).because(vec![
        "The same cause has this fingerprint in every run. No list of known issues was given."
            .to_owned(),
    ])
}

/// How sure the verdict is; every doubt is named.
pub(super) fn certainty(ground: String, otherwise: String, verdict: &Verdict) -> Answer {
    let mut short = vec![format!("{ground}. {otherwise}")];
    short.extend(verdict.doubts.iter().take(3).map(doubt_line));
    if verdict.doubts.len() > 3 {
        short.push(format!(
            "{} more",
            counted(len(&verdict.doubts) - 3, "doubt")
        ));
    }
    let question = "How sure is it, and what would make it wrong?";
    Answer {
        question,
        label: "how sure",
        short,
        more: Vec::new(),
    }
}

/// A doubt in one line.
pub(super) fn doubt_line(doubt: &Doubt) -> String {
    format!(
        "doubt: {}: {}",
        name(&doubt.kind),
        super::words::printable(&doubt.detail)
    )
}

/// What to do now, in order.
pub(super) fn steps(short: Vec<String>) -> Answer {
    let numbered = short
        .into_iter()
        .enumerate()
        .map(|(i, step)| format!("{}. {step}", i + 1))
        .collect();
    Answer {
        question: "What to do in the next five minutes?",
        label: "do now",
        short: numbered,
        more: Vec::new(),
    }
}

fn frozen_answers(
    frozen: &Frozen,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
    let behind = frozen.log_end.saturating_sub(frozen.position);
    let segment = frozen.segment.as_deref().unwrap_or("none");
    let baseline = match frozen.baseline {
        true => "the threshold rests on this run's own gaps between moves",
        false => {
            "no baseline: fewer than 30 gaps between moves were seen, so the threshold is the set floor"
        }
    };
    vec![
        Answer::new(
            "Is it real?",
            "is it real",
            format!(
                "yes: {} saw the same position for {}; more than {} counts as frozen",
                counted(frozen.samples, "sample"),
                span(frozen.watched),
                span(frozen.threshold),
            ),
        )
        .because(vec![format!("{}.", basis(verdict))]),
        Answer::new(
            "Which replica?",
            "which replica",
            format!(
                "{}, partition {}; its status says `{}`",
                frozen.replica, frozen.partition, frozen.status
            ),
        ),
        Answer::new("Since when?", "since when", clock.both(frozen.since)),
        Answer::new(
            "Which data, and do users see it?",
            "which data",
            format!(
                "{} behind the log, from offset {} on, segment {segment}; a user's query on this replica lacks them",
                counted(behind, "entry"),
                count(frozen.position),
            ),
        ),
        Answer::new(
            "Is it spreading?",
            "spreading",
            "standing: it had not moved when the run ended; the gap grows with every write"
                .to_owned(),
        ),
        novelty(finding),
        steps(vec![
            format!(
                "save the log, thread dump and status of {} before any restart: a restart may clear it",
                frozen.replica
            ),
            format!(
                "see that the input log keeps offset {}: retention takes what the replica still lacks",
                count(frozen.position)
            ),
            "send queries for this partition to the other replicas".to_owned(),
        ]),
        certainty(
            capitalised(baseline),
            "It would be wrong if the replica moves on by itself later than the threshold"
                .to_owned(),
            verdict,
        ),
    ]
}

fn lost_ack_answers(lost: &LostAck, finding: &Finding, verdict: &Verdict) -> Vec<Answer> {
    vec![
        Answer::new(
            "Is it real?",
            "is it real",
            format!("yes: the log was read back to its end, and {} not there", match lost.ops.len() {
                1 => "this op is".to_owned(),
                n => format!("{} ops are", count(n as u64)),
            }),
        )
        .because(vec![format!("{}.", basis(verdict))]),
        Answer::new("Which replica?", "which replica", "none: the op is lost before any replica".to_owned()),
        Answer::new(
            "Which data, and do users see it?",
            "which data",
            format!("partition {}, ops {}; no query will ever see them", lost.partition, listed(&lost.ops, 10)),
        ),
        novelty(finding),
        steps(vec![
            "stop trusting the producer's acknowledgements, and keep its own record of what it sent".to_owned(),
            "look at the log's acknowledgement setting and at the fault windows".to_owned(),
            "write the lost ops again from that record".to_owned(),
        ]),
        certainty(
            "The log itself says so".to_owned(),
            "It would be wrong if the log dropped entries after they were applied (retention, compaction)".to_owned(),
            verdict,
        ),
    ]
}

fn pass_answers(verdict: &Verdict) -> Vec<Answer> {
    let compared = &verdict.compared;
    let mut answers = vec![
        Answer::new("Is it real?", "is it real", basis(verdict)).because(vec![format!(
            "{}, {}, {}; {} folded into {}.",
            counted(compared.offsets, "offset"),
            counted(compared.flags, "current flag"),
            counted(compared.segments, "segment copy"),
            counted(compared.entries, "log entry"),
            counted(compared.keys, "key"),
        )]),
        Answer::new("Which replicas?", "replicas", joined(&compared.replicas)),
    ];
    answers.extend(opportunity(verdict));
    answers.push(Answer::new(
        "Which checks passed?",
        "checks",
        checks_line(verdict),
    ));
    answers.push(not_loaded(verdict));
    answers.push(certainty(
        "It holds for this seed and what was compared".to_owned(),
        "A race may need other timing: try more seeds (`--runs N`)".to_owned(),
        verdict,
    ));
    answers
}

fn inconclusive_answers(verdict: &Verdict) -> Vec<Answer> {
    let mut answers = Vec::new();
    for doubt in verdict.doubts.iter().take(3) {
        let advice = advice(doubt.kind);
        answers.push(Answer::new("What was seen?", "seen", doubt_line(doubt)));
        answers.push(Answer::new(
            "Why may that hide something?",
            "why",
            capitalised(advice.why),
        ));
        answers.push(steps(vec![advice.next.to_owned()]));
    }
    if verdict.doubts.len() > 3 {
        let rest = counted(len(&verdict.doubts) - 3, "doubt");
        answers.push(Answer::new(
            "What else?",
            "and",
            format!("{rest} more, listed in the report"),
        ));
    }
    answers.push(Answer::new(
        "How much was compared?",
        "compared",
        basis(verdict),
    ));
    answers.extend(opportunity(verdict));
    answers.push(Answer::new(
        "Which checks ran?",
        "checks",
        checks_line(verdict),
    ));
    for check in verdict
        .checks
        .iter()
        .filter(|check| check.status == Status::Unknown)
    {
        let reason = check.reason.as_deref().unwrap_or("no reason was given");
        let short = format!("{}: {}", name(&check.name), super::words::printable(reason));
        answers.push(Answer::new("Which check could not run?", "unknown", short));
    }
    answers.push(not_loaded(verdict));
    answers
}

/// Whether what the plan hunts had its chance; nothing to say where no opportunity is counted.
fn opportunity(verdict: &Verdict) -> Option<Answer> {
    let lines: Vec<_> = verdict
        .exposure
        .iter()
        .map(|e| {
            format!(
                "{} {} (at least {} asked for)",
                count(e.count),
                spaced(&e.what),
                count(e.demanded)
            )
        })
        .collect();
    let question = "Did what the plan hunts have its chance?";
    (!lines.is_empty()).then(|| Answer::new(question, "exposure", lines.join("; ")))
}

fn checks_line(verdict: &Verdict) -> String {
    let of = |status: Status| {
        let checks = verdict.checks.iter().filter(|check| check.status == status);
        checks.map(|check| name(&check.name)).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    for (status, word) in [
        (Status::Pass, "passed"),
        (Status::Fail, "failed"),
        (Status::Unknown, "unknown"),
        (Status::NotApplicable, "not applicable"),
    ] {
        let names = of(status);
        if !names.is_empty() {
            parts.push(format!("{word}: {}", names.join(", ")));
        }
    }
    if parts.is_empty() {
        "none ran".to_owned()
    } else {
        parts.join("; ")
    }
}

fn not_loaded(verdict: &Verdict) -> Answer {
    let lines: Vec<_> = verdict
        .compared
        .not_loaded
        .iter()
        .filter(|(_, offsets)| **offsets > 0)
        .map(|(replica, offsets)| {
            format!("{} on {replica} (not loaded)", counted(*offsets, "offset"))
        })
        .collect();
    let short = if lines.is_empty() {
        "nothing that the replicas had loaded".to_owned()
    } else {
        lines.join("; ")
    };
    Answer::new("What was not compared?", "left out", short)
}

/// Whether the model agreed with the target on the calibration set, as a sentence.
pub(super) fn calibration(verdict: &Verdict) -> String {
    let check = verdict
        .checks
        .iter()
        .find(|check| check.name == CheckName::Calibration);
    match check {
        Some(check) if check.status == Status::Pass => format!(
            "On the calibration set {} ({} {}).",
            purpose(CheckName::Calibration).replace(" on a small set", ""),
            count(check.compared),
            check.unit,
        ),
        _ => "The model was not calibrated in this run.".to_owned(),
    }
}

/// A sentence begins with a capital.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// A time of a log point: by our own acknowledgement, else by the offset alone.
pub(super) fn at_point(clock: &Clock, t: Option<Nanos>, off: u64) -> String {
    match t {
        Some(t) => format!("{}, offset {}", clock.both(t), count(off)),
        None => format!(
            "offset {}, whose write was never acknowledged to us",
            count(off)
        ),
    }
}

/// When something was first seen, for the greppable line.
pub(super) fn since_word(clock: &Clock, t: Option<Nanos>, off: u64) -> String {
    match t {
        Some(t) => clock.at(t),
        None => format!("offset={off}"),
    }
}
