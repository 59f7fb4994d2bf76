//! `dissent synth`: run folders of any size, with a fault planted on purpose.

use super::output;
use crate::cli;
use crate::exit::Exit;
use crate::synth::{SynthSpec, synthesize};
use dissent_core::seed::Seed;

/// Makes up a run.
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
