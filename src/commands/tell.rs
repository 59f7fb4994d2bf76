//! The only place that writes to standard output and standard error.
//!
//! A reader that went away (`dissent run .. | head`) is no reason to stop: what is written to a closed pipe
//! is dropped, faults are cured, and the verdict lies in the run's folder.

use crate::cli::Format;
use crate::exit::Exit;
use crate::record::cure::Cure;
use crate::report::{json, self_test, terminal};
use crate::run::conclude::Judged;
use crate::run::one::{Finished, RunError};
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::sync::OnceLock;

/// How results are told. Said once, at the start; until then in words.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Results, and errors too, are told in this format from now on.
pub(super) fn speak(format: Format) {
    FORMAT.get_or_init(|| format);
}

/// A line of the result.
pub(super) fn result(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// A line about how it goes.
pub(super) fn aside(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// What went wrong, and the exit code for it.
pub(super) fn failure(error: &dyn std::fmt::Display, exit: Exit) -> Exit {
    aside(&format!("error: {error}"));
    document(&error.to_string(), exit)
}

/// Where a program reads, it reads one document in any case: an error in the place of a verdict.
fn document(error: &str, exit: Exit) -> Exit {
    if FORMAT.get() == Some(&Format::Json) {
        result(&json!({"error": error, "exit_code": exit as u8}).to_string());
    }
    exit
}

/// What is wrong with a flag or a file, with its place in the text.
pub(super) fn refusal(error: impl miette::Diagnostic + Send + Sync + 'static) -> Exit {
    let told = error.to_string();
    aside(&format!("{:?}", miette::Report::new(error)));
    document(&told, Exit::Usage)
}

/// Words that are no command, or that ask for help.
pub(super) fn misspelt(error: &clap::Error) -> Exit {
    // What cannot be told to a closed pipe needs not be told.
    drop(error.print());
    match error.exit_code() {
        0 => Exit::Pass,
        _ => document(error.to_string().trim_end(), Exit::Usage),
    }
}

/// Whether results may be coloured.
pub(super) fn style() -> terminal::Style {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    terminal::Style { colour: !plain && std::io::stdout().is_terminal() }
}

/// Whether somebody watches.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A verdict: in words and then in one line, or as one document.
pub(super) fn verdict(judged: &Judged, format: Format) {
    let report = judged.report().map(|path| path.display().to_string());
    let last = terminal::last_line(&judged.verdict, &judged.facts, report.as_deref());
    let test = judged.self_test.as_ref().map(self_test::line);
    match format {
        Format::Human => {
            result(&terminal::summary(&judged.verdict, &judged.facts, style()));
            test.iter().for_each(|line| result(line));
            result(&last);
        }
        Format::Json => {
            match json::verdict_json(&judged.verdict, &judged.facts, judged.exit as u8) {
                Ok(text) => result(text.trim_end()),
                Err(error) => aside(&format!("error: {error}")),
            }
            test.iter().for_each(|line| aside(line));
            aside(&last);
        }
    }
}

/// A fault, in words.
pub(super) fn fault(cure: &Cure) -> String {
    let kind = cure.fault.kind.name();
    format!("{kind} on {} (step {} of run {})", cure.fault.replica, cure.step, cure.mark)
}

/// What must be said beside a verdict: our own bug, what could not be written down, faults that may be left.
pub(super) fn beside(finished: &Finished) {
    if let Some(words) = &finished.panicked {
        aside(&format!("error: a bug of dissent ended the run: {words}"));
    }
    finished.uncollected.iter().for_each(|error| aside(&format!("error: {error}")));
    if let Some(error) = &finished.unrecorded {
        aside(&format!("error: {error}; what came after it is not on record"));
    }
    uncured(&finished.uncured, &finished.heal);
}

/// A run without a verdict: why, and the faults that it may have left.
pub(super) fn lost(error: &RunError) -> Exit {
    if let RunError::Lost { uncured: left, heal, .. } = error {
        uncured(left, heal);
    }
    failure(error, error.exit())
}

/// Faults whose cure failed, and the one command that tries again.
pub(super) fn uncured(cures: &[Cure], heal: &str) {
    for cure in cures {
        aside(&format!("a fault may be left at the target: {}", fault(cure)));
    }
    if !cures.is_empty() {
        aside(&format!("dissent heal {heal}"));
    }
}
