//! `dissent run`: resolves what is asked for, runs it, and tells the verdict.

use super::like::like;
use super::output::{self, Verdicts};
use super::progress::{ProgressWatch, counting};
use super::resolve_run_spec::run_spec;
use super::run_order::{run_order, stopped_by, write_pages};
use super::runtime::{cores, draw_seed, report_teardown, runtime};
use crate::cli;
use crate::exit::Exit;
use crate::report::campaign::{self, CampaignSummary};
use crate::run::campaign::Stopped;
use crate::run::campaign_record::CampaignRecord;
use crate::run::folder_name::name_of;
use crate::run::hooks::with_hooks;
use crate::run::judging::JudgedRun;
use crate::run::observer::Observer;
use crate::run::process_run::{RunOutcome, run_processes};
use crate::run::run_spec::RunSpec;
use crate::run::simulated_run::{Retention, watch_simulated};
use crate::run::sweep::folder::{SweepFolder, SweepLimits};
use crate::run::sweep::{Arm, SweepOrder, SweepStop, Swept, freeze};
use dissent_core::checker::verdict::document::DocumentEnd;
use dissent_core::seed::Seed;
use dissent_store::writing::StoreError;
use std::path::Path;

/// Runs, checks and prints the verdict.
pub(super) fn run(args: &cli::RunArgs) -> Exit {
    let found = args.like.as_deref().map(|run| like(args, run)).transpose();
    let (args, spec) = match found {
        Ok(None) => (args, run_spec(args)),
        Ok(Some((ref args, ref recorded))) => (args, recorded.run_spec(args)),
        Err(exit) => return exit,
    };
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => return output::refusal(error),
    };
    if let Err(error) = spec.check() {
        return output::failure(&error, Exit::Usage);
    }
    let seed = Seed(args.seed.unwrap_or_else(draw_seed));
    output::progress(&format!("seed {}  {}", seed.0, spec.title()));
    match (args.plan_only, args.runs) {
        (true, _) => plan_only(&spec, seed),
        (false, ..=1) => one(args, &spec, seed),
        (false, _) => many(args, &spec, seed),
    }
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

fn one(args: &cli::RunArgs, spec: &RunSpec, seed: Seed) -> Exit {
    let results = &args.output.results;
    if spec.target.is_simulated() {
        let mut watch = output::is_verbose().then(ProgressWatch::new);
        let watcher = watch.as_mut().map(|watch| watch as &mut dyn Observer);
        return match watch_simulated(spec, seed, results, Retention::All, watcher) {
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

/// Prints a verdict and its warnings.
fn conclude(outcome: &RunOutcome, format: cli::Format) -> Exit {
    let exit = tell(&outcome.judged, format);
    output::notices(outcome);
    exit
}

/// Many runs are a sweep of one arm, of which each verdict is told as well.
fn many(args: &cli::RunArgs, spec: &RunSpec, first: Seed) -> Exit {
    let results = &args.output.results;
    let arms = vec![Arm::alike(spec.title(), spec.clone())];
    let limits = SweepLimits { keep_passed: u32::MAX, ..SweepLimits::default() };
    let plan = freeze(spec.title(), &arms, first, args.runs, None, limits);
    // The name begins with `campaign`, so that a pattern that names runs does not name it.
    let wanted = format!("campaign-{}-runs{}", name_of(spec, first), args.runs);
    let folder = match SweepFolder::create(results, &wanted, &plan) {
        Ok(folder) => folder,
        Err(error) => return output::report_lost(&error, first, Verdicts::new(args.output.format)),
    };
    let order = SweepOrder::of(&folder, &plan, arms, results.clone(), args.jobs, cores());
    let mut told = ManyRuns {
        verdicts: Verdicts::new(args.output.format),
        record: CampaignRecord::new(folder.path()),
        summary: CampaignSummary::default(),
    };
    let bar = counting(args.runs);
    let swept = run_order(order, |outcome| {
        told.add(outcome);
        bar.inc(1);
    });
    bar.finish_and_clear();
    let swept = swept
        .unwrap_or_else(|error| Swept { stopped: Some(SweepStop::Failed(first, error)), ..Swept::default() });
    let (by, _) = stopped_by(swept.stopped.as_ref());
    let mut campaign = folder.campaign(&plan, &swept.parts, by);
    campaign.exit_code = swept.exit.unwrap_or(Exit::Inconclusive) as u8;
    let written = write_pages(&folder, &campaign).err();
    told.conclude(&spec.title(), first, swept.stopped, (folder.path(), written))
}

/// What is told of many runs.
struct ManyRuns {
    verdicts: Verdicts,
    record: CampaignRecord,
    summary: CampaignSummary,
}

impl ManyRuns {
    fn add(&mut self, outcome: &RunOutcome) {
        output::notices(outcome);
        self.verdicts.judged_in_document(&outcome.judged);
        self.record.add(&outcome.judged);
        self.summary.add(&outcome.judged);
    }

    fn conclude(
        self,
        title: &str,
        first: Seed,
        stopped: Option<SweepStop>,
        (folder, unwritten): (&Path, Option<StoreError>),
    ) -> Exit {
        let ManyRuns { verdicts, record, summary } = self;
        let summary = summary.ended(stopped);
        let exit = match &summary {
            Ok(summary) => summary.exit.unwrap_or(Exit::Inconclusive),
            Err(stopped) => stopped.error.exit(),
        };
        let end = DocumentEnd {
            campaign: summary.as_ref().ok().map(|summary| campaign::totals(summary, title, first)),
            error: summary.as_ref().err().map(|stopped| stopped.error.to_string()),
            exit_code: exit as u8,
        };
        let unrecorded = record.end(&end).err().or(unwritten);
        unrecorded.iter().for_each(|error| output::status(&format!("error: {error}")));
        match summary {
            Ok(summary) => {
                if verdicts.are_text() {
                    output::summary(&campaign::words(&summary, title));
                    output::summary(&format!("  verdicts, junit.xml and report: {}", folder.display()));
                }
                verdicts.end(&end);
                output::last_line(&campaign::last_line(&summary, first));
                if unrecorded.is_some() { exit.worst(Exit::Inconclusive) } else { exit }
            }
            Err(Stopped { seed, error }) => {
                output::status(&format!("stopped at seed {}", seed.0));
                output::report_lost(&error, seed, verdicts)
            }
        }
    }
}
