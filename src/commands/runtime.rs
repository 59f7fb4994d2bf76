//! What every command that runs something needs.

use super::output;
use crate::faults::hook::HookError;
use crate::run::error::RunError;
use std::hash::{BuildHasher as _, RandomState};

/// Draws a seed that is short enough to be read out over the phone.
pub(super) fn draw_seed() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000_000
}

/// The runtime for sockets and processes.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Surroundings { what: "start the runtime", source })
}

/// One thread per core, for virtual time.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
}

/// The result of the work between hooks. A failed `down` hook is reported at once.
pub(super) fn report_teardown<T>(
    (done, down): (Result<T, RunError>, Option<HookError>),
) -> Result<T, RunError> {
    down.iter().for_each(|error| output::status(&format!("error: {error}; the cluster may still be up")));
    done
}
