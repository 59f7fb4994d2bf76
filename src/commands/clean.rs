//! `dissent clean`: drops tables that runs left behind, with their topics and schemas.

use super::outside::target_file;
use super::run::runtime;
use super::tell;
use crate::adapter::checkup::Leaving;
use crate::adapter::{Site, TargetError, reach};
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::run::one::RunError;

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
pub(super) fn clean(args: &cli::Clean) -> Exit {
    match cleaned(args) {
        Ok(()) => Exit::Pass,
        Err(CleanError::File(error)) => tell::refusal(error),
        Err(CleanError::Surroundings(error)) => tell::failure(&error, error.exit()),
        Err(CleanError::Target(error)) => tell::failure(&error, Exit::Target),
        Err(error) => tell::failure(&error, Exit::Usage),
    }
}

fn cleaned(args: &cli::Clean) -> Result<(), CleanError> {
    let file = target_file(&args.target)?;
    if !args.dry_run {
        file.admit_writes(&args.target, "drop tables")?;
    }
    runtime()?.block_on(async {
        let site = reach(&file).await?;
        if args.dry_run {
            let chosen = chosen(args, site.leavings().await?)?;
            chosen.iter().for_each(|leaving| tell::result(&format!("would drop: {}", words(leaving))));
            return Ok(());
        }
        // No run may start during this, and none may be in progress.
        let me = format!("clean@{}", jiff::Timestamp::now());
        let lock = match site.lock(&me).await {
            Ok(()) => Some(me.as_str()),
            Err(TargetError::Busy { holder, .. }) if args.force => {
                tell::spoilt(&holder);
                None
            }
            Err(error) => return Err(error.into()),
        };
        let dropped = async { drop_all(&*site, lock, chosen(args, site.leavings().await?)?).await };
        let dropped = dropped.await;
        if lock.is_some() {
            site.unlock(&me).await;
        }
        dropped
    })
}

async fn drop_all(site: &dyn Site, lock: Option<&str>, chosen: Vec<Leaving>) -> Result<(), CleanError> {
    for leaving in chosen {
        // Dropping may take long, and the lock expires.
        if let Some(me) = lock {
            site.lock(me).await?;
        }
        site.remove(&leaving).await?;
        tell::result(&format!("dropped: {}", words(&leaving)));
    }
    Ok(())
}

fn words(Leaving { table, run }: &Leaving) -> String {
    format!("{table}, its topic and schema (run {})", run.as_deref().unwrap_or("unknown"))
}

/// What to drop. Tables that no run created are listed and not dropped.
fn chosen(args: &cli::Clean, leavings: Vec<Leaving>) -> Result<Vec<Leaving>, CleanError> {
    let (ours, foreign): (Vec<Leaving>, Vec<Leaving>) =
        leavings.into_iter().partition(|leaving| leaving.run.is_some());
    for leaving in &foreign {
        let table = &leaving.table;
        tell::aside(&format!("not dropped: {table}: its configuration does not name a run that created it"));
    }
    if ours.is_empty() {
        tell::result(&format!("nothing to drop: no run left a table on {}", args.target));
        return Ok(Vec::new());
    }
    match &args.run {
        Some(run) => {
            let known: Vec<String> = ours.iter().filter_map(|leaving| leaving.run.clone()).collect();
            let of_run: Vec<Leaving> = ours.into_iter().filter(|leaving| is_of(leaving, run)).collect();
            let (run, target) = (run.clone(), args.target.clone());
            let none = CleanError::NoRun { run, target, known: known.join(", ") };
            if of_run.is_empty() { Err(none) } else { Ok(of_run) }
        }
        None if args.all || args.dry_run => Ok(ours),
        None => {
            ours.iter().for_each(|leaving| tell::result(&format!("left: {}", words(leaving))));
            Err(CleanError::Choose(ours[0].run.clone().unwrap_or_default()))
        }
    }
}

/// Whether this is the run's full name, or its folder name, which several runs may share.
fn is_of(leaving: &Leaving, wanted: &str) -> bool {
    let run = leaving.run.as_deref().unwrap_or_default();
    let folder = run.split_once('@').map_or(run, |(folder, _)| folder);
    run == wanted || folder == wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_in_full_or_by_its_folder_and_never_by_a_part() {
        let run = Some("pinot-steady-none-seed1@2026-01-01T00:00:00Z".to_owned());
        let leaving = Leaving { table: "dissent_1".to_owned(), run };
        assert!(is_of(&leaving, "pinot-steady-none-seed1"));
        assert!(is_of(&leaving, "pinot-steady-none-seed1@2026-01-01T00:00:00Z"));
        assert!(!is_of(&leaving, "pinot-steady-none-seed") && !is_of(&leaving, ""));
        assert!(!is_of(&Leaving { run: None, ..leaving }, "pinot-steady-none-seed1"));
    }
}
