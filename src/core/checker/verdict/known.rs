//! What a list of known issues says of the findings of a verdict.

use super::known_issue::KnownIssue;
use serde::{Deserialize, Serialize};

/// What the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFindings {
    /// As what each finding is known, in the order of the findings; none: it is new.
    pub findings: Vec<Option<KnownIssueRef>>,
    /// Issues on runs like this one that none of its findings is.
    pub unmet: Vec<KnownIssueRef>,
}

/// An issue that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownIssueRef {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Why it may be found.
    pub reason: String,
    /// Who looks after it.
    pub owner: String,
    /// Where it is being worked on.
    pub link: String,
    /// The last day on which it may be found.
    pub until: String,
    /// Whether that day is over: then it excuses nothing any more.
    pub expired: bool,
}

impl KnownIssueRef {
    /// Takes from an entry of the list what is told of it.
    pub fn of(issue: &KnownIssue, expired: bool) -> KnownIssueRef {
        let KnownIssue { fingerprint, reason, owner, link, until, .. } = issue.clone();
        KnownIssueRef { fingerprint, reason, owner, link, until, expired }
    }
}

impl KnownFindings {
    /// How many findings are known.
    pub fn count(&self) -> u64 {
        let known = self.findings.iter().flatten().filter(|known| !known.expired);
        known.count() as u64
    }
}
