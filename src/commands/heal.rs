//! `dissent heal`: faults that runs have left are cured, going by the marks at the target or by what a run
//! wrote down before it began them. Neither needs the other.

use super::external::refuse_built_in;
use super::output;
use super::run::runtime;
use crate::adapter;
use crate::cli;
use crate::config::load::{is_path, load};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::target_error::Holder;
use dissent_store::cure::{Cure, read_cures};
use dissent_store::latest_run::resolve;
use std::collections::BTreeSet;
use std::path::Path;
use tokio::task::JoinSet;

/// Cures what is found, side by side, and tells of each.
pub(super) fn heal(args: &cli::HealArgs) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    let found = match found(args, &runtime) {
        Ok(found) => found,
        Err(refused) => return refused,
    };
    let Found { at, cures } = found;
    if cures.is_empty() {
        output::result(&format!("nothing to cure: no fault is on record at {at}"));
    }
    for holder in runtime.block_on(going_on(&cures)) {
        if !args.force {
            return output::failure(&InUse(holder), Exit::Target);
        }
        output::warn_spoilt(&holder);
    }
    let left = runtime.block_on(cure_all(cures));
    output::uncured(&left, &args.what);
    if left.is_empty() { Exit::Pass } else { Exit::Uncured }
}

/// The faults of a target, or of a run's folder.
struct Found {
    at: String,
    cures: Vec<Cure>,
}

/// Looks for faults at what was named; nothing to look at is told, with its exit code.
fn found(args: &cli::HealArgs, runtime: &tokio::runtime::Runtime) -> Result<Found, Exit> {
    let is_file = is_path(&args.what) && !Path::new(&args.what).is_dir();
    if is_file {
        let file: TargetFile = load(&args.what).map_err(output::refusal)?;
        let marks = runtime.block_on(adapter::marks(&file));
        let cures = marks.map_err(|error| output::failure(&error, Exit::Target))?;
        return Ok(Found { at: args.what.clone(), cures });
    }
    refuse_built_in(&args.what).map_err(output::refusal)?;
    let dir = resolve(&args.results, &args.what).map_err(|error| output::failure(&error, Exit::Usage))?;
    Ok(Found { at: dir.display().to_string(), cures: written_down(&dir) })
}

/// Whoever heals beside a run takes from it the faults that its verdict counts on.
#[derive(Debug, thiserror::Error)]
#[error(
    "these faults are in force for {0}: wait until that run has ended; if it was killed, its lock ends by \
     itself in {left} s; to heal all the same, and spoil that run, add --force", left = .0.left
)]
struct InUse(Holder);

/// The runs that are going on and that these faults belong to. A target that does not answer is no reason to
/// wait: what is wrong with it is told by healing.
async fn going_on(cures: &[Cure]) -> BTreeSet<Holder> {
    let mut asking = JoinSet::new();
    for cure in cures.iter().cloned() {
        asking.spawn(async move { adapter::holder(&cure).await.ok()?.filter(|it| it.run == cure.mark) });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

/// The cures of a run's folder. One that was torn belongs to a fault that never began.
fn written_down(dir: &Path) -> Vec<Cure> {
    let (cures, damage) = read_cures(dir);
    for damage in damage {
        output::status(&format!("{}/{}: {}", dir.display(), damage.file, damage.detail));
    }
    cures
}

/// Returns those that failed.
async fn cure_all(cures: Vec<Cure>) -> Vec<Cure> {
    let mut healing = Vec::new();
    for cure in cures {
        healing.push(tokio::spawn(async move { (adapter::heal(&cure).await, cure) }));
    }
    let mut left = Vec::new();
    for healed in healing {
        match healed.await {
            Ok((Ok(()), cure)) => output::result(&format!("cured: {}", output::fault(&cure))),
            Ok((Err(error), cure)) => {
                output::result(&format!("left: {}: {error}", output::fault(&cure)));
                left.push(cure);
            }
            Err(panicked) => output::status(&format!("error: {panicked}")),
        }
    }
    left
}
