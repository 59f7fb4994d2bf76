//! The hidden subcommand that runs a watchdog.

use super::output;
use crate::adapter;
use crate::cli;
use crate::exit::Exit;
use crate::faults::watchdog::{WatchdogExit, watch};
use dissent_store::cure::Cure;
use std::time::Duration;

/// Holds one fault until it is told to undo it, its standard input closes, or the lease expires.
pub(super) fn watchdog(args: &cli::WatchdogArgs) -> Exit {
    let cure: Cure = match serde_json::from_str(&args.mark) {
        Ok(cure) => cure,
        Err(error) => return output::failure(&error, Exit::Usage),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, Exit::Bug),
    };
    let lease = Duration::from_millis(args.lease_ms);
    let kept = runtime.block_on(watch(
        lease,
        || adapter::begin(&cure),
        || adapter::ended_early_within(&cure),
        || adapter::heal(&cure),
    ));
    // After the lease, do not wait for standard input to close.
    runtime.shutdown_background();
    match kept {
        WatchdogExit::Cured => Exit::Pass,
        WatchdogExit::Left => Exit::Uncured,
    }
}
