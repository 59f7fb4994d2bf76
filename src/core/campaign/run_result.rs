//! What counts of one run of a campaign.

use super::coverage::RunCoverage;
use super::write_latency::WriteLatency;
use super::writer_race::WriterRace;
use crate::checker::verdict::VerdictOutcome;
use crate::seed::Seed;
use serde::{Deserialize, Serialize};

/// Which run: an arm, and its seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    /// The seed comes first, so that runs of all arms take turns.
    pub seed: Seed,
    /// The index of the arm.
    pub arm: u32,
}

/// One run, as it counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunResult {
    /// The index of its arm.
    pub arm: u32,
    /// Its seed.
    pub seed: Seed,
    /// How it came out.
    pub outcome: VerdictOutcome,
    /// Whether it did what its plan is for.
    pub exposed: bool,
    /// The kinds of its findings, without names and times, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub found: Vec<String>,
    /// Those of them that a list of known issues covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub known: Vec<String>,
    /// The version that the target reported.
    pub target_version: String,
    /// The rows that were compared.
    pub rows: u64,
    /// How long its acknowledged writes took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_latency: Option<WriteLatency>,
    /// How its writers raced each other, if they share a shard and tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer_race: Option<WriterRace>,
    /// Which faults overlapped which events.
    #[serde(default, skip_serializing_if = "RunCoverage::is_empty")]
    pub coverage: RunCoverage,
}

impl RunResult {
    /// The run's place in the campaign.
    pub fn id(&self) -> RunId {
        RunId { seed: self.seed, arm: self.arm }
    }
}
