//! What a list of known issues says of the findings of a verdict.

use super::known_issue::KnownIssue;
use serde::{Deserialize, Serialize};

/// What the list says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// As what each finding is known, in the order of the findings; none: it is new.
    pub findings: Vec<Option<KnownAs>>,
    /// Issues on runs like this one that none of its findings is.
    pub unmet: Vec<KnownAs>,
}

/// An issue that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownAs {
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

impl KnownAs {
    /// Takes from an entry of the list what is told of it.
    pub fn of(issue: &KnownIssue, expired: bool) -> KnownAs {
        let KnownIssue { fingerprint, reason, owner, link, until, .. } = issue.clone();
        KnownAs { fingerprint, reason, owner, link, until, expired }
    }
}

impl Known {
    /// How many findings are known.
    pub fn count(&self) -> u64 {
        let known = self.findings.iter().flatten().filter(|known| !known.expired);
        known.count() as u64
    }
}
