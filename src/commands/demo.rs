//! `dissent demo`: the main job on the embedded cluster. Bug arms and control arms, as processes and in
//! virtual time; it succeeds only if every arm came out as expected.

use super::output;
use super::progress::counting;
use super::resolve::run_spec;
use super::run::{cores, runtime};
use crate::adapter::specimen::SpecimenKind;
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::{Exit, StopSignal};
use crate::report::campaign::CampaignSummary;
use crate::report::table::{ArmRow, arms};
use crate::report::terminal;
use crate::run::campaign::{run_all, simulate_all};
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::process_run::RunOutcome;
use crate::run::run_spec::RunSpec;
use crate::run::signals::signalled;
use clap::Parser as _;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// What a run whose guard lets one server merge too early must have found, and nothing else.
const LONE_DIVERGENCE: &str = "one-differs wrong-value minority standing";

/// What a run in which something never goes on must have found, and nothing else.
const FROZEN: &str = "frozen";

/// Process runs side by side.
const SIDE_BY_SIDE: usize = 2;

/// What is run on a cluster, the same for every arm of it.
struct DemoPlan {
    on: SpecimenKind,
    workload: &'static str,
    nemesis: &'static str,
}

const SEGMENTS: DemoPlan =
    DemoPlan { on: SpecimenKind::Segments, workload: "partial-upsert", nemesis: "late-transition" };
const SHARD: DemoPlan =
    DemoPlan { on: SpecimenKind::Shard, workload: "upsert-feed", nemesis: "cold-cutover" };

/// One guard or rule on the same seeds as all others: an arm of processes and an arm in virtual time.
struct Arm {
    plan: DemoPlan,
    /// The target's setting, and what it is set to.
    set: (&'static str, &'static str),
    /// What every exposed run must have found; none: every run passes.
    expected: Option<&'static str>,
    /// The longest wait for replicas to catch up. One that is frozen never does, so the wait for it is as
    /// short as its being frozen takes to show.
    quiesce: &'static str,
}

const ARMS: [Arm; 7] = [
    Arm { plan: SEGMENTS, set: ("guard", "startup-latch"), expected: Some(LONE_DIVERGENCE), quiesce: "10s" },
    Arm { plan: SEGMENTS, set: ("guard", "partition-gate"), expected: None, quiesce: "10s" },
    Arm { plan: SEGMENTS, set: ("guard", "signal-gate"), expected: Some(LONE_DIVERGENCE), quiesce: "10s" },
    Arm {
        plan: SEGMENTS,
        set: ("guard", "partition-gate-no-skip-wake"),
        expected: Some(FROZEN),
        quiesce: "5s",
    },
    Arm { plan: SHARD, set: ("rule", "v2-stranding"), expected: Some(FROZEN), quiesce: "5s" },
    Arm { plan: SHARD, set: ("rule", "v2-dropping"), expected: None, quiesce: "10s" },
    Arm { plan: SHARD, set: ("rule", "v1"), expected: None, quiesce: "10s" },
];

const OPENING: &str = "\
dissent demo: a cluster of a controller and four servers merges keyed partial updates. The nemesis
late-transition keeps one server from registering a segment until it should have consumed the next.
  startup-latch                the published bug: a latch, open since the cluster started
  partition-gate               the fix: asks whether every earlier segment is registered
  signal-gate                  the tempting fix: trusts the signal that a step ended, though it was skipped
  partition-gate-no-skip-wake  asks the right thing, and is not woken to ask again
Then two writers keep the newest row of every key in one shared shard. The nemesis cold-cutover brings
the second one up cold, promotes it, and ends the first.
  v2-stranding                 the published bug: keeps for ever what the other writer has written
  v2-dropping                  the fix: drops it
  v1                           the older rule: never took it in
Each arm runs as real processes once, two at a time, and in virtual time over many seeds.
";

/// Runs all arms and tells whether each came out as expected.
pub(super) fn demo(args: &cli::DemoArgs) -> Exit {
    output::result(OPENING);
    let specs = |name: fn(SpecimenKind) -> &'static str| {
        ARMS.iter().map(|arm| arm.spec(name(arm.plan.on))).collect::<Result<Vec<_>, _>>()
    };
    let (real, virtual_time) = match (specs(SpecimenKind::processes), specs(SpecimenKind::simulated)) {
        (Ok(real), Ok(virtual_time)) => (real, virtual_time),
        (Err(error), _) | (_, Err(error)) => return output::refusal(error),
    };
    let mut rows = Vec::new();
    let mut as_expected = true;
    let mut came = |arm: &Arm, how: &str, summary: &CampaignSummary| {
        as_expected &= arm.came_out(summary);
        rows.push(row(arm, how, summary));
    };
    let cut = match real_arms(args, &real) {
        Ok((tallies, cut)) => {
            ARMS.iter().zip(&tallies).for_each(|(arm, summary)| came(arm, "processes", summary));
            cut
        }
        Err(error) => return output::lost(&error, Seed(args.seed)),
    };
    if let Some(cut) = cut {
        return cut_off(cut, &rows);
    }
    for (arm, spec) in ARMS.iter().zip(&virtual_time) {
        output::status(&format!("{}, simulated: {} seeds", arm.set.1, args.runs));
        let bar = counting(args.runs);
        let summary = simulate_all(spec, Seed(args.seed), args.runs, cores(), &args.results, |_| bar.inc(1));
        bar.finish_and_clear();
        match summary {
            Ok(CampaignSummary { cut: Some(cut), .. }) => return cut_off(cut, &rows),
            Ok(summary) => came(arm, "simulated", &summary),
            Err(stopped) => return output::lost(&stopped.error, stopped.seed),
        }
    }
    output::result(&format!("\n{}", arms(&rows)));
    if as_expected {
        output::result("every arm came out as expected");
        Exit::Pass
    } else {
        output::result("NOT every arm came out as expected");
        Exit::Violation
    }
}

