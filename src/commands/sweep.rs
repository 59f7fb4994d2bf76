//! `dissent sweep`: many arms with many seeds each, and what may be concluded from all of them.

use super::output;
use super::progress::counting;
use super::resolve_run_spec::run_spec;
use super::run_order::{run_order, stopped_by, write_pages};
use super::runtime::{cores, draw_seed};
use crate::cli::{Format, RunArgs, SweepArgs};
use crate::config::load::load_file;
use crate::config::sweep_plan::{DrawnArm, PlannedArm, SweepPlan};
use crate::exit::Exit;
use crate::report::format::bytes;
use crate::report::sweep::{last_line, words};
use crate::report::sweep_junit::suites;
use crate::run::error::RunError;
use crate::run::results_index::write_index;
use crate::run::run_spec::RunSpec;
use crate::run::sweep::folder::{FrozenPlan, SweepFolder, SweepLimits};
use crate::run::sweep::room::Room;
use crate::run::sweep::{Arm, SweepOrder, SweepStop, Swept, freeze};
use clap::Parser as _;
use dissent_core::campaign::draw::PairwiseDraw;
use dissent_core::campaign::goal::Goal;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::collections::BTreeSet;
use std::path::Path;

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
        keep_tables: written.keep_tables,
        retry_inconclusive: args.retry_inconclusive || written.retry_inconclusive,
    };
    let arms = written.arms().into_iter().map(arm).collect::<Result<Vec<Arm>, Exit>>()?;
    let own = arms.iter().filter_map(|arm| arm.target().external()).map(|own| &own.path);
    if own.collect::<BTreeSet<_>>().len() > 1 {
        let error = format!("{file}: its arms run on different clusters of your own: write a plan for each");
        return Err(output::failure(&error, Exit::Usage));
    }
    let first = args.seed.or(written.first_seed).unwrap_or_else(draw_seed);
    let plan = freeze(written.name, &arms, Seed(first), written.runs, written.parts, limits);
    if args.plan_only {
        for arm in &plan.arms {
            output::result(&format!("{}: dissent run {}", arm.name, arm.words.join(" ")));
        }
        return Ok(None);
    }
    let wanted = format!("sweep-{}-seed{first}", plan.name);
    let folder = SweepFolder::create(&args.output.results, &wanted, &plan)
        .map_err(|error| output::failure(&error, error.exit()))?;
    output::progress(&format!(
        "seed {first}  {} arms x {} runs in {} parts  {}",
        plan.extent.arms,
        plan.extent.runs,
        plan.extent.parts,
        folder.path().display()
    ));
    tell_room(&Room::of(&arms, plan.extent.runs, folder.path()), folder.path());
    Ok(Some((folder, plan, arms)))
}

/// Tells how much room the results take at most. Whether runs fail is not known yet.
fn tell_room(room: &Room, folder: &Path) {
    let free = room.free.map_or(String::new(), |free| format!(", {} are free", bytes(free)));
    output::progress(&format!("disk: about {} if {} runs are kept{free}", bytes(room.bytes), room.folders));
    if room.is_short() {
        let folder = folder.display();
        output::status(&format!("warning: the disk of {folder} may become full: free some room first"));
    }
}

/// A sweep that was stopped. Its files must still say the same.
fn resumed(dir: &Path) -> Result<Option<Begun>, Exit> {
    let opened = SweepFolder::open(dir).map_err(|error| output::failure(&error, Exit::Usage))?;
    let (folder, plan) = opened;
    let mut arms = Vec::new();
    for frozen in &plan.arms {
        let arm = arm(frozen.planned())?;
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

/// Resolves an arm, every combination of it if its seeds draw.
fn arm(planned: PlannedArm) -> Result<Arm, Exit> {
    let PlannedArm { name, words, drawn } = planned;
    match drawn {
        None => resolved(&name, words).map(|spec| Arm::alike(name, spec)),
        Some(DrawnArm { sizes, words: each }) => {
            let spec = |words: Vec<String>| resolved(&format!("{name}: {}", words.join(" ")), words);
            let specs = each.into_iter().map(spec).collect::<Result<_, Exit>>()?;
            Ok(Arm { name, words, specs, draw: PairwiseDraw::new(&sizes) })
        }
    }
}

/// Resolves the words of an arm as `dissent run` would.
fn resolved(name: &str, words: Vec<String>) -> Result<RunSpec, Exit> {
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
    Ok(spec)
}

fn run_all(
    args: &SweepArgs,
    folder: &SweepFolder,
    plan: &FrozenPlan,
    arms: Vec<Arm>,
) -> Result<Swept, RunError> {
    let order = SweepOrder::of(folder, plan, arms, folder.runs(), args.jobs, cores());
    let bar = counting(plan.extent.runs * plan.extent.arms);
    let mut failed = 0;
    let swept = run_order(order, |outcome| {
        output::notices(outcome);
        failed += u32::from(outcome.judged.verdict.outcome == VerdictOutcome::Fail);
        bar.set_message(format!("{failed} failed"));
        bar.inc(1);
    });
    bar.finish_and_clear();
    swept
}

fn conclude(args: &SweepArgs, folder: &SweepFolder, plan: &FrozenPlan, swept: &Swept) -> Exit {
    if let Some(SweepStop::Failed(seed, error)) = &swept.stopped {
        output::status(&format!("stopped at seed {}: {error}", seed.0));
    }
    let (stopped_by, at_least) = stopped_by(swept.stopped.as_ref());
    let mut campaign = folder.campaign(plan, &swept.parts, stopped_by);
    let of_runs = swept.exit.unwrap_or(Exit::Pass);
    let mut exit = Exit::from(campaign.outcome).worst(of_runs).worst(at_least);
    campaign.exit_code = exit as u8;
    let line = last_line(&campaign, &folder.path().display().to_string());
    let written = write_pages(folder, &campaign);
    let written = written.and_then(|()| folder.write("junit.xml", &suites(&campaign)));
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
        Format::Human => output::summary(&words(&campaign)),
        Format::Json => output::result(&serde_json::to_string_pretty(&campaign).unwrap_or_default()),
    }
    if campaign.is_unfinished() {
        output::progress(&format!("go on with: dissent sweep --resume {}", folder.path().display()));
    }
    output::last_line(&line);
    exit
}
