//! Campaigns: many runs of one specification, in parallel. Run i of N has seed S + i.

use super::error::RunError;
use super::finding_kinds::finding_kinds;
use super::judging::JudgedRun;
use super::kept_runs::KeptRuns;
use super::observer::NoObserver;
use super::process_run::{RunOutcome, run_processes};
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use crate::exit::StopSignal;
use crate::report::campaign::CampaignSummary;
use dissent_core::checker::self_test::SelfTest;
use dissent_core::checker::verdict::{FindingKind, VerdictOutcome};
use dissent_core::seed::Seed;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

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
        let exposed = verdict.exposure.iter().all(|exposure| exposure.count > 0);
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

    /// Records that a signal ended the campaign early.
    fn cut_off(&mut self, signal: StopSignal) {
        self.signal = Some(signal);
        self.exit = Some(self.exit.map_or(signal.exit(), |exit| exit.worst(signal.exit())));
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
        !meta.roster.contains(replica) || meta.steps.iter().any(|step| step.replica == *replica)
    };
    judged.verdict.findings.iter().all(|finding| match &finding.kind {
        FindingKind::Divergence(divergence) => divergence.replicas.iter().all(hit),
        FindingKind::Frozen(frozen) => frozen.replica.as_ref().is_none_or(hit),
        FindingKind::Regressed(regressed) => regressed.replica.as_ref().is_none_or(hit),
        FindingKind::Ahead(ahead) => ahead.replica.as_ref().is_none_or(hit),
        FindingKind::LostAck(_) => false,
    })
}

/// The state that the threads of a campaign share.
struct Campaign {
    spec: RunSpec,
    first: Seed,
    runs: u32,
    results: PathBuf,
    /// The index of the next run.
    next: AtomicU32,
    kept: KeptRuns,
}

/// A message to the thread that collects the results.
enum CampaignEvent {
    /// A run is over.
    Run(Seed, Box<thread::Result<Result<JudgedRun, RunError>>>),
    /// A signal asks the campaign to end at once.
    StopSignal(StopSignal),
}

/// Runs in virtual time on `jobs` threads. `each` receives every verdict as it comes. A signal ends the
/// campaign at once: there are no faults to heal, and unfinished runs are abandoned. Fails with the first run
/// that fails.
pub fn simulate_all(
    spec: &RunSpec,
    first: Seed,
    runs: u32,
    jobs: u32,
    results: &Path,
    mut each: impl FnMut(&JudgedRun),
) -> Result<CampaignSummary, Stopped> {
    let (spec, results) = (spec.clone(), results.to_owned());
    let (next, kept) = (AtomicU32::new(0), KeptRuns::default());
    let campaign = Arc::new(Campaign { spec, first, runs, results, next, kept });
    let (tx, rx) = channel();
    for _ in 0..jobs.min(runs) {
        let (campaign, tx) = (Arc::clone(&campaign), tx.clone());
        thread::spawn(move || campaign.work(&tx));
    }
    let watch = SignalWatch::begin(move |signal| drop(tx.send(CampaignEvent::StopSignal(signal))));
    let _watch = watch.map_err(|source| {
        let error = RunError::Surroundings { what: "listen for signals", source };
        Stopped { seed: first, error }
    })?;
    let summary = campaign.summary(&rx, &mut each);
    campaign.next.store(runs, Ordering::Relaxed);
    summary
}

impl Campaign {
    /// Runs one seed after another until none is left or the receiver is gone.
    fn work(&self, results: &Sender<CampaignEvent>) {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= self.runs {
                return;
            }
            let seed = Seed(self.first.0.wrapping_add(u64::from(i)));
            let judged =
                catch_unwind(AssertUnwindSafe(|| self.kept.run((0, &self.spec), seed, &self.results)));
            if results.send(CampaignEvent::Run(seed, Box::new(judged))).is_err() {
                return;
            }
        }
    }

    /// Adds up the verdicts as they come.
    fn summary(
        &self,
        events: &Receiver<CampaignEvent>,
        each: &mut impl FnMut(&JudgedRun),
    ) -> Result<CampaignSummary, Stopped> {
        let mut summary = CampaignSummary::default();
        while summary.runs < self.runs {
            match events.recv() {
                Ok(CampaignEvent::Run(seed, judged)) => match *judged {
                    Ok(Ok(judged)) => {
                        each(&judged);
                        summary.add(&judged);
                    }
                    Ok(Err(error)) => return Err(Stopped { seed, error }),
                    Err(panic) => resume_unwind(panic),
                },
                Ok(CampaignEvent::StopSignal(signal)) => {
                    summary.cut_off(signal);
                    break;
                }
                // All senders are gone, the signal watch too, so nothing more will come.
                Err(_) => break,
            }
        }
        Ok(summary)
    }
}

/// Runs against processes, `jobs` at a time. A signal ends the campaign once the running ones are healed.
pub async fn run_all(
    spec: &RunSpec,
    first: Seed,
    runs: u32,
    jobs: u32,
    results: &Path,
    mut each: impl FnMut(&RunOutcome),
) -> Result<CampaignSummary, Stopped> {
    let mut summary = CampaignSummary::default();
    let mut waiting: VecDeque<Seed> = (0..runs).map(|i| Seed(first.0.wrapping_add(u64::from(i)))).collect();
    let mut running = tokio::task::JoinSet::new();
    let begin = |running: &mut tokio::task::JoinSet<_>, seed: Seed| {
        let (spec, results) = (spec.clone(), results.to_owned());
        running.spawn(async move { (seed, run_processes(&spec, seed, &results, &mut NoObserver).await) });
    };
    waiting.drain(..waiting.len().min(jobs as usize)).for_each(|seed| begin(&mut running, seed));
    let mut stopped = None;
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((_, Ok(outcome))) => {
                each(&outcome);
                summary.add(&outcome.judged);
                if outcome.interrupted {
                    waiting.clear();
                }
            }
            Ok((seed, Err(error))) => stopped = stopped.or(Some(Stopped { seed, error })),
            Err(panicked) => {
                let source = std::io::Error::other(panicked);
                let error = RunError::Surroundings { what: "finish a run", source };
                stopped = stopped.or(Some(Stopped { seed: first, error }));
            }
        }
        if stopped.is_none()
            && let Some(seed) = waiting.pop_front()
        {
            begin(&mut running, seed);
        }
    }
    stopped.map_or(Ok(summary), Err)
}
