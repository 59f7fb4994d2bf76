//! `dissent heal`: faults that runs have left are cured, going by the marks at the target or by what a run
//! wrote down before it began them. Neither needs the other.

use super::run::runtime;
use super::tell;
use crate::cli;
use crate::config::catalogue::{is_path, load};
use crate::config::target::TargetFile;
use crate::exit::Exit;
use crate::record::cure::{Cure, read_cures};
use crate::record::latest::resolve;
use crate::target;
use std::path::Path;

/// Cures what is found, side by side, and tells of each.
pub(super) fn heal(args: &cli::Heal) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell::failure(&error, error.exit()),
    };
    let is_file = is_path(&args.what) && !Path::new(&args.what).is_dir();
    let cures = if is_file {
        let file: TargetFile = match load(&args.what) {
            Ok(file) => file,
            Err(error) => return tell::refusal(error),
        };
        match runtime.block_on(target::marks(&file)) {
            Ok(cures) => cures,
            Err(error) => return tell::failure(&error, Exit::Target),
        }
    } else {
        match resolve(&args.results, &args.what) {
            Ok(dir) => written_down(&dir),
            Err(error) => return tell::failure(&error, Exit::Usage),
        }
    };
    if cures.is_empty() {
        tell::result(&format!("nothing to cure: no fault is on record at {}", args.what));
    }
    let left = runtime.block_on(cure_all(cures));
    tell::uncured(&left, &args.what);
    if left.is_empty() { Exit::Pass } else { Exit::Uncured }
}

/// The cures of a run's folder. One that was torn belongs to a fault that never began.
fn written_down(dir: &Path) -> Vec<Cure> {
    let (cures, damage) = read_cures(dir);
    for damage in damage {
        tell::aside(&format!("{}/{}: {}", dir.display(), damage.file, damage.detail));
    }
    cures
}

/// Returns those that failed.
async fn cure_all(cures: Vec<Cure>) -> Vec<Cure> {
    let mut healing = Vec::new();
    for cure in cures {
        healing.push(tokio::spawn(async move { (target::heal(&cure).await, cure) }));
    }
    let mut left = Vec::new();
    for healed in healing {
        match healed.await {
            Ok((Ok(()), cure)) => tell::result(&format!("cured: {}", tell::fault(&cure))),
            Ok((Err(error), cure)) => {
                tell::result(&format!("left: {}: {error}", tell::fault(&cure)));
                left.push(cure);
            }
            Err(panicked) => tell::aside(&format!("error: {panicked}")),
        }
    }
    left
}
