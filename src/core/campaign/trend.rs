//! A finding over the sweeps of a plan.

use super::write_latency::WriteLatency;
use serde::{Deserialize, Serialize};

/// How a finding compares with earlier sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TrendStatus {
    /// No earlier sweep had it.
    New,
    /// Every earlier sweep that could have had it did.
    Again,
    /// Some earlier sweeps had it, and others did not.
    Flaky,
    /// Earlier sweeps had it, this one does not; but it may have been luck.
    NotSeen,
    /// Earlier sweeps had it, and this one would almost certainly have had it too.
    Gone,
}

/// A finding of an arm, over the sweeps of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrendEntry {
    /// The name of the arm.
    pub arm: String,
    /// The kind of finding.
    pub kind: String,
    /// How it compares.
    pub status: TrendStatus,
    /// Whether a list of known issues covers it in every run that has it now.
    pub known: bool,
    /// The sweeps that can be compared, the oldest one first, and this one at the end.
    pub sweeps: Vec<TrendPoint>,
}

/// One sweep of a trend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrendPoint {
    /// When the sweep began.
    pub started: String,
    /// The trials that had the finding.
    pub hits: u64,
    /// The trials of which it is known.
    pub trials: u64,
}

/// An arm over the sweeps of a plan, whatever it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArmSeries {
    /// The name of the arm.
    pub arm: String,
    /// The sweeps that can be compared, the oldest one first, and this one at the end.
    pub sweeps: Vec<SeriesPoint>,
}

/// One sweep of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeriesPoint {
    /// When the sweep began.
    pub started: String,
    /// Its runs.
    pub runs: u64,
    /// Those that did what their plan is for.
    pub exposed: u64,
    /// How long acknowledged writes took: medians over the runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_latency: Option<WriteLatency>,
}
