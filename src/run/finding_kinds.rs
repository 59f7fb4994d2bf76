//! What a run found, as a campaign counts it.

use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::history::stored_name::stored_name;
use std::collections::BTreeSet;

/// The kinds of a verdict's findings, without names of nodes, keys or times. Runs with the same findings give
/// the same text.
pub(super) fn finding_kinds(verdict: &Verdict) -> String {
    each_finding_kind(verdict).into_iter().collect::<Vec<_>>().join(" + ")
}

/// The same kinds one by one.
pub(super) fn each_finding_kind(verdict: &Verdict) -> BTreeSet<String> {
    let words = |finding: &FindingKind| match finding {
        FindingKind::Divergence(divergence) => format!(
            "{} {} {} {}",
            stored_name(&divergence.last.pattern),
            stored_name(&divergence.what),
            stored_name(&divergence.last.side),
            stored_name(&divergence.course)
        ),
        FindingKind::Frozen(_) => "frozen".to_owned(),
        FindingKind::Regressed(_) => "regressed".to_owned(),
        FindingKind::Ahead(_) => "ahead".to_owned(),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    };
    verdict.findings.iter().map(|finding| words(&finding.kind)).collect()
}
