//! `dissent sweep`: many arms with many seeds each, and what may be concluded from all of them.

use super::output;
use super::progress::counting;
use super::resolve_run_spec::run_spec;
use super::run::{cores, draw_seed, runtime};
use crate::cli::{Format, RunArgs, SweepArgs};
use crate::config::load::load_file;
use crate::config::sweep_plan::{PlannedArm, SweepPlan};
use crate::exit::Exit;
use crate::report::html::sweep::page;
use crate::report::sweep::{last_line, summary, words};
use crate::report::sweep_junit::suites;
use crate::run::error::RunError;
use crate::run::hooks::with_hooks;
use crate::run::judging::JudgedRun;
use crate::run::results_index::write_index;
use crate::run::sweep::folder::{FrozenPlan, SweepFolder, SweepLimits};
use crate::run::sweep::{Arm, SweepStop, Swept, jobs, sweep as run_parts};
use clap::Parser as _;
use dissent_core::campaign::document::StoppedBy;
use dissent_core::campaign::goal::Goal;
use dissent_core::campaign::part::Extent;
use dissent_core::campaign::run_result::RunId;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::collections::BTreeSet;

/// About how many runs a part has. A part that was not finished is done again.
const RUNS_OF_PART: u32 = 20;
/// The most parts that a plan is cut into by itself.
const PARTS_MAX: u32 = 1_000;

/// Runs a plan, or what is left of it.
pub(super) fn sweep(args: &SweepArgs) -> Exit {
    let begun = match &args.resume {
        Some(dir) => resumed(dir),
        None => begun(args),
    };
    let (folder, plan, arms) = match begun {
        Ok(Some(begun)) => begun,
        Ok(None) => return Exit::Pass,
        Err(exit) => return exit,
    };
    match run_all(args, &folder, &plan, arms) {
        Ok(swept) => conclude(args, &folder, &plan, &swept),
        Err(error) => output::failure(&error, error.exit()),
    }
}

/// A sweep that can be run.
type Begun = (SweepFolder, FrozenPlan, Vec<Arm>);

/// A new sweep. None if it was only to be shown.
fn begun(args: &SweepArgs) -> Result<Option<Begun>, Exit> {
    let file = args.plan.as_deref().unwrap_or_default();
    let mut written: SweepPlan = load_file(file).map_err(output::refusal)?;
    written.runs = args.runs.unwrap_or(written.runs);
    let goal = args.until.map(Goal::Width).or(args.until_fail.then_some(Goal::Failure));
    let limits = SweepLimits {
        goal: goal.or(written.goal()),
        time: args.time_limit.or(written.time_limit()),
        keep_passed: written.keep_passed,
        retry_inconclusive: args.retry_inconclusive || written.retry_inconclusive,
    };
    let arms = written.arms().into_iter().map(arm).collect::<Result<Vec<Arm>, Exit>>()?;
    let own = arms.iter().filter_map(|arm| arm.spec.target.external()).map(|own| &own.path);
    if own.collect::<BTreeSet<_>>().len() > 1 {
        let error = format!("{file}: its arms run on different clusters of your own: write a plan for each");
        return Err(output::failure(&error, Exit::Usage));
    }
    let first = args.seed.or(written.first_seed).unwrap_or_else(draw_seed);
    let count = arms.len() as u32;
    let parts = written.parts.unwrap_or(parts(&arms, written.runs, &limits)).min(written.runs);
    let extent = Extent { arms: count, first_seed: Seed(first), runs: written.runs, parts };
    let plan = FrozenPlan {
        name: written.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extent,
        limits,
        arms: arms.iter().map(Arm::frozen).collect(),
    };
    if args.plan_only {
        for arm in &plan.arms {
            output::result(&format!("{}: dissent run {}", arm.name, arm.words.join(" ")));
        }
        return Ok(None);
    }
    let started = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let (folder, plan) = SweepFolder::create(&args.output.results, plan, started)
        .map_err(|error| output::failure(&error, error.exit()))?;
    output::status(&format!(
        "seed {first}  {count} arms x {} runs in {parts} parts  {}",
        plan.extent.runs,
        folder.path().display()
    ));
    Ok(Some((folder, plan, arms)))
}

/// The number of parts. A part has one seed if runs are slow, or if the sweep may end at any of them.
fn parts(arms: &[Arm], runs: u32, limits: &SweepLimits) -> u32 {
    let are_simulated = arms.iter().all(|arm| arm.spec.target.is_simulated());
    if !are_simulated || limits.goal == Some(Goal::Failure) {
        return runs;
    }
    (runs.saturating_mul(arms.len() as u32) / RUNS_OF_PART).clamp(1, PARTS_MAX)
}

