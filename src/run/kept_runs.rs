//! Which simulated runs of a campaign leave a folder: the first few that fail alike. The others can be
//! repeated from their seeds.

use super::error::RunError;
use super::finding_kinds::finding_kinds;
use super::judging::JudgedRun;
use super::run_spec::RunSpec;
use super::simulated_run::{Retention, run_simulated};
use crate::exit::Exit;
use dissent_core::seed::Seed;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The maximum number of runs of an arm with the same findings that leave a folder.
pub(super) const KEPT_MAX: u32 = 3;

/// The runs that were kept so far, shared by the threads of a campaign.
#[derive(Default)]
pub(super) struct KeptRuns(Mutex<BTreeMap<(u32, String), u32>>);

impl KeptRuns {
    /// Runs a seed of an arm. If the run is worth keeping, runs it again with a folder: the same seed gives
    /// the same run.
    pub(super) fn run(
        &self,
        (arm, spec): (u32, &RunSpec),
        seed: Seed,
        results: &Path,
    ) -> Result<JudgedRun, RunError> {
        let judged = run_simulated(spec, seed, results, Retention::None)?;
        if judged.exit == Exit::Pass || !self.is_rare(arm, finding_kinds(&judged.verdict)) {
            return Ok(judged);
        }
        run_simulated(spec, seed, results, Retention::All)
    }

    /// Whether few runs of an arm with these findings were kept so far.
    fn is_rare(&self, arm: u32, found: String) -> bool {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = kept.entry((arm, found)).or_default();
        *count += 1;
        *count <= KEPT_MAX
    }
}