/// A signal came: tells of the arms that ran to their end.
fn cut_off(cut: StopSignal, rows: &[ArmRow]) -> Exit {
    output::result(&format!("\n{}", arms(rows)));
    let (ran, all) = (rows.len(), 2 * ARMS.len());
    output::result(&format!("INCONCLUSIVE cut off by {} after {ran} of {all} arms", cut.name()));
    cut.exit()
}

impl Arm {
    /// The same order as the command line's, so that what is shown here can be repeated by hand.
    fn spec(&self, target: &str) -> Result<RunSpec, ConfigError> {
        let set = format!("{}={}", self.set.0, self.set.1);
        let plan = ["run", target, self.plan.workload, self.plan.nemesis];
        let words = plan.into_iter().chain(["--set", &set, "--quiesce", self.quiesce]);
        run_spec(&cli::RunArgs::parse_from(words))
    }

    fn came_out(&self, summary: &CampaignSummary) -> bool {
        let (fail, pass) = (summary.count(VerdictOutcome::Fail), summary.count(VerdictOutcome::Pass));
        let as_expected = match self.expected {
            Some(words) => {
                let found = summary.found.get(words).copied().unwrap_or_default();
                found == summary.exposed && fail == found && summary.on_victim == found
            }
            None => pass == summary.runs,
        };
        summary.exposed > 0 && as_expected
    }
}

/// The arms on processes, begun in order and few at a time; each verdict is told as it comes. After a signal
/// none is begun any more, and those that it cut off do not count.
fn real_arms(
    args: &cli::DemoArgs,
    specs: &[RunSpec],
) -> Result<(Vec<CampaignSummary>, Option<StopSignal>), RunError> {
    output::status(&format!("seed {}: processes", args.seed));
    let runtime = runtime()?;
    let failed = |what, error: &dyn std::fmt::Display| RunError::Surroundings {
        what,
        source: std::io::Error::other(error.to_string()),
    };
    runtime.block_on(async {
        let places = Arc::new(Semaphore::new(SIDE_BY_SIDE));
        let cut = Arc::new(OnceLock::new());
        let seen = Arc::clone(&cut);
        tokio::spawn(async move { signalled().await.map(|signal| seen.set(signal)) });
        let mut running = Vec::new();
        for (arm, spec) in ARMS.iter().zip(specs) {
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.map_err(|closed| failed("begin an arm", &closed))?;
            if cut.get().is_some() {
                break;
            }
            let (spec, results, seed) = (spec.clone(), args.results.clone(), Seed(args.seed));
            running.push(tokio::spawn(async move {
                let summary = run_all(&spec, seed, 1, 1, &results, |outcome| told(arm.set.1, outcome)).await;
                drop(place);
                summary
            }));
        }
        let mut tallies = Vec::new();
        for arm in running {
            let summary = arm.await.map_err(|panicked| failed("finish an arm", &panicked))?;
            match (summary, cut.get()) {
                (Ok(summary), None) => tallies.push(summary),
                (Err(stopped), None) => return Err(stopped.error),
                (_, Some(_)) => {}
            }
        }
        Ok((tallies, cut.get().copied()))
    })
}

fn told(arm: &str, outcome: &RunOutcome) {
    let JudgedRun { verdict, meta, .. } = &outcome.judged;
    if verdict.outcome == VerdictOutcome::Fail {
        output::result(&terminal::summary(verdict, meta, output::style()));
    }
    let report = outcome.judged.report().map(|path| path.display().to_string());
    output::result(&format!("{arm}, processes: {}", terminal::last_line(verdict, meta, report.as_deref())));
    output::notices(outcome);
}

fn row(arm: &Arm, how: &str, summary: &CampaignSummary) -> ArmRow {
    let (fail, pass) = (summary.count(VerdictOutcome::Fail), summary.count(VerdictOutcome::Pass));
    let found = match (fail, summary.found.iter().next()) {
        (0, _) => format!("pass in {pass} of {}", summary.runs),
        (_, Some((words, _))) if summary.found.len() == 1 => format!("{words} in {fail} of {}", summary.runs),
        _ => format!("{} kinds of finding in {fail} of {}", summary.found.len(), summary.runs),
    };
    ArmRow {
        arm: format!("{}, {how}", arm.set.1),
        expected: arm.expected.unwrap_or("pass").to_owned(),
        found,
        evidence: format!("{} exposed, {} rows compared", summary.exposed, summary.rows),
        report: summary.report.as_ref().map_or("-".to_owned(), |report| report.display().to_string()),
    }
}
