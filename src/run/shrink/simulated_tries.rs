//! Tries in virtual time: many at once, and the same answer however many.

use super::{RUNS, Search, digest};
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::run_spec::RunSpec;
use crate::run::simulated_run::{Retention, run_simulated};
use dissent_core::shrink::candidate::Candidate;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The candidates that are not tried yet, and what was found of the others.
struct Queue<'q> {
    left: &'q mut (dyn Iterator<Item = Candidate> + Send),
    /// The number of the next one.
    next: usize,
    /// The first that shows the finding.
    found: Option<(usize, Candidate)>,
}

impl Search<'_> {
    /// The first candidate with the finding. Those after it are tried in vain, those before it all are tried.
    pub(super) fn first_simulated(
        &self,
        candidates: &mut (dyn Iterator<Item = Candidate> + Send),
    ) -> Option<usize> {
        let queue = Mutex::new(Queue { left: candidates, next: 0, found: None });
        thread::scope(|scope| {
            (1..self.spec.jobs).for_each(|_| drop(scope.spawn(|| self.work(&queue))));
            self.work(&queue);
        });
        let found = queue.into_inner().unwrap_or_else(PoisonError::into_inner).found;
        // What a search found that was stopped meanwhile is not the first for sure.
        let (at, candidate) = found.filter(|_| !self.is_over())?;
        self.accept(&candidate);
        Some(at)
    }

    /// Tries one candidate after another, as long as none before it shows the finding.
    fn work(&self, queue: &Mutex<Queue<'_>>) {
        let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (at, candidate) = {
                let mut queue = lock();
                if queue.found.is_some() || self.is_over() {
                    return;
                }
                let Some(candidate) = queue.left.next() else { return };
                queue.next += 1;
                (queue.next - 1, candidate)
            };
            match self.simulated(&candidate) {
                Ok(true) => {
                    let mut queue = lock();
                    if queue.found.as_ref().is_none_or(|(first, _)| at < *first) {
                        queue.found = Some((at, candidate));
                    }
                }
                Ok(false) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Whether a candidate shows the finding.
    pub(super) fn simulated(&self, candidate: &Candidate) -> Result<bool, RunError> {
        let digest = digest(candidate);
        if self.is_refused(digest) {
            return Ok(false);
        }
        let Some(run) = self.run_of(candidate) else { return Ok(false) };
        let shown = match run_simulated(&run, self.spec.seed, &self.spec.dir, Retention::None) {
            Ok(judged) => self.spec.class.is_in(&judged.verdict),
            Err(RunError::Spec(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        self.count();
        if !shown {
            self.refuse(digest);
        }
        Ok(shown)
    }

    /// Runs what was found once more.
    pub(super) fn simulated_from_files(&self, run: &RunSpec) -> Result<Option<JudgedRun>, RunError> {
        let judged = run_simulated(run, self.spec.seed, &self.spec.dir.join(RUNS), Retention::All)?;
        Ok(self.spec.class.is_in(&judged.verdict).then_some(judged))
    }
}
