//! Sweeps: many arms with many seeds each, in numbered parts that any worker may do.

pub mod folder;
pub mod room;

use self::folder::{FrozenArm, FrozenPlan, SweepFolder, SweepLimits};
use super::error::RunError;
use super::finding_kinds::{each_finding_kind, known_finding_kinds};
use super::judging::JudgedRun;
use super::kept_runs::KeptRuns;
use super::observer::NoObserver;
use super::process_run::{RunOutcome, run_processes};
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use super::target::RunTarget;
use crate::config::sweep_plan::DrawnArm;
use crate::exit::{Exit, StopSignal};
use crate::target_error::TargetError;
use dissent_core::campaign::draw::PairwiseDraw;
use dissent_core::campaign::goal::Goal;
use dissent_core::campaign::part::{Extent, Part, Parts};
use dissent_core::campaign::run_result::{RunId, RunResult};
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::any::Any;
use std::collections::VecDeque;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// About how many runs a part has. A part that was not finished is done again.
const RUNS_OF_PART: u32 = 20;
/// The most parts that simulated runs are cut into by themselves.
const PARTS_MAX: u32 = 1_000;
/// The number of runs with processes at the same time, unless the user asks for more.
const PROCESS_JOBS: u32 = 2;

/// How long a cluster may take until it is ready for the next run, and the time between two tries.
const READY_WITHIN: Duration = Duration::from_secs(600);
const READY_POLL: Duration = Duration::from_secs(5);

/// An arm, ready to run.
#[derive(Clone, Debug)]
pub struct Arm {
    /// Its name.
    pub name: String,
    /// The arguments of `dissent run`, as in the frozen plan.
    pub words: Vec<String>,
    /// Its runs, but for the seed. There are several if each seed draws one.
    pub specs: Vec<RunSpec>,
    /// Which of them a seed runs.
    pub draw: PairwiseDraw,
}

impl Arm {
    /// An arm whose runs differ in their seeds alone.
    pub fn alike(name: String, spec: RunSpec) -> Arm {
        Arm { name, words: spec.command.clone(), specs: vec![spec], draw: PairwiseDraw::new(&[]) }
    }

    /// The arm as it stands in the frozen plan.
    pub fn frozen(&self) -> FrozenArm {
        let content =
            |spec: &RunSpec| serde_json::json!({"workload": spec.workload, "nemesis": spec.nemesis});
        let sizes = self.draw.sizes();
        let words = self.specs.iter().map(|spec| spec.command.clone()).collect();
        let drawn = (!sizes.is_empty()).then(|| DrawnArm { sizes: sizes.to_vec(), words });
        let mut contents: Vec<serde_json::Value> = self.specs.iter().map(content).collect();
        let content = if drawn.is_none() { contents.swap_remove(0) } else { contents.into() };
        FrozenArm { name: self.name.clone(), words: self.words.clone(), content, drawn }
    }

    /// Where it runs: that is never drawn.
    pub fn target(&self) -> &RunTarget {
        &self.specs[0].target
    }

    /// What a seed runs.
    fn spec_of(&self, seed: Seed) -> &RunSpec {
        &self.specs[self.draw.combination(seed)]
    }

    /// Whether runs of this arm may be under way at the same time.
    fn is_parallel(&self) -> bool {
        self.target().external().is_none()
    }
}

/// Freezes a plan of so many runs of each arm. `asked` is the number of parts, if the user gave it.
pub fn freeze(
    name: String,
    arms: &[Arm],
    first_seed: Seed,
    runs: u32,
    asked: Option<u32>,
    limits: SweepLimits,
) -> FrozenPlan {
    let parts = asked.unwrap_or_else(|| parts(arms, runs, &limits)).min(runs);
    FrozenPlan {
        name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extent: Extent { arms: arms.len() as u32, first_seed, runs, parts },
        limits,
        arms: arms.iter().map(Arm::frozen).collect(),
    }
}

/// How many runs may be under way at the same time: as many as asked for, by default one per core in virtual
/// time and two with processes; but only one on a cluster that somebody else runs.
fn jobs(arms: &[Arm], asked: Option<u32>, cores: u32) -> u32 {
    let of_arm = |arm: &Arm| match (arm.target().is_simulated(), arm.is_parallel()) {
        (true, _) => asked.unwrap_or(cores),
        (false, true) => asked.unwrap_or(PROCESS_JOBS),
        (false, false) => 1,
    };
    arms.iter().map(of_arm).min().unwrap_or(1)
}

