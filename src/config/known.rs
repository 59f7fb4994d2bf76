//! A list of known issues: what may be found without breaking a build, why, who looks after it, and until
//! when. An entry says what it covers; what it does not say it covers in its mildest form only.

use super::Document;
use super::catalogue::Embedded;
use super::error::{ConfigError, Wrong, advise};
use crate::check::verdict::{Pattern, Side};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The ways in which damage or a freeze goes on, as the verdict spells them.
const COURSES: &[&str] =
    &["standing", "healed", "spreading", "spread", "sticky", "self-healed", "cleared-by-restart"];

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
fn numbers(version: &str) -> Vec<u64> {
    let dotted = version.split(|letter: char| letter != '.' && !letter.is_ascii_digit()).next();
    dotted.unwrap_or_default().split('.').map_while(|number| number.parse().ok()).collect()
}

/// A file of known issues, and the day on which it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownIssues {
    #[serde(default, skip_serializing)]
    name: String,
    /// The issues, in the order of the file.
    #[serde(default, rename = "issue")]
    pub issues: Vec<KnownIssue>,
    /// The day on which the list is applied, in UTC.
    #[serde(skip)]
    pub today: String,
}

impl KnownIssues {
    /// Reads a list, to be applied today.
    pub fn load(path: &Path) -> Result<KnownIssues, ConfigError> {
        let list: KnownIssues = super::catalogue::load_file(&path.to_string_lossy())?;
        Ok(list.on(&jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()))
    }

    /// The same list, to be applied on another day.
    pub fn on(self, today: &str) -> KnownIssues {
        KnownIssues { today: today.to_owned(), ..self }
    }

    /// Whether an issue's time is over.
    pub fn is_over(&self, issue: &KnownIssue) -> bool {
        issue.until < self.today
    }
}

impl Document for KnownIssues {
    const KIND: &'static str = "known issues";
    const FOLDER: &'static str = "known";
    const CATALOGUE: &'static [Embedded] = &[];
    const SETTINGS: &'static [&'static str] = &[];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, _key: &str, _value: &str) -> Result<(), String> {
        Err("not a setting of known issues".to_owned())
    }

    fn check(&self) -> Result<(), Wrong> {
        self.issues.iter().enumerate().try_for_each(|(at, issue)| issue.check(&format!("issue.{at}")))
    }
}

impl KnownIssue {
    fn check(&self, at: &str) -> Result<(), Wrong> {
        let said = [
            ("fingerprint", &self.fingerprint, "such as wrong-value/whole-segment"),
            ("reason", &self.reason, "say why it may be found"),
            ("owner", &self.owner, "say who looks after it"),
            ("link", &self.link, "say where it is being worked on"),
        ];
        for (key, value, help) in said {
            let problem = format!("no {key} is given");
            Wrong::unless(!value.trim().is_empty(), &format!("{at}.{key}"), &problem, help)?;
        }
        let date: Result<jiff::civil::Date, _> = self.until.parse();
        let is_day = date.is_ok_and(|date| date.to_string() == self.until);
        let problem = format!("`{}` is no day", self.until);
        Wrong::unless(is_day, &format!("{at}.until"), &problem, "write it as \"2027-01-31\"")?;
        let course = self.course.as_deref().unwrap_or(COURSES[0]);
        let problem = format!("no course is called `{course}`");
        let known = COURSES.contains(&course);
        Wrong::unless(known, &format!("{at}.course"), &problem, &advise(course, COURSES))?;
        for (key, limit) in [("from", &self.versions.from), ("before", &self.versions.before)] {
            let is_version = limit.as_ref().is_none_or(|limit| !numbers(limit).is_empty());
            let help = "write numbers with dots between, such as \"1.5.0\"";
            Wrong::unless(is_version, &format!("{at}.versions.{key}"), "no version", help)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::catalogue::parse;

    const ISSUE: &str = "[[issue]]\nfingerprint = \"wrong-value/whole-segment\"\nreason = \"being fixed\"\n\
                         owner = \"me\"\nlink = \"http://tracker/1\"\nuntil = \"2027-01-31\"\n";

    #[test]
    fn a_wrong_entry_is_refused_at_its_place() {
        let refusal = |line: &str| {
            let text = format!("{ISSUE}{line}\n");
            let error = parse::<KnownIssues>("known.toml", text).expect_err(line);
            let help = miette::Diagnostic::help(&error).map(|help| help.to_string()).unwrap_or_default();
            format!("{error} ({help})")
        };
        for (line, told) in [
            (
                "course = \"spreadin\"",
                "known.toml:7:10: no course is called `spreadin` (did you mean `spreading`?",
            ),
            ("pattern = \"one\"", "known.toml:7:11: unknown variant `one`"),
            ("colums = [\"a\"]", "known.toml:7:1: unknown field `colums` (did you mean `columns`?"),
            ("versions = { from = \"latest\" }", "known.toml:7:21: no version"),
        ] {
            assert!(refusal(line).starts_with(told), "{}", refusal(line));
        }
        let text = ISSUE.replace("2027-01-31", "31.1.2027");
        let error = parse::<KnownIssues>("known.toml", text).expect_err("no day").to_string();
        assert_eq!(error, "known.toml:6:9: `31.1.2027` is no day");
        let text = ISSUE.replace("owner = \"me\"\n", "");
        let error = parse::<KnownIssues>("known.toml", text).expect_err("no owner").to_string();
        assert!(error.contains("missing field `owner`"), "{error}");
    }

    #[test]
    fn versions_are_compared_number_by_number() {
        let range = |from: &str, before: &str| Versions {
            from: Some(from.to_owned()).filter(|from| !from.is_empty()),
            before: Some(before.to_owned()).filter(|before| !before.is_empty()),
        };
        for (from, before, version, covered) in [
            ("0.11", "1.0", "0.11.0", true),
            ("0.11", "1.0", "0.9.3", false),
            ("0.11", "1.0", "1.0.0-SNAPSHOT", false),
            ("1.4", "", "1.10.0", true),
            ("", "1.4", "unknown", false),
            ("", "", "unknown", true),
        ] {
            assert_eq!(range(from, before).cover(version), covered, "{from} {before} {version}");
        }
    }

    #[test]
    fn an_entry_ends_with_its_last_day() {
        let list: KnownIssues = parse("known.toml", ISSUE.to_owned()).expect("a list");
        let over = |today: &str| {
            let list = list.clone().on(today);
            list.is_over(&list.issues[0])
        };
        assert!(!over("2027-01-31") && over("2027-02-01"));
    }
}
