//! `dissent clean`: the tables that runs have left at a target are dropped, with their topics and schemas.

use super::external::target_file;
use super::output;
use super::run::runtime;
use crate::adapter::api::Leftover;
use crate::adapter::{Cluster, reach};
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::run::error::RunError;
use crate::target_error::TargetError;

/// Why nothing more was dropped.
#[derive(Debug, thiserror::Error)]
enum CleanError {
    /// The target file cannot be used, or does not allow it.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The runtime.
    #[error(transparent)]
    Surroundings(#[from] RunError),
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No such run has left anything.
    #[error("run {run} has left no table at {target}: there are those of {known}")]
    NoRun {
        /// As asked for.
        run: String,
        /// The target file.
        target: String,
        /// Runs that have.
        known: String,
    },
    /// Nothing was chosen.
    #[error("choose what to drop: `--run {0}`, or `--all`")]
    Choose(String),
}

/// Drops what was chosen, and tells of each.
pub(super) fn clean(args: &cli::CleanArgs) -> Exit {
    match cleaned(args) {
        Ok(()) => Exit::Pass,
        Err(CleanError::File(error)) => output::refusal(error),
        Err(CleanError::Surroundings(error)) => output::failure(&error, error.exit()),
        Err(CleanError::Target(error)) => output::failure(&error, Exit::Target),
        Err(error) => output::failure(&error, Exit::Usage),
    }
}

fn cleaned(args: &cli::CleanArgs) -> Result<(), CleanError> {
    let file = target_file(&args.target)?;
    if !args.dry_run {
        file.admit_writes(&args.target, "drop tables")?;
    }
    runtime()?.block_on(async {
        let cluster = reach(&file).await?;
        if args.dry_run {
            let chosen = chosen(args, cluster.leftovers().await?)?;
            chosen.iter().for_each(|leftover| output::result(&format!("would drop: {}", words(leftover))));
            return Ok(());
        }
        // No run may begin meanwhile, and none may be going on.
        let me = format!("clean@{}", jiff::Timestamp::now());
        let lock = match cluster.lock(&me).await {
            Ok(()) => Some(me.as_str()),
            Err(TargetError::InUse { holder, .. }) if args.force => {
                output::warn_spoilt(&holder);
                None
            }
            Err(error) => return Err(error.into()),
        };
        let dropped = async { drop_all(&*cluster, lock, chosen(args, cluster.leftovers().await?)?).await };
        let dropped = dropped.await;
        if lock.is_some() {
            cluster.unlock(&me).await;
        }
        dropped
    })
}

async fn drop_all(
    cluster: &dyn Cluster,
    lock: Option<&str>,
    chosen: Vec<Leftover>,
) -> Result<(), CleanError> {
    for leftover in chosen {
        // Dropping takes its time, and the lock ends by itself.
        if let Some(me) = lock {
            cluster.lock(me).await?;
        }
        cluster.remove(&leftover).await?;
        output::result(&format!("dropped: {}", words(&leftover)));
    }
    Ok(())
}

fn words(Leftover { table, run }: &Leftover) -> String {
    format!("{table}, its topic and schema (run {})", run.as_deref().unwrap_or("unknown"))
}

/// What is to be dropped. Tables that no run made are told by name and left alone.
fn chosen(args: &cli::CleanArgs, leftovers: Vec<Leftover>) -> Result<Vec<Leftover>, CleanError> {
    let (ours, foreign): (Vec<Leftover>, Vec<Leftover>) =
        leftovers.into_iter().partition(|leftover| leftover.run.is_some());
    for leftover in &foreign {
        let table = &leftover.table;
        output::status(&format!("left alone: {table}: its configuration does not tell that a run made it"));
    }
    if ours.is_empty() {
        output::result(&format!("nothing to drop: no run has left a table at {}", args.target));
        return Ok(Vec::new());
    }
    match &args.run {
        Some(run) => {
            let known: Vec<String> = ours.iter().filter_map(|leftover| leftover.run.clone()).collect();
            let of_run: Vec<Leftover> = ours.into_iter().filter(|leftover| is_of(leftover, run)).collect();
            let (run, target) = (run.clone(), args.target.clone());
            let none = CleanError::NoRun { run, target, known: known.join(", ") };
            if of_run.is_empty() { Err(none) } else { Ok(of_run) }
        }
        None if args.all || args.dry_run => Ok(ours),
        None => {
            ours.iter().for_each(|leftover| output::result(&format!("left: {}", words(leftover))));
            Err(CleanError::Choose(ours[0].run.clone().unwrap_or_default()))
        }
    }
}

/// A run is named in full, or by its folder's name: then by all runs of that name.
fn is_of(leftover: &Leftover, wanted: &str) -> bool {
    let run = leftover.run.as_deref().unwrap_or_default();
    let folder = run.split_once('@').map_or(run, |(folder, _)| folder);
    run == wanted || folder == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_in_full_or_by_its_folder_and_never_by_a_part() {
        let run = Some("pinot-steady-none-seed1@2026-01-01T00:00:00Z".to_owned());
        let leftover = Leftover { table: "dissent_1".to_owned(), run };
        assert!(is_of(&leftover, "pinot-steady-none-seed1"));
        assert!(is_of(&leftover, "pinot-steady-none-seed1@2026-01-01T00:00:00Z"));
        assert!(!is_of(&leftover, "pinot-steady-none-seed") && !is_of(&leftover, ""));
        assert!(!is_of(&Leftover { run: None, ..leftover }, "pinot-steady-none-seed1"));
    }
}
