//! `dissent shrink`: the smallest schedule and workload that show the finding of a run that failed.

use super::output;
use super::progress::searching;
use super::resolve_run_spec::run_spec;
use super::runtime::{cores, report_teardown, runtime};
use crate::adapter::specimen::SpecimenKind;
use crate::cli::{Format, RunArgs, ShrinkArgs};
use crate::config::ConfigFile as _;
use crate::exit::Exit;
use crate::report::plan_files::{nemesis_text, workload_text};
use crate::report::shrink::{ShownOf, ShrinkDocument, ShrinkSize, last_line, summary, words};
use crate::run::error::RunError;
use crate::run::hooks::with_hooks;
use crate::run::run_spec::RunSpec;
use crate::run::shrink::{CutShort, Search, ShrinkProgress, ShrinkSpec, folder};
use clap::Parser as _;
use dissent_core::checker::judge::judge;
use dissent_core::conductor::Timing;
use dissent_core::history::duration;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{Activity, RunMeta, RunRecord as _};
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::Workload;
use dissent_core::shrink::candidate::Candidate;
use dissent_core::shrink::finding_class::FindingClass;
use dissent_core::shrink::recorded::recorded;
use dissent_store::latest_run::resolve;
use dissent_store::run_reader::RunReader;
use dissent_store::writing::{StoreError, failed, replace_file};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Handle;

const WORKLOAD: &str = "workload.toml";
const NEMESIS: &str = "nemesis.toml";
const SUMMARY: &str = "summary.md";
/// The budget of a search on a real cluster.
const BUDGET: Duration = Duration::from_secs(30 * 60);
/// Tries in virtual time from one line of progress to the next, where no line can be redrawn.
const LINE_EVERY: u64 = 100;

/// Shrinks a run.
pub(super) fn shrink(args: &ShrinkArgs) -> Exit {
    let begun = match begun(args) {
        Ok(begun) => begun,
        Err(exit) => return exit,
    };
    let done = runtime().and_then(|runtime| {
        let handle = runtime.handle().clone();
        let work = async { tokio::task::block_in_place(|| begun.searched(handle)) };
        report_teardown(runtime.block_on(with_hooks(&begun.spec.run, work))).and_then(|done| done)
    });
    match done {
        Ok((document, exit)) => conclude(args, &document, exit),
        Err(error) => output::failure(&error, error.exit()),
    }
}

/// A search that can begin.
struct PreparedShrink {
    spec: ShrinkSpec,
    start: Candidate,
    /// The arguments of `dissent run`, with the files of the results folder.
    args: RunArgs,
    /// The name of the run.
    name: String,
}

/// Reads the run and its finding, and writes the files with everything that it wrote and injected.
fn begun(args: &ShrinkArgs) -> Result<PreparedShrink, Exit> {
    let refused = |problem: String| output::failure(&problem, Exit::Usage);
    let results = &args.output.results;
    let opened = resolve(results, &args.run).map_err(RunError::from);
    let opened = opened.and_then(|dir| Ok((RunReader::open(&dir)?, dir)));
    let (record, dir) = opened.map_err(|error| output::failure(&error, error.exit()))?;
    let meta = record.meta();
    let name = dir.canonicalize().unwrap_or(dir);
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if meta.activity != Activity::Run || meta.command.is_empty() {
        return Err(refused(format!(
            "{name} cannot be repeated: only what `dissent run` recorded can be shrunk"
        )));
    }
    let class = class(&FindingClass::all(&judge(&record)), &args.finding, &name).map_err(refused)?;
    let start = recorded(&record);
    let budget = args.budget.as_deref().map(|budget| {
        let time = duration::parse(budget).map_err(|error| refused(format!("--budget {budget}: {error}")));
        time.map(|time| Duration::from_nanos(time.0))
    });
    let budget = budget.transpose()?;
    let mut args_of_run = run_args(meta, args.simulate).map_err(refused)?;
    let dir = folder(results, &name).map_err(|error| output::failure(&error, error.exit()))?;
    args_of_run.workload = dir.join(WORKLOAD).to_string_lossy().into_owned();
    args_of_run.nemesis = dir.join(NEMESIS).to_string_lossy().into_owned();
    let comment = format!("Everything that {name} wrote and injected.");
    write_files(&dir, &start, &comment).map_err(|error| output::failure(&error, Exit::Usage))?;
    let run = run_spec(&args_of_run).map_err(|error| {
        drop(std::fs::remove_dir_all(&dir));
        output::refusal(error)
    })?;
    let spec = ShrinkSpec {
        seed: meta.seed,
        class,
        dir,
        jobs: args.jobs.unwrap_or_else(cores),
        budget: budget.or((!run.target.is_simulated()).then_some(BUDGET)),
        warn: output::notices,
        run: RunSpec {
            timing: Timing { deadline: run.timing.deadline.min(longest(&record)), ..run.timing },
            workload: Workload { writes: None, ..run.workload },
            ..run
        },
    };
    Ok(PreparedShrink { spec, start, args: args_of_run, name })
}

