//! `dissent doctor`: what answers on a target, what is allowed there, and what prevents a run.

use super::outside::target_file;
use super::run::runtime;
use super::tell;
use crate::adapter;
use crate::cli::{self, Format};
use crate::exit::Exit;
use crate::report::doctor::{json, text};

/// Inspects the target. Nothing is locked, marked or written.
pub(super) fn doctor(args: &cli::Doctor) -> Exit {
    let file = match target_file(&args.target) {
        Ok(file) => file,
        Err(error) => return tell::refusal(error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return tell::failure(&error, error.exit()),
    };
    let checkup = runtime.block_on(adapter::checkup(&file));
    let exit = if checkup.obstacles(&args.target).is_empty() { Exit::Pass } else { Exit::Target };
    match args.format {
        Format::Human => tell::result(text(&checkup, &file, &args.target, tell::style()).trim_end()),
        Format::Json => match json(&checkup, &file, &args.target, exit as u8) {
            Ok(document) => tell::result(&document),
            Err(error) => return tell::failure(&error, Exit::Bug),
        },
    }
    exit
}
