//! The hidden subcommand behind which the embedded cluster's processes run.

use super::run::runtime;
use super::tell;
use crate::cli::{self, Role};
use crate::exit::Exit;

/// Runs one process of the cluster until its standard input closes.
pub(super) fn specimen(args: &cli::Specimen) -> Exit {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell::failure(&error, error.exit()),
    };
    let ended = match &args.role {
        Role::Controller { config } => specimen::Config::load(config)
            .and_then(|config| runtime.block_on(specimen::serve::controller(config))),
        Role::Server { config, name, controller, dir } => specimen::Config::load(config)
            .and_then(|config| runtime.block_on(specimen::serve::server(name, controller, config, dir))),
    };
    match ended {
        Ok(()) => Exit::Pass,
        Err(error) => tell::failure(&error, Exit::Target),
    }
}
