//! `dissent heal`: undoes faults that runs left behind. It uses either the marks on the target, or what a run
//! recorded before it started its faults.

use super::output;
use super::runtime::runtime;
use super::target_argument::refuse_built_in;
use crate::adapter;
use crate::cli;
use crate::config::load::is_path;
use crate::exit::Exit;
use crate::target_error::Holder;
use dissent_store::cure::{Cure, read_cures};
use dissent_store::latest_run::resolve;
use std::collections::BTreeSet;
use std::path::Path;
use tokio::task::JoinSet;

/// Undoes all faults found, in parallel, and prints each.
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
        output::result(&format!("nothing to undo: no fault is recorded at {at}"));
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

/// The faults of a target or of a run folder.
struct Found {
    at: String,
    cures: Vec<Cure>,
}

/// Finds the faults of the target or run named. An error is printed, and its exit code returned.
fn found(args: &cli::HealArgs, runtime: &tokio::runtime::Runtime) -> Result<Found, Exit> {
    let is_file = is_path(&args.what) && !Path::new(&args.what).is_dir();
    if is_file {
        let file = adapter::load_target(&args.what).map_err(output::refusal)?;
        let marks = runtime.block_on(adapter::marks(&file));
        let cures = marks.map_err(|error| output::failure(&error, Exit::Target))?;
        return Ok(Found { at: args.what.clone(), cures });
    }
    refuse_built_in(&args.what).map_err(output::refusal)?;
    let dir = resolve(&args.results, &args.what).map_err(|error| output::failure(&error, Exit::Usage))?;
    Ok(Found { at: dir.display().to_string(), cures: written_down(&dir) })
}

/// The verdict of a run in progress relies on its faults, so undoing them would spoil it.
#[derive(Debug, thiserror::Error)]
#[error(
    "these faults belong to {0}: wait until it ends; if it was killed, its lock expires in {left} s; to undo \
     them anyway, and spoil that run, add --force", left = .0.left
)]
struct InUse(Holder);

/// The runs in progress that these faults belong to. A target that does not answer is no reason to wait:
/// undoing the faults will report its error.
async fn going_on(cures: &[Cure]) -> BTreeSet<Holder> {
    let mut asking = JoinSet::new();
    for cure in cures.iter().cloned() {
        asking.spawn(async move { adapter::holder(&cure).await.ok()?.filter(|it| it.run == cure.mark) });
    }
    asking.join_all().await.into_iter().flatten().collect()
}

/// The cures of a run folder. A torn one belongs to a fault that never started.
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