/// A try is cut off after twice the time of the run: without a write that a fault waits for, it would go on
/// until the deadline.
fn longest(record: &RunReader) -> Nanos {
    let took = record.events().last().map_or(Nanos(0), |event| event.t);
    Nanos(took.0.saturating_mul(2))
}

/// The class of the finding that the user chose.
fn class(all: &[FindingClass], chosen: &str, run: &str) -> Result<FindingClass, String> {
    if all.is_empty() {
        return Err(format!("{run} has no finding to shrink: name a run that failed"));
    }
    let by_number = chosen.parse().ok().and_then(|number: usize| all.get(number.checked_sub(1)?));
    let found = by_number.or_else(|| all.iter().find(|class| class.fingerprint == chosen));
    found.cloned().ok_or_else(|| {
        let listed = (1..).zip(all).map(|(number, class)| format!("{number} {class}"));
        format!("--finding {chosen}: the findings of {run} are: {}", listed.collect::<Vec<_>>().join(", "))
    })
}

/// The arguments of the run, without those that its files hold from now on and those that only change what is
/// said of it.
fn run_args(meta: &RunMeta, simulate: bool) -> Result<RunArgs, String> {
    let words = std::iter::once("run".to_owned()).chain(meta.command.iter().cloned());
    let mut args = RunArgs::try_parse_from(words).map_err(|error| {
        format!("the command of the run is not one of this version: {}", error.to_string().trim_end())
    })?;
    (args.load, args.rate, args.known, args.self_test) = (None, None, None, false);
    let is_in_files = |pair: &String| {
        let key = pair.split('=').next().unwrap_or_default();
        let of_a_step = Nemesis::PREFIXES.iter().any(|prefix| key.starts_with(prefix));
        of_a_step || [Workload::SETTINGS, Nemesis::SETTINGS].concat().contains(&key)
    };
    args.set.retain(|pair| !is_in_files(pair));
    if simulate {
        let kind = SpecimenKind::ALL
            .into_iter()
            .find(|kind| [kind.processes(), kind.simulated()].contains(&args.target.as_str()));
        let kind = kind.ok_or("--simulate: only built-in clusters can be simulated")?;
        args.target = kind.simulated().to_owned();
    }
    Ok(args)
}

fn write_files(dir: &Path, candidate: &Candidate, comment: &str) -> Result<(), StoreError> {
    let (workload, nemesis) = (dir.join(WORKLOAD), dir.join(NEMESIS));
    let text = workload_text(&candidate.workload, comment).map_err(std::io::Error::other);
    replace_file(&workload, text.map_err(failed("write", &workload))?.as_bytes())?;
    let text = nemesis_text(&candidate.nemesis, comment).map_err(std::io::Error::other);
    replace_file(&nemesis, text.map_err(failed("write", &nemesis))?.as_bytes())
}

