//! The hooks of a target file around runs. The cluster is started once, waited for, and stopped however the
//! runs end. After each run its logs are collected.

use super::error::RunError;
use super::run_spec::RunSpec;
use super::signals::interruptible;
use super::target::ExternalTarget;
use crate::config::limits::Hooks;
use crate::faults::hook::{Hook, HookError};
use std::path::Path;
use std::time::Duration;

/// The timeout for starting a cluster: images are downloaded and machines are started.
const UP: Duration = Duration::from_secs(15 * 60);

/// The timeout for stopping a cluster, and for collecting its logs.
const DOWN: Duration = Duration::from_secs(5 * 60);

/// The folder of collected files within a run folder.
pub const COLLECTED: &str = "collected";

/// Starts the cluster, does the work, and stops the cluster. The second value says why the cluster may still
/// be running.
pub async fn with_hooks<T>(
    spec: &RunSpec,
    work: impl Future<Output = T>,
) -> (Result<T, RunError>, Option<HookError>) {
    let none = Hooks::default();
    let hooks = spec.target.external().map_or(&none, |ExternalTarget { file, .. }| &file.hooks);
    // Once a process has listened for a signal, that signal no longer ends it by default. So do not listen
    // without need.
    let up = match hooks.up.is_some() || hooks.wait_ready.is_some() {
        true => interruptible(bring_up(hooks)).await,
        false => Ok(()),
    };
    let done = match up {
        Ok(()) => Ok(work.await),
        Err(error) => Err(error),
    };
    // A cluster that was started only in part is stopped too.
    (done, run("down", hooks.down.as_deref(), DOWN).await.err())
}

async fn bring_up(hooks: &Hooks) -> Result<(), HookError> {
    run("up", hooks.up.as_deref(), UP).await?;
    match &hooks.wait_ready {
        Some(command) => {
            let patience = Duration::from_nanos(hooks.ready_within.0);
            Hook { name: "wait-ready", command, timeout: patience }.until_it_works().await
        }
        None => Ok(()),
    }
}

async fn run(name: &'static str, command: Option<&str>, patience: Duration) -> Result<(), HookError> {
    match command {
        Some(command) => Hook { name, command, timeout: patience }.run(&[]).await,
        None => Ok(()),
    }
}

/// Copies the logs and configuration of the cluster into a run folder.
pub(super) async fn collect(hooks: &Hooks, dir: &Path) -> Result<(), HookError> {
    let Some(command) = &hooks.collect else { return Ok(()) };
    let failed =
        |error: std::io::Error| HookError { name: "collect", problem: format!("has no folder: {error}") };
    let dir = std::path::absolute(dir).map_err(failed)?;
    let into = dir.join(COLLECTED);
    std::fs::create_dir_all(&into).map_err(failed)?;
    let hook = Hook { name: "collect", command, timeout: DOWN };
    hook.run(&[("DISSENT_RUN", &dir), ("DISSENT_COLLECT", &into)]).await
}
