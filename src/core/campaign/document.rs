//! `campaign.json`: what the runs of a sweep say together.

use super::arm_totals::{ArmTotals, Paired};
use super::part::{Extent, Parts};
use super::rate::Rate;
use crate::checker::verdict::VerdictOutcome;
use crate::seed::Seed;
use serde::Serialize;

/// The version of the format. A field may be added without a new version.
const VERSION: u32 = 1;

/// A sweep as a whole.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CampaignDocument {
    /// The version of this format.
    pub version: u32,
    /// The name of the plan.
    pub name: String,
    /// The version of the program that ran it.
    pub program: String,
    /// The seed of the first run of every arm.
    pub first_seed: Seed,
    /// The number of runs that each arm should have.
    pub runs_wanted: u32,
    /// The worst outcome. It is inconclusive at best if runs are missing.
    pub outcome: VerdictOutcome,
    /// The exit code of the process that wrote this.
    pub exit_code: u8,
    /// The numbers of the parts that were not done.
    pub missing_parts: Vec<u32>,
    /// The numbers of parts that were done twice and came out differently.
    pub contradicted_parts: Vec<u32>,
    /// The signal that ended it early, or the error of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// The arms, in the order of the plan.
    pub arms: Vec<ArmEntry>,
    /// Arms that differ in settings alone, seed by seed.
    pub pairs: Vec<PairEntry>,
}

/// An arm.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArmEntry {
    /// Its name.
    pub name: String,
    /// The command that repeats a run of it, but for the seed.
    pub command: String,
    /// Runs that ended.
    pub runs: u64,
    /// Runs that did what the plan of faults is for. Only they are trials.
    pub exposed: u64,
    /// Runs that passed.
    pub passed: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Runs without a verdict.
    pub inconclusive: u64,
    /// Rows that were compared.
    pub rows_compared: u64,
    /// How often a run fails.
    pub failure: RateEntry,
    /// The kinds of findings, the most frequent one first.
    pub found: Vec<FoundEntry>,
}

/// A kind of finding.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundEntry {
    /// The words for it, without names of nodes, keys or times.
    pub kind: String,
    /// How often a run has it.
    pub rate: RateEntry,
    /// The seeds of the first few runs with it.
    pub seeds: Vec<Seed>,
}

/// How often something happens.
#[derive(Clone, Copy, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateEntry {
    /// The trials in which it happened.
    pub hits: u64,
    /// The trials of which it is known.
    pub trials: u64,
    /// Further trials of which it is not known. The interval allows for both.
    pub unknown: u64,
    /// The part of the known trials; absent without any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// The lower end of Wilson's interval at 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// The lower end of the interval that holds at 95 % whenever one looks.
    pub anytime_low: f64,
    /// Its upper end.
    pub anytime_high: f64,
}

/// Two arms seed by seed: a seed draws the same load and the same victims in both.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PairEntry {
    /// The name of the first arm.
    pub first: String,
    /// The name of the second arm.
    pub second: String,
    /// Seeds that failed in both.
    pub failed_in_both: u64,
    /// Seeds that failed in the first arm alone.
    pub failed_in_first: u64,
    /// Seeds that failed in the second arm alone.
    pub failed_in_second: u64,
    /// Seeds that passed in both.
    pub failed_in_neither: u64,
    /// Seeds without a verdict in one of them.
    pub unknown: u64,
}

impl RateEntry {
    /// A rate with its intervals.
    pub fn of(rate: Rate) -> RateEntry {
        let (fixed, any) = (rate.interval(), rate.anytime_interval());
        RateEntry {
            hits: rate.hits,
            trials: rate.trials,
            unknown: rate.unknown,
            share: rate.share(),
            low: fixed.low,
            high: fixed.high,
            anytime_low: any.low,
            anytime_high: any.high,
        }
    }
}

impl ArmEntry {
    fn of(arm: &CampaignArm, totals: &ArmTotals) -> ArmEntry {
        let mut found: Vec<FoundEntry> = totals
            .found
            .iter()
            .map(|(kind, found)| FoundEntry {
                kind: kind.clone(),
                rate: RateEntry::of(totals.rate_of(kind)),
                seeds: found.seeds.iter().copied().collect(),
            })
            .collect();
        found.sort_by(|a, b| (b.rate.hits, &a.kind).cmp(&(a.rate.hits, &b.kind)));
        ArmEntry {
            name: arm.name.clone(),
            command: arm.command.clone(),
            runs: totals.runs,
            exposed: totals.exposed,
            passed: totals.count(VerdictOutcome::Pass),
            failed: totals.count(VerdictOutcome::Fail),
            inconclusive: totals.count(VerdictOutcome::Inconclusive),
            rows_compared: totals.rows,
            failure: RateEntry::of(totals.failures()),
            found,
        }
    }
}

/// What a plan says of itself.
#[derive(Clone, Debug)]
pub struct CampaignPlan<'p> {
    /// Its name.
    pub name: &'p str,
    /// The version of the program.
    pub program: &'p str,
    /// Seeds and parts.
    pub extent: Extent,
    /// The arms.
    pub arms: Vec<CampaignArm>,
}

/// What a plan says of an arm.
#[derive(Clone, Debug)]
pub struct CampaignArm {
    /// Its name.
    pub name: String,
    /// The arguments of `dissent run` that repeat a run of it, but for the seed.
    pub command: String,
    /// The index of an earlier arm that differs from it in settings alone.
    pub beside: Option<u32>,
}

impl CampaignDocument {
    /// Adds up the parts that are there. The exit code is that of the outcome until the caller knows a worse
    /// one.
    pub fn of(plan: &CampaignPlan<'_>, parts: &Parts) -> CampaignDocument {
        let totals = ArmTotals::of_all(parts, plan.extent.arms);
        let pair = |(at, arm): (u32, &CampaignArm)| {
            let beside = arm.beside?;
            let paired = Paired::of(parts, beside, at);
            Some(PairEntry {
                first: plan.arms[beside as usize].name.clone(),
                second: arm.name.clone(),
                failed_in_both: paired.both,
                failed_in_first: paired.first,
                failed_in_second: paired.second,
                failed_in_neither: paired.neither,
                unknown: paired.unknown,
            })
        };
        let missing_parts = parts.missing(&plan.extent);
        let worst = totals.iter().flat_map(|arm| arm.outcomes.keys()).max().copied();
        let at_best = match missing_parts.is_empty() && parts.contradicted.is_empty() {
            true => VerdictOutcome::Pass,
            false => VerdictOutcome::Inconclusive,
        };
        CampaignDocument {
            version: VERSION,
            name: plan.name.to_owned(),
            program: plan.program.to_owned(),
            first_seed: plan.extent.first_seed,
            runs_wanted: plan.extent.runs,
            outcome: worst.unwrap_or(VerdictOutcome::Inconclusive).max(at_best),
            exit_code: 0,
            missing_parts,
            contradicted_parts: parts.contradicted.iter().copied().collect(),
            stopped_by: None,
            arms: plan.arms.iter().zip(&totals).map(|(arm, totals)| ArmEntry::of(arm, totals)).collect(),
            pairs: (0..).zip(&plan.arms).filter_map(pair).collect(),
        }
    }
}
