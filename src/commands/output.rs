//! The only place that writes to standard output and standard error.
//!
//! A reader that went away (`dissent run .. | head`) is no reason to stop: what is written to a closed pipe
//! is dropped, faults are cured, and the verdict lies in the run's folder. A reader that is there and gets
//! nothing (a full disk) must not take silence for success: that has an exit code.

use crate::cli::{Cli, Format};
use crate::config::error::nearest;
use crate::exit::Exit;
use crate::report::{json, self_test, terminal};
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::process_run::RunOutcome;
use crate::target_error::Holder;
use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue};
use dissent_core::seed::Seed;
use dissent_store::cure::Cure;
use serde_json::json;
use std::io::{IsTerminal as _, Write as _};
use std::sync::OnceLock;

/// How results are told. Said once, at the start; until then in words.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Results, and errors too, are told in this format from now on.
pub(super) fn set_format(format: Format) {
    FORMAT.get_or_init(|| format);
}

/// Why something could not be told, first of all.
static UNTOLD: OnceLock<String> = OnceLock::new();

/// A line of the result.
pub(super) fn result(text: &str) {
    note(writeln!(std::io::stdout(), "{text}"));
}

/// Notes what could not be written to standard output. What nobody reads any more needs not be told.
fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        UNTOLD.get_or_init(|| error.to_string());
    }
}

/// The one line to grep for: among the results for people, beside them for programs; and where it can still
/// be read, if results cannot be written.
pub(super) fn last_line(line: &str) {
    let for_people = FORMAT.get() != Some(&Format::Json);
    if for_people {
        result(line);
    }
    if !for_people || UNTOLD.get().is_some() {
        status(line);
    }
}

/// The exit code when all is told: a result that could not be written is not known to whoever asked for it.
pub(super) fn concluded(exit: Exit) -> Exit {
    note(std::io::stdout().flush());
    match UNTOLD.get() {
        Some(error) => {
            status(&format!("error: cannot write to standard output: {error}"));
            exit.worst(Exit::Inconclusive)
        }
        None => exit,
    }
}

/// A line about how it goes.
pub(super) fn status(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// What went wrong, and the exit code for it.
pub(super) fn failure(error: &dyn std::fmt::Display, exit: Exit) -> Exit {
    status(&format!("error: {error}"));
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
    match error.source_code() {
        Some(_) => status(&format!("{:?}", miette::Report::new(error))),
        // Without a text to point at it is a line, whatever its width: names in it are there to be copied.
        None => {
            status(&format!("error: {error}"));
            error.help().iter().for_each(|help| status(&format!("  help: {help}")));
        }
    }
    document(&told, Exit::Usage)
}

/// Words that are no command, or that ask for help.
pub(super) fn usage_error(mut error: clap::Error) -> Exit {
    if let Some(command) = meant(&error) {
        let command = ContextValue::Strings(vec![command]);
        error.insert(ContextKind::SuggestedSubcommand, command);
    }
    let printed = error.print();
    if !error.use_stderr() {
        note(printed);
    }
    match error.exit_code() {
        0 => Exit::Pass,
        _ => document(error.to_string().trim_end(), Exit::Usage),
    }
}

/// The command that a typing error came from, where nothing is suggested by itself: two letters that are
/// swapped make a short word quite another one.
fn meant(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let cli = Cli::command();
    let known: Vec<&str> =
        cli.get_subcommands().filter(|it| !it.is_hide_set()).map(clap::Command::get_name).collect();
    let is_suggested = error.get(ContextKind::SuggestedSubcommand).is_some();
    nearest(written, &known).filter(|_| !is_suggested).map(str::to_owned)
}

/// Whether results may be coloured.
pub(super) fn style() -> terminal::Style {
    let is = |name: &str, plain: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| plain(&value));
    let plain = is("NO_COLOR", |value| !value.is_empty()) || is("TERM", |value| value == "dumb");
    terminal::Style { colour: !plain && std::io::stdout().is_terminal() }
}

/// Whether somebody watches.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// A verdict: in words and then in one line, or as one document.
pub(super) fn verdict(judged: &JudgedRun, format: Format) {
    let report = judged.report().map(|path| path.display().to_string());
    let last = terminal::last_line(&judged.verdict, &judged.meta, report.as_deref());
    let test = judged.self_test.as_ref().map(self_test::line);
    match format {
        Format::Human => {
            result(&terminal::summary(&judged.verdict, &judged.meta, style()));
            test.iter().for_each(|line| result(line));
        }
        Format::Json => {
            match json::verdict_json(&judged.verdict, &judged.meta, judged.exit as u8) {
                Ok(text) => result(text.trim_end()),
                Err(error) => status(&format!("error: {error}")),
            }
            test.iter().for_each(|line| status(line));
        }
    }
    last_line(&last);
}

/// A fault, in words.
pub(super) fn fault(cure: &Cure) -> String {
    let kind = cure.fault.kind.name();
    format!("{kind} on {} (step {} of run {})", cure.fault.replica, cure.step, cure.mark)
}

/// What must be said beside a verdict: our own bug, what could not be written down, faults that may be left.
pub(super) fn notices(outcome: &RunOutcome) {
    if let Some(words) = &outcome.panicked {
        status(&format!("error: a bug of dissent ended the run: {words}"));
    }
    outcome.uncollected.iter().for_each(|error| status(&format!("error: {error}")));
    if let Some(error) = &outcome.unrecorded {
        status(&format!("error: {error}; what came after it is not on record"));
    }
    uncured(&outcome.uncured, &outcome.heal);
}

/// Whose run is spoilt by what is done by force.
pub(super) fn warn_spoilt(holder: &Holder) {
    status(&format!("by force: this spoils {holder}; its verdict says nothing any more"));
}

/// A run without a verdict: why, the faults that it may have left, and what there is to grep for.
pub(super) fn lost(error: &RunError, seed: Seed) -> Exit {
    if let RunError::Lost { uncured: left, heal, .. } = error {
        uncured(left, heal);
    }
    let exit = failure(error, error.exit());
    if let Some(reason) = error.reason() {
        last_line(&format!("INCONCLUSIVE {reason} seed={}", seed.0));
    }
    exit
}

/// Faults whose cure failed, and the one command that tries again.
pub(super) fn uncured(cures: &[Cure], heal: &str) {
    for cure in cures {
        status(&format!("a fault may be left at the target: {}", fault(cure)));
    }
    if !cures.is_empty() {
        status(&format!("dissent heal {heal}"));
    }
}
