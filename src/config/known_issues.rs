//! A list of known issues: findings that do not break a build, with reason, owner and end date. What an entry
//! does not say, it covers only in its mildest form.

use super::catalogue::EmbeddedFile;
use super::document::ConfigFile;
use super::error::{ConfigError, InvalidValue};
use super::file_schema;
use dissent_core::checker::verdict::known_issue::{KnownIssue, KnownIssues, numbers};
use dissent_core::nearest::advise;
use std::path::Path;

/// The courses of damage or of a freeze, as spelled in the verdict.
const COURSES: &[&str] =
    &["standing", "healed", "spreading", "spread", "sticky", "self-healed", "cleared-by-restart"];

/// Reads a list, as of today.
pub fn load(path: &Path) -> Result<KnownIssues, ConfigError> {
    let list: KnownIssues = super::load::load_file(&path.to_string_lossy())?;
    Ok(list.on(&jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()))
}

impl ConfigFile for KnownIssues {
    const KIND: &'static str = "known issues";
    const FOLDER: &'static str = "known";
    const CATALOGUE: &'static [EmbeddedFile] = &[];
    const SCHEMA: &'static str = file_schema::KNOWN;
    const SETTINGS: &'static [&'static str] = &[];

    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn set(&mut self, _key: &str, _value: &str) -> Result<(), String> {
        Err("not a setting of known issues".to_owned())
    }

    fn check(&self) -> Vec<InvalidValue> {
        let issues = self.issues.iter().enumerate();
        issues.filter_map(|(at, issue)| check_issue(issue, &format!("issue.{at}")).err()).collect()
    }
}

fn check_issue(issue: &KnownIssue, at: &str) -> Result<(), InvalidValue> {
    let said = [
        ("fingerprint", &issue.fingerprint, "such as wrong-value/whole-segment"),
        ("reason", &issue.reason, "say why it is accepted"),
        ("owner", &issue.owner, "say who is responsible for it"),
        ("link", &issue.link, "say where it is tracked"),
    ];
    for (key, value, help) in said {
        let problem = format!("the {key} is empty");
        InvalidValue::unless(!value.trim().is_empty(), &format!("{at}.{key}"), &problem, help)?;
    }
    let date: Result<jiff::civil::Date, _> = issue.until.parse();
    let is_day = date.is_ok_and(|date| date.to_string() == issue.until);
    let problem = format!("`{}` is not a date", issue.until);
    InvalidValue::unless(is_day, &format!("{at}.until"), &problem, "write it as \"2027-01-31\"")?;
    let course = issue.course.as_deref().unwrap_or(COURSES[0]);
    let problem = format!("no course is called `{course}`");
    let known = COURSES.contains(&course);
    InvalidValue::unless(known, &format!("{at}.course"), &problem, &advise(course, COURSES))?;
    for (key, limit) in [("from", &issue.versions.from), ("before", &issue.versions.before)] {
        let is_version = limit.as_ref().is_none_or(|limit| !numbers(limit).is_empty());
        let help = "write numbers separated by dots, such as \"1.5.0\"";
        InvalidValue::unless(is_version, &format!("{at}.versions.{key}"), "not a version", help)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load::parse;
    use dissent_core::checker::verdict::known_issue::Versions;

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
            ("versions = { from = \"latest\" }", "known.toml:7:21: not a version"),
        ] {
            assert!(refusal(line).starts_with(told), "{}", refusal(line));
        }
        let text = ISSUE.replace("2027-01-31", "31.1.2027");
        let error = parse::<KnownIssues>("known.toml", text).expect_err("no day").to_string();
        assert_eq!(error, "known.toml:6:9: `31.1.2027` is not a date");
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
