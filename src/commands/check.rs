//! `dissent check`: recorded runs are judged again.

use super::tell;
use crate::cli;
use crate::exit::Exit;
use crate::record::folder::Folder;
use crate::record::latest::resolve;
use crate::run::conclude::Judged;
use crate::run::one::RunError;

/// A new verdict lies beside the old one under this suffix.
const SUFFIX: &str = "checked";

/// Judges each run again.
pub(super) fn check(args: &cli::Check) -> Exit {
    let mut worst = Exit::Pass;
    for run in &args.runs {
        let exit = match check_one(args, run) {
            Ok(judged) => {
                tell::verdict(&judged, args.output.format);
                judged.exit
            }
            Err(error) => tell::failure(&error, error.exit()),
        };
        worst = worst.worst(exit);
    }
    worst
}

fn check_one(args: &cli::Check, run: &str) -> Result<Judged, RunError> {
    let dir = resolve(&args.output.results, run)?;
    let evidence = Folder::open(&dir)?;
    let mut judged = Judged::new(&evidence, Exit::Pass);
    judged.write(&evidence, &dir, SUFFIX)?;
    Ok(judged)
}
