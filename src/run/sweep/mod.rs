//! Sweeps: many arms with many seeds each, in numbered parts that any worker may do.

pub mod folder;

use self::folder::{FrozenArm, FrozenPlan, SweepFolder, SweepLimits};
use super::error::RunError;
use super::finding_kinds::{each_finding_kind, known_finding_kinds};
use super::judging::JudgedRun;
use super::kept_runs::KeptRuns;
use super::observer::NoObserver;
use super::process_run::run_processes;
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use crate::exit::{Exit, StopSignal};
use dissent_core::campaign::part::{Extent, Part, Parts};
use dissent_core::campaign::run_result::{RunId, RunResult};
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::collections::VecDeque;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// An arm, ready to run.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// Its runs, but for the seed.
    pub spec: RunSpec,
}

impl Arm {
    /// The arm as it stands in the frozen plan.
    pub fn frozen(&self) -> FrozenArm {
        let RunSpec { workload, nemesis, command, .. } = &self.spec;
        let content = serde_json::json!({"workload": workload, "nemesis": nemesis});
        FrozenArm { name: self.name.clone(), words: command.clone(), content }
    }

    /// Whether runs of this arm may be under way at the same time.
    fn is_parallel(&self) -> bool {
        self.spec.target.external().is_none()
    }
}

/// How many runs may be under way at the same time: one per core in virtual time, two with processes, one on
/// a cluster that somebody else runs.
pub fn jobs(arms: &[Arm], cores: u32) -> u32 {
    let of_arm = |arm: &Arm| match (arm.spec.target.is_simulated(), arm.is_parallel()) {
        (true, _) => cores,
        (false, true) => 2,
        (false, false) => 1,
    };
    arms.iter().map(of_arm).min().unwrap_or(1)
}

/// How a sweep ended.
#[derive(Debug, Default)]
pub struct Swept {
    /// All parts that are there, also those of earlier calls.
    pub parts: Parts,
    /// Why it ended before all parts were done.
    pub stopped: Option<SweepStop>,
    /// The worst exit code of a run.
    pub exit: Option<Exit>,
}

/// Why a sweep ended before all its parts were done.
#[derive(Debug)]
pub enum SweepStop {
    /// Its goal was reached.
    Goal,
    /// Its time was up.
    TimeLimit,
    /// A signal asked for the end.
    Signal(StopSignal),
    /// The run of this seed failed.
    Failed(Seed, RunError),
}

/// A message to the thread that collects the results.
enum SweepEvent {
    /// A run has ended.
    Run(RunId, Box<Result<JudgedRun, RunError>>),
    /// A part was stored, or could not be.
    Part(Result<Part, RunError>),
    /// A signal asks for the end.
    Signal(StopSignal),
}

/// What the workers share.
struct Shared {
    arms: Vec<Arm>,
    extent: Extent,
    folder: SweepFolder,
    retry_inconclusive: bool,
    keep_passed: u32,
    /// The folders of runs against processes that passed, the oldest one first.
    passed: Mutex<VecDeque<PathBuf>>,
    /// The parts to do, last one first.
    due: Mutex<Vec<u32>>,
    kept: KeptRuns,
    /// No further run begins.
    is_over: AtomicBool,
    /// A signal reached a run: it does not count.
    is_cut: AtomicBool,
    /// Runs processes.
    runtime: Handle,
}

/// Does the parts that are missing, `jobs` at a time. `each` is called after every run.
pub fn sweep(
    folder: &SweepFolder,
    plan: &FrozenPlan,
    arms: Vec<Arm>,
    jobs: u32,
    runtime: Handle,
    mut each: impl FnMut(RunId, &JudgedRun),
) -> Result<Swept, RunError> {
    let parts = folder.parts()?;
    let mut due = parts.missing(&plan.extent);
    due.reverse();
    let workers = jobs.min(due.len() as u32);
    let mut swept = Swept { parts, ..Swept::default() };
    let shared = Arc::new(Shared {
        arms,
        extent: plan.extent,
        folder: folder.clone(),
        retry_inconclusive: plan.limits.retry_inconclusive,
        keep_passed: plan.limits.keep_passed,
        passed: Mutex::default(),
        due: Mutex::new(due),
        kept: KeptRuns::default(),
        is_over: AtomicBool::new(false),
        is_cut: AtomicBool::new(false),
        runtime,
    });
    let (tx, rx) = channel();
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (shared, tx) = (Arc::clone(&shared), tx.clone());
            thread::spawn(move || shared.work(&tx))
        })
        .collect();
    let watch = SignalWatch::begin(move |signal| drop(tx.send(SweepEvent::Signal(signal))));
    let _watch = watch.map_err(|source| RunError::Surroundings { what: "listen for signals", source })?;
    swept.collect(plan, &rx, &mut each);
    shared.is_over.store(true, Ordering::Relaxed);
    // A run against processes undoes its faults before it ends.
    workers.into_iter().for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
    // What was done meanwhile counts, too.
    rx.try_iter().for_each(|event| drop(swept.take(plan, event, &mut each)));
    Ok(swept)
}

