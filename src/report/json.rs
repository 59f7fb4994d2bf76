//! `verdict.json`, which `--format json` prints as well: one shape for one run and for many, so that a script
//! needs one query. Runs are written one by one, since a campaign has more of them than fit in memory.
//!
//! The schema is `verdict.schema.json`, next to this file. It is generated from
//! [`dissent_core::checker::verdict::document`].

use super::answers::{answers, finding_headline, headline};
use super::format::{Clock, repeat};
use super::run_facts::RunFacts;
use dissent_core::checker::verdict::document::{
    DocumentEnd, FindingEntry, JudgedEntry, RunEntry, RunSummary, UnreadEntry,
};
use dissent_core::checker::verdict::layout::exact;
use dissent_core::checker::verdict::{VERSION, Verdict};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::schema::Type;

/// The JSON Schema (draft 2020-12) of `verdict.json`.
pub const SCHEMA: &str = include_str!("verdict.schema.json");

/// A document of one run: pretty, in a fixed order, ending in a newline. `exit_code` is what the process that
/// ran (or judged) exits with.
pub fn verdict_json(
    verdict: &Verdict,
    meta: &RunMeta,
    facts: &RunFacts,
    exit_code: u8,
) -> Result<String, serde_json::Error> {
    let run = run(verdict, meta, facts, exit_code)?;
    Ok(format!("{}{run}{}", opening(), end(&DocumentEnd { exit_code, ..DocumentEnd::default() })?))
}

/// The text before the first run.
pub fn opening() -> String {
    format!("{{\n  \"version\": {VERSION},\n  \"runs\": [")
}

/// The text between two runs.
pub const BETWEEN: &str = ",";

/// A run of a document.
pub fn run(
    verdict: &Verdict,
    meta: &RunMeta,
    facts: &RunFacts,
    exit_code: u8,
) -> Result<String, serde_json::Error> {
    let clock = Clock::of(meta);
    let answers = answers(verdict, &clock);
    let lines = |label: &str| {
        let answer = answers.iter().find(|answer| answer.label == label);
        answer.map_or_else(Vec::new, |answer| answer.short.iter().map(|line| unnumbered(line)).collect())
    };
    let findings = verdict.findings.iter();
    let entry = RunEntry::Judged(Box::new(JudgedEntry {
        run: summary(meta, facts),
        outcome: verdict.outcome,
        exit_code,
        headline: headline(verdict),
        do_now: lines("do now"),
        how_sure: lines("how sure"),
        findings: findings
            .map(|finding| FindingEntry { headline: finding_headline(finding), finding })
            .collect(),
        doubts: &verdict.doubts,
        checks: &verdict.checks,
        compared: &verdict.compared,
        exposure: &verdict.exposure,
        progress: &verdict.progress,
        comparison: verdict.comparison.as_ref(),
        known: verdict.known.as_ref(),
    }));
    nested(&entry, clock)
}

/// A recorded run that could not be judged.
pub fn unread(given: &str, error: &str, exit_code: u8) -> Result<String, serde_json::Error> {
    let (given, error) = (given.to_owned(), error.to_owned());
    nested(&RunEntry::Unread(UnreadEntry { given, error, exit_code }), Clock::default())
}

/// The text after the last run, ending in a newline.
pub fn end(end: &DocumentEnd) -> Result<String, serde_json::Error> {
    let fields = exact(end, &|_| None)?;
    Ok(format!("\n  ],{}\n", fields.trim_start_matches('{')))
}

/// A line of an answer without its number: a list has an order of its own.
fn unnumbered(line: &str) -> String {
    match line.split_once(". ") {
        Some((number, rest)) if number.parse::<u8>().is_ok() => rest.to_owned(),
        _ => line.to_owned(),
    }
}

fn summary(meta: &RunMeta, facts: &RunFacts) -> RunSummary {
    let path = |path: &std::path::PathBuf| path.display().to_string();
    let own = ["cmp", "op"].into_iter().map(|name| (name.to_owned(), Type::Long));
    let columns = meta.schema.columns.iter().map(|column| (column.name.clone(), column.ty));
    RunSummary {
        id: format!("{}@{}", facts.name, meta.started),
        folder: facts.folder.as_ref().map(path),
        report: facts.report.as_ref().map(path),
        started: Some(meta.started.clone()).filter(|_| !meta.simulated),
        duration: facts.duration,
        seed: meta.seed,
        target: meta.target.clone(),
        target_version: meta.target_version.clone(),
        workload: meta.workload.name.clone(),
        nemesis: meta.nemesis.name.clone(),
        settings: meta.settings.clone(),
        simulated: meta.simulated,
        roster: meta.roster.clone(),
        columns: own.chain(columns).collect(),
        dissent: env!("CARGO_PKG_VERSION").to_owned(),
        again: repeat(meta),
    }
}

/// The text of a run, as an element of the document's list.
fn nested(entry: &RunEntry<'_>, clock: Clock) -> Result<String, serde_json::Error> {
    // A line break within a string is escaped, so every line is one of the layout.
    entry.text(&|t| clock.rfc3339(t)).map(|text| format!("\n{text}").replace('\n', "\n    "))
}