/// The number of parts. A part has one seed if runs are slow, or if the sweep may end at any of them.
fn parts(arms: &[Arm], runs: u32, limits: &SweepLimits) -> u32 {
    let are_simulated = arms.iter().all(|arm| arm.target().is_simulated());
    if !are_simulated || limits.goal == Some(Goal::Failure) {
        return runs;
    }
    (runs.saturating_mul(arms.len() as u32) / RUNS_OF_PART).clamp(1, PARTS_MAX)
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

/// What to run, and where results go.
pub struct SweepOrder {
    /// The arms.
    pub arms: Vec<Arm>,
    /// Seeds and parts.
    pub extent: Extent,
    /// When to end early, and what to do again.
    pub limits: SweepLimits,
    /// Where runs are kept.
    pub runs: PathBuf,
    /// Where parts are stored, and those of an earlier call are. None: they are only counted.
    pub folder: Option<SweepFolder>,
    /// The number of runs that may be under way at the same time.
    pub jobs: u32,
}

impl SweepOrder {
    /// What is left of a frozen plan. `jobs` is what the user asked for.
    pub fn of(
        folder: &SweepFolder,
        plan: &FrozenPlan,
        arms: Vec<Arm>,
        runs: PathBuf,
        jobs: Option<u32>,
        cores: u32,
    ) -> SweepOrder {
        SweepOrder {
            jobs: self::jobs(&arms, jobs, cores),
            arms,
            extent: plan.extent,
            limits: plan.limits,
            runs,
            folder: Some(folder.clone()),
        }
    }
}

/// A message to the thread that collects the results.
enum SweepEvent {
    /// A run has ended.
    Run(RunId, Box<Result<RunOutcome, RunError>>),
    /// A run panicked: a bug of ours.
    Panicked(Box<dyn Any + Send>),
    /// A part was stored, or could not be.
    Part(Result<Part, RunError>),
    /// A signal asks for the end.
    Signal(StopSignal),
}

/// What the workers share.
struct Shared {
    order: SweepOrder,
    /// The folders of runs against processes that passed, the oldest one first.
    passed: Mutex<VecDeque<PathBuf>>,
    /// The parts to do, last one first.
    due: Mutex<Vec<u32>>,
    kept: KeptRuns,
    /// No further run begins.
    is_over: AtomicBool,
    /// A signal reached a run: it does not count.
    is_cut: AtomicBool,
    /// A run against processes came to its end.
    has_run: AtomicBool,
    /// Runs processes. Simulated runs need none.
    runtime: Option<Handle>,
}

/// Does the parts that are missing. `each` is called after every run.
pub fn sweep(
    order: SweepOrder,
    runtime: Option<Handle>,
    mut each: impl FnMut(RunId, &RunOutcome),
) -> Result<Swept, RunError> {
    let parts = order.folder.as_ref().map(SweepFolder::parts).transpose()?.unwrap_or_default();
    let mut due = parts.missing(&order.extent);
    due.reverse();
    let workers = order.jobs.min(due.len() as u32);
    let (extent, limits) = (order.extent, order.limits);
    let mut swept = Swept { parts, ..Swept::default() };
    let shared = Arc::new(Shared {
        order,
        passed: Mutex::default(),
        due: Mutex::new(due),
        kept: KeptRuns::default(),
        is_over: AtomicBool::new(false),
        is_cut: AtomicBool::new(false),
        has_run: AtomicBool::new(false),
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
    swept.collect(&extent, &limits, &rx, &mut each);
    shared.is_over.store(true, Ordering::Relaxed);
    // A run against processes undoes its faults before it ends.
    workers.into_iter().for_each(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
    // What was done meanwhile counts, too.
    rx.try_iter().for_each(|event| drop(swept.take(&extent, event, &mut each)));
    Ok(swept)
}

impl Swept {
    /// Collects events until all parts are there, or the sweep has to end.
    fn collect(
        &mut self,
        extent: &Extent,
        limits: &SweepLimits,
        events: &Receiver<SweepEvent>,
        each: &mut impl FnMut(RunId, &RunOutcome),
    ) {
        let end = limits.time.map(|time| Instant::now() + Duration::from_nanos(time.0));
        // The goal is looked at when a part has come: that adds up all results.
        let mut looked_at = None;
        while self.parts.count() < extent.parts as usize && self.stopped.is_none() {
            let is_new = looked_at.replace(self.parts.count()) != Some(self.parts.count());
            if is_new && limits.goal.is_some_and(|goal| goal.is_reached(&self.parts, extent.arms)) {
                self.stopped = Some(SweepStop::Goal);
                return;
            }
            self.stopped = match next_event(events, end) {
                Ok(event) => self.take(extent, event, each),
                Err(RecvTimeoutError::Timeout) => Some(SweepStop::TimeLimit),
                // All workers are gone, and so is the watch: nothing more will come.
                Err(RecvTimeoutError::Disconnected) => return,
            };
        }
    }

    /// Takes an event in. Returns why the sweep has to end, if it has to.
    fn take(
        &mut self,
        extent: &Extent,
        event: SweepEvent,
        each: &mut impl FnMut(RunId, &RunOutcome),
    ) -> Option<SweepStop> {
        match event {
            SweepEvent::Panicked(panic) => resume_unwind(panic),
            SweepEvent::Run(id, outcome) => match *outcome {
                Ok(outcome) => {
                    each(id, &outcome);
                    let exit = outcome.judged.exit;
                    self.exit = Some(self.exit.map_or(exit, |worst| worst.worst(exit)));
                    None
                }
                Err(error) => Some(SweepStop::Failed(id.seed, error)),
            },
            SweepEvent::Part(Ok(part)) => {
                self.parts.add(part);
                None
            }
            SweepEvent::Part(Err(error)) => Some(SweepStop::Failed(extent.first_seed, error)),
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
            let stored = match &self.order.folder {
                Some(folder) => folder.store(&done).map(|()| done).map_err(RunError::from),
                None => Ok(done),
            };
            if results.send(SweepEvent::Part(stored)).is_err() {
                return;
            }
        }
    }

    /// Does the runs of a part. None if the sweep is over before all are done: what is left of it is done
    /// again later.
    fn part(&self, part: u32, results: &Sender<SweepEvent>) -> Option<Part> {
        let plan = self.order.folder.as_ref().map_or_else(String::new, |folder| folder.digest().to_owned());
        let mut done = Part { part, plan, results: Vec::new() };
        for id in self.order.extent.runs_of(part) {
            if self.is_over.load(Ordering::Relaxed) {
                return None;
            }
            let event = match catch_unwind(AssertUnwindSafe(|| self.run(id))) {
                Ok(outcome) => {
                    done.results.extend(outcome.as_ref().ok().map(|outcome| result(id, &outcome.judged)));
                    SweepEvent::Run(id, Box::new(outcome))
                }
                Err(panic) => SweepEvent::Panicked(panic),
            };
            let is_whole = matches!(&event, SweepEvent::Run(_, outcome) if outcome.is_ok());
            results.send(event).ok()?;
            if !is_whole || self.is_cut.load(Ordering::Relaxed) {
                return None;
            }
        }
        Some(done)
    }

    fn run(&self, id: RunId) -> Result<RunOutcome, RunError> {
        let SweepOrder { arms, runs, limits, .. } = &self.order;
        let spec = arms[id.arm as usize].spec_of(id.seed);
        let Some(runtime) = self.runtime.as_ref().filter(|_| !spec.target.is_simulated()) else {
            return self.kept.run((id.arm, spec), id.seed, runs).map(RunOutcome::of_simulated);
        };
        let spec = &RunSpec { keeps_table: limits.keep_tables, ..spec.clone() };
        let outcome = self.run_processes(runtime, spec, id.seed)?;
        let is_unknown = outcome.judged.verdict.outcome == VerdictOutcome::Inconclusive;
        let again = is_unknown && limits.retry_inconclusive && !self.is_over.load(Ordering::Relaxed);
        if again { self.run_processes(runtime, spec, id.seed) } else { Ok(outcome) }
    }

    /// Runs against processes. A cluster on which a run has ended may need some time until it is ready for
    /// the next one.
    fn run_processes(&self, runtime: &Handle, spec: &RunSpec, seed: Seed) -> Result<RunOutcome, RunError> {
        let until = Instant::now() + READY_WITHIN;
        let may_wait = || {
            let is_over = self.is_over.load(Ordering::Relaxed);
            self.has_run.load(Ordering::Relaxed) && !is_over && Instant::now() < until
        };
        let outcome = loop {
            let mut observer = NoObserver;
            match runtime.block_on(run_processes(spec, seed, &self.order.runs, &mut observer)) {
                Err(RunError::Target(TargetError::NotReady(_))) if may_wait() => {
                    runtime.block_on(tokio::time::sleep(READY_POLL));
                }
                other => break other?,
            }
        };
        self.has_run.store(true, Ordering::Relaxed);
        if outcome.interrupted {
            self.is_cut.store(true, Ordering::Relaxed);
            self.is_over.store(true, Ordering::Relaxed);
        }
        if outcome.judged.exit == Exit::Pass {
            outcome.judged.folder.iter().for_each(|folder| self.keep(folder));
        }
        Ok(outcome)
    }

    /// Keeps the folder of a run that passed, and removes the oldest one that is too many.
    fn keep(&self, folder: &Path) {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        passed.push_back(folder.to_owned());
        while passed.len() > self.order.limits.keep_passed as usize {
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
        exposed: verdict.is_exposed(),
        found: each_finding_kind(verdict).into_iter().collect(),
        known: known_finding_kinds(verdict).into_iter().collect(),
        target_version: judged.meta.target_version.clone(),
        rows: verdict.compared.rows,
        write_latency: judged.write_latency,
        writer_race: judged.writer_race,
        coverage: judged.coverage.clone(),
    }
}
