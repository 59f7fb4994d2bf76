//! `dissent run`: resolves what is asked for, runs it, and tells the verdict.

use super::output::{self, Verdicts};
use super::progress::{ProgressWatch, counting};
use super::resolve_run_spec::run_spec;
use crate::cli;
use crate::exit::Exit;
use crate::faults::hook::HookError;
use crate::report::campaign;
use crate::run::campaign::{Stopped, run_all, simulate_all};
use crate::run::campaign_record::CampaignRecord;
use crate::run::error::RunError;
use crate::run::hooks::with_hooks;
use crate::run::judging::JudgedRun;
use crate::run::process_run::{RunOutcome, run_processes};
use crate::run::run_spec::RunSpec;
use crate::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::seed::Seed;
use std::hash::{BuildHasher as _, RandomState};

/// Default number of process runs in parallel.
const JOBS_OF_PROCESSES: u32 = 2;

/// Runs, checks and prints the verdict.
pub(super) fn run(args: &cli::RunArgs) -> Exit {
    let spec = match run_spec(args) {
        Ok(spec) => spec,
        Err(error) => return output::refusal(error),
    };
    if let Err(error) = spec.check() {
        return output::failure(&error, Exit::Usage);
    }
    let seed = Seed(args.seed.unwrap_or_else(draw_seed));
    output::status(&format!("seed {}  {}", seed.0, spec.title()));
    match (args.plan_only, args.runs) {
        (true, _) => plan_only(&spec, seed),
        (false, ..=1) => one(args, &spec, seed),
        (false, _) => many(args, &spec, seed),
    }
}

/// Draws a seed that is short enough to be read out over the phone.
pub(super) fn draw_seed() -> u64 {
    RandomState::new().hash_one(0) % 1_000_000_000
}

fn plan_only(spec: &RunSpec, seed: Seed) -> Exit {
    match spec.meta(seed, None).map(|meta| serde_json::to_string_pretty(&meta)) {
        Ok(Ok(text)) => {
            output::result(&text);
            Exit::Pass
        }
        Ok(Err(error)) => output::failure(&error, Exit::Bug),
        Err(error) => output::failure(&error, Exit::Usage),
    }
}

/// The runtime for sockets and processes.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| RunError::Surroundings { what: "start the runtime", source })
}

fn one(args: &cli::RunArgs, spec: &RunSpec, seed: Seed) -> Exit {
    let results = &args.output.results;
    if spec.target.is_simulated() {
        return match run_simulated(spec, seed, results, Retention::All) {
            Ok(judged) => tell(&judged, args.output.format),
            Err(error) => output::report_lost(&error, seed, Verdicts::new(args.output.format)),
        };
    }
    let mut watch = ProgressWatch::new();
    let run = async { with_hooks(spec, run_processes(spec, seed, results, &mut watch)).await };
    let outcome = runtime().and_then(|runtime| report_teardown(runtime.block_on(run))).and_then(|done| done);
    watch.end();
    match outcome {
        Ok(outcome) => conclude(&outcome, args.output.format),
        Err(error) => output::report_lost(&error, seed, Verdicts::new(args.output.format)),
    }
}

/// Prints the verdict of the one run.
fn tell(judged: &JudgedRun, format: cli::Format) -> Exit {
    let mut verdicts = Verdicts::new(format);
    verdicts.judged(judged);
    verdicts.end(&DocumentEnd { exit_code: judged.exit as u8, ..DocumentEnd::default() });
    judged.exit
}

/// The result of the work between hooks. A failed `down` hook is reported at once.
fn report_teardown<T>((done, down): (Result<T, RunError>, Option<HookError>)) -> Result<T, RunError> {
    down.iter().for_each(|error| output::status(&format!("error: {error}; the cluster may still be up")));
    done
}

/// Prints a verdict and its warnings.
fn conclude(outcome: &RunOutcome, format: cli::Format) -> Exit {
    let exit = tell(&outcome.judged, format);
    output::notices(outcome);
    exit
}

/// One thread per core, for virtual time.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
}

fn many(args: &cli::RunArgs, spec: &RunSpec, first: Seed) -> Exit {
    let results = &args.output.results;
    let bar = counting(args.runs);
    let mut verdicts = Verdicts::new(args.output.format);
    let mut record = CampaignRecord::new(results, spec, first, args.runs);
    let mut each = |judged: &JudgedRun| {
        verdicts.judged_in_document(judged);
        record.add(judged);
        bar.inc(1);
    };
    let summary = if spec.target.is_simulated() {
        let jobs = args.jobs.unwrap_or_else(cores);
        simulate_all(spec, first, args.runs, jobs, results, each)
    } else {
        // One run at a time per target.
        let most = if spec.target.external().is_some() { 1 } else { u32::MAX };
        let jobs = args.jobs.unwrap_or(JOBS_OF_PROCESSES).min(most);
        let each = |outcome: &RunOutcome| {
            output::notices(outcome);
            each(&outcome.judged);
        };
        let runs = async { with_hooks(spec, run_all(spec, first, args.runs, jobs, results, each)).await };
        let stopped = |error| Stopped { seed: first, error };
        let runs = runtime().map_err(stopped).map(|runtime| report_teardown(runtime.block_on(runs)));
        runs.and_then(|runs| runs.map_err(stopped)).and_then(|summary| summary)
    };
    bar.finish_and_clear();
    let stopped = summary.as_ref().err().map(|stopped| (stopped.error.to_string(), stopped.error.exit()));
    let exit = match (&summary, &stopped) {
        (Ok(summary), _) => summary.exit.unwrap_or(Exit::Inconclusive),
        (Err(_), stopped) => stopped.as_ref().map_or(Exit::Inconclusive, |(_, exit)| *exit),
    };
    let campaign = summary.as_ref().ok().map(|summary| campaign::totals(summary, &spec.title(), first));
    let end = DocumentEnd { campaign, error: stopped.map(|(error, _)| error), exit_code: exit as u8 };
    let folder = record.folder().map(|dir| format!("  verdicts and junit.xml: {}", dir.display()));
    let unrecorded = record.end(&end).err();
    unrecorded.iter().for_each(|error| output::status(&format!("error: {error}")));
    match summary {
        Ok(summary) => {
            verdicts.end(&end);
            if args.output.format == cli::Format::Human {
                output::result(&campaign::words(&summary, &spec.title()));
                folder.iter().for_each(|line| output::result(line));
            }
            output::last_line(&campaign::last_line(&summary, first));
            if unrecorded.is_some() { exit.worst(Exit::Inconclusive) } else { exit }
        }
        Err(Stopped { seed, error }) => {
            output::status(&format!("stopped at seed {}", seed.0));
            output::report_lost(&error, seed, verdicts)
        }
    }
}
