//! `campaign.json`: what the runs of a sweep say together.

use super::arm_totals::{ArmTotals, Paired};
use super::coverage::CoverageRow;
use super::draw::PairwiseDraw;
use super::part::{Extent, Parts};
use super::rate::Rate;
use super::trend::{ArmSeries, TrendEntry};
use super::write_latency::WriteLatency;
use super::writer_race::RaceTotals;
use crate::checker::verdict::VerdictOutcome;
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The version of the format. A field may be added without a new version.
const VERSION: u32 = 1;

/// A sweep as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CampaignDocument {
    /// The version of this format.
    pub version: u32,
    /// The name of the plan.
    pub name: String,
    /// The version of the program that ran it.
    pub program: String,
    /// When it began, in UTC: `2026-11-30T22:00:00Z`.
    pub started: String,
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
    /// What ended it before all parts were done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<StoppedBy>,
    /// The arms, in the order of the plan.
    pub arms: Vec<ArmEntry>,
    /// Arms that differ in one setting alone, seed by seed.
    pub pairs: Vec<PairEntry>,
    /// The findings of this sweep and of earlier ones of the same plan. Empty if there are none.
    #[serde(default)]
    pub trends: Vec<TrendEntry>,
    /// Runs, exposed runs and writes of each arm, over the same sweeps.
    #[serde(default)]
    pub series: Vec<ArmSeries>,
}

/// What ended a sweep before all parts were done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum StoppedBy {
    /// Its goal: what was asked for is known.
    Goal,
    /// Its limit of time.
    TimeLimit,
    /// A signal.
    Signal {
        /// Its name.
        name: String,
    },
    /// The error of a run.
    Error {
        /// The error.
        error: String,
    },
}

/// An arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArmEntry {
    /// Its name.
    pub name: String,
    /// The command that repeats a run of it, but for the seed. What each seed draws stands in angle brackets.
    pub command: String,
    /// The command of its first run, with the seed.
    #[serde(default)]
    pub first_run: String,
    /// What its seeds draw from. Absent if all its runs are alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drawn: Option<DrawEntry>,
    /// The settings of the target, as given with `--set`.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The versions that the target reported.
    #[serde(default)]
    pub target_versions: BTreeSet<String>,
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
    /// How long acknowledged writes took: medians over the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_latency: Option<WriteLatency>,
    /// How often a run fails.
    pub failure: RateEntry,
    /// The kinds of findings, the most frequent one first.
    pub found: Vec<FoundEntry>,
    /// How its writers raced each other. Absent if they share no shard, or do not log what they decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_races: Option<RaceEntry>,
    /// Which faults of its schedules overlapped which events.
    #[serde(default)]
    pub coverage: Vec<CoverageRow>,
}

/// The configurations from which each seed draws one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DrawEntry {
    /// Their number.
    pub combinations: u64,
    /// Twice as many seeds in a row have every pair of values of two settings.
    pub block: u64,
    /// The pairs of values of two settings.
    pub pairs: u64,
    /// Those of them that were run.
    pub pairs_met: u64,
}

/// A kind of finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FoundEntry {
    /// The words for it, without names of nodes, keys or times.
    pub kind: String,
    /// How often a run has it.
    pub rate: RateEntry,
    /// The runs in which a list of known issues covers it.
    #[serde(default)]
    pub known: u64,
    /// The seeds of the first few runs with it.
    pub seeds: Vec<Seed>,
    /// The commands that repeat these runs.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// How often a writer strands that shares a shard with others: it keeps what the shard has passed, and waits
/// for ever.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RaceEntry {
    /// The runs in which some writer strands, of those in which two or more raced each other.
    pub some_writer: RateEntry,
    /// Those in which one strands that is gone in the end.
    pub leaving_writer: RateEntry,
    /// Those in which one strands that is still there in the end.
    pub surviving_writer: RateEntry,
    /// Those in which readers notice a freeze.
    pub visible_freeze: RateEntry,
    /// The timestamps at which the first writer strands, of those that two or more could write before.
    pub per_tick: RateEntry,
}

impl RaceEntry {
    fn of(totals: &RaceTotals) -> Option<RaceEntry> {
        let [some_writer, leaving_writer, surviving_writer, visible_freeze, per_tick] =
            totals.rates()?.map(RateEntry::of);
        Some(RaceEntry { some_writer, leaving_writer, surviving_writer, visible_freeze, per_tick })
    }
}

