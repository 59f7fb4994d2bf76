//! `verdict.json`: the fields of the verdict at the top level, plus `run` (which run this is about) and
//! `exit_code`. The schema is `verdict.schema.json`, next to this file.
//!
//! The verdict is not wrapped in an object of its own, so that [`Verdict`] can read the document back.
//! Readers ignore fields that they do not know.

use super::format::repeat;
use dissent_core::checker::verdict::Verdict;
use dissent_core::history::run_record::RunMeta;
use dissent_core::seed::Seed;
use serde::Serialize;
use std::collections::BTreeMap;

/// The JSON Schema (draft 2020-12) of `verdict.json`.
pub const SCHEMA: &str = include_str!("verdict.schema.json");

#[derive(Serialize)]
struct VerdictDocument<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    run: RunSummary<'a>,
    exit_code: u8,
}

#[derive(Serialize)]
struct RunSummary<'a> {
    seed: Seed,
    target: &'a str,
    target_version: &'a str,
    workload: &'a str,
    nemesis: &'a str,
    settings: &'a BTreeMap<String, String>,
    simulated: bool,
    roster: &'a [String],
    again: String,
}

/// The text of `verdict.json`: pretty, in a fixed order, ending in a newline. `exit_code` is what the process
/// that ran (or judged) exits with.
pub fn verdict_json(verdict: &Verdict, meta: &RunMeta, exit_code: u8) -> Result<String, serde_json::Error> {
    let run = RunSummary {
        seed: meta.seed,
        target: &meta.target,
        target_version: &meta.target_version,
        workload: &meta.workload.name,
        nemesis: &meta.nemesis.name,
        settings: &meta.settings,
        simulated: meta.simulated,
        roster: &meta.roster,
        again: repeat(meta),
    };
    let mut text = serde_json::to_string_pretty(&VerdictDocument { verdict, run, exit_code })?;
    text.push('\n');
    Ok(text)
}

/// Reads `verdict.json` back.
pub fn read(text: &str) -> Result<Verdict, serde_json::Error> {
    serde_json::from_str(text)
}
