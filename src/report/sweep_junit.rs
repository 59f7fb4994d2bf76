//! `junit.xml` of a sweep: one suite per arm, one case per kind of finding, and one for the runs themselves.

use super::junit_xml::{Case, CaseResult, END, OPENING, escaped};
use super::sweep::{conclusion, rate_words};
use dissent_core::campaign::document::{ArmEntry, CampaignDocument, FoundEntry};
use std::fmt::Write as _;

/// The whole document.
pub fn suites(campaign: &CampaignDocument) -> String {
    let suites = campaign.arms.iter().enumerate().map(|(number, arm)| suite(campaign, arm, number));
    format!("{OPENING}{}{END}", suites.collect::<String>())
}

fn suite(campaign: &CampaignDocument, arm: &ArmEntry, number: usize) -> String {
    let cases: Vec<Case> =
        std::iter::once(runs(campaign, arm)).chain(arm.found.iter().map(|it| found(it, arm))).collect();
    let count = |wanted: fn(&CaseResult) -> bool| cases.iter().filter(|case| wanted(&case.result)).count();
    let package = format!("{}.{}", campaign.name.replace('.', "_"), arm.name.replace('.', "_"));
    let started = campaign.started.split('.').next().unwrap_or_default();
    let mut out = format!(
        "  <testsuite id=\"{number}\" name=\"{}\" package=\"{}\" timestamp=\"{}\" hostname=\"localhost\" \
         time=\"0\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n    <properties>\n",
        escaped(&arm.name),
        escaped(&package),
        escaped(started),
        cases.len(),
        count(|result| matches!(result, CaseResult::Failed { .. })),
        count(|result| matches!(result, CaseResult::Unknown { .. })),
        count(|result| matches!(result, CaseResult::Skipped { .. })),
    );
    let first_seed = ("first-seed".to_owned(), campaign.first_seed.0.to_string());
    for (key, value) in std::iter::once((&first_seed.0, &first_seed.1)).chain(&arm.settings) {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "      <property name=\"{}\" value=\"{}\"/>", escaped(key), escaped(value));
    }
    out.push_str("    </properties>\n");
    cases.iter().for_each(|case| case.push(&package, 0.0, &mut out));
    let told = escaped(&conclusion(arm));
    let _ = writeln!(out, "    <system-out>{told}</system-out>\n    <system-err/>\n  </testsuite>");
    out
}

/// Whether the runs of an arm prove anything.
fn runs(campaign: &CampaignDocument, arm: &ArmEntry) -> Case {
    let unknown = |message: String| CaseResult::Unknown { message };
    let missing = u64::from(campaign.runs_wanted).saturating_sub(arm.runs);
    let is_short = missing > 0 && campaign.is_unfinished();
    let result = match (arm.inconclusive, is_short, arm.exposed) {
        (1.., _, _) => unknown(format!("{} of {} runs came to no verdict", arm.inconclusive, arm.runs)),
        (0, true, _) => unknown(format!("{missing} of {} runs were not done", campaign.runs_wanted)),
        (0, false, 0) => unknown("no run did what the plan is for".to_owned()),
        (0, false, _) => CaseResult::Passed,
    };
    Case { name: "runs".to_owned(), result }
}

fn found(found: &FoundEntry, arm: &ArmEntry) -> Case {
    let message = format!("in {} of {} runs: {}", found.rate.hits, arm.runs, rate_words(&found.rate));
    let seeds: Vec<String> = found.seeds.iter().map(|seed| seed.0.to_string()).collect();
    let again = found.seeds.first().map_or_else(String::new, |seed| seed.0.to_string());
    let text = format!("seeds {}\nrun again: dissent run {} --seed {again}\n", seeds.join(", "), arm.command);
    let result = match found.known == found.rate.hits {
        // A known finding does not break a build, but it is not a pass either.
        true => CaseResult::Skipped { message: format!("known: {message}") },
        false => CaseResult::Failed { message, kind: found.kind.clone(), text },
    };
    Case { name: found.kind.clone(), result }
}
