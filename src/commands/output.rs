//! The only place that writes to standard output and standard error.
//!
//! A closed pipe (`dissent run .. | head`) does not stop a run: the output is dropped, faults are undone, and
//! the verdict is in the run folder. If output fails for another reason (a full disk), the exit code says so:
//! a reader must not mistake missing output for success.

use crate::adapter::exec::messages::PROTOCOL_SCHEMA;
use crate::cli::{Cli, Detail, Format, SchemaOf};
use crate::config::error::ConfigError;
use crate::config::file_schema;
use crate::exit::Exit;
use crate::report::{json, self_test, sweep, terminal};
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::process_run::RunOutcome;
use crate::target_error::Holder;
use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue};
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::nearest::nearest;
use dissent_core::seed::Seed;
use dissent_store::cure::Cure;
use miette::Diagnostic as _;
use serde_json::json;
use std::io::{BufWriter, IsTerminal as _, Write};
use std::sync::OnceLock;
use terminal_size::{Width, terminal_size_of};

/// The output format, set once at the start; until then it is text.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Sets the format of results and errors.
pub(super) fn set_format(format: Format) {
    FORMAT.get_or_init(|| format);
}

/// How much is printed, set once at the start.
static DETAIL: OnceLock<Detail> = OnceLock::new();

/// Sets how much is printed.
pub(super) fn set_detail(detail: Detail) {
    DETAIL.get_or_init(|| detail);
}

/// Whether only the last line of a verdict is wanted, and no progress.
pub(super) fn is_quiet() -> bool {
    DETAIL.get().is_some_and(|detail| detail.quiet)
}

/// Whether everything is to be told that a run does.
pub(super) fn is_verbose() -> bool {
    DETAIL.get().is_some_and(|detail| detail.verbose)
}

/// The first error of writing to standard output.
static UNTOLD: OnceLock<String> = OnceLock::new();

/// Prints a line of the result.
pub(super) fn result(text: &str) {
    note(writeln!(std::io::stdout(), "{text}"));
}

/// Prints a text that the last line sums up.
pub(super) fn summary(text: &str) {
    if !is_quiet() {
        result(text);
    }
}

/// Passes standard output on, for results that are too long for one text.
pub(super) fn stream<T>(print: impl FnOnce(&mut dyn Write) -> T) -> T {
    let mut to = BufWriter::new(std::io::stdout().lock());
    let printed = print(&mut to);
    note(to.flush());
    printed
}

/// Records an error of writing to standard output, unless the reader closed the pipe.
pub(super) fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != std::io::ErrorKind::BrokenPipe
    {
        UNTOLD.get_or_init(|| error.to_string());
    }
}

/// Prints the line to grep for: to standard output as text, to standard error with JSON, or if standard
/// output fails.
pub(super) fn last_line(line: &str) {
    let for_people = FORMAT.get() != Some(&Format::Json);
    if for_people {
        result(line);
    }
    if !for_people || UNTOLD.get().is_some() {
        status(line);
    }
}

/// The final exit code: inconclusive at best if the result could not be written.
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

/// Prints a line to standard error.
pub(super) fn status(text: &str) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

/// Prints to standard error how things go.
pub(super) fn progress(text: &str) {
    if !is_quiet() {
        status(text);
    }
}

/// Prints an error and returns its exit code.
pub(super) fn failure(error: &dyn std::fmt::Display, exit: Exit) -> Exit {
    status(&format!("error: {error}"));
    document(&error.to_string(), exit)
}

/// With JSON, prints the error of a command that has nothing else to print as the one document on standard
/// output.
fn document(error: &str, exit: Exit) -> Exit {
    if FORMAT.get() == Some(&Format::Json) {
        result(&json!({"error": error, "exit_code": exit as u8}).to_string());
    }
    exit
}

/// Prints what is wrong with an option or a file, with its place in the text.
pub(super) fn refusal(error: ConfigError) -> Exit {
    let told = error.to_string();
    match error {
        ConfigError::Several(errors) => errors.into_iter().for_each(explained),
        error => explained(error),
    }
    document(&told, Exit::Usage)
}

