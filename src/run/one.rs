//! One run from order to verdict: against processes, or in virtual time.

use super::conclude::Judged;
use super::engine::{self, Cut};
use super::live::Live;
use super::order::{Order, OrderError};
use super::simulate;
use crate::exit::Exit;
use crate::record::cure::Cure;
use crate::record::dump::write_evidence;
use crate::record::folder::{Folder, OpenError};
use crate::record::latest::{ResolveError, mark_latest};
use crate::record::store::{RunFolder, StoreError, Wall, path_name};
use crate::seed::Seed;
use crate::target::{Refusal, TargetError, specimen};
use std::path::Path;

/// Why a run came to no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The order makes no sense.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// The target cannot do what the plan asks for.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The target could not be set up.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The simulated target could not be set up.
    #[error(transparent)]
    Simulated(#[from] ::specimen::Error),
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No such run.
    #[error(transparent)]
    NoRun(#[from] ResolveError),
    /// The record could not be read back.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Our own surroundings: signals, the path of this program.
    #[error("cannot {what}: {source}")]
    Surroundings {
        /// What was tried.
        what: &'static str,
        /// What came of it.
        source: std::io::Error,
    },
}

impl RunError {
    /// The exit code for it.
    pub fn exit(&self) -> Exit {
        match self {
            RunError::Order(_)
            | RunError::Refused(_)
            | RunError::Store(_)
            | RunError::NoRun(_)
            | RunError::Open(_) => Exit::Usage,
            RunError::Target(_) | RunError::Simulated(_) => Exit::Target,
            RunError::Surroundings { .. } => Exit::Bug,
        }
    }
}

/// A run that came to a verdict, and what must be said beside it.
#[derive(Debug)]
pub struct Finished {
    /// The verdict.
    pub judged: Judged,
    /// Cures that failed.
    pub uncured: Vec<Cure>,
    /// What could not be written down.
    pub unrecorded: Option<StoreError>,
    /// Whether a signal cut it off.
    pub cut: bool,
}

/// Which simulated runs leave a folder: for the others (seed, plan, build) is the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All.
    All,
    /// Those that did not pass.
    NotPassed,
    /// None.
    None,
}

/// One run in virtual time.
pub fn simulated(order: &Order, seed: Seed, results: &Path, keep: Keep) -> Result<Judged, RunError> {
    let facts = order.facts(seed, None)?;
    let evidence = simulate::run(&facts, order.timing, &order.cluster()?)?;
    let mut judged = Judged::new(&evidence, Exit::Pass);
    if order.self_test {
        judged.prove(&evidence);
    }
    let kept = match keep {
        Keep::All => true,
        Keep::NotPassed => judged.exit != Exit::Pass,
        Keep::None => false,
    };
    if kept {
        let name = fresh_name(results, order, seed);
        let dir = results.join(&name);
        write_evidence(&dir, &evidence)?;
        judged.write(&evidence, &dir, "")?;
        mark_latest(results, &name)?;
    }
    Ok(judged)
}

/// One run against processes. What it recorded is on disk before it is judged.
pub async fn processes(
    order: &Order,
    seed: Seed,
    results: &Path,
    live: &mut dyn Live,
) -> Result<Finished, RunError> {
    let started = jiff::Timestamp::now().round(jiff::Unit::Millisecond).unwrap_or_default().to_string();
    let facts = order.facts(seed, Some(started.clone()))?;
    let name = fresh_name(results, order, seed);
    let dir = results.join(&name);
    let folder = RunFolder::create(&dir, facts.clone(), Some(Wall { started }))?;
    mark_latest(results, &name)?;
    let program = std::env::current_exe()
        .map_err(|source| RunError::Surroundings { what: "find the path of this program", source })?;
    let (target, cluster) =
        specimen::open(&order.cluster()?, &facts.schema, &program, &dir.join("cluster"), &name).await?;
    if let Some(hands) = &target.hands {
        facts.steps.iter().try_for_each(|step| hands.can(step.kind))?;
    }
    let ended = engine::run(target, facts, order.timing, folder, live)
        .await
        .map_err(|source| RunError::Surroundings { what: "listen for signals", source });
    cluster.end().await;
    let ended = ended?;
    let evidence = Folder::open(&dir)?;
    let mut judged = Judged::new(&evidence, exit_over(ended.signal, &ended.uncured));
    if order.self_test {
        judged.prove(&evidence);
    }
    if ended.unrecorded.is_none() {
        judged.write(&evidence, &dir, "")?;
    }
    let (uncured, unrecorded, cut) = (ended.uncured, ended.unrecorded, ended.signal.is_some());
    Ok(Finished { judged, uncured, unrecorded, cut })
}

/// What goes above the verdict's own exit code.
fn exit_over(signal: Option<Cut>, uncured: &[Cure]) -> Exit {
    if !uncured.is_empty() {
        return Exit::Uncured;
    }
    match signal {
        None => Exit::Pass,
        Some(Cut::Hangup) => Exit::Hangup,
        Some(Cut::Interrupt) => Exit::Interrupt,
        Some(Cut::Terminate) => Exit::Terminate,
    }
}

/// The name of a folder that does not exist yet: what was run, the seed, and a number if that was run before.
fn fresh_name(results: &Path, order: &Order, seed: Seed) -> String {
    let words = [order.target(), &order.workload.name, &order.nemesis.name];
    let settings = order.settings.values().map(String::as_str);
    let words: Vec<String> = words.into_iter().chain(settings).map(path_name).collect();
    let name = format!("{}-seed{}", words.join("-"), seed.0);
    let mut numbered = (2..).map(|n: u32| format!("{name}-{n}"));
    if results.join(&name).exists() {
        numbered.find(|numbered| !results.join(numbered).exists()).unwrap_or(name)
    } else {
        name
    }
}
