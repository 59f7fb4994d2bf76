//! Options that several commands share: where results go, how they are printed, and numbers within a range.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use dissent_core::history::trust::TrustChecksums;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

/// Parses a whole number within a range. The error names the range.
pub(super) fn whole<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone
where
    T: FromStr + PartialOrd + Display + Clone,
{
    move |text: &str| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("write a whole number from {} to {}", range.start(), range.end())),
    }
}

/// Where results are stored, and how they are printed.
#[derive(Clone, Debug, Args)]
pub struct Output {
    /// Folder for results, with one subfolder per run
    #[arg(long, value_name = "DIR", env = "DISSENT_RESULTS", default_value = "results")]
    pub results: PathBuf,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// How much is printed besides the result.
#[derive(Clone, Copy, Debug, Args)]
pub struct Detail {
    /// Of a verdict, print only the last line; show no progress. Errors are printed
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print to stderr what the run asks of its target, and when: faults, boundaries, captures, reads
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text; a verdict ends with one line to grep for
    Human,
    /// One JSON document; the line to grep for goes to stderr
    Json,
}

/// A parser of which checksums to trust.
pub(super) fn trust_checksums() -> impl TypedValueParser<Value = TrustChecksums> {
    PossibleValuesParser::new(["none", "sampled", "all"]).map(|which| match which.as_str() {
        "none" => TrustChecksums::None,
        "all" => TrustChecksums::All,
        _ => TrustChecksums::Sampled,
    })
}