fn explained(error: ConfigError) {
    match error.source_code() {
        Some(_) => status(&format!("{:?}", miette::Report::new(error))),
        // Without a source text, print one line without wrapping, so that names in it can be copied.
        None => {
            status(&format!("error: {error}"));
            error.help().iter().for_each(|help| status(&format!("  help: {help}")));
        }
    }
}

/// Prints help, or what is wrong with the arguments.
pub(super) fn usage_error(mut error: clap::Error) -> Exit {
    if let Some(command) = suggest_command(&error) {
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

/// The command that was meant, if clap suggests none: to clap, a short word with two letters swapped looks
/// like a different word.
fn suggest_command(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let cli = Cli::command();
    let known: Vec<&str> =
        cli.get_subcommands().filter(|it| !it.is_hide_set()).map(clap::Command::get_name).collect();
    let is_suggested = error.get(ContextKind::SuggestedSubcommand).is_some();
    nearest(written, &known).filter(|_| !is_suggested).map(str::to_owned)
}

/// Whether results may use colours.
pub(super) fn style() -> terminal::Style {
    let is = |name: &str, plain: fn(&str) -> bool| std::env::var(name).is_ok_and(|value| plain(&value));
    let plain = is("NO_COLOR", |value| !value.is_empty()) || is("TERM", |value| value == "dumb");
    terminal::Style { colour: !plain && std::io::stdout().is_terminal(), width: width() }
}

/// The width of lines on standard output: the terminal's, or what `COLUMNS` says, at most 110; 80 elsewhere.
pub(super) fn width() -> usize {
    let given = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let terminal = || terminal_size_of(std::io::stdout()).map(|(Width(columns), _)| columns.into());
    given.or_else(terminal).filter(|columns| *columns > 0).map_or(80, |columns: usize| columns.min(110))
}

/// The arguments after the name of a command, as they were given.
pub(super) fn words_after(command: &str) -> Vec<String> {
    std::env::args().skip_while(|word| word != command).skip(1).collect()
}

/// Whether standard error is a terminal.
pub(super) fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Prints verdicts: each as text followed by one line, or all as one JSON document.
pub(super) struct Verdicts {
    format: Format,
    /// Whether the document has begun, and its number of runs.
    begun: Option<u32>,
}

impl Verdicts {
    pub(super) fn new(format: Format) -> Verdicts {
        Verdicts { format, begun: None }
    }

    /// Prints a verdict.
    pub(super) fn judged(&mut self, judged: &JudgedRun) {
        self.judged_in_document(judged);
        people(judged, self.format);
    }

    /// Prints a verdict only as JSON: as text, the sum of many runs is enough.
    pub(super) fn judged_in_document(&mut self, judged: &JudgedRun) {
        let (verdict, meta) = (&judged.verdict, &judged.meta);
        self.entry(|| json::run(verdict, meta, &judged.facts(), judged.exit as u8));
    }

    /// Prints why a recorded run has no verdict.
    pub(super) fn unread(&mut self, given: &str, error: &RunError) -> Exit {
        status(&format!("error: {error}"));
        self.entry(|| json::unread(given, &error.to_string(), error.exit() as u8));
        error.exit()
    }

    fn entry(&mut self, text: impl FnOnce() -> serde_json::Result<String>) {
        if self.format == Format::Json {
            let runs = self.begun.unwrap_or_default();
            part(if runs == 0 { json::opening() } else { json::BETWEEN.to_owned() });
            self.begun = Some(runs + 1);
            document_part(text());
        }
    }

    /// Whether verdicts are printed as text.
    pub(super) fn are_text(&self) -> bool {
        self.format == Format::Human
    }

    /// Whether a document has begun, which only [`Verdicts::end`] makes whole.
    pub(super) fn is_open(&self) -> bool {
        self.begun.is_some()
    }

    /// Ends the document.
    pub(super) fn end(self, end: &DocumentEnd) {
        if self.format == Format::Json {
            if self.begun.is_none() {
                part(json::opening());
            }
            document_part(json::end(end));
        }
    }
}

/// Prints a part of a document.
fn part(text: String) {
    note(std::io::stdout().write_all(text.as_bytes()));
}

fn document_part(text: serde_json::Result<String>) {
    match text {
        Ok(text) => part(text),
        Err(error) => status(&format!("error: {error}")),
    }
}

/// Prints what is for people: with JSON, on standard error.
fn people(judged: &JudgedRun, format: Format) {
    let report = judged.report().map(|path| path.display().to_string());
    let last = terminal::last_line(&judged.verdict, &judged.meta, report.as_deref());
    let test = judged.self_test.as_ref().map(self_test::line);
    match format {
        Format::Human => {
            summary(&terminal::summary(&judged.verdict, &judged.meta, style()));
            test.iter().for_each(|line| summary(line));
        }
        Format::Json => test.iter().for_each(|line| progress(line)),
    }
    last_line(&last);
}

/// Prints the schema of a format.
pub(super) fn schema(of: SchemaOf) {
    match of {
        SchemaOf::Verdict => result(json::SCHEMA.trim_end()),
        SchemaOf::Campaign => result(sweep::SCHEMA.trim_end()),
        SchemaOf::Exec => result(PROTOCOL_SCHEMA.trim_end()),
        SchemaOf::Workload => result(file_schema::WORKLOAD.trim_end()),
        SchemaOf::Nemesis => result(file_schema::NEMESIS.trim_end()),
        SchemaOf::Sweep => result(file_schema::SWEEP.trim_end()),
        SchemaOf::Target => result(file_schema::TARGET.trim_end()),
        SchemaOf::Known => result(file_schema::KNOWN.trim_end()),
    }
}

/// A fault as text.
pub(super) fn fault(cure: &Cure) -> String {
    let kind = cure.fault.kind.full_name();
    format!("{kind} on {} (step {} of run {})", cure.fault.replica, cure.step, cure.mark)
}

/// Prints what a verdict does not contain: a bug in dissent, what could not be recorded, faults left behind.
pub(super) fn notices(outcome: &RunOutcome) {
    if let Some(words) = &outcome.panicked {
        status(&format!("error: a bug in dissent ended the run: {words}"));
    }
    outcome
        .undropped
        .iter()
        .for_each(|error| status(&format!("warning: the table of the run stays: {error}")));
    outcome.uncollected.iter().for_each(|error| status(&format!("error: {error}")));
    if let Some(error) = &outcome.unrecorded {
        status(&format!("error: {error}; events after this are not recorded"));
    }
    uncured(&outcome.uncured, &outcome.heal);
}

/// Warns that `--force` spoils a run in progress.
pub(super) fn warn_spoilt(holder: &Holder) {
    status(&format!("--force: this spoils {holder}; its verdict will be worthless"));
}

/// Prints why a run has no verdict, the faults that it may have left, and the line to grep for. `verdicts`
/// are those of other runs.
pub(super) fn report_lost(error: &RunError, seed: Seed, verdicts: Verdicts) -> Exit {
    if let RunError::Lost { uncured: left, heal, .. } = error {
        uncured(left, heal);
    }
    let exit = error.exit();
    if verdicts.is_open() {
        status(&format!("error: {error}"));
        let (error, exit_code) = (Some(error.to_string()), exit as u8);
        verdicts.end(&DocumentEnd { campaign: None, error, exit_code });
    } else {
        failure(error, exit);
    }
    if let Some(reason) = error.reason() {
        last_line(&format!("INCONCLUSIVE {reason} seed={}", seed.0));
    }
    exit
}

/// Prints the faults that could not be undone, and the command that tries again.
pub(super) fn uncured(cures: &[Cure], heal: &str) {
    for cure in cures {
        status(&format!("a fault may still be in force on the target: {}", fault(cure)));
    }
    if !cures.is_empty() {
        status(&format!("dissent heal {heal}"));
    }
}