/// How often something happens.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RateEntry {
    /// The trials in which it happened.
    pub hits: u64,
    /// The trials of which it is known.
    pub trials: u64,
    /// Further trials of which it is not known. The interval allows for both.
    pub unknown: u64,
    /// The part of the known trials; absent without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// How likely arms that fail equally often differ so much, or more (McNemar's exact test).
    pub p_value: f64,
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
    fn of((arm, first): (&CampaignArm, Seed), totals: &ArmTotals, drawn: Option<DrawEntry>) -> ArmEntry {
        let mut found: Vec<FoundEntry> = totals
            .found
            .iter()
            .map(|(kind, found)| FoundEntry {
                kind: kind.clone(),
                rate: RateEntry::of(totals.rate_of(kind)),
                known: found.known,
                seeds: found.seeds.iter().copied().collect(),
                commands: found.seeds.iter().map(|seed| arm.command_of(*seed)).collect(),
            })
            .collect();
        found.sort_by(|a, b| (b.rate.hits, &a.kind).cmp(&(a.rate.hits, &b.kind)));
        ArmEntry {
            name: arm.name.clone(),
            command: arm.command.clone(),
            first_run: arm.command_of(first),
            drawn,
            settings: arm.settings.clone(),
            target_versions: totals.target_versions.clone(),
            runs: totals.runs,
            exposed: totals.exposed,
            passed: totals.count(VerdictOutcome::Pass),
            failed: totals.count(VerdictOutcome::Fail),
            inconclusive: totals.count(VerdictOutcome::Inconclusive),
            rows_compared: totals.rows,
            write_latency: WriteLatency::median(&totals.write_latencies),
            failure: RateEntry::of(totals.failures()),
            found,
            writer_races: RaceEntry::of(&totals.races),
            coverage: totals.coverage.rows(),
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
    /// When it began.
    pub started: &'p str,
    /// Seeds and parts.
    pub extent: Extent,
    /// The arms.
    pub arms: Vec<CampaignArm>,
    /// The arms to compare seed by seed, by their indices.
    pub pairs: Vec<(u32, u32)>,
}

/// What a plan says of an arm.
#[derive(Clone, Debug)]
pub struct CampaignArm {
    /// Its name.
    pub name: String,
    /// The arguments of `dissent run` that repeat a run of it, but for the seed.
    pub command: String,
    /// The settings of the target.
    pub settings: BTreeMap<String, String>,
    /// What its seeds draw from. None if all its runs are alike.
    pub drawn: Option<DrawnCommands>,
}

/// The commands from which each seed draws one.
#[derive(Clone, Debug)]
pub struct DrawnCommands {
    /// How it draws.
    pub draw: PairwiseDraw,
    /// The arguments of `dissent run` for each combination, without the seed.
    pub commands: Vec<String>,
}

impl DrawnCommands {
    fn entry(&self, seeds: impl Iterator<Item = Seed>) -> DrawEntry {
        DrawEntry {
            combinations: self.draw.combinations() as u64,
            block: self.draw.block() as u64,
            pairs: self.draw.pairs() as u64,
            pairs_met: self.draw.pairs_met(seeds) as u64,
        }
    }
}

impl CampaignArm {
    /// The command that repeats the run of a seed.
    fn command_of(&self, seed: Seed) -> String {
        let drawn = self.drawn.as_ref().map(|drawn| &drawn.commands[drawn.draw.combination(seed)]);
        format!("dissent run {} --seed {}", drawn.unwrap_or(&self.command), seed.0)
    }
}

impl CampaignDocument {
    /// Whether parts are missing that were still needed.
    pub fn is_unfinished(&self) -> bool {
        !self.missing_parts.is_empty() && self.stopped_by != Some(StoppedBy::Goal)
    }

    /// Adds up the parts that are there. Missing parts make it inconclusive at best, unless it ended because
    /// its goal was reached. The exit code is that of the outcome until the caller knows a worse one.
    pub fn of(plan: &CampaignPlan<'_>, parts: &Parts, stopped_by: Option<StoppedBy>) -> CampaignDocument {
        let totals = ArmTotals::of_all(parts, plan.extent.arms);
        let pair = |(first, second): (u32, u32)| {
            let paired = Paired::of(parts, first, second);
            PairEntry {
                first: plan.arms[first as usize].name.clone(),
                second: plan.arms[second as usize].name.clone(),
                failed_in_both: paired.both,
                failed_in_first: paired.first,
                failed_in_second: paired.second,
                failed_in_neither: paired.neither,
                unknown: paired.unknown,
                p_value: paired.p_value(),
            }
        };
        let entry = |(number, (arm, totals)): (u32, (&CampaignArm, &ArmTotals))| {
            let of_arm = || parts.results().filter(|result| result.arm == number);
            let drawn = arm.drawn.as_ref().map(|drawn| drawn.entry(of_arm().map(|result| result.seed)));
            ArmEntry::of((arm, plan.extent.first_seed), totals, drawn)
        };
        let missing_parts = parts.missing(&plan.extent);
        let worst = totals.iter().flat_map(|arm| arm.outcomes.keys()).max().copied();
        let is_whole = missing_parts.is_empty() || stopped_by == Some(StoppedBy::Goal);
        let at_best = match is_whole && parts.contradicted.is_empty() {
            true => VerdictOutcome::Pass,
            false => VerdictOutcome::Inconclusive,
        };
        CampaignDocument {
            version: VERSION,
            name: plan.name.to_owned(),
            program: plan.program.to_owned(),
            started: plan.started.to_owned(),
            first_seed: plan.extent.first_seed,
            runs_wanted: plan.extent.runs,
            outcome: worst.unwrap_or(VerdictOutcome::Inconclusive).max(at_best),
            exit_code: 0,
            missing_parts,
            contradicted_parts: parts.contradicted.iter().copied().collect(),
            stopped_by,
            arms: (0..).zip(plan.arms.iter().zip(&totals)).map(entry).collect(),
            pairs: plan.pairs.iter().copied().map(pair).collect(),
            trends: Vec::new(),
            series: Vec::new(),
        }
    }
}
