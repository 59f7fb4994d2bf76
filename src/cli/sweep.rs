//! The options of `dissent sweep`.

use super::output::{Output, whole};
use crate::config::sweep_plan::width;
use clap::Args;
use dissent_core::history::duration;
use dissent_core::history::time::Nanos;
use std::path::PathBuf;

/// `dissent sweep`.
#[derive(Debug, Args)]
pub struct SweepArgs {
    /// Plan of the sweep, a TOML file (see src/run/sweep/README.md)
    #[arg(required_unless_present = "resume")]
    pub plan: Option<String>,
    /// Go on with a sweep that was stopped: its folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["plan", "seed", "runs"])]
    pub resume: Option<PathBuf>,
    /// Seed of the first run of every arm [default: that of the plan, or drawn and printed]
    #[arg(long, value_parser = whole(0..=u64::MAX), allow_negative_numbers = true)]
    pub seed: Option<u64>,
    /// Runs of each arm, in place of the plan's
    #[arg(long, value_name = "N", value_parser = whole(1..=u32::MAX), allow_negative_numbers = true)]
    pub runs: Option<u32>,
    /// Number of runs in parallel [default: one per core if simulated, otherwise 2, on your own cluster 1]
    #[arg(long, value_name = "N", value_parser = whole(1..=64_u32), allow_negative_numbers = true)]
    pub jobs: Option<u32>,
    /// End as soon as each arm's failure rate is known to an interval of this width, such as 5%
    #[arg(long, value_name = "WIDTH", value_parser = width, conflicts_with_all = ["until_fail", "resume"])]
    pub until: Option<f64>,
    /// End after the first run that fails
    #[arg(long, conflicts_with = "resume")]
    pub until_fail: bool,
    /// Begin no run after this time, such as 6h
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "resume")]
    pub time_limit: Option<Nanos>,
    /// Run once more against processes if a run comes to no verdict
    #[arg(long, conflicts_with = "resume")]
    pub retry_inconclusive: bool,
    /// Print the arms and their commands, without running them
    #[arg(long)]
    pub plan_only: bool,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}
