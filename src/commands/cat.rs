//! `dissent cat`: the lines of stored files, whichever way they are stored.

use super::output;
use crate::cli;
use crate::exit::Exit;
use dissent_store::cat::{CatError, print};

/// Prints the files one after another, and ends at the first that cannot be printed.
pub(super) fn cat(args: &cli::CatArgs) -> Exit {
    match output::stream(|to| args.files.iter().try_for_each(|file| print(file, to))) {
        Ok(()) => Exit::Pass,
        Err(CatError::Output(error)) => {
            output::note(Err(error));
            Exit::Pass
        }
        Err(error @ (CatError::NoRun { .. } | CatError::Run(_))) => output::failure(&error, Exit::Usage),
        Err(error @ CatError::File { .. }) => output::failure(&error, Exit::Inconclusive),
    }
}
