//! What must stay the same while a run is shrunk.

use crate::checker::verdict::{Finding, FindingKind, Pattern, Verdict, VerdictOutcome};
use crate::history::stored_name::stored_name;
use std::fmt;

/// Findings that are the same bug: what is wrong and why, and how replicas fall into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingClass {
    /// Anomaly and root cause.
    pub fingerprint: String,
    /// The pattern of a divergence at its last capture. `None` for any other finding.
    pub pattern: Option<Pattern>,
}

impl FindingClass {
    /// The class of a finding.
    pub fn of(finding: &Finding) -> FindingClass {
        let pattern = match &finding.kind {
            FindingKind::Divergence(divergence) => Some(divergence.last.pattern),
            FindingKind::Frozen(_)
            | FindingKind::Regressed(_)
            | FindingKind::Ahead(_)
            | FindingKind::LostAck(_) => None,
        };
        FindingClass { fingerprint: finding.fingerprint.clone(), pattern }
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

/// Such as `wrong-value/whole-segment one-differs`.
impl fmt::Display for FindingClass {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.fingerprint)?;
        self.pattern.map_or(Ok(()), |pattern| write!(to, " {}", stored_name(&pattern)))
    }
}
