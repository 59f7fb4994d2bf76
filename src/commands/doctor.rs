//! `dissent doctor`: what answers on a target, what is allowed there, and what prevents a run.

use super::output;
use super::run::runtime;
use super::target_argument::target_file;
use crate::adapter;
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::report::doctor::{json, text};

/// Inspects the target. Nothing is locked, marked or written.
pub(super) fn doctor(args: &cli::DoctorArgs) -> Exit {
    let file = match target_file(&args.target) {
        Ok(file) => file,
        Err(error) => return output::refusal(error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(&error, error.exit()),
    };
    let diagnosis = runtime.block_on(adapter::diagnose(&file));
    let exit = if diagnosis.obstacles(&args.target).is_empty() { Exit::Pass } else { Exit::Target };
    match args.format {
        Format::Human => output::result(text(&diagnosis, &file, &args.target, output::style()).trim_end()),
        Format::Json => match json(&diagnosis, &file, &args.target, exit as u8) {
            Ok(document) => output::result(&document),
            Err(error) => return output::failure(&error, Exit::Bug),
        },
    }
    exit
}
