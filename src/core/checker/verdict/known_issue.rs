//! An entry of a list of known issues: which findings may not break a build, why, who is responsible, and
//! until when. An entry covers what it states. Where it states nothing, it covers only the mildest form.

use super::divergence::{Pattern, Side};
use serde::{Deserialize, Serialize};

/// A known issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KnownIssue {
    /// The fingerprint of its findings.
    pub fingerprint: String,
    /// Only this pattern; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Pattern>,
    /// Only this side; `None`: a minority of the replicas, or unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// Only this course; `None`: damage that stands or has healed, but not damage that spreads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    /// Only findings whose columns are all in this list; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Only runs of this workload; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<String>,
    /// Only runs of this nemesis plan; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nemesis: Option<String>,
    /// Only runs on this target, by the name of its system; `None`: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Only these versions of the target.
    #[serde(default)]
    pub versions: Versions,
    /// Why its findings are accepted.
    pub reason: String,
    /// Who is responsible for the issue.
    pub owner: String,
    /// Where it is being worked on.
    pub link: String,
    /// The last day on which its findings are accepted: `2027-01-31`.
    pub until: String,
}

/// A range of versions, each a list of numbers separated by dots. By default, all versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Versions {
    /// The first version of the range; `None`: no lower limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The first version beyond the range; `None`: no upper limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Versions {
    /// Whether a version is in the range. A version that does not begin with a number is only in the range
    /// of all versions.
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

/// The numbers at the beginning of a version: `0.11.0-SNAPSHOT` is 0, 11, 0.
pub fn numbers(version: &str) -> Vec<u64> {
    let dotted = version.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next();
    dotted.unwrap_or_default().split('.').map_while(|number| number.parse().ok()).collect()
}

/// A file of known issues, and the day on which it is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KnownIssues {
    /// The stem of its file.
    #[serde(default, skip_serializing)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    pub name: String,
    /// The issues, in the order of the file.
    #[serde(default, rename = "issue")]
    pub issues: Vec<KnownIssue>,
    /// The day on which the list is applied, in UTC.
    #[serde(skip)]
    pub today: String,
}

impl KnownIssues {
    /// The same list, applied on another day.
    pub fn on(self, today: &str) -> KnownIssues {
        KnownIssues { today: today.to_owned(), ..self }
    }

    /// Whether an issue has expired.
    pub fn is_over(&self, issue: &KnownIssue) -> bool {
        issue.until < self.today
    }
}
