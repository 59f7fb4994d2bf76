//! One run in virtual time, from specification to verdict.

use super::error::RunError;
use super::folder_name::{in_fresh_folder, name_of};
use super::judging::JudgedRun;
use super::observer::Observer;
use super::run_spec::RunSpec;
use crate::exit::Exit;
use dissent_core::history::run_record::RunRecord as _;
use dissent_core::seed::Seed;
use dissent_store::dump::write_record;
use dissent_store::latest_run::mark_latest;
use std::path::Path;

/// Which simulated runs leave a folder. The others can be repeated from (seed, plan, build).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Every run.
    All,
    /// Runs that did not pass.
    NotPassed,
    /// No run.
    None,
}

/// Runs once in virtual time and judges the record. The folder, if kept, is created under `results`.
pub fn run_simulated(
    spec: &RunSpec,
    seed: Seed,
    results: &Path,
    keep: Retention,
) -> Result<JudgedRun, RunError> {
    watch_simulated(spec, seed, results, keep, None)
}

/// The same, and shows its events to an observer, if there is one, at once when the virtual time is over.
pub fn watch_simulated(
    spec: &RunSpec,
    seed: Seed,
    results: &Path,
    keep: Retention,
    watcher: Option<&mut dyn Observer>,
) -> Result<JudgedRun, RunError> {
    spec.check()?;
    let meta = spec.meta(seed, None)?;
    let record = dissent_simulator::run(&meta, spec.timing, &spec.simulation()?)?;
    if let Some(watcher) = watcher {
        record.events().for_each(|timed| watcher.event(timed.t, &timed.event));
    }
    let mut judged = JudgedRun::new(&record, Exit::Pass);
    judged.name = name_of(spec, seed);
    if spec.self_test {
        judged.self_test_with(&record);
    }
    spec.known.iter().for_each(|list| judged.acknowledge(list));
    let kept = match keep {
        Retention::All => true,
        Retention::NotPassed => judged.exit != Exit::Pass,
        Retention::None => false,
    };
    if kept {
        let wanted = judged.name.clone();
        let (name, ()) = in_fresh_folder(results, &wanted, |dir| write_record(dir, &record))?;
        judged.write(&record, &results.join(&name), "")?;
        mark_latest(results, &name)?;
    }
    Ok(judged)
}
