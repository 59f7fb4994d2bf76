//! Which findings of a verdict are known issues.

use super::known_issue::KnownIssue;
use serde::{Deserialize, Serialize};

/// How a list of known issues matches the findings of a verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnownFindings {
    /// The known issue of each finding, in the order of the findings; `None` for a new finding.
    pub findings: Vec<Option<KnownIssueRef>>,
    /// Issues of the list that apply to runs like this one but match no finding.
    pub unmet: Vec<KnownIssueRef>,
}

/// A known issue, as the verdict quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnownIssueRef {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Why the finding is accepted.
    pub reason: String,
    /// Who is responsible for the issue.
    pub owner: String,
    /// Where it is being worked on.
    pub link: String,
    /// The last day on which the finding is accepted.
    pub until: String,
    /// Whether that day is over. The issue then excuses nothing any more.
    pub expired: bool,
}

impl KnownIssueRef {
    /// Quotes an entry of the list.
    pub fn of(issue: &KnownIssue, expired: bool) -> KnownIssueRef {
        let KnownIssue { fingerprint, reason, owner, link, until, .. } = issue.clone();
        KnownIssueRef { fingerprint, reason, owner, link, until, expired }
    }
}

impl KnownFindings {
    /// The number of findings that are known and whose issue has not expired.
    pub fn count(&self) -> u64 {
        let known = self.findings.iter().flatten().filter(|known| !known.expired);
        known.count() as u64
    }
}
