//! Campaigns: many runs of one specification, in parallel. Run i of N has seed S + i.

use super::error::RunError;
use super::finding_kinds::finding_kinds;
use super::judging::JudgedRun;
use super::run_spec::RunSpec;
use super::sweep::folder::SweepLimits;
use super::sweep::{Arm, SweepOrder, SweepStop, sweep};
use crate::report::campaign::CampaignSummary;
use dissent_core::campaign::part::Extent;
use dissent_core::checker::self_test::SelfTest;
use dissent_core::checker::verdict::{FindingKind, VerdictOutcome};
use dissent_core::history::fault::Step;
use dissent_core::seed::Seed;
use std::path::Path;

/// Why a campaign stopped before all runs were done.
#[derive(Debug)]
pub struct Stopped {
    /// The seed of the run that failed.
    pub seed: Seed,
    /// The error of that run.
    pub error: RunError,
}

impl CampaignSummary {
    /// Adds one run to the summary.
    pub fn add(&mut self, judged: &JudgedRun) {
        let verdict = &judged.verdict;
        let exposed = verdict.is_exposed();
        self.runs += 1;
        self.exposed += u32::from(exposed);
        self.rows += verdict.compared.rows;
        self.known += u32::from(verdict.known.as_ref().is_some_and(|known| known.count() > 0));
        *self.outcomes.entry(verdict.outcome).or_default() += 1;
        for exposure in &verdict.exposure {
            *self.exposure.entry(exposure.what.clone()).or_default() += exposure.count;
        }
        match verdict.outcome {
            VerdictOutcome::Pass => self.exposed_passes += u32::from(exposed),
            VerdictOutcome::Inconclusive if self.inconclusive.len() < 5 => {
                self.inconclusive.push(judged.meta.seed)
            }
            VerdictOutcome::Inconclusive => {}
            VerdictOutcome::Fail => {
                *self.found.entry(finding_kinds(verdict)).or_default() += 1;
                self.on_faulted_replica += u32::from(is_on_faulted_replica(judged));
            }
        }
        if self.report.is_none() && verdict.outcome == VerdictOutcome::Fail {
            self.report = judged.report();
        }
        match &judged.self_test {
            Some(SelfTest::Found { .. }) => *self.self_tested.get_or_insert(0) += 1,
            Some(other) => {
                self.self_tested.get_or_insert(0);
                let failed = self.self_test_failed.take();
                self.self_test_failed = failed.or_else(|| Some((judged.meta.seed, other.clone())));
            }
            None => {}
        }
        self.exit = Some(self.exit.map_or(judged.exit, |exit| exit.worst(judged.exit)));
    }

    /// Records why the campaign ended early, if it did.
    pub fn ended(mut self, stopped: Option<SweepStop>) -> Result<CampaignSummary, Stopped> {
        match stopped {
            Some(SweepStop::Failed(seed, error)) => return Err(Stopped { seed, error }),
            Some(SweepStop::Signal(signal)) => {
                self.signal = Some(signal);
                self.exit = Some(self.exit.map_or(signal.exit(), |exit| exit.worst(signal.exit())));
            }
            Some(SweepStop::Goal | SweepStop::TimeLimit) | None => {}
        }
        Ok(self)
    }

    /// The number of runs with this outcome.
    pub fn count(&self, outcome: VerdictOutcome) -> u32 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

/// Whether every finding has its roots on the replica that the schedule hit. The judge does not know that
/// replica; the comparison is made afterwards.
fn is_on_faulted_replica(judged: &JudgedRun) -> bool {
    let meta = &judged.meta;
    // A shard belongs to no replica, so neither do findings in it.
    let hit = |replica: &String| {
        // Whom a step with a role has hit, is not in the schedule.
        let hits = |step: &Step| step.role.is_some() || step.replica == *replica;
        !meta.roster.contains(replica) || meta.steps.iter().any(hits)
    };
    judged.verdict.findings.iter().all(|finding| match &finding.kind {
        FindingKind::Divergence(divergence) => divergence.replicas.iter().all(hit),
        FindingKind::Frozen(frozen) => frozen.replica.as_ref().is_none_or(hit),
        FindingKind::Regressed(regressed) => regressed.replica.as_ref().is_none_or(hit),
        FindingKind::Ahead(ahead) => ahead.replica.as_ref().is_none_or(hit),
        FindingKind::LostAck(_) => false,
    })
}

/// Runs in virtual time on `jobs` threads, without a record of the whole. `each` receives every verdict as it
/// comes. A signal ends the campaign; so does the first run that fails.
pub fn simulate_all(
    spec: &RunSpec,
    first: Seed,
    runs: u32,
    jobs: u32,
    results: &Path,
    mut each: impl FnMut(&JudgedRun),
) -> Result<CampaignSummary, Stopped> {
    let order = SweepOrder {
        arms: vec![Arm::alike(String::new(), spec.clone())],
        extent: Extent { arms: 1, first_seed: first, runs, parts: runs },
        limits: SweepLimits::default(),
        runs: results.to_owned(),
        folder: None,
        jobs,
    };
    let mut summary = CampaignSummary::default();
    let swept = sweep(order, None, |_, outcome| {
        each(&outcome.judged);
        summary.add(&outcome.judged);
    });
    let swept = swept.map_err(|error| Stopped { seed: first, error })?;
    summary.ended(swept.stopped)
}
