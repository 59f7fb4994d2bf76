//! `verdict.json`, which `--format json` prints as well: a list of runs, each with its verdict and all that
//! is needed to read it alone. The sentences in it are made in `report/`.
//!
//! `src/report/verdict.schema.json` is generated from these types and their comments.

use super::layout::{WallClock, exact};
use super::{
    CheckResult, Compared, Comparison, Doubt, Exposure, Finding, KnownFindings, Progress, VerdictOutcome,
};
use crate::history::schema::Type;
use crate::history::time::Nanos;
use crate::seed::Seed;
use serde::Serialize;
use std::collections::BTreeMap;

/// How a document ends, once all its runs are written.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DocumentEnd {
    /// With `--runs N`: the runs added up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<CampaignTotals>,
    /// Why not all runs could be made; absent if nothing went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The exit code of the process that wrote this: the most important one of the runs.
    pub exit_code: u8,
}

/// A run with its verdict, or a run that has none.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum RunEntry<'a> {
    /// A run with its verdict.
    Judged(Box<JudgedEntry<'a>>),
    /// A recorded run that could not be judged.
    Unread(UnreadEntry),
}

impl RunEntry<'_> {
    /// The JSON of the entry.
    pub fn text(&self, clock: WallClock<'_>) -> serde_json::Result<String> {
        exact(self, clock)
    }
}

/// A run that could not be judged.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UnreadEntry {
    /// The run as given on the command line.
    pub given: String,
    /// Why it could not be judged.
    pub error: String,
    /// The exit code for this run.
    pub exit_code: u8,
}

/// A run with its verdict.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JudgedEntry<'a> {
    /// The run.
    pub run: RunSummary,
    /// Pass, inconclusive or fail.
    pub outcome: VerdictOutcome,
    /// The exit code for this run: 0 pass, 1 violation, 3 inconclusive, 5 a fault may still be in force on
    /// the target, 70 a bug in dissent, 129, 130 or 143 after a signal.
    pub exit_code: u8,
    /// The verdict in one sentence.
    pub headline: String,
    /// What to do now, in order.
    pub do_now: Vec<String>,
    /// How sure the verdict is, what could disprove it, and the first doubts.
    pub how_sure: Vec<String>,
    /// Unknown findings first, then by urgency.
    pub findings: Vec<FindingEntry<'a>>,
    /// Reasons to trust the verdict less.
    pub doubts: &'a [Doubt],
    /// Every check, in order.
    pub checks: &'a [CheckResult],
    /// How much was compared.
    pub compared: &'a Compared,
    /// The opportunities of the plan.
    pub exposure: &'a [Exposure],
    /// The progress of consuming positions and frontiers.
    pub progress: &'a Progress,
    /// What was compared, where contents were compared without a record of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<&'a Comparison>,
    /// Which findings are known issues; absent if no list was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<&'a KnownFindings>,
}

/// A finding with its headline.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FindingEntry<'a> {
    /// The finding in one sentence.
    pub headline: String,
    /// The finding.
    #[serde(flatten)]
    pub finding: &'a Finding,
}

/// The run that a verdict is about.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunSummary {
    /// The name of the run, and when it began: `NAME@STARTED`.
    pub id: String,
    /// The path of the run's folder; null if it was not kept.
    pub folder: Option<String>,
    /// The path of the HTML report; null if there is none.
    pub report: Option<String>,
    /// When the run began, in RFC 3339; null if it used virtual time.
    pub started: Option<String>,
    /// How long it took, from its start to its last event.
    pub duration: Nanos,
    /// The seed.
    pub seed: Seed,
    /// The target's name.
    pub target: String,
    /// The version that the target reports.
    pub target_version: String,
    /// The workload's name.
    pub workload: String,
    /// The nemesis plan's name.
    pub nemesis: String,
    /// `--set` and the target's own settings, by name.
    pub settings: BTreeMap<String, String>,
    /// Whether the run used virtual time.
    pub simulated: bool,
    /// The replicas, in order.
    pub roster: Vec<String>,
    /// The columns of the table and their types. They tell a long beyond 2^53 from a string of digits.
    pub columns: BTreeMap<String, Type>,
    /// The version of dissent that judged it.
    pub dissent: String,
    /// The command that repeats the run.
    pub again: String,
}

/// Many runs of one plan, added up.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CampaignTotals {
    /// Target, workload, nemesis plan and settings.
    pub title: String,
    /// The seed of the first run.
    pub first_seed: Seed,
    /// Runs with a verdict.
    pub runs: u32,
    /// Runs that exercised what the plan is for.
    pub exposed: u32,
    /// Exposed keys, rows or restarts over all runs, by what is counted.
    pub exposure: BTreeMap<String, u64>,
    /// Rows compared, over all runs.
    pub rows_compared: u64,
    /// Runs that passed.
    pub passed: u32,
    /// Runs that failed.
    pub failed: u32,
    /// Runs that prove nothing.
    pub inconclusive: u32,
    /// Exposed runs that passed.
    pub exposed_and_passed: u32,
    /// Failed runs by what they found.
    pub found: BTreeMap<String, u32>,
    /// Runs with a known finding.
    pub known: u32,
    /// Failed runs whose findings are only on the replicas that the plan targets.
    pub on_victim: u32,
    /// Runs whose self-test found the corrupted value; null without self-tests.
    pub self_tests_found: Option<u32>,
    /// The report of the first run with findings.
    pub report: Option<String>,
    /// The signal that stopped it before all runs were done.
    pub cut_off_by: Option<String>,
}
