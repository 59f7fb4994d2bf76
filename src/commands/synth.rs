//! `dissent synth`: generates run folders of any size, with a planted fault.

use super::output;
use crate::cli;
use crate::exit::Exit;
use crate::synth::{SynthSpec, synthesize};
use dissent_core::seed::Seed;

/// Generates a run folder.
pub(super) fn synth(args: &cli::SynthArgs) -> Exit {
    let spec =
        SynthSpec { rows: args.rows, replicas: args.replicas, seed: Seed(args.seed), plant: args.plant };
    match synthesize(&spec, &args.out) {
        Ok(()) => {
            output::result(&args.out.display().to_string());
            Exit::Pass
        }
        Err(error) => output::failure(&error, Exit::Usage),
    }
}
