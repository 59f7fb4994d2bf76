//! Many runs of one order, side by side: run i of N has seed S + i.

use super::error::RunError;
use super::judging::JudgedRun;
use super::observer::NoObserver;
use super::process_run::{RunOutcome, processes};
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use super::simulated_run::{Retention, simulated};
use crate::exit::{Exit, StopSignal};
use crate::report::campaign::CampaignSummary;
use crate::report::format::name;
use dissent_core::checker::self_test::SelfTest;
use dissent_core::checker::verdict::{FindingKind, Verdict, VerdictOutcome};
use dissent_core::seed::Seed;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The most runs with the same findings that leave a folder in one campaign.
const KEPT_ALIKE: u32 = 3;

/// Why runs stopped before all were done.
#[derive(Debug)]
pub struct Stopped {
    /// The seed at which it happened.
    pub seed: Seed,
    /// Why.
    pub error: RunError,
}

impl CampaignSummary {
    /// Takes in one run.
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
                *self.found.entry(found(verdict)).or_default() += 1;
                self.on_victim += u32::from(is_on_victim(judged));
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

    /// A signal came: what is tallied is all there is.
    fn cut_off(&mut self, cut: StopSignal) {
        self.cut = Some(cut);
        self.exit = Some(self.exit.map_or(cut.exit(), |exit| exit.worst(cut.exit())));
    }

    /// How many runs came to this outcome.
    pub fn count(&self, outcome: VerdictOutcome) -> u32 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }
}

/// What a verdict found, in the words of its first finding, without names of nodes, keys or times.
pub fn found(verdict: &Verdict) -> String {
    let words = |finding: &FindingKind| match finding {
        FindingKind::Divergence(divergence) => format!(
            "{} {} {} {}",
            name(&divergence.last.pattern),
            name(&divergence.what),
            name(&divergence.last.side),
            name(&divergence.course)
        ),
        FindingKind::Frozen(_) => "frozen".to_owned(),
        FindingKind::Regressed(_) => "regressed".to_owned(),
        FindingKind::Ahead(_) => "ahead".to_owned(),
        FindingKind::LostAck(_) => "lost-ack".to_owned(),
    };
    let each: BTreeSet<String> = verdict.findings.iter().map(|finding| words(&finding.kind)).collect();
    each.into_iter().collect::<Vec<_>>().join(" + ")
}

/// Whether every finding has its roots on the replica that the schedule hit. The judge does not know the
/// victim; this is a comparison afterwards.
fn is_on_victim(judged: &JudgedRun) -> bool {
    let meta = &judged.meta;
    // A shard is nobody's: what lies on it lies on no replica.
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

/// What the threads of a campaign have in common.
struct Campaign {
    spec: RunSpec,
    first: Seed,
    runs: u32,
    results: PathBuf,
    /// The next run.
    next: AtomicU32,
    /// How many runs with the same findings have left a folder.
    alike: Mutex<BTreeMap<String, u32>>,
}

/// What a campaign hears.
enum CampaignEvent {
    /// A run is over.
    Run(Seed, Box<thread::Result<Result<JudgedRun, RunError>>>),
    /// It is to end at once.
    StopSignal(StopSignal),
}

/// Runs in virtual time on `jobs` threads; `each` sees every verdict as it comes. A signal ends it at once:
/// there is nothing to cure, and what has not come to a verdict by then is left to itself.
pub fn simulate_all(
    spec: &RunSpec,
    first: Seed,
    runs: u32,
    jobs: u32,
    results: &Path,
    mut each: impl FnMut(&JudgedRun),
) -> Result<CampaignSummary, Stopped> {
    let (spec, results) = (spec.clone(), results.to_owned());
    let (next, alike) = (AtomicU32::new(0), Mutex::default());
    let campaign = Arc::new(Campaign { spec, first, runs, results, next, alike });
    let (tx, rx) = channel();
    for _ in 0..jobs.min(runs) {
        let (campaign, tx) = (Arc::clone(&campaign), tx.clone());
        thread::spawn(move || campaign.work(&tx));
    }
    let watch = SignalWatch::begin(move |cut| drop(tx.send(CampaignEvent::StopSignal(cut))));
    let _watch = watch.map_err(|source| {
        let error = RunError::Surroundings { what: "listen for signals", source };
        Stopped { seed: first, error }
    })?;
    let told = campaign.summary(&rx, &mut each);
    campaign.next.store(runs, Ordering::Relaxed);
    told
}

impl Campaign {
    /// Runs one seed after the other, until there is none left or nobody listens.
    fn work(&self, tell: &Sender<CampaignEvent>) {
        loop {
            let i = self.next.fetch_add(1, Ordering::Relaxed);
            if i >= self.runs {
                return;
            }
            let seed = Seed(self.first.0.wrapping_add(u64::from(i)));
            let judged = catch_unwind(AssertUnwindSafe(|| self.run(seed)));
            if tell.send(CampaignEvent::Run(seed, Box::new(judged))).is_err() {
                return;
            }
        }
    }

    /// One run; once more, this time with a folder, if it is worth keeping: the same seed gives the same run.
    fn run(&self, seed: Seed) -> Result<JudgedRun, RunError> {
        let judged = simulated(&self.spec, seed, &self.results, Retention::None)?;
        if judged.exit == Exit::Pass || !self.is_rare(&found(&judged.verdict)) {
            return Ok(judged);
        }
        simulated(&self.spec, seed, &self.results, Retention::All)
    }

    /// Whether few runs like this one are kept so far.
    fn is_rare(&self, found: &str) -> bool {
        let mut alike = self.alike.lock().unwrap_or_else(PoisonError::into_inner);
        let count = alike.entry(found.to_owned()).or_default();
        *count += 1;
        *count <= KEPT_ALIKE
    }

    /// Takes in verdicts as they come.
    fn summary(
        &self,
        news: &Receiver<CampaignEvent>,
        each: &mut impl FnMut(&JudgedRun),
    ) -> Result<CampaignSummary, Stopped> {
        let mut summary = CampaignSummary::default();
        while summary.runs < self.runs {
            match news.recv() {
                Ok(CampaignEvent::Run(seed, judged)) => match *judged {
                    Ok(Ok(judged)) => {
                        each(&judged);
                        summary.add(&judged);
                    }
                    Ok(Err(error)) => return Err(Stopped { seed, error }),
                    Err(panic) => resume_unwind(panic),
                },
                Ok(CampaignEvent::StopSignal(cut)) => {
                    summary.cut_off(cut);
                    break;
                }
                // Everybody is gone, the watch too: nothing more will come.
                Err(_) => break,
            }
        }
        Ok(summary)
    }
}

/// Runs against processes, `jobs` at a time; a signal ends the campaign once the running ones are cured.
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
        running.spawn(async move { (seed, processes(&spec, seed, &results, &mut NoObserver).await) });
    };
    waiting.drain(..waiting.len().min(jobs as usize)).for_each(|seed| begin(&mut running, seed));
    let mut stopped = None;
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((_, Ok(outcome))) => {
                each(&outcome);
                summary.add(&outcome.judged);
                if outcome.cut {
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
