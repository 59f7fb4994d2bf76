//! `dissent sweep`: many arms with many seeds each, and what may be concluded from all of them.

use super::output;
use super::progress::counting;
use super::resolve_run_spec::run_spec;
use super::run::{cores, draw_seed, runtime};
use crate::cli::{Format, RunArgs, SweepArgs};
use crate::config::load::load_file;
use crate::config::sweep_plan::{PlannedArm, SweepPlan};
use crate::exit::Exit;
use crate::report::sweep::{last_line, words};
use crate::run::error::RunError;
use crate::run::hooks::with_hooks;
use crate::run::judging::JudgedRun;
use crate::run::sweep::folder::{FrozenPlan, SweepFolder};
use crate::run::sweep::{Arm, Swept, jobs, sweep as run_parts};
use clap::Parser as _;
use dissent_core::campaign::document::CampaignDocument;
use dissent_core::campaign::part::Extent;
use dissent_core::campaign::run_result::RunId;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::collections::BTreeSet;

/// About how many runs a part has. A part that was not finished is done again.
const RUNS_OF_PART: u32 = 20;
/// The most parts that a plan is cut into by itself.
const PARTS_MAX: u32 = 1_000;
/// The document of the whole.
const CAMPAIGN: &str = "campaign.json";

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
    let arms = written.arms().into_iter().map(arm).collect::<Result<Vec<Arm>, Exit>>()?;
    let own = arms.iter().filter_map(|arm| arm.spec.target.external()).map(|own| &own.path);
    if own.collect::<BTreeSet<_>>().len() > 1 {
        let error = format!("{file}: its arms run on different clusters of your own: write a plan for each");
        return Err(output::failure(&error, Exit::Usage));
    }
    let first = args.seed.or(written.first_seed).unwrap_or_else(draw_seed);
    let count = arms.len() as u32;
    let by_size = (written.runs.saturating_mul(count) / RUNS_OF_PART).clamp(1, PARTS_MAX);
    let parts = written.parts.unwrap_or(by_size).min(written.runs);
    let extent = Extent { arms: count, first_seed: Seed(first), runs: written.runs, parts };
    let plan = FrozenPlan {
        name: written.name,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extent,
        arms: arms.iter().map(Arm::frozen).collect(),
    };
    if args.plan_only {
        for arm in &plan.arms {
            output::result(&format!("{}: dissent run {}", arm.name, arm.words.join(" ")));
        }
        return Ok(None);
    }
    let folder = SweepFolder::create(&args.output.results, &plan)
        .map_err(|error| output::failure(&error, error.exit()))?;
    output::status(&format!(
        "seed {first}  {count} arms x {} runs in {parts} parts  {}",
        plan.extent.runs,
        folder.path().display()
    ));
    Ok(Some((folder, plan, arms)))
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
    let mut campaign = CampaignDocument::of(&plan.described(), &swept.parts);
    let mut exit = Exit::from(campaign.outcome).worst(swept.exit.unwrap_or(Exit::Pass));
    if let Some((seed, error)) = &swept.stopped {
        output::status(&format!("stopped at seed {}: {error}", seed.0));
        campaign.stopped_by = Some(error.to_string());
        exit = exit.worst(error.exit());
    }
    if let Some(signal) = swept.signal {
        campaign.stopped_by = Some(signal.name().to_owned());
        exit = exit.worst(signal.exit());
    }
    campaign.exit_code = exit as u8;
    let json = serde_json::to_string_pretty(&campaign).unwrap_or_default();
    if let Err(error) = folder.write(CAMPAIGN, &json) {
        output::status(&format!("error: {error}"));
        exit = exit.worst(Exit::Inconclusive);
    }
    match args.output.format {
        Format::Human => output::result(&words(&campaign)),
        Format::Json => output::result(&json),
    }
    if !campaign.missing_parts.is_empty() {
        output::status(&format!("go on with: dissent sweep --resume {}", folder.path().display()));
    }
    output::last_line(&last_line(&campaign, &folder.path().display().to_string()));
    exit
}