impl Swept {
    /// Collects events until all parts are there, or the sweep has to end.
    fn collect(
        &mut self,
        plan: &FrozenPlan,
        events: &Receiver<SweepEvent>,
        each: &mut impl FnMut(RunId, &JudgedRun),
    ) {
        let SweepLimits { goal, time, .. } = plan.limits;
        let end = time.map(|time| Instant::now() + Duration::from_nanos(time.0));
        while self.parts.count() < plan.extent.parts as usize && self.stopped.is_none() {
            if goal.is_some_and(|goal| goal.is_reached(&self.parts, plan.extent.arms)) {
                self.stopped = Some(SweepStop::Goal);
                return;
            }
            self.stopped = match next_event(events, end) {
                Ok(event) => self.take(plan, event, each),
                Err(RecvTimeoutError::Timeout) => Some(SweepStop::TimeLimit),
                // All workers are gone, and so is the watch: nothing more will come.
                Err(RecvTimeoutError::Disconnected) => return,
            };
        }
    }

    /// Takes an event in. Returns why the sweep has to end, if it has to.
    fn take(
        &mut self,
        plan: &FrozenPlan,
        event: SweepEvent,
        each: &mut impl FnMut(RunId, &JudgedRun),
    ) -> Option<SweepStop> {
        match event {
            SweepEvent::Run(id, judged) => match *judged {
                Ok(judged) => {
                    each(id, &judged);
                    self.exit = Some(self.exit.map_or(judged.exit, |exit| exit.worst(judged.exit)));
                    None
                }
                Err(error) => Some(SweepStop::Failed(id.seed, error)),
            },
            SweepEvent::Part(Ok(part)) => {
                self.parts.add(part);
                None
            }
            SweepEvent::Part(Err(error)) => Some(SweepStop::Failed(plan.extent.first_seed, error)),
            SweepEvent::Signal(signal) => Some(SweepStop::Signal(signal)),
        }
    }
}

/// The next event, unless the time is up before.
fn next_event(events: &Receiver<SweepEvent>, end: Option<Instant>) -> Result<SweepEvent, RecvTimeoutError> {
    match end {
        Some(end) => events.recv_timeout(end.saturating_duration_since(Instant::now())),
        None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}

impl Shared {
    /// Does one part after another until none is left.
    fn work(&self, results: &Sender<SweepEvent>) {
        loop {
            let next = self.due.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(part) = next else { return };
            let Some(done) = self.part(part, results) else { return };
            let stored = self.folder.store(&done).map(|()| done).map_err(RunError::from);
            if results.send(SweepEvent::Part(stored)).is_err() {
                return;
            }
        }
    }

    /// Does the runs of a part. None if the sweep is over before all are done: what is left of it is done
    /// again later.
    fn part(&self, part: u32, results: &Sender<SweepEvent>) -> Option<Part> {
        let mut done = Part { part, plan: self.folder.digest().to_owned(), results: Vec::new() };
        for id in self.extent.runs_of(part) {
            if self.is_over.load(Ordering::Relaxed) {
                return None;
            }
            let judged = self.run(id);
            if self.is_cut.load(Ordering::Relaxed) {
                return None;
            }
            done.results.extend(judged.as_ref().ok().map(|judged| result(id, judged)));
            let is_lost = judged.is_err();
            results.send(SweepEvent::Run(id, Box::new(judged))).ok()?;
            if is_lost {
                return None;
            }
        }
        Some(done)
    }

    fn run(&self, id: RunId) -> Result<JudgedRun, RunError> {
        let (spec, runs) = (&self.arms[id.arm as usize].spec, self.folder.runs());
        if spec.target.is_simulated() {
            return self.kept.run((id.arm, spec), id.seed, &runs);
        }
        let judged = self.run_processes(spec, id.seed)?;
        let is_unknown = judged.verdict.outcome == VerdictOutcome::Inconclusive;
        let again = is_unknown && self.retry_inconclusive && !self.is_over.load(Ordering::Relaxed);
        if again { self.run_processes(spec, id.seed) } else { Ok(judged) }
    }

    fn run_processes(&self, spec: &RunSpec, seed: Seed) -> Result<JudgedRun, RunError> {
        let (mut observer, runs) = (NoObserver, self.folder.runs());
        let run = run_processes(spec, seed, &runs, &mut observer);
        let outcome = self.runtime.block_on(run)?;
        if outcome.interrupted {
            self.is_cut.store(true, Ordering::Relaxed);
            self.is_over.store(true, Ordering::Relaxed);
        }
        if outcome.judged.exit == Exit::Pass {
            outcome.judged.folder.iter().for_each(|folder| self.keep(folder));
        }
        Ok(outcome.judged)
    }

    /// Keeps the folder of a run that passed, and removes the oldest one that is too many.
    fn keep(&self, folder: &Path) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push_back(folder.to_owned());
        while passed.len() > self.keep_passed as usize {
            // One that cannot be removed only takes space.
            passed.pop_front().iter().for_each(|oldest| drop(fs::remove_dir_all(oldest)));
        }
    }
}

/// What counts of a run.
fn result(id: RunId, judged: &JudgedRun) -> RunResult {
    let verdict = &judged.verdict;
    RunResult {
        arm: id.arm,
        seed: id.seed,
        outcome: verdict.outcome,
        exposed: verdict.exposure.iter().all(|exposure| exposure.count > 0),
        found: each_finding_kind(verdict).into_iter().collect(),
        known: known_finding_kinds(verdict).into_iter().collect(),
        target_version: judged.meta.target_version.clone(),
        rows: verdict.compared.rows,
    }
}