impl PreparedShrink {
    /// Searches, writes the files and runs them.
    fn searched(&self, runtime: Handle) -> Result<(ShrinkDocument, Exit), RunError> {
        let bar = searching();
        let every = if self.spec.run.target.is_simulated() { LINE_EVERY } else { 1 };
        let each = |progress: ShrinkProgress| {
            let ShrinkProgress { tries, steps, writes } = progress;
            bar.set_position(tries);
            bar.set_message(format!("{steps} steps and {writes} writes left"));
            if !output::is_watched() && tries.is_multiple_of(every) {
                output::progress(&format!("{tries} tries  {steps} steps and {writes} writes left"));
            }
        };
        let search = Search::begin(self.spec.clone(), runtime, &each)?;
        output::progress(&format!("{}  {}", self.spec.class, self.spec.dir.display()));
        let left = search.shrink(self.start.clone());
        bar.finish_and_clear();
        let left = left?;
        let mut document = self.document(&search, &left);
        write_files(&self.spec.dir, &self.described(&left), &document.comment())?;
        let verified = match (search.cut_short(), run_spec(&self.args)) {
            (Some(CutShort::Uncured), _) => None,
            (_, Ok(run)) => search.verified(&run)?,
            (_, Err(error)) => {
                output::status(&format!("error: {error}"));
                None
            }
        };
        document.report = verified.as_ref().and_then(|run| Some(run.report()?.display().to_string()));
        document.verified = verified.is_some();
        document.tries = search.progress().tries;
        let known = if document.verified { Exit::Pass } else { Exit::Inconclusive };
        let exit = known.worst(match search.cut_short() {
            Some(CutShort::Signal(signal)) => signal.exit(),
            Some(CutShort::Uncured) => Exit::Uncured,
            Some(CutShort::Failed) => search.take_error().map_or(Exit::Bug, |error| {
                output::status(&format!("error: {error}"));
                error.exit()
            }),
            Some(CutShort::Budget) | None => Exit::Pass,
        });
        document.exit_code = exit as u8;
        replace_file(&self.spec.dir.join(SUMMARY), summary(&document, &left).as_bytes())?;
        Ok((document, exit))
    }

    /// What is left, with what it is for.
    fn described(&self, left: &Candidate) -> Candidate {
        let mut described = left.clone();
        let hunts = format!("{}, as in {}", self.spec.class, self.name);
        described.workload.hunts.clone_from(&hunts);
        described.nemesis.hunts = hunts;
        described
    }

    /// What is known before the files were run.
    fn document(&self, search: &Search<'_>, left: &Candidate) -> ShrinkDocument {
        let cut_short = search.cut_short();
        ShrinkDocument {
            run: self.name.clone(),
            seed: self.spec.seed.0,
            finding: self.spec.class.to_string(),
            before: ShrinkSize::of(&self.start),
            after: ShrinkSize::of(left),
            tries: search.progress().tries,
            shown: search.measured().map(|rate| ShownOf { hits: rate.hits, runs: rate.runs }),
            minimal: cut_short.is_none(),
            stopped_by: cut_short.map(|by| match by {
                CutShort::Signal(signal) => signal.name().to_owned(),
                CutShort::Budget => "the budget".to_owned(),
                CutShort::Failed => "a try that failed".to_owned(),
                CutShort::Uncured => "a fault that may still be in force".to_owned(),
            }),
            verified: false,
            folder: self.spec.dir.display().to_string(),
            report: None,
            command: ShrinkDocument::command_of(&self.spec.run.command, self.spec.seed.0),
            exit_code: Exit::Inconclusive as u8,
        }
    }
}

/// Prints the result.
fn conclude(args: &ShrinkArgs, document: &ShrinkDocument, exit: Exit) -> Exit {
    match args.output.format {
        Format::Human => output::summary(&words(document)),
        Format::Json => output::result(&serde_json::to_string_pretty(document).unwrap_or_default()),
    }
    output::last_line(&last_line(document));
    exit
}
