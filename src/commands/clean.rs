//! `dissent clean`: drops tables that runs left behind, with their topics and schemas.

use super::output;
use super::runtime::runtime;
use super::target_argument::target_file;
use crate::adapter::capabilities::Leftover;
use crate::adapter::{Cluster, reach};
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::run::error::RunError;
use crate::target_error::TargetError;

/// Why `clean` stopped.
#[derive(Debug, thiserror::Error)]
enum CleanError {
    /// The target file is invalid, or does not allow it.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// The runtime failed.
    #[error(transparent)]
    Surroundings(#[from] RunError),
    /// The target failed.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// No such run left a table.
    #[error("run {run} left no table on {target}; these runs did: {known}")]
    NoRun {
        /// The run as given.
        run: String,
        /// The target file.
        target: String,
        /// The runs that left tables.
        known: String,
    },
    /// Neither a run nor all runs were chosen.
    #[error("choose what to drop: `--run {0}`, or `--all`")]
    Choose(String),
}

/// Drops what was chosen, and prints each table.
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
        // No run may start during this, and none may be in progress.
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
        // Dropping may take long, and the lock expires.
        if let Some(me) = lock {
            cluster.lock(me).await?;
        }
        cluster.remove(&leftover).await?;
        output::result(&format!("dropped: {}", words(&leftover)));
    }
    Ok(())
}

fn words(Leftover { table, run }: &Leftover) -> String {
    format!("{table} and what belongs to it (run {})", run.as_deref().unwrap_or("unknown"))
}

/// What to drop. Tables that no run created are listed and not dropped.
fn chosen(args: &cli::CleanArgs, leftovers: Vec<Leftover>) -> Result<Vec<Leftover>, CleanError> {
    let (ours, foreign): (Vec<Leftover>, Vec<Leftover>) =
        leftovers.into_iter().partition(|leftover| leftover.run.is_some());
    for leftover in &foreign {
        let table = &leftover.table;
        output::status(&format!(
            "not dropped: {table}: its configuration does not name a run that created it"
        ));
    }
    if ours.is_empty() {
        output::result(&format!("nothing to drop: no run left a table on {}", args.target));
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

/// Whether this is the run's full name, or its folder name, which several runs may share.
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
