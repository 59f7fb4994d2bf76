//! The options of `dissent shrink`.

use super::output::{Output, whole};
use clap::Args;

/// `dissent shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// Folder of a run that failed, or `latest`
    pub run: String,
    /// Finding to keep, by its number in the report or by its fingerprint, such as frozen/writer-output
    #[arg(long, value_name = "FINDING", default_value = "1")]
    pub finding: String,
    /// Time for the search; the smallest so far is kept [default: simulated no limit, otherwise 30min]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub budget: Option<String>,
    /// Search in virtual time, for a run of a built-in cluster of processes
    #[arg(long)]
    pub simulate: bool,
    /// Number of simulated tries in parallel [default: one per core]
    #[arg(long, value_name = "N", value_parser = whole(1..=64_u32), allow_negative_numbers = true)]
    pub jobs: Option<u32>,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}
