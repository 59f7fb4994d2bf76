//! The options of `dissent sweep`.

use super::output::{Output, whole};
use clap::Args;
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
    /// Print the arms and their commands, without running them
    #[arg(long)]
    pub plan_only: bool,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}