/// A sweep that was stopped. Its files must still say the same.
fn resumed(dir: &std::path::Path) -> Result<Option<Begun>, Exit> {
    let opened = SweepFolder::open(dir).map_err(|error| output::failure(&error, Exit::Usage))?;
    let (folder, plan) = opened;
    let mut arms = Vec::new();
    for frozen in &plan.arms {
        let arm = arm(PlannedArm { name: frozen.name.clone(), words: frozen.words.clone() })?;
        if arm.frozen() != *frozen {
            let error =
                format!("the files of `{}` have changed since the sweep began: begin a new one", frozen.name);
            return Err(output::failure(&error, Exit::Usage));
        }
        arms.push(arm);
    }
    if plan.version != env!("CARGO_PKG_VERSION") {
        let error = format!("dissent {} began this sweep: go on with that version", plan.version);
        return Err(output::failure(&error, Exit::Usage));
    }
    Ok(Some((folder, plan, arms)))
}

/// Resolves an arm as `dissent run` would.
fn arm(planned: PlannedArm) -> Result<Arm, Exit> {
    let PlannedArm { name, words } = planned;
    let in_arm = |problem: &str| output::status(&format!("error: arm `{name}`: {problem}"));
    let words = std::iter::once("run".to_owned()).chain(words);
    let args = RunArgs::try_parse_from(words).map_err(|error| {
        in_arm("its options are not those of `dissent run`");
        output::usage_error(error)
    })?;
    let spec = run_spec(&args).map_err(|error| {
        in_arm("it cannot be run");
        output::refusal(error)
    })?;
    spec.check().map_err(|error| {
        in_arm("it cannot be run");
        output::failure(&error, Exit::Usage)
    })?;
    Ok(Arm { name, spec })
}

/// Does all parts, with the hooks of the cluster that they run on.
fn run_all(
    args: &SweepArgs,
    folder: &SweepFolder,
    plan: &FrozenPlan,
    arms: Vec<Arm>,
) -> Result<Swept, RunError> {
    let runtime = runtime()?;
    let most = args.jobs.unwrap_or_else(cores);
    let jobs = jobs(&arms, most).min(most);
    let bar = counting(plan.extent.runs * plan.extent.arms);
    let mut failed = 0;
    let mut each = |_: RunId, judged: &JudgedRun| {
        failed += u32::from(judged.verdict.outcome == VerdictOutcome::Fail);
        bar.set_message(format!("{failed} failed"));
        bar.inc(1);
    };
    let external = arms.iter().find(|arm| arm.spec.target.external().is_some()).map(|arm| arm.spec.clone());
    let handle = runtime.handle().clone();
    let swept = match external {
        None => run_parts(folder, plan, arms, jobs, handle, &mut each),
        Some(spec) => {
            let work = async {
                tokio::task::block_in_place(|| run_parts(folder, plan, arms, jobs, handle, &mut each))
            };
            let (done, down) = runtime.block_on(with_hooks(&spec, work));
            down.iter()
                .for_each(|error| output::status(&format!("error: {error}; the cluster may still be up")));
            done.and_then(|swept| swept)
        }
    };
    bar.finish_and_clear();
    swept
}

fn conclude(args: &SweepArgs, folder: &SweepFolder, plan: &FrozenPlan, swept: &Swept) -> Exit {
    if let Some(SweepStop::Failed(seed, error)) = &swept.stopped {
        output::status(&format!("stopped at seed {}: {error}", seed.0));
    }
    let (stopped_by, at_least) = match &swept.stopped {
        None => (None, Exit::Pass),
        Some(SweepStop::Goal) => (Some(StoppedBy::Goal), Exit::Pass),
        Some(SweepStop::TimeLimit) => (Some(StoppedBy::TimeLimit), Exit::Pass),
        Some(SweepStop::Signal(signal)) => {
            (Some(StoppedBy::Signal { name: signal.name().to_owned() }), signal.exit())
        }
        Some(SweepStop::Failed(_, error)) => {
            (Some(StoppedBy::Error { error: error.to_string() }), error.exit())
        }
    };
    let mut campaign = folder.campaign(plan, &swept.parts, stopped_by);
    let of_runs = swept.exit.unwrap_or(Exit::Pass);
    let mut exit = Exit::from(campaign.outcome).worst(of_runs).worst(at_least);
    campaign.exit_code = exit as u8;
    let json = serde_json::to_string_pretty(&campaign).unwrap_or_default();
    let line = last_line(&campaign, &folder.path().display().to_string());
    let written = folder.write_campaign(&json).and_then(|_| {
        folder.write("report.html", &page(&campaign, &folder.kept()))?;
        folder.write("summary.md", &summary(&campaign))?;
        folder.write("junit.xml", &suites(&campaign))
    });
    if let Err(error) = written {
        output::status(&format!("error: {error}"));
        exit = exit.worst(Exit::Inconclusive);
    }
    // A sweep may have been moved; its page does not depend on the one above it.
    if args.resume.is_none()
        && let Err(error) = write_index(&args.output.results)
    {
        output::status(&format!("error: {error}"));
    }
    match args.output.format {
        Format::Human => output::result(&words(&campaign)),
        Format::Json => output::result(&json),
    }
    if campaign.is_unfinished() {
        output::status(&format!("go on with: dissent sweep --resume {}", folder.path().display()));
    }
    output::last_line(&line);
    exit
}
