//! Tries on real clusters, one after another. The same plan may show the finding in one run and not in the
//! next, so a candidate has lost it only after several runs.

use super::{CutShort, MeasuredRate, ProcessRuns, Search, digest};
use crate::exit::StopSignal;
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::observer::NoObserver;
use crate::run::process_run::run_processes;
use crate::run::run_spec::RunSpec;
use dissent_core::shrink::candidate::Candidate;
use dissent_core::shrink::repeats::misses_until_lost;
use dissent_store::writing::{StoreError, failed};
use std::fs;
use std::sync::PoisonError;

/// The whole run is repeated until it has shown the finding this often.
const HITS: u32 = 3;
/// It is repeated at most this often.
const RUNS_MAX: u32 = 10;

/// How a try ended.
enum Tried {
    /// It shows the finding. The run's folder is kept.
    Shown(Box<JudgedRun>),
    /// It does not.
    NotShown,
    /// It was cut off, and says nothing.
    CutOff,
}

impl Search<'_> {
    /// Repeats the whole run, to see how often it shows the finding. Whether it ever did.
    pub(super) fn measure(&self, on: &ProcessRuns, start: &Candidate) -> Result<bool, RunError> {
        let Some(run) = self.run_of(start) else { return Ok(false) };
        let mut rate = MeasuredRate::default();
        while rate.hits < HITS && rate.runs < RUNS_MAX && !self.is_over() {
            match self.try_once(on, &run)? {
                Tried::Shown(judged) => {
                    rate.hits += 1;
                    remove(&judged)?;
                }
                Tried::NotShown => {}
                Tried::CutOff => break,
            }
            rate.runs += 1;
        }
        *on.rate.lock().unwrap_or_else(PoisonError::into_inner) = rate;
        Ok(rate.hits > 0)
    }

    /// The first candidate with the finding.
    pub(super) fn first_of_processes(
        &self,
        on: &ProcessRuns,
        candidates: &mut dyn Iterator<Item = Candidate>,
    ) -> Option<usize> {
        for (at, candidate) in candidates.enumerate() {
            match self.is_shown(on, &candidate) {
                Ok(true) => {
                    self.accept(&candidate);
                    return Some(at);
                }
                Ok(false) => {}
                Err(error) => self.fail(error),
            }
            if self.is_over() {
                break;
            }
        }
        None
    }

    fn is_shown(&self, on: &ProcessRuns, candidate: &Candidate) -> Result<bool, RunError> {
        let digest = digest(candidate);
        if self.is_refused(digest) {
            return Ok(false);
        }
        let Some(run) = self.run_of(candidate) else { return Ok(false) };
        let shown = match self.repeated(on, &run, || self.is_over()) {
            Err(RunError::Spec(_)) => None,
            shown => shown?,
        };
        shown.iter().try_for_each(|judged| remove(judged))?;
        if shown.is_none() && !self.is_over() {
            self.refuse(digest);
        }
        Ok(shown.is_some())
    }

    /// Runs until the finding is shown, or lost at 95 %.
    fn repeated(
        &self,
        on: &ProcessRuns,
        run: &RunSpec,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<Box<JudgedRun>>, RunError> {
        let MeasuredRate { hits, runs } = on.rate();
        for _ in 0..misses_until_lost(hits, runs) {
            if is_over() {
                break;
            }
            match self.try_once(on, run)? {
                Tried::Shown(judged) => return Ok(Some(judged)),
                Tried::NotShown => {}
                Tried::CutOff => break,
            }
        }
        Ok(None)
    }

    /// Runs once. The folder of a run that does not show the finding is removed, unless a fault may have been
    /// left behind.
    fn try_once(&self, on: &ProcessRuns, run: &RunSpec) -> Result<Tried, RunError> {
        let mut observer = NoObserver;
        let run = RunSpec { keeps_table: false, ..run.clone() };
        let led = run_processes(&run, self.spec.seed, &on.runs, &mut observer);
        let outcome = on.runtime.block_on(led)?;
        self.count();
        if !outcome.uncured.is_empty() {
            (self.spec.warn)(&outcome);
            self.state().cut_short = Some(CutShort::Uncured);
            return Ok(Tried::CutOff);
        }
        if outcome.interrupted {
            let signal = self.signal.get().copied().unwrap_or(StopSignal::Interrupt);
            self.state().cut_short.get_or_insert(CutShort::Signal(signal));
            remove(&outcome.judged)?;
            return Ok(Tried::CutOff);
        }
        if self.spec.class.is_in(&outcome.judged.verdict) {
            return Ok(Tried::Shown(Box::new(outcome.judged)));
        }
        remove(&outcome.judged)?;
        Ok(Tried::NotShown)
    }

    /// Runs what was found from its files, and keeps the run that shows the finding.
    pub(super) fn processes_from_files(
        &self,
        on: &ProcessRuns,
        run: &RunSpec,
    ) -> Result<Option<JudgedRun>, RunError> {
        // The budget is for the self.
        let is_over = || self.is_over() && self.cut_short() != Some(CutShort::Budget);
        Ok(self.repeated(on, run, is_over)?.map(|judged| *judged))
    }
}

/// Removes the folder of a run.
fn remove(judged: &JudgedRun) -> Result<(), StoreError> {
    match &judged.folder {
        Some(folder) => fs::remove_dir_all(folder).map_err(failed("remove", folder)),
        None => Ok(()),
    }
}
