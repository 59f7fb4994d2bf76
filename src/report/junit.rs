//! `junit.xml`: one test suite per run, one test case per check. A violation is a failure, an unknown result
//! is an error, and a check that does not apply is skipped.

use super::answers::answer::doubt_line;
use super::answers::divergence::KEYS_LISTED;
use super::answers::known_issues::known_as;
use super::answers::{finding_headline, headline};
use super::format::{listed, printable, repeat, run_words, seed};
use super::junit_xml::{Case, CaseResult, Suite};
pub use super::junit_xml::{END, OPENING};
use super::run_facts::RunFacts;
use dissent_core::checker::verdict::{
    Anomaly, CheckResult, Finding, FindingKind, Side, Status, Verdict, VerdictOutcome,
};
use dissent_core::history::check_name::CheckName;
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;

/// A document of one run.
pub fn document(verdict: &Verdict, meta: &RunMeta, facts: &RunFacts) -> String {
    format!("{OPENING}{}{END}", suite(verdict, meta, facts, 0))
}

/// The suite of one run, which is the one of this number in its document.
pub fn suite(verdict: &Verdict, meta: &RunMeta, facts: &RunFacts, number: u32) -> String {
    let mut cases: Vec<Case> = verdict.checks.iter().map(|check| case(check, verdict, facts)).collect();
    let unknown = |case: &Case| matches!(case.result, CaseResult::Unknown { .. });
    // An inconclusive run must not look passed, and a doubt belongs to no check.
    if verdict.outcome == VerdictOutcome::Inconclusive && !cases.iter().any(unknown) {
        let result = CaseResult::Unknown { message: headline(verdict) };
        cases.push(Case { name: "verdict".to_owned(), result });
    }
    let words = run_words(meta);
    let seeded = seed(meta);
    // Dots make levels: CI systems keep runs of one plan together, and its seeds apart.
    let package = words.iter().map(|word| word.replace('.', "_")).collect::<Vec<_>>().join(".");
    let class = seeded.map_or_else(|| package.clone(), |seed| format!("{package}.seed{seed}"));
    let seed_words = seeded.map_or(String::new(), |seed| format!(" seed {seed}"));
    let doubts: Vec<String> = verdict.doubts.iter().map(doubt_line).collect();
    let told = format!("{}\n{}\n{}", headline(verdict), doubts.join("\n"), whereabouts(facts));
    let seed = meta.seed.0.to_string();
    let own = [("seed", seed.as_str()), ("target_version", meta.target_version.as_str())];
    let settings = meta.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let suite = Suite {
        number: number as usize,
        name: &format!("{}{seed_words}", words.join(" ")),
        package: &package,
        class: &class,
        started: &meta.started,
        seconds: facts.duration.0 as f64 / 1e9,
        properties: own.into_iter().chain(settings).collect(),
        cases: &cases,
        told: &format!("{told}run again: {}", repeat(meta)),
    };
    suite.text()
}

/// Where the report is, as a line.
fn whereabouts(facts: &RunFacts) -> String {
    facts.report.as_ref().map_or_else(String::new, |path| format!("report: {}\n", path.display()))
}

fn case(check: &CheckResult, verdict: &Verdict, facts: &RunFacts) -> Case {
    let reason = check.reason.clone().unwrap_or_else(|| "no reason given".to_owned());
    let result = match check.status {
        Status::Pass => CaseResult::Passed,
        Status::Unknown => CaseResult::Unknown { message: reason },
        Status::NotApplicable => CaseResult::Skipped { message: reason },
        Status::Fail => failed(check, verdict, facts),
    };
    Case { name: stored_name(&check.name), result }
}

/// What a failed check found.
fn failed(check: &CheckResult, verdict: &Verdict, facts: &RunFacts) -> CaseResult {
    let found = |finding: &&Finding| checks_of(finding).contains(&check.name);
    let found: Vec<&Finding> = verdict.findings.iter().filter(found).collect();
    // A finding of two checks is one failure.
    let own = |finding: &&&Finding| owner(finding, verdict) == Some(check.name);
    let own: Vec<&Finding> = found.iter().filter(own).copied().collect();
    if let (Some(first), []) = (found.first(), own.as_slice()) {
        let other = owner(first, verdict).map_or_else(String::new, |check| stored_name(&check));
        return CaseResult::Skipped { message: format!("failed by what {other} found") };
    }
    // A known finding does not break a build, but it is not a pass either.
    let excuses: Vec<String> = own
        .iter()
        .filter_map(|finding| known_as(verdict, finding).filter(|known| !known.expired))
        .map(|known| format!("known: {}: {} ({})", known.fingerprint, known.reason, known.link))
        .collect();
    if !own.is_empty() && excuses.len() == own.len() {
        return CaseResult::Skipped { message: excuses.join("; ") };
    }
    let told: Vec<String> = own.iter().map(|finding| told(finding)).collect();
    CaseResult::Failed {
        message: own.first().map_or_else(|| headline(verdict), |it| finding_headline(it)),
        kind: own.first().map_or_else(|| stored_name(&check.name), |it| it.fingerprint.clone()),
        text: format!("{}\n{}", told.join("\n"), whereabouts(facts)),
    }
}

/// A finding with its keys.
fn told(finding: &Finding) -> String {
    let headline = printable(&finding_headline(finding));
    let keys = match &finding.kind {
        FindingKind::Divergence(divergence) => format!("\nkeys: {}", listed(&divergence.keys, KEYS_LISTED)),
        _ => String::new(),
    };
    format!("{}: {headline}{keys}", finding.fingerprint)
}

/// The check that tells of a finding: the first of those that failed because of it.
fn owner(finding: &Finding, verdict: &Verdict) -> Option<CheckName> {
    let failed = |name: &&CheckName| {
        verdict.checks.iter().any(|check| check.name == **name && check.status == Status::Fail)
    };
    checks_of(finding).iter().find(failed).copied()
}

/// The checks that fail because of a finding, the most telling first.
fn checks_of(finding: &Finding) -> &'static [CheckName] {
    match &finding.kind {
        FindingKind::Frozen(_) | FindingKind::Regressed(_) | FindingKind::Ahead(_) => &[CheckName::Progress],
        FindingKind::LostAck(_) => &[CheckName::Log],
        FindingKind::Divergence(it) => match it.what {
            Anomaly::Missing | Anomaly::Extra | Anomaly::WrongValue | Anomaly::Differs => {
                match it.last.side {
                    Side::Unknown => &[CheckName::Group],
                    _ => &[CheckName::Model, CheckName::Group],
                }
            }
            _ => &[CheckName::Current],
        },
    }
}
