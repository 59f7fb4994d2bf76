//! `dissent demo`: buggy and fixed variants of the built-in clusters, as processes and in virtual time. It
//! succeeds only if every variant gives the expected result.

use super::output::{self, Verdicts};
use super::progress::counting;
use super::resolve_run_spec::run_spec;
use super::runtime::{cores, runtime};
use crate::adapter::specimen::SpecimenKind;
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::{Exit, StopSignal};
use crate::report::campaign::CampaignSummary;
use crate::report::terminal;
use crate::report::variants::{VariantRow, arms};
use crate::run::campaign::simulate_all;
use crate::run::error::RunError;
use crate::run::judging::JudgedRun;
use crate::run::observer::NoObserver;
use crate::run::process_run::{RunOutcome, run_processes};
use crate::run::run_spec::RunSpec;
use crate::run::signals::signalled;
use clap::Parser as _;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// The only finding of a run whose guard lets one server merge too early.
const LONE_DIVERGENCE: &str = "one-differs wrong-value minority standing";

/// The only finding of a run in which something stops for good.
const FROZEN: &str = "frozen";

/// Process runs in parallel.
const SIDE_BY_SIDE: usize = 2;

/// What runs on a cluster, the same for all its variants.
struct DemoPlan {
    on: SpecimenKind,
    workload: &'static str,
    nemesis: &'static str,
}

const SEGMENTS: DemoPlan =
    DemoPlan { on: SpecimenKind::Segments, workload: "partial-upsert", nemesis: "late-transition" };
const SHARD: DemoPlan =
    DemoPlan { on: SpecimenKind::Shard, workload: "upsert-feed", nemesis: "cold-cutover" };

/// One guard or rule on the same seeds as all others, as processes and in virtual time.
struct Variant {
    plan: DemoPlan,
    /// The target's setting and its value.
    set: (&'static str, &'static str),
    /// The finding of every exposed run; none: every run passes.
    expected: Option<&'static str>,
    /// How long to wait for replicas to catch up. A frozen one never does, so that wait is only long enough
    /// to detect the freeze.
    quiesce: &'static str,
}

const ARMS: [Variant; 7] = [
    Variant {
        plan: SEGMENTS,
        set: ("guard", "startup-latch"),
        expected: Some(LONE_DIVERGENCE),
        quiesce: "10s",
    },
    Variant { plan: SEGMENTS, set: ("guard", "partition-gate"), expected: None, quiesce: "10s" },
    Variant {
        plan: SEGMENTS,
        set: ("guard", "signal-gate"),
        expected: Some(LONE_DIVERGENCE),
        quiesce: "10s",
    },
    Variant {
        plan: SEGMENTS,
        set: ("guard", "partition-gate-no-skip-wake"),
        expected: Some(FROZEN),
        quiesce: "5s",
    },
    Variant { plan: SHARD, set: ("rule", "v2-stranding"), expected: Some(FROZEN), quiesce: "5s" },
    Variant { plan: SHARD, set: ("rule", "v2-dropping"), expected: None, quiesce: "10s" },
    Variant { plan: SHARD, set: ("rule", "v1"), expected: None, quiesce: "10s" },
];

const OPENING: &str = "\
dissent demo: a cluster with a controller and four servers merges keyed partial updates. The nemesis
late-transition delays the registration of a segment on one server until the next segment is open.
  startup-latch                the published bug: a latch that opens once, when the cluster starts
  partition-gate               the fix: waits until every earlier segment is registered
  signal-gate                  an incomplete fix: trusts a signal that is also sent for skipped steps
  partition-gate-no-skip-wake  an incomplete fix: checks the right condition, but is not woken to recheck it
Then two writers keep the newest row of every key in one shared shard. The nemesis cold-cutover starts
the second writer cold, promotes it, and stops the first.
  v2-stranding                 the published bug: never discards data that the other writer has written
  v2-dropping                  the fix: discards that data
  v1                           the older rule: never keeps that data
Each variant runs once as real processes, two variants at a time, and over many seeds in virtual time.
Buggy variants are expected to FAIL.
";

