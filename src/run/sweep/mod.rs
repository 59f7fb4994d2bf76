//! Sweeps: many arms with many seeds each, in numbered parts that any worker may do.

pub mod folder;

use self::folder::{FrozenArm, FrozenPlan, SweepFolder};
use super::error::RunError;
use super::finding_kinds::each_finding_kind;
use super::judging::JudgedRun;
use super::kept_runs::KeptRuns;
use super::observer::NoObserver;
use super::process_run::run_processes;
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use crate::exit::{Exit, StopSignal};
use dissent_core::campaign::part::{Extent, Part, Parts};
use dissent_core::campaign::run_result::{RunId, RunResult};
use dissent_core::seed::Seed;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use std::thread;
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
    /// The signal that stopped it before all parts were done.
    pub signal: Option<StopSignal>,
    /// Why a run failed that stopped it.
    pub stopped: Option<(Seed, RunError)>,
    /// The worst exit code of a run.
    pub exit: Option<Exit>,
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
    /// The parts to do, last one first.
    due: Mutex<Vec<u32>>,
    kept: KeptRuns,
    is_over: AtomicBool,
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
        due: Mutex::new(due),
        kept: KeptRuns::default(),
        is_over: AtomicBool::new(false),
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
    let all = plan.extent.parts as usize;
    while swept.parts.count() < all && swept.stopped.is_none() {
        match rx.recv() {
            Ok(SweepEvent::Run(id, judged)) => match *judged {
                Ok(judged) => {
                    each(id, &judged);
                    swept.exit = Some(swept.exit.map_or(judged.exit, |exit| exit.worst(judged.exit)));
                }
                Err(error) => swept.stopped = Some((id.seed, error)),
            },
            Ok(SweepEvent::Part(Ok(part))) => swept.parts.add(part),
            Ok(SweepEvent::Part(Err(error))) => swept.stopped = Some((plan.extent.first_seed, error)),
            Ok(SweepEvent::Signal(signal)) => {
                swept.signal = Some(signal);
                break;
            }
            // All workers are gone, and so is the watch: nothing more will come.
            Err(_) => break,
        }
    }
    shared.is_over.store(true, Ordering::Relaxed);
    // A run against processes undoes its faults before it ends.
    workers.into_iter().for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
    Ok(swept)
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
            let judged = self.run(id);
            if self.is_over.load(Ordering::Relaxed) {
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
        if !spec.target.is_simulated() {
            let mut observer = NoObserver;
            let outcome = self.runtime.block_on(run_processes(spec, id.seed, &runs, &mut observer))?;
            if outcome.interrupted {
                self.is_over.store(true, Ordering::Relaxed);
            }
            return Ok(outcome.judged);
        }
        self.kept.run((id.arm, spec), id.seed, &runs)
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
        rows: verdict.compared.rows,
    }
}
