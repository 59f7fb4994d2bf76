//! `dissent demo`: buggy and fixed variants of the built-in clusters, as processes and in virtual time. It
//! succeeds only if every variant gives the expected result.

use super::progress::counting;
use super::run::{cores, order, runtime};
use super::tell;
use crate::adapter::specimen::Embedded;
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::{Exit, StopSignal};
use crate::report::table::{ArmRow, arms};
use crate::report::tally::Tally;
use crate::report::terminal;
use crate::run::campaign::{run_all, simulate_all};
use crate::run::conclude::Judged;
use crate::run::one::{Finished, RunError};
use crate::run::order::Order;
use crate::run::signals::signalled;
use clap::Parser as _;
use dissent_core::checker::verdict::Outcome;
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
struct Plan {
    on: Embedded,
    workload: &'static str,
    nemesis: &'static str,
}

const SEGMENTS: Plan =
    Plan { on: Embedded::Segments, workload: "partial-upsert", nemesis: "late-transition" };
const SHARD: Plan = Plan { on: Embedded::Shard, workload: "upsert-feed", nemesis: "cold-cutover" };

/// One guard or rule on the same seeds as all others, as processes and in virtual time.
struct Arm {
    plan: Plan,
    /// The target's setting and its value.
    set: (&'static str, &'static str),
    /// The finding of every exposed run; none: every run passes.
    expected: Option<&'static str>,
    /// How long to wait for replicas to catch up. A frozen one never does, so that wait is only long enough
    /// to detect the freeze.
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
pub(super) fn demo(args: &cli::Demo) -> Exit {
    tell::result(OPENING);
    let orders = |name: fn(Embedded) -> &'static str| {
        ARMS.iter().map(|arm| arm.order(name(arm.plan.on))).collect::<Result<Vec<_>, _>>()
    };
    let (real, virtual_time) = match (orders(Embedded::processes), orders(Embedded::simulated)) {
        (Ok(real), Ok(virtual_time)) => (real, virtual_time),
        (Err(error), _) | (_, Err(error)) => return tell::refusal(error),
    };
    let mut rows = Vec::new();
    let mut as_expected = true;
    let mut came = |arm: &Arm, how: &str, tally: &Tally| {
        as_expected &= arm.came_out(tally);
        rows.push(row(arm, how, tally));
    };
    let cut = match real_arms(args, &real) {
        Ok((tallies, cut)) => {
            ARMS.iter().zip(&tallies).for_each(|(arm, tally)| came(arm, "processes", tally));
            cut
        }
        Err(error) => return tell::lost(&error, Seed(args.seed)),
    };
    if let Some(cut) = cut {
        return cut_off(cut, &rows);
    }
    for (arm, order) in ARMS.iter().zip(&virtual_time) {
        tell::aside(&format!("{}, simulated: {} seeds", arm.set.1, args.runs));
        let bar = counting(args.runs);
        let tally = simulate_all(order, Seed(args.seed), args.runs, cores(), &args.results, |_| bar.inc(1));
        bar.finish_and_clear();
        match tally {
            Ok(Tally { cut: Some(cut), .. }) => return cut_off(cut, &rows),
            Ok(tally) => came(arm, "simulated", &tally),
            Err(stopped) => return tell::lost(&stopped.error, stopped.seed),
        }
    }
    tell::result(&format!("\n{}", arms(&rows)));
    if as_expected {
        tell::result("all variants gave the expected result");
        Exit::Pass
    } else {
        tell::result("NOT all variants gave the expected result");
        Exit::Violation
    }
}

/// Reports the variants that finished before a signal.
fn cut_off(cut: StopSignal, rows: &[ArmRow]) -> Exit {
    tell::result(&format!("\n{}", arms(rows)));
    let (ran, all) = (rows.len(), 2 * ARMS.len());
    tell::result(&format!("INCONCLUSIVE cut off by {} after {ran} of {all} arms", cut.name()));
    cut.exit()
}

impl Arm {
    /// The same order as from the command line, so that a result can be reproduced by hand.
    fn order(&self, target: &str) -> Result<Order, ConfigError> {
        let set = format!("{}={}", self.set.0, self.set.1);
        let plan = ["run", target, self.plan.workload, self.plan.nemesis];
        let words = plan.into_iter().chain(["--set", &set, "--quiesce", self.quiesce]);
        order(&cli::Run::parse_from(words))
    }

    fn came_out(&self, tally: &Tally) -> bool {
        let (fail, pass) = (tally.count(Outcome::Fail), tally.count(Outcome::Pass));
        let as_expected = match self.expected {
            Some(words) => {
                let found = tally.found.get(words).copied().unwrap_or_default();
                found == tally.exposed && fail == found && tally.on_victim == found
            }
            None => pass == tally.runs,
        };
        tally.exposed > 0 && as_expected
    }
}

/// Runs the variants as processes, in order and few at a time, and prints each verdict as it comes. After a
/// signal none is started, and those that it stopped do not count.
fn real_arms(args: &cli::Demo, orders: &[Order]) -> Result<(Vec<Tally>, Option<StopSignal>), RunError> {
    tell::aside(&format!("seed {}: processes", args.seed));
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
        for (arm, order) in ARMS.iter().zip(orders) {
            let place = Arc::clone(&places).acquire_owned().await;
            let place = place.map_err(|closed| failed("start a variant", &closed))?;
            if cut.get().is_some() {
                break;
            }
            let (order, results, seed) = (order.clone(), args.results.clone(), Seed(args.seed));
            running.push(tokio::spawn(async move {
                let tally = run_all(&order, seed, 1, 1, &results, |finished| told(arm.set.1, finished)).await;
                drop(place);
                tally
            }));
        }
        let mut tallies = Vec::new();
        for arm in running {
            let tally = arm.await.map_err(|panicked| failed("finish a variant", &panicked))?;
            match (tally, cut.get()) {
                (Ok(tally), None) => tallies.push(tally),
                (Err(stopped), None) => return Err(stopped.error),
                (_, Some(_)) => {}
            }
        }
        Ok((tallies, cut.get().copied()))
    })
}

fn told(arm: &str, finished: &Finished) {
    let Judged { verdict, facts, .. } = &finished.judged;
    if verdict.outcome == Outcome::Fail {
        tell::result(&terminal::summary(verdict, facts, tell::style()));
    }
    let report = finished.judged.report().map(|path| path.display().to_string());
    tell::result(&format!("{arm}, processes: {}", terminal::last_line(verdict, facts, report.as_deref())));
    tell::beside(finished);
}

fn row(arm: &Arm, how: &str, tally: &Tally) -> ArmRow {
    let (fail, pass) = (tally.count(Outcome::Fail), tally.count(Outcome::Pass));
    let found = match (fail, tally.found.iter().next()) {
        (0, _) => format!("pass in {pass} of {}", tally.runs),
        (_, Some((words, _))) if tally.found.len() == 1 => format!("{words} in {fail} of {}", tally.runs),
        _ => format!("{} kinds of finding in {fail} of {}", tally.found.len(), tally.runs),
    };
    ArmRow {
        arm: format!("{}, {how}", arm.set.1),
        expected: arm.expected.unwrap_or("pass").to_owned(),
        found,
        evidence: format!("{} exposed, {} rows compared", tally.exposed, tally.rows),
        report: tally.report.as_ref().map_or("-".to_owned(), |report| report.display().to_string()),
    }
}
