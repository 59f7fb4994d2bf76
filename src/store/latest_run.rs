//! The marker of the newest run: `results/latest`, a relative symlink, or a plain file where symlinks fail.

use super::writing::{StoreError, failed};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The name of the marker, and the name for the newest run on the command line.
pub const LATEST: &str = "latest";

/// Why a run folder was not found.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The results folder has no marker.
    #[error("no run in {results} yet: start one with `dissent run`, or name a run folder or --results")]
    NoRuns {
        /// The folder of all runs.
        results: PathBuf,
    },
    /// The marker does not name a folder beside it.
    #[error("{marker} names `{run}`, which is not a folder next to it: name the run folder instead")]
    Dangling {
        /// The path of the marker.
        marker: PathBuf,
        /// The name in the marker.
        run: String,
    },
    /// The path names a file.
    #[error(
        "{run} is a file, but a run is a folder: to inspect the cluster of a target file, use `dissent raw` \
         or `dissent doctor`"
    )]
    File {
        /// The run as given.
        run: PathBuf,
    },
    /// No folder has this path or name.
    #[error("no run folder {run}, neither as a path nor in {results}: name one, or `latest`")]
    NoSuchRun {
        /// The run as given.
        run: PathBuf,
        /// The folder of all runs.
        results: PathBuf,
    },
}

/// Makes `latest` point to this run, atomically.
pub fn mark_latest(results: &Path, run: &str) -> Result<(), StoreError> {
    let marker = results.join(LATEST);
    let temporary = results.join(format!(".{LATEST}-{run}"));
    let replaced = write_marker(&temporary, run).and_then(|()| fs::rename(&temporary, &marker));
    replaced.map_err(failed("mark the newest run in", &marker))
}

fn write_marker(marker: &Path, run: &str) -> io::Result<()> {
    #[cfg(unix)]
    if std::os::unix::fs::symlink(run, marker).is_ok() {
        return Ok(());
    }
    fs::write(marker, run)
}

/// The folder of a run, given as `latest`, a path, or the name of a folder under `results`.
pub fn resolve(results: &Path, run: &str) -> Result<PathBuf, ResolveError> {
    if run == LATEST {
        return resolve_latest(results);
    }
    let places = [PathBuf::from(run), results.join(run)];
    if let Some(found) = places.iter().find(|place| place.is_dir()) {
        return Ok(found.clone());
    }
    match places[0].is_file() {
        true => Err(ResolveError::File { run: run.into() }),
        false => Err(ResolveError::NoSuchRun { run: run.into(), results: results.to_owned() }),
    }
}

fn resolve_latest(results: &Path) -> Result<PathBuf, ResolveError> {
    let marker = results.join(LATEST);
    let named = fs::read_link(&marker).or_else(|_| fs::read_to_string(&marker).map(PathBuf::from));
    let Ok(named) = named else {
        return Err(ResolveError::NoRuns { results: results.to_owned() });
    };
    let dir = results.join(&named);
    let mut parts = named.components();
    let beside = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
    if beside && dir.is_dir() {
        return Ok(dir);
    }
    Err(ResolveError::Dangling { marker, run: named.display().to_string() })
}
