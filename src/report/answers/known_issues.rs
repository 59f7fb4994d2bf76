//! Whether a finding is known. Without a list of known issues, nothing is called new or known.

use super::answer::{Answer, basis};
use crate::report::format::{counted, printable};
use dissent_core::checker::verdict::{Finding, KnownFindings, KnownIssueRef, Verdict, VerdictOutcome};

/// The known issue that covers a finding; none if it is new, or if there is no list.
pub(in crate::report) fn known_as<'v>(verdict: &'v Verdict, finding: &Finding) -> Option<&'v KnownIssueRef> {
    let known = verdict.known.as_ref()?;
    let at = verdict.findings.iter().position(|found| found == finding)?;
    known.findings.get(at)?.as_ref()
}

/// `NEW`, `KNOWN` or `EXPIRED`, behind a fingerprint.
pub(in crate::report) fn word(verdict: &Verdict, finding: &Finding) -> Option<String> {
    verdict.known.as_ref()?;
    let word = match known_as(verdict, finding) {
        None => "NEW",
        Some(KnownIssueRef { expired: true, .. }) => "EXPIRED",
        Some(_) => "KNOWN",
    };
    Some(word.to_owned())
}

/// How many findings are known.
pub(in crate::report) fn count(verdict: &Verdict) -> u64 {
    verdict.known.as_ref().map_or(0, KnownFindings::count)
}

/// The headline of a verdict that known issues do not break: `otherwise` is what it would be without them.
pub(in crate::report) fn headline(verdict: &Verdict, otherwise: String) -> String {
    match (count(verdict), verdict.outcome) {
        (0, _) => otherwise,
        (known, VerdictOutcome::Pass) => {
            format!("{}, and nothing else: {}", counted(known, "known issue"), basis(verdict))
        }
        (known, _) => format!("{}; apart from that: {otherwise}", counted(known, "known issue")),
    }
}

/// Whether this finding is in the list of known issues.
pub(in crate::report) fn novelty(finding: &Finding, verdict: &Verdict) -> Answer {
    let fingerprint = &finding.fingerprint;
    let same = "The same cause has this fingerprint in every run.";
    let (short, more) = match (&verdict.known, known_as(verdict, finding)) {
        (None, _) => (fingerprint.clone(), format!("{same} No list of known issues was given (`--known`).")),
        (Some(_), None) => {
            (format!("new: {fingerprint}"), format!("{same} No entry in the list of known issues covers it."))
        }
        (Some(_), Some(known)) => (told(known), same.to_owned()),
    };
    let is_listed = known_as(verdict, finding).is_some();
    Answer::new("Is it new or known?", "new or known", short).page_only(!is_listed).because(vec![more])
}

/// What the list adds to a verdict: the known findings, if it is not a failure, and entries that matched
/// nothing. `headline` puts a finding in one sentence.
pub(in crate::report) fn answers(verdict: &Verdict, headline: fn(&Finding) -> String) -> Vec<Answer> {
    let Some(known) = &verdict.known else { return Vec::new() };
    let met = verdict.findings.iter().zip(&known.findings).filter_map(|(finding, known)| {
        let known = known.as_ref().filter(|_| verdict.outcome != VerdictOutcome::Fail)?;
        let (headline, short) = (printable(&headline(finding)), told(known));
        Some(Answer::new("What known issue is it?", "known", short).because(vec![format!("{headline}.")]))
    });
    let unmet = known.unmet.iter().map(|issue| {
        Answer::new("Which known issue was not met?", "not met", told(issue)).because(vec![
            "No finding of this run matches it: it is fixed, or this seed does not show it.".to_owned(),
        ])
    });
    met.chain(unmet).collect()
}

fn told(KnownIssueRef { fingerprint, reason, owner, link, until, expired }: &KnownIssueRef) -> String {
    let [reason, owner, link] = [reason, owner, link].map(|text| printable(text));
    let time = match expired {
        true => format!("expired: it was known until {until}"),
        false => format!("known until {until}"),
    };
    format!("{fingerprint}: {time}: {reason} ({owner}, {link})")
}
