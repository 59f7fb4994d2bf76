//! What must stay the same while a run is shrunk.

use crate::checker::verdict::{Finding, FindingKind, Frozen, Pattern, Verdict, VerdictOutcome, WaitsFor};
use crate::history::stored_name::stored_name;
use std::collections::BTreeSet;
use std::fmt;

/// Findings that are the same bug: what is wrong and why, and how replicas fall into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingClass {
    /// Anomaly and root cause.
    pub fingerprint: String,
    /// The pattern of a divergence at its last capture. `None` for any other finding.
    pub pattern: Option<Pattern>,
    /// What each object of a freeze waits for, such as `writer-output waits for passed-value`. A shard
    /// without writers stands still as well, and is another bug than one whose writer is pinned.
    pub waits: BTreeSet<String>,
}

impl FindingClass {
    /// The class of a finding.
    pub fn of(finding: &Finding) -> FindingClass {
        let (pattern, waits) = match &finding.kind {
            FindingKind::Divergence(divergence) => (Some(divergence.last.pattern), BTreeSet::new()),
            FindingKind::Frozen(frozen) => (None, frozen.all().filter_map(wait).collect()),
            FindingKind::Regressed(_) | FindingKind::Ahead(_) | FindingKind::LostAck(_) => {
                (None, BTreeSet::new())
            }
        };
        FindingClass { fingerprint: finding.fingerprint.clone(), pattern, waits }
    }

    /// The classes of a verdict's violations, in its order and each once. None unless it failed.
    pub fn all(verdict: &Verdict) -> Vec<FindingClass> {
        let mut all = Vec::new();
        let violations = verdict.findings.iter().filter(|finding| !finding.kind.may_be_lag());
        for finding in violations.filter(|_| verdict.outcome == VerdictOutcome::Fail) {
            let class = FindingClass::of(finding);
            if !all.contains(&class) {
                all.push(class);
            }
        }
        all
    }

    /// Whether a verdict has a violation of this class.
    pub fn is_in(&self, verdict: &Verdict) -> bool {
        FindingClass::all(verdict).contains(self)
    }
}

/// What an object waits for. None if it is a consuming position, whose guard is another matter.
fn wait(frozen: &Frozen) -> Option<String> {
    let word = match &frozen.freeze_explanation.as_ref()?.waits_for {
        WaitsFor::PassedValue(_) => "passed-value",
        WaitsFor::Downstream { .. } => "downstream",
        WaitsFor::Inputs { objects } if objects.is_empty() => "unknown-inputs",
        WaitsFor::Inputs { .. } => "inputs",
        WaitsFor::MoreInput => "more-input",
        WaitsFor::Unknown => "unknown",
    };
    Some(format!("{} waits for {word}", stored_name(&frozen.kind)))
}

/// Such as `wrong-value/whole-segment one-differs`.
impl fmt::Display for FindingClass {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.fingerprint)?;
        self.pattern.map_or(Ok(()), |pattern| write!(to, " {}", stored_name(&pattern)))?;
        self.waits.iter().try_for_each(|wait| write!(to, ", {wait}"))
    }
}
