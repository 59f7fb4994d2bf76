//! The only place that writes to standard output and standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is where the program speaks")]

use crate::cli::Format;
use crate::exit::Exit;
use crate::record::cure::Cure;
use crate::report::{json, self_test, terminal};
use crate::run::conclude::Judged;
use std::io::IsTerminal as _;

/// A line of the result.
pub(super) fn result(text: &str) {
    println!("{text}");
}

/// A line about how it goes.
pub(super) fn aside(text: &str) {
    eprintln!("{text}");
}

/// What went wrong, and the exit code for it.
pub(super) fn failure(error: &dyn std::fmt::Display, exit: Exit) -> Exit {
    eprintln!("error: {error}");
    exit
}

/// What is wrong with a flag or a file, with its place in the text.
pub(super) fn refusal(error: impl miette::Diagnostic + Send + Sync + 'static) -> Exit {
    eprintln!("{:?}", miette::Report::new(error));
    Exit::Usage
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
            println!("{}", terminal::summary(&judged.verdict, &judged.facts, style()));
            test.iter().for_each(|line| println!("{line}"));
            println!("{last}");
        }
        Format::Json => {
            match json::verdict_json(&judged.verdict, &judged.facts, judged.exit as u8) {
                Ok(text) => print!("{text}"),
                Err(error) => eprintln!("error: {error}"),
            }
            test.iter().for_each(|line| eprintln!("{line}"));
            eprintln!("{last}");
        }
    }
}

/// Faults whose cure failed, and what to do about each.
pub(super) fn uncured(cures: &[Cure]) {
    for cure in cures {
        eprintln!(
            "a fault may be left at the target: {:?} on {} (step {}); its cure is {}",
            cure.fault.kind, cure.fault.replica, cure.step, cure.undo
        );
    }
}
