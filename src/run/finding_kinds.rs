//! What a run found, as a campaign counts it.

use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::history::stored_name::stored_name;
use std::collections::BTreeSet;

/// The kinds of a verdict's findings, without names of nodes, keys or times, and of freezes without the
/// object. Runs with the same findings give the same text.
pub(super) fn finding_kinds(verdict: &Verdict) -> String {
    let brief = |finding: &FindingKind| match finding {
        FindingKind::Frozen(_) => "frozen".to_owned(),
        other => words(other),
    };
    let kinds: BTreeSet<String> = verdict.findings.iter().map(|finding| brief(&finding.kind)).collect();
    kinds.into_iter().collect::<Vec<_>>().join(" + ")
}

/// The kinds one by one, of freezes with the kind of object, its visibility and its course.
pub(super) fn each_finding_kind(verdict: &Verdict) -> BTreeSet<String> {
    verdict.findings.iter().map(|finding| words(&finding.kind)).collect()
}

/// The kinds of which every finding is covered by the list of known issues.
pub(super) fn known_finding_kinds(verdict: &Verdict) -> BTreeSet<String> {
    let known = verdict.known.iter().flat_map(|known| &known.findings);
    let known = known.map(|issue| issue.as_ref().is_some_and(|issue| !issue.expired));
    let mut kinds = each_finding_kind(verdict);
    if known.clone().count() == 0 {
        kinds.clear();
    }
    let new = verdict.findings.iter().zip(known).filter(|(_, is_known)| !is_known);
    for (finding, _) in new {
        kinds.remove(&words(&finding.kind));
    }
    kinds
}

fn words(finding: &FindingKind) -> String {
    match finding {
        FindingKind::Divergence(divergence) => format!(
            "{} {} {} {}",
            stored_name(&divergence.last.pattern),
            stored_name(&divergence.what),
            stored_name(&divergence.last.side),
            stored_name(&divergence.course)
        ),
        FindingKind::Frozen(frozen) => format!(
            "frozen {} {} {}",
            stored_name(&frozen.kind),
            stored_name(&frozen.grade),
            stored_name(&frozen.course)
        ),
        FindingKind::Regressed(_) => "regressed".to_owned(),
        FindingKind::Ahead(_) => "ahead".to_owned(),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    }
}
