//! Shrinks a failing run. Which candidates are tried is decided in `dissent_core::shrink`; here they are run,
//! many at once in virtual time, and one after another anywhere else.

mod process_tries;
mod simulated_tries;

use super::error::RunError;
use super::folder_name::in_fresh_folder;
use super::judging::JudgedRun;
use super::process_run::RunOutcome;
use super::run_spec::RunSpec;
use super::signals::SignalWatch;
use crate::config::ConfigFile as _;
use crate::exit::StopSignal;
use dissent_core::seed::Seed;
use dissent_core::shrink::candidate::Candidate;
use dissent_core::shrink::finding_class::FindingClass;
use dissent_core::shrink::search;
use dissent_store::writing::create_folder;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::collections::HashSet;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// The folder of the runs of a search. In the end only the one that was verified is left.
const RUNS: &str = "runs";

/// What is to be shrunk, and how long that may take.
#[derive(Clone, Debug)]
pub struct ShrinkSpec {
    /// The run, but for its workload and its plan.
    pub run: RunSpec,
    /// Its seed.
    pub seed: Seed,
    /// The finding that must stay.
    pub class: FindingClass,
    /// The folder of the results.
    pub dir: PathBuf,
    /// The number of tries at once, in virtual time.
    pub jobs: u32,
    /// How long candidates are tried at most; `None`: until nothing more can be taken away.
    pub budget: Option<Duration>,
    /// Tells of a run that may have left a fault behind.
    pub warn: fn(&RunOutcome),
}

/// How far a search is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShrinkProgress {
    /// Runs so far.
    pub tries: u64,
    /// Steps that are left.
    pub steps: usize,
    /// Writes that are left.
    pub writes: usize,
}

/// Why a search ended although something more might be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShort {
    /// A signal.
    Signal(StopSignal),
    /// The budget was spent.
    Budget,
    /// A try failed: the error is known besides.
    Failed,
    /// A fault may still be in force at the target.
    Uncured,
}

/// How often the finding was seen when the whole run was repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MeasuredRate {
    /// Runs that showed it.
    pub hits: u32,
    /// All runs.
    pub runs: u32,
}

/// What the threads of a search share.
#[derive(Default)]
struct State {
    progress: ShrinkProgress,
    /// Digests of candidates that do not show the finding.
    refused: HashSet<u128>,
    cut_short: Option<CutShort>,
    error: Option<RunError>,
    /// When the budget is spent.
    ends: Option<Instant>,
}

/// Where processes run, and what is known of their runs.
struct ProcessRuns {
    runtime: Handle,
    /// The folder of their records.
    runs: PathBuf,
    rate: Mutex<MeasuredRate>,
}

impl ProcessRuns {
    fn rate(&self) -> MeasuredRate {
        *self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A search.
pub struct Search<'s> {
    spec: ShrinkSpec,
    signal: Arc<OnceLock<StopSignal>>,
    _watch: SignalWatch,
    state: Mutex<State>,
    each: &'s (dyn Fn(ShrinkProgress) + Sync),
    /// `None` in virtual time.
    processes: Option<ProcessRuns>,
}

impl<'s> Search<'s> {
    /// Begins a search. `each` is told after every try how far it is.
    pub fn begin(
        spec: ShrinkSpec,
        runtime: Handle,
        each: &'s (dyn Fn(ShrinkProgress) + Sync),
    ) -> Result<Search<'s>, RunError> {
        let signal = Arc::new(OnceLock::new());
        let seen = Arc::clone(&signal);
        let watch = SignalWatch::begin(move |signal| {
            let _ = seen.set(signal);
        });
        let watch = watch.map_err(|source| RunError::Surroundings { what: "listen for signals", source })?;
        let is_simulated = spec.run.target.is_simulated();
        Ok(Search {
            signal,
            _watch: watch,
            state: Mutex::default(),
            each,
            processes: (!is_simulated).then(|| ProcessRuns {
                runtime,
                runs: spec.dir.join(RUNS),
                rate: Mutex::default(),
            }),
            spec,
        })
    }