/// Runs all variants and reports whether each gave the expected result.
pub(super) fn demo(args: &cli::DemoArgs) -> Exit {
    output::summary(OPENING);
    let specs = |name: fn(SpecimenKind) -> &'static str| {
        ARMS.iter().map(|arm| arm.spec(name(arm.plan.on))).collect::<Result<Vec<_>, _>>()
    };
    let (real, virtual_time) = match (specs(SpecimenKind::processes), specs(SpecimenKind::simulated)) {
        (Ok(real), Ok(virtual_time)) => (real, virtual_time),
        (Err(error), _) | (_, Err(error)) => return output::refusal(error),
    };
    let mut rows = Vec::new();
    let mut as_expected = true;
    let mut came = |arm: &Variant, how: &str, summary: &CampaignSummary| {
        as_expected &= arm.came_out(summary);
        rows.push(row(arm, how, summary));
    };
    let cut = match real_arms(args, &real) {
        Ok((tallies, cut)) => {
            ARMS.iter().zip(&tallies).for_each(|(arm, summary)| came(arm, "processes", summary));
            cut
        }
        Err(error) => return output::report_lost(&error, Seed(args.seed), Verdicts::new(cli::Format::Human)),
    };
    if let Some(cut) = cut {
        return cut_off(cut, &rows);
    }
    for (arm, spec) in ARMS.iter().zip(&virtual_time) {
        output::progress(&format!("{}, simulated: {} seeds", arm.set.1, args.runs));
        let bar = counting(args.runs);
        let summary = simulate_all(spec, Seed(args.seed), args.runs, cores(), &args.results, |_| bar.inc(1));
        bar.finish_and_clear();
        match summary {
            Ok(CampaignSummary { signal: Some(cut), .. }) => return cut_off(cut, &rows),
            Ok(summary) => came(arm, "simulated", &summary),
            Err(stopped) => {
                return output::report_lost(&stopped.error, stopped.seed, Verdicts::new(cli::Format::Human));
            }
        }
    }
    output::summary(&format!("\n{}", arms(&rows)));
    if as_expected {
        output::result("all variants gave the expected result");
        Exit::Pass
    } else {
        output::result("NOT all variants gave the expected result");
        Exit::Violation
    }
}

/// Reports the variants that finished before a signal.
fn cut_off(cut: StopSignal, rows: &[VariantRow]) -> Exit {
    output::summary(&format!("\n{}", arms(rows)));
    let (ran, all) = (rows.len(), 2 * ARMS.len());
    output::result(&format!("INCONCLUSIVE cut off by {} after {ran} of {all} arms", cut.name()));
    cut.exit()
}

impl Variant {
    /// The same specification as from the command line, so that a result can be reproduced by hand.
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
                found == summary.exposed && fail == found && summary.on_faulted_replica == found
            }
            None => pass == summary.runs,
        };
        summary.exposed > 0 && as_expected
    }
}

/// Runs the variants as processes, in order and few at a time, and prints each verdict as it comes. After a
/// signal none is started, and those that it stopped do not count.
fn real_arms(
    args: &cli::DemoArgs,
    specs: &[RunSpec],
) -> Result<(Vec<CampaignSummary>, Option<StopSignal>), RunError> {
    output::progress(&format!("seed {}: processes", args.seed));
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
            let place = place.map_err(|closed| failed("start a variant", &closed))?;
            if cut.get().is_some() {
                break;
            }
            let (spec, results, seed) = (spec.clone(), args.results.clone(), Seed(args.seed));
            running.push(tokio::spawn(async move {
                let outcome = run_processes(&spec, seed, &results, &mut NoObserver).await;
                drop(place);
                let mut summary = CampaignSummary::default();
                outcome.map(|outcome| {
                    told(arm.set.1, &outcome);
                    summary.add(&outcome.judged);
                    summary
                })
            }));
        }
        let mut tallies = Vec::new();
        for arm in running {
            let summary = arm.await.map_err(|panicked| failed("finish a variant", &panicked))?;
            match (summary, cut.get()) {
                (Ok(summary), None) => tallies.push(summary),
                (Err(error), None) => return Err(error),
                (_, Some(_)) => {}
            }
        }
        Ok((tallies, cut.get().copied()))
    })
}

fn told(arm: &str, outcome: &RunOutcome) {
    let JudgedRun { verdict, meta, .. } = &outcome.judged;
    if verdict.outcome == VerdictOutcome::Fail {
        output::summary(&terminal::summary(verdict, meta, output::style()));
    }
    let report = outcome.judged.report().map(|path| path.display().to_string());
    output::summary(&format!("{arm}, processes: {}", terminal::last_line(verdict, meta, report.as_deref())));
    output::notices(outcome);
}

fn row(arm: &Variant, how: &str, summary: &CampaignSummary) -> VariantRow {
    let (fail, pass) = (summary.count(VerdictOutcome::Fail), summary.count(VerdictOutcome::Pass));
    let found = match (fail, summary.found.iter().next()) {
        (0, _) => format!("pass in {pass} of {}", summary.runs),
        (_, Some((words, _))) if summary.found.len() == 1 => format!("{words} in {fail} of {}", summary.runs),
        _ => format!("{} kinds of finding in {fail} of {}", summary.found.len(), summary.runs),
    };
    VariantRow {
        arm: format!("{}, {how}", arm.set.1),
        expected: arm.expected.unwrap_or("pass").to_owned(),
        found,
        evidence: format!("{} exposed, {} rows compared", summary.exposed, summary.rows),
        report: summary.report.as_ref().map_or("-".to_owned(), |report| report.display().to_string()),
    }
}
