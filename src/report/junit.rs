//! `junit.xml`: one test suite per run, one test case per check. A violation is a failure, an unknown result
//! is an error, and a check that does not apply is skipped.
//!
//! Written by hand: the crate for it (`quick-junit`) adds clocks and random identifiers, which would make the
//! output of the same evidence differ, and a dozen packages for one page of code.

use super::answers::answer::doubt_line;
use super::answers::known_issues::known_as;
use super::answers::{finding_headline, headline};
use super::format::{printable, repeat};
use dissent_core::checker::verdict::{
    Anomaly, CheckResult, Finding, FindingKind, Side, Status, Verdict, VerdictOutcome,
};
use dissent_core::history::check_name::CheckName;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;
use std::fmt::Write as _;

/// A test case.
struct Case {
    name: String,
    result: Result,
}

enum Result {
    Passed,
    Failed { message: String, kind: String, text: String },
    Unknown { message: String },
    Skipped { message: String },
}

/// The suite of one run, ending in a newline.
pub fn suite(verdict: &Verdict, meta: &RunMeta) -> String {
    let mut cases: Vec<Case> = verdict.checks.iter().map(|check| Case::of(check, verdict)).collect();
    let unknown = |case: &Case| matches!(case.result, Result::Unknown { .. });
    // An inconclusive run must not look passed, and a doubt belongs to no check.
    if verdict.outcome == VerdictOutcome::Inconclusive && !cases.iter().any(unknown) {
        let result = Result::Unknown { message: headline(verdict) };
        cases.push(Case { name: "verdict".to_owned(), result });
    }
    let count = |wanted: fn(&Result) -> bool| cases.iter().filter(|case| wanted(&case.result)).count();
    let suite = [&meta.target, &meta.workload.name, &meta.nemesis.name].map(|word| word.as_str()).join(" ");
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dissent\">\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">",
        escaped(&format!("{suite} seed {}", meta.seed.0)),
        cases.len(),
        count(|result| matches!(result, Result::Failed { .. })),
        count(|result| matches!(result, Result::Unknown { .. })),
        count(|result| matches!(result, Result::Skipped { .. })),
    );
    push_properties(&mut out, meta);
    cases.iter().for_each(|case| case.push(&suite, &mut out));
    let told: Vec<String> = verdict.doubts.iter().map(doubt_line).collect();
    let told = format!("{}\n{}\nrun again: {}", headline(verdict), told.join("\n"), repeat(meta));
    let _ = writeln!(out, "    <system-out>{}</system-out>", escaped(&told));
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

fn push_properties(out: &mut String, meta: &RunMeta) {
    let seed = meta.seed.0.to_string();
    let own = [("seed", seed.as_str()), ("target_version", meta.target_version.as_str())];
    let settings = meta.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    out.push_str("    <properties>\n");
    for (key, value) in own.into_iter().chain(settings) {
        let _ = writeln!(out, "      <property name=\"{}\" value=\"{}\"/>", escaped(key), escaped(value));
    }
    out.push_str("    </properties>\n");
}

impl Case {
    fn of(check: &CheckResult, verdict: &Verdict) -> Case {
        let reason = check.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
        let result = match check.status {
            Status::Pass => Result::Passed,
            Status::Unknown => Result::Unknown { message: reason },
            Status::NotApplicable => Result::Skipped { message: reason },
            Status::Fail => {
                let found: Vec<&Finding> =
                    verdict.findings.iter().filter(|finding| is_of(check.name, finding)).collect();
                // A known finding does not break a build, but it is not a pass either.
                let excuses: Vec<String> = found
                    .iter()
                    .filter_map(|finding| known_as(verdict, finding).filter(|known| !known.expired))
                    .map(|known| format!("known: {}: {} ({})", known.fingerprint, known.reason, known.link))
                    .collect();
                if !found.is_empty() && excuses.len() == found.len() {
                    let result = Result::Skipped { message: excuses.join("; ") };
                    return Case { name: stored_name(&check.name), result };
                }
                let told = |finding: &&Finding| {
                    format!("{}: {}", finding.fingerprint, printable(&finding_headline(finding)))
                };
                Result::Failed {
                    message: found.first().map_or_else(|| headline(verdict), |it| finding_headline(it)),
                    kind: found.first().map_or_else(|| stored_name(&check.name), |it| it.fingerprint.clone()),
                    text: found.iter().map(told).collect::<Vec<_>>().join("\n"),
                }
            }
        };
        Case { name: stored_name(&check.name), result }
    }

    fn push(&self, suite: &str, out: &mut String) {
        let head = format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(suite), escaped(&self.name));
        let _ = match &self.result {
            Result::Passed => writeln!(out, "{head}/>"),
            Result::Failed { message, kind, text } => writeln!(
                out,
                "{head}>\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    </testcase>",
                escaped(message),
                escaped(kind),
                escaped(text)
            ),
            Result::Unknown { message } => writeln!(
                out,
                "{head}>\n      <error message=\"{}\" type=\"unknown\"/>\n    </testcase>",
                escaped(message)
            ),
            Result::Skipped { message } => {
                writeln!(out, "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(message))
            }
        };
    }
}

/// Whether this check fails because of this finding.
fn is_of(check: CheckName, finding: &Finding) -> bool {
    match &finding.kind {
        FindingKind::Frozen(_) | FindingKind::Regressed(_) | FindingKind::Ahead(_) => {
            check == CheckName::Progress
        }
        FindingKind::LostAck(_) => check == CheckName::Log,
        FindingKind::Divergence(it) => match it.what {
            Anomaly::Missing | Anomaly::Extra | Anomaly::WrongValue | Anomaly::Differs => match check {
                CheckName::Group => true,
                CheckName::Model => it.last.side != Side::Unknown,
                _ => false,
            },
            _ => check == CheckName::Current,
        },
    }
}

/// Text for an element or an attribute. Control characters and non-characters are left out: XML 1.0 cannot
/// hold them, not even escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
