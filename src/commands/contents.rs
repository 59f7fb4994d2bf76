//! What `audit` and `compare` share: they read the data of others, and give one verdict on it.

use super::output::{self, Verdicts};
use crate::cli::Format;
use crate::exit::Exit;
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use dissent_core::checker::verdict::document::DocumentEnd;

/// From here on only the user can read what is written: it holds data of others, or hashes of it.
pub(super) fn write_privately() {
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
}

/// Prints the verdict.
pub(super) fn print_verdict(judged: &JudgedRun, shows_values: bool, format: Format) -> Exit {
    let mut verdicts = Verdicts::new(format);
    verdicts.judged(judged);
    if !shows_values && !judged.verdict.findings.is_empty() {
        output::progress("keys and values are hashed: --show-values shows them");
    }
    verdicts.end(&DocumentEnd { exit_code: judged.exit as u8, ..DocumentEnd::default() });
    judged.exit
}

/// Prints why there is no verdict, and the line to grep for.
pub(super) fn print_error(error: &RunError) -> Exit {
    let exit = output::failure(error, error.exit());
    if let Some(reason) = error.reason() {
        output::last_line(&format!("INCONCLUSIVE {reason}"));
    }
    exit
}
