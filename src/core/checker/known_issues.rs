//! Known issues (`RULES.md` 10). If all findings of a verdict are known, its outcome is what it would be
//! without them. If there is a doubt besides them, the outcome is no pass.

use super::verdict::outcome::outcome;
use super::verdict::{
    Course, Divergence, Finding, FindingKind, KnownFindings, KnownIssueRef, Pattern, Side, Verdict,
};
use crate::checker::verdict::known_issue::{KnownIssue, KnownIssues};
use crate::history::run_record::RunMeta;
use crate::history::stored_name::stored_name;

/// Marks every finding as known or new. New findings come first.
pub fn acknowledge(verdict: &mut Verdict, meta: &RunMeta, list: &KnownIssues) {
    let here: Vec<&KnownIssue> = list.issues.iter().filter(|issue| concerns(issue, meta)).collect();
    let reference = |issue: &KnownIssue| KnownIssueRef::of(issue, list.is_over(issue));
    let known_as = |finding: &Finding| {
        let mut covering: Vec<KnownIssueRef> =
            here.iter().filter(|issue| covers(issue, finding)).map(|issue| reference(issue)).collect();
        // One issue that has not expired is enough.
        covering.sort_by_key(|issue| issue.expired);
        covering.into_iter().next()
    };
    let mut found: Vec<(Finding, Option<KnownIssueRef>)> = std::mem::take(&mut verdict.findings)
        .into_iter()
        .map(|finding| {
            let known = known_as(&finding);
            (finding, known)
        })
        .collect();
    let is_known = |known: &Option<KnownIssueRef>| known.as_ref().is_some_and(|known| !known.expired);
    found.sort_by_key(|(_, known)| is_known(known));
    let all_known = found.iter().all(|(finding, known)| is_known(known) || finding.kind.may_be_lag());
    let unmet = here.into_iter().filter(|issue| !found.iter().any(|(finding, _)| covers(issue, finding)));
    let unmet = unmet.map(reference).collect();
    let (findings, known) = found.into_iter().unzip();
    verdict.findings = findings;
    verdict.known = Some(KnownFindings { findings: known, unmet });
    if all_known {
        verdict.outcome = outcome(verdict, &meta.nemesis.required, false);
    }
}

/// Whether an issue applies to runs like this one.
fn concerns(issue: &KnownIssue, meta: &RunMeta) -> bool {
    let is = |wanted: &Option<String>, name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    is(&issue.workload, &meta.workload.name)
        && is(&issue.nemesis, &meta.nemesis.name)
        && is(&issue.target, &meta.target)
        && issue.versions.cover(&meta.target_version)
}

/// Whether a finding is what an issue describes, and nothing worse.
fn covers(issue: &KnownIssue, finding: &Finding) -> bool {
    let course = |is: &str| issue.course.as_ref().is_none_or(|wanted| wanted == is);
    let of_divergence = |d: &Divergence| {
        let pattern = |pattern: Pattern| issue.pattern.is_none_or(|wanted| wanted == pattern);
        let side = |side: Side| match issue.side {
            Some(wanted) => wanted == side,
            None => matches!(side, Side::Minority | Side::Unknown),
        };
        let mild = issue.course.is_some() || matches!(d.course, Course::Standing | Course::Healed);
        let columns = |all: &Vec<String>| d.columns.iter().all(|column| all.contains(column));
        pattern(d.last.pattern)
            && side(d.last.side)
            && mild
            && course(&stored_name(&d.course))
            && issue.columns.as_ref().is_none_or(columns)
    };
    let of_rows = issue.pattern.is_some() || issue.side.is_some() || issue.columns.is_some();
    issue.fingerprint == finding.fingerprint
        && match &finding.kind {
            FindingKind::Divergence(divergence) => of_divergence(divergence),
            FindingKind::Frozen(frozen) => !of_rows && course(&stored_name(&frozen.course)),
            FindingKind::Regressed(_) | FindingKind::Ahead(_) | FindingKind::LostAck(_) => {
                !of_rows && issue.course.is_none()
            }
        }
}
