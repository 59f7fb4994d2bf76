//! `junit.xml` of a sweep: one suite per arm, one case per kind of finding, and one for the runs themselves.

use super::junit_xml::{Case, CaseResult, END, OPENING, Suite};
use super::sweep::{conclusion, rate_words};
use dissent_core::campaign::document::{ArmEntry, CampaignDocument, FoundEntry};

/// The whole document.
pub fn suites(campaign: &CampaignDocument) -> String {
    let suites = campaign.arms.iter().enumerate().map(|(number, arm)| suite(campaign, arm, number));
    format!("{OPENING}{}{END}", suites.collect::<String>())
}

fn suite(campaign: &CampaignDocument, arm: &ArmEntry, number: usize) -> String {
    let cases: Vec<Case> =
        std::iter::once(runs(campaign, arm)).chain(arm.found.iter().map(|it| found(it, arm))).collect();
    let package = format!("{}.{}", campaign.name.replace('.', "_"), arm.name.replace('.', "_"));
    let first_seed = campaign.first_seed.0.to_string();
    let settings = arm.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let suite = Suite {
        number,
        name: &arm.name,
        package: &package,
        class: &package,
        started: &campaign.started,
        seconds: 0.0,
        properties: std::iter::once(("first-seed", first_seed.as_str())).chain(settings).collect(),
        cases: &cases,
        told: &conclusion(arm),
    };
    suite.text()
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
    let again = found.commands.first().map_or("", String::as_str);
    let text = format!("seeds {}\nrun again: {again}\n", seeds.join(", "));
    let result = match found.known == found.rate.hits {
        // A known finding does not break a build, but it is not a pass either.
        true => CaseResult::Skipped { message: format!("known: {message}") },
        false => CaseResult::Failed { message, kind: found.kind.clone(), text },
    };
    Case { name: found.kind.clone(), result }
}
