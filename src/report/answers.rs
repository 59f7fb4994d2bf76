//! The questions of someone who is paged at 2 AM, in that order, with the answers. Terminal and page print
//! the same answers: the terminal only the short ones, the page also the details.

use super::format::{Clock, counted, excused, len, name, printable};
use super::{divergence, frontier_order, frozen, known, lost_ack, no_findings};
use dissent_core::checker::verdict::{Doubt, DoubtKind, Finding, FindingKind, Verdict, VerdictOutcome};

/// Doubts listed in the answers; the page has a section with more.
pub(super) const DOUBTS_NAMED: usize = 3;

/// A question and its answer.
pub(super) struct Answer {
    /// The question, as the page asks it.
    pub(super) question: &'static str,
    /// The question in one or two words, for the terminal.
    pub(super) label: &'static str,
    /// The answer: lower-case, since it may begin with the name of a replica.
    pub(super) short: Vec<String>,
    /// Details, in sentences.
    pub(super) more: Vec<String>,
    /// Whether the terminal leaves it out, because the headline or the last line already says it.
    pub(super) page_only: bool,
}

impl Answer {
    /// An answer of one line.
    pub(super) fn new(question: &'static str, label: &'static str, short: String) -> Self {
        Self { question, label, short: vec![short], more: Vec::new(), page_only: false }
    }

    pub(super) fn page_only(mut self, page_only: bool) -> Self {
        self.page_only = page_only;
        self
    }

    /// The same with details.
    pub(super) fn because(mut self, more: Vec<String>) -> Self {
        self.more.extend(more);
        self
    }
}

/// The verdict in one sentence.
pub(super) fn headline(verdict: &Verdict) -> String {
    match (verdict.findings.first(), verdict.outcome) {
        (Some(finding), VerdictOutcome::Fail) => finding_headline(finding),
        (_, VerdictOutcome::Pass) => known::headline(verdict, no_findings::pass_headline(verdict)),
        (..) => known::headline(verdict, no_findings::inconclusive_headline(verdict)),
    }
}

/// A finding in one sentence.
pub(super) fn finding_headline(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::Divergence(divergence) => divergence::headline(divergence),
        FindingKind::Frozen(frozen) => frozen::headline(frozen),
        FindingKind::Regressed(regressed) => frontier_order::regressed_headline(regressed),
        FindingKind::Ahead(ahead) => frontier_order::ahead_headline(ahead),
        FindingKind::LostAck(lost) => lost_ack::headline(lost),
    }
}

/// The answers on the whole verdict: on its first finding, or on what was compared.
pub(super) fn answers(verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let mut answers = match (verdict.findings.first(), verdict.outcome) {
        (Some(finding), VerdictOutcome::Fail) => finding_answers(finding, verdict, clock),
        (_, VerdictOutcome::Pass) => no_findings::pass_answers(verdict),
        (..) => no_findings::inconclusive_answers(verdict),
    };
    answers.extend(known::answers(verdict));
    answers
}

/// The answers on one finding.
pub(super) fn finding_answers(finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    match &finding.kind {
        FindingKind::Divergence(d) => divergence::answers(d, finding, verdict, clock),
        FindingKind::Frozen(f) => frozen::answers(f, finding, verdict, clock),
        FindingKind::Regressed(r) => frontier_order::regressed_answers(r, finding, verdict, clock),
        FindingKind::Ahead(a) => frontier_order::ahead_answers(a, finding, verdict, clock),
        FindingKind::LostAck(lost) => lost_ack::answers(lost, finding, verdict),
    }
}

/// How much was compared, and whether the replicas had caught up.
pub(super) fn basis(verdict: &Verdict) -> String {
    format!("{} compared {}", counted(verdict.compared.rows, "row"), scope(verdict))
}

/// What was compared, and whether the replicas had caught up.
pub(super) fn scope(verdict: &Verdict) -> String {
    let stopped = |finding: &Finding| matches!(finding.kind, FindingKind::Frozen(_));
    let unsettled = |doubt: &Doubt| {
        matches!(doubt.kind, DoubtKind::NotSettled | DoubtKind::Interrupted | DoubtKind::ServerDied)
    };
    format!(
        "({}, {}, {}{})",
        counted(len(&verdict.compared.replicas), "replica"),
        counted(verdict.compared.captures.into(), "capture"),
        match verdict.doubts.iter().any(unsettled) || verdict.findings.iter().any(stopped) {
            true => "not all caught up",
            false => "all caught up",
        },
        excused(&verdict.compared.excused)
            .map_or(String::new(), |absent| format!("; not compared: {absent}")),
    )
}

/// What to do now, in order.
pub(super) fn steps(in_order: Vec<String>) -> Answer {
    let several = in_order.len() > 1;
    let numbered = in_order.into_iter().enumerate().map(|(i, step)| match several {
        true => format!("{}. {step}", i + 1),
        false => step,
    });
    Answer {
        question: "What to do in the next five minutes?",
        label: "do now",
        short: numbered.collect(),
        more: Vec::new(),
        page_only: false,
    }
}

/// How certain the verdict is and what could disprove it, with the first doubts.
pub(super) fn certainty(ground_and_otherwise: String, verdict: &Verdict) -> Answer {
    let mut short = vec![ground_and_otherwise];
    short.extend(verdict.doubts.iter().take(DOUBTS_NAMED).map(doubt_line));
    if verdict.doubts.len() > DOUBTS_NAMED {
        let rest = (verdict.doubts.len() - DOUBTS_NAMED) as u64;
        short.push(format!("and {}", counted(rest, "more doubt")));
    }
    Answer {
        question: "How sure is it, and what could disprove it?",
        label: "how sure",
        short,
        more: Vec::new(),
        page_only: false,
    }
}

/// A doubt in one line.
pub(super) fn doubt_line(doubt: &Doubt) -> String {
    format!("doubt: {}: {}", name(&doubt.kind), printable(&doubt.detail))
}
