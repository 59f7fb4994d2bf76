//! The questions of someone who is paged at 2 AM, in that order, with the answers. Terminal and page print
//! the same answers: the terminal only the short ones, the page also the details.

pub(super) mod answer;
pub(super) mod checklist;
pub(super) mod comparison;
pub(super) mod containment;
pub(super) mod divergence;
pub(super) mod explanation;
mod freeze_explanation;
pub(super) mod frontier_order;
mod frozen;
mod guard;
pub(super) mod known_issues;
mod lost_ack;
mod no_findings;
pub(super) mod node_events;
pub(super) mod spread;
pub(super) mod triage;

use crate::report::format::{Clock, modelled};
use answer::Answer;
use dissent_core::checker::verdict::{Explanation, Finding, FindingKind, Verdict, VerdictOutcome};
use dissent_core::history::run_record::{Activity, RunMeta};

/// The verdict in one sentence.
pub(in crate::report) fn headline(verdict: &Verdict) -> String {
    match (verdict.findings.first(), verdict.outcome) {
        (Some(finding), VerdictOutcome::Fail) => finding_headline(finding),
        (Some(Finding { kind: FindingKind::Divergence(d), .. }), _) if d.may_be_lag => {
            comparison::lag_headline(d)
        }
        (_, VerdictOutcome::Pass) if verdict.comparison.is_some() => {
            known_issues::headline(verdict, comparison::headline(verdict))
        }
        (_, VerdictOutcome::Pass) => known_issues::headline(verdict, no_findings::pass_headline(verdict)),
        (..) => known_issues::headline(verdict, no_findings::inconclusive_headline(verdict)),
    }
}

/// A finding in one sentence.
pub(in crate::report) fn finding_headline(finding: &Finding) -> String {
    match &finding.kind {
        FindingKind::Divergence(divergence) => divergence::headline(divergence),
        FindingKind::Frozen(frozen) => frozen::headline(frozen),
        FindingKind::Regressed(regressed) => frontier_order::regressed_headline(regressed),
        FindingKind::Ahead(ahead) => frontier_order::ahead_headline(ahead),
        FindingKind::LostAck(lost) => lost_ack::headline(lost),
    }
}

/// The answers on the whole verdict: on its first finding, or on what was compared.
pub(in crate::report) fn answers(verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let mut answers = match (verdict.findings.first(), verdict.outcome, &verdict.comparison) {
        (Some(finding), VerdictOutcome::Fail, _) => finding_answers(finding, verdict, clock),
        (Some(finding), ..) if finding.kind.may_be_lag() => finding_answers(finding, verdict, clock),
        (_, VerdictOutcome::Pass, Some(c)) => comparison::pass_answers(verdict, c),
        (_, VerdictOutcome::Pass, None) => no_findings::pass_answers(verdict),
        (.., Some(c)) => comparison::inconclusive_answers(verdict, c),
        (.., None) => no_findings::inconclusive_answers(verdict),
    };
    answers.extend(known_issues::answers(verdict, finding_headline));
    answers
}

/// The answers on one finding.
pub(in crate::report) fn finding_answers(finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    match &finding.kind {
        FindingKind::Divergence(d) => match &verdict.comparison {
            Some(c) => comparison::answers(d, finding, verdict, c),
            None => divergence::answers(d, finding, verdict, clock),
        },
        FindingKind::Frozen(f) => frozen::answers(f, finding, verdict, clock),
        FindingKind::Regressed(r) => frontier_order::regressed_answers(r, finding, verdict, clock),
        FindingKind::Ahead(a) => frontier_order::ahead_answers(a, finding, verdict, clock),
        FindingKind::LostAck(lost) => lost_ack::answers(lost, finding, verdict),
    }
}

/// Why a finding came to be, how far it spread, and how to contain it, as far as the record shows it.
pub(in crate::report) fn explained(finding: &Finding, meta: &RunMeta, clock: &Clock) -> Vec<Answer> {
    let cause = explanation_of(finding).map_or_else(Vec::new, explanation::answers);
    let FindingKind::Divergence(d) = &finding.kind else { return cause };
    if meta.activity != Activity::Run {
        return cause;
    }
    let spread =
        d.spread.as_ref().filter(|_| modelled(d)).map_or_else(Vec::new, |it| spread::answers(it, clock));
    cause.into_iter().chain(spread).chain(containment::answers(d, meta, clock)).collect()
}

/// What is known of the cause of a finding.
pub(in crate::report) fn explanation_of(finding: &Finding) -> Option<&Explanation> {
    match &finding.kind {
        FindingKind::Divergence(d) => d.explanation.as_deref(),
        FindingKind::Frozen(f) => f.explanation.as_deref(),
        FindingKind::Regressed(_) | FindingKind::Ahead(_) | FindingKind::LostAck(_) => None,
    }
}