    /// The smallest candidate with the finding, as far as the search came. Fails if already `start` does not
    /// show it.
    pub fn shrink(&self, start: Candidate) -> Result<Candidate, RunError> {
        self.state().progress = ShrinkProgress { tries: 0, steps: start.steps(), writes: start.writes() };
        let shown = match &self.processes {
            Some(on) => self.measure(on, &start)?,
            None => self.simulated(&start)?,
        };
        if !shown && self.cut_short().is_none() {
            let (class, tries) = (self.spec.class.to_string(), self.progress().tries);
            return Err(RunError::NotRepeated { class, tries });
        }
        // An end that no clock reaches is none.
        self.state().ends = self.spec.budget.and_then(|budget| Instant::now().checked_add(budget));
        let smallest = search::shrink(start, &mut |candidates| match &self.processes {
            Some(on) => self.first_of_processes(on, candidates),
            None => self.first_simulated(candidates),
        });
        Ok(smallest)
    }

    /// Runs what was found from its files, and keeps that run. `None` if it does not show the finding.
    pub fn verified(&self, run: &RunSpec) -> Result<Option<JudgedRun>, RunError> {
        match &self.processes {
            Some(on) => self.processes_from_files(on, run),
            None => self.simulated_from_files(run),
        }
    }

    /// How far the search came.
    pub fn progress(&self) -> ShrinkProgress {
        self.state().progress
    }

    /// Why it ended early, if it did.
    pub fn cut_short(&self) -> Option<CutShort> {
        self.state().cut_short
    }

    /// The error of the try that ended it.
    pub fn take_error(&self) -> Option<RunError> {
        self.state().error.take()
    }

    /// How often the whole run showed the finding. `None` in virtual time, where one run is enough.
    pub fn measured(&self) -> Option<MeasuredRate> {
        self.processes.as_ref().map(ProcessRuns::rate)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no further try may begin.
    fn is_over(&self) -> bool {
        let mut state = self.state();
        if let Some(signal) = self.signal.get() {
            state.cut_short.get_or_insert(CutShort::Signal(*signal));
        } else if state.ends.is_some_and(|ends| Instant::now() >= ends) {
            state.cut_short.get_or_insert(CutShort::Budget);
        }
        state.cut_short.is_some()
    }

    /// The run of a candidate. `None` if its files would be refused.
    fn run_of(&self, candidate: &Candidate) -> Option<RunSpec> {
        let Candidate { workload, nemesis } = candidate.clone();
        let is_valid = workload.check().is_empty() && nemesis.check().is_empty();
        is_valid.then(|| RunSpec { workload, nemesis, ..self.spec.run.clone() })
    }

    /// Counts a run.
    fn count(&self) {
        let progress = {
            let mut state = self.state();
            state.progress.tries += 1;
            state.progress
        };
        (self.each)(progress);
    }

    /// Notes that this is the smallest so far.
    fn accept(&self, candidate: &Candidate) {
        let progress = &mut self.state().progress;
        (progress.steps, progress.writes) = (candidate.steps(), candidate.writes());
    }

    fn is_refused(&self, digest: u128) -> bool {
        self.state().refused.contains(&digest)
    }

    fn refuse(&self, digest: u128) {
        self.state().refused.insert(digest);
    }

    /// Ends the search for an error.
    fn fail(&self, error: RunError) {
        let mut state = self.state();
        state.cut_short.get_or_insert(CutShort::Failed);
        state.error.get_or_insert(error);
    }
}

/// Makes a folder for the results of shrinking the run of this name.
pub fn folder(results: &Path, run: &str) -> Result<PathBuf, RunError> {
    let (name, ()) = in_fresh_folder(results, &format!("shrink-{run}"), create_folder)?;
    Ok(results.join(name))
}

/// A digest of a candidate.
fn digest(candidate: &Candidate) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(format!("{candidate:?}").as_bytes());
    hasher.finish128().as_u128()
}
