//! An entry of a list of known issues: what may be found without breaking a build, why, who looks after it,
//! and until when. It says what it covers; what it does not say it covers in its mildest form only.

use super::divergence::{Pattern, Side};
use serde::{Deserialize, Serialize};

/// An issue that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KnownIssue {
    /// The fingerprint of its findings.
    pub fingerprint: String,
    /// Only this pattern.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// This side; where nothing is said, a minority of the replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// This course; where nothing is said, damage that stands or has healed, but no damage that spreads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    /// Only findings in none but these columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Only runs of this workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Only runs of this nemesis plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nemesis: Option<String>,
    /// Only runs on this target, by the name of its system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only these versions of the target.
    #[serde(default)]
    pub versions: Versions,
    /// Why it may be found.
    pub reason: String,
    /// Who looks after it.
    pub owner: String,
    /// Where it is being worked on.
    pub link: String,
    /// The last day on which it may be found: `2027-01-31`.
    pub until: String,
}

/// A range of versions, each a row of numbers with dots between; all of them, where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Versions {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The first that it does not cover any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Versions {
    /// Whether a version lies in the range. One that begins with no number lies in no range but that of all.
    pub fn cover(&self, version: &str) -> bool {
        let is = numbers(version);
        let beyond = |limit: &Option<String>| limit.as_ref().map(|limit| is >= numbers(limit));
        match (beyond(&self.from), beyond(&self.before)) {
            (None, None) => true,
            _ if is.is_empty() => false,
            (from, before) => from.unwrap_or(true) && !before.unwrap_or(false),
        }
    }
}

/// The numbers with which a version begins: `0.11.0-SNAPSHOT` is 0, 11, 0.
pub fn numbers(version: &str) -> Vec<u64> {
    let dotted = version.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next();
    dotted.unwrap_or_default().split('.').map_while(|number| number.parse().ok()).collect()
}

/// A file of known issues, and the day on which it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownIssues {
    /// The stem of its file.
    #[serde(default, skip_serializing)]
    pub name: String,
    /// The issues, in the order of the file.
    #[serde(default, rename = "issue")]
    pub issues: Vec<KnownIssue>,
    /// The day on which the list is applied, in UTC.
    #[serde(skip)]
    pub today: String,
}

impl KnownIssues {
    /// The same list, to be applied on another day.
    pub fn on(self, today: &str) -> KnownIssues {
        KnownIssues { today: today.to_owned(), ..self }
    }

    /// Whether an issue's time is over.
    pub fn is_over(&self, issue: &KnownIssue) -> bool {
        issue.until < self.today
    }
}
