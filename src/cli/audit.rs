//! The options of `dissent audit`.

use super::output::{Output, whole};
use clap::Args;
use dissent_core::history::duration;
use std::path::PathBuf;
use std::time::Duration;

/// `dissent audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Path of a target file
    pub target: String,
    /// Table to audit [default: the one of the target file]
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// About how many rows are compared at a time
    #[arg(long, value_name = "ROWS", default_value_t = 50_000, value_parser = whole(1..=100_000_000_u64))]
    pub chunk_rows: u64,
    /// Look at this many of 100 chunks only, drawn from the seed
    #[arg(long, value_name = "PERCENT", value_parser = whole(1..=100_u32))]
    pub sample: Option<u32>,
    /// Seed of the sample
    #[arg(long, default_value_t = 1, value_parser = whole(0..=u64::MAX))]
    pub seed: u64,
    /// Do this part of so many, as in 2/4
    #[arg(long, value_name = "I/N", value_parser = part, default_value = "1/1", hide_default_value = true)]
    pub part: (u32, u32),
    /// File with the chunks of the table, written if it is not there: parts of one audit need the same. It
    /// holds keys
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub plan: Option<PathBuf>,
    /// How long replicas may take to consume what was written before a row is read again
    #[arg(long, value_name = "DURATION", value_parser = time, default_value = "30s")]
    pub wait: Duration,
    /// Time between two reads of replicas that tell no position
    #[arg(long, value_name = "DURATION", value_parser = time, default_value = "2s")]
    pub settle: Duration,
    /// How often rows that move are read twice
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole(1..=1_000_u32))]
    pub tries: u32,
    /// Fold the input log too: the only way to see that all replicas agree on wrong rows
    #[arg(long)]
    pub log: bool,
    /// Print what would be read, with an estimate of time, queries and bytes
    #[arg(long)]
    pub plan_only: bool,
    /// Show keys and values. Without it, reports and files have keyed hashes of them
    #[arg(long)]
    pub show_values: bool,
    /// Folder of an audit that was cut off: go on where it stopped
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["chunk_rows"])]
    pub resume: Option<PathBuf>,
    /// Known issues (TOML): matching findings do not fail the audit
    #[arg(long, value_name = "FILE")]
    pub known: Option<PathBuf>,
    /// Output options
    #[command(flatten)]
    pub output: Output,
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text).map(|time| Duration::from_nanos(time.0)).map_err(|error| error.to_string())
}

fn part(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
    parsed.filter(|(part, of)| (1..=*of).contains(part)).ok_or_else(|| "write it as 2/4".to_owned())
}
