//! `dissent synth`: generates run folders of any size, with a planted fault.

use super::tell;
use crate::cli;
use crate::exit::Exit;
use crate::synth::{Order, synthesize};
use dissent_core::seed::Seed;

/// Generates a run folder.
pub(super) fn synth(args: &cli::Synth) -> Exit {
    let order = Order { rows: args.rows, replicas: args.replicas, seed: Seed(args.seed), plant: args.plant };
    match synthesize(&order, &args.out) {
        Ok(()) => {
            tell::result(&args.out.display().to_string());
            Exit::Pass
        }
        Err(error) => tell::failure(&error, Exit::Usage),
    }
}
