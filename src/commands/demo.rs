//! `dissent demo`: the main job on the embedded cluster. Bug arms and control arms, as processes and in
//! virtual time; it succeeds only if every arm came out as expected.

use super::progress::counting;
use super::run::{cores, order, runtime};
use super::tell;
use crate::check::verdict::Outcome;
use crate::cli;
use crate::config::error::ConfigError;
use crate::exit::Exit;
use crate::report::table::{ArmRow, arms};
use crate::report::terminal;
use crate::run::campaign::{Tally, run_all, simulate_all};
use crate::run::conclude::Judged;
use crate::run::one::{Finished, RunError};
use crate::run::order::Order;
use crate::seed::Seed;
use clap::Parser as _;

/// What every exposed run of a bug arm must have found, and nothing else.
const LONE_DIVERGENCE: &str = "one-differs wrong-value minority standing";

/// One arm: bug or control.
struct Arm {
    title: &'static str,
    target: &'static str,
    guard: &'static str,
    bug: bool,
}

const ARMS: [Arm; 4] = [
    Arm { title: "startup-latch, processes", target: "specimen-segments", guard: "startup-latch", bug: true },
    Arm {
        title: "partition-gate, processes",
        target: "specimen-segments",
        guard: "partition-gate",
        bug: false,
    },
    Arm { title: "startup-latch, simulated", target: "sim-segments", guard: "startup-latch", bug: true },
    Arm { title: "partition-gate, simulated", target: "sim-segments", guard: "partition-gate", bug: false },
];

const OPENING: &str = "\
dissent demo: a cluster of a controller and four servers merges keyed partial updates. The nemesis
late-transition keeps one server from registering a segment until it has begun to consume the next.
Guard startup-latch is the published bug; partition-gate is the fix. Each arm runs as real processes
once, and in virtual time over many seeds.
";

/// Runs all arms and tells whether each came out as expected.
pub(super) fn demo(args: &cli::Demo) -> Exit {
    tell::result(OPENING);
    let mut rows = Vec::new();
    let mut as_expected = true;
    let (processes, simulated) = ARMS.split_at(2);
    let orders: Result<Vec<Order>, ConfigError> = ARMS.iter().map(arm_order).collect();
    let orders = match orders {
        Ok(orders) => orders,
        Err(error) => return tell::refusal(error),
    };
    let tallies = match real_arms(args, processes, &orders) {
        Ok(tallies) => tallies,
        Err(error) => return tell::lost(&error),
    };
    for (arm, tally) in processes.iter().zip(tallies) {
        as_expected &= came_out(arm, &tally);
        rows.push(row(arm, &tally));
    }
    for (arm, order) in simulated.iter().zip(&orders[processes.len()..]) {
        tell::aside(&format!("{}: {} seeds", arm.title, args.runs));
        let bar = counting(args.runs);
        let tally = simulate_all(order, Seed(args.seed), args.runs, cores(), &args.results, |_| bar.inc(1));
        bar.finish_and_clear();
        match tally {
            Ok(tally) => {
                as_expected &= came_out(arm, &tally);
                rows.push(row(arm, &tally));
            }
            Err(stopped) => return tell::failure(&stopped.error, stopped.error.exit()),
        }
    }
    tell::result(&format!("\n{}", arms(&rows)));
    if as_expected {
        tell::result("every arm came out as expected");
        Exit::Pass
    } else {
        tell::result("NOT every arm came out as expected");
        Exit::Violation
    }
}

/// The same order as the command line's, so that what is shown here can be repeated by hand.
fn arm_order(arm: &Arm) -> Result<Order, ConfigError> {
    let guard = format!("guard={}", arm.guard);
    let words = ["run", arm.target, "partial-upsert", "late-transition", "--set", &guard];
    order(&cli::Run::parse_from(words))
}

/// The arms on processes, side by side; each verdict is told as it comes.
fn real_arms(args: &cli::Demo, arms: &[Arm], orders: &[Order]) -> Result<Vec<Tally>, RunError> {
    tell::aside(&format!("seed {}: processes", args.seed));
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut running = Vec::new();
        for (arm, order) in arms.iter().zip(orders) {
            let (order, results, seed) = (order.clone(), args.results.clone(), Seed(args.seed));
            let title = arm.title;
            running.push(tokio::spawn(async move {
                run_all(&order, seed, 1, 1, &results, |finished| told(title, finished)).await
            }));
        }
        let mut tallies = Vec::new();
        for arm in running {
            let tally = arm.await.map_err(|panicked| RunError::Surroundings {
                what: "finish an arm",
                source: std::io::Error::other(panicked),
            })?;
            tallies.push(tally.map_err(|stopped| stopped.error)?);
        }
        Ok(tallies)
    })
}

fn told(title: &str, finished: &Finished) {
    let Judged { verdict, facts, .. } = &finished.judged;
    if verdict.outcome == Outcome::Fail {
        tell::result(&terminal::summary(verdict, facts, tell::style()));
    }
    let report = finished.judged.report().map(|path| path.display().to_string());
    tell::result(&format!("{title}: {}", terminal::last_line(verdict, facts, report.as_deref())));
    tell::beside(finished);
}

fn came_out(arm: &Arm, tally: &Tally) -> bool {
    let (fail, pass) = (tally.count(Outcome::Fail), tally.count(Outcome::Pass));
    if arm.bug {
        let found = tally.found.get(LONE_DIVERGENCE).copied().unwrap_or_default();
        tally.exposed > 0 && found == tally.exposed && fail == found && tally.on_victim == found
    } else {
        tally.exposed > 0 && pass == tally.runs
    }
}

fn row(arm: &Arm, tally: &Tally) -> ArmRow {
    let (fail, pass) = (tally.count(Outcome::Fail), tally.count(Outcome::Pass));
    let found = match (fail, tally.found.iter().next()) {
        (0, _) => format!("pass in {pass} of {}", tally.runs),
        (_, Some((words, _))) if tally.found.len() == 1 => format!("{words} in {fail} of {}", tally.runs),
        _ => format!("{} kinds of finding in {fail} of {}", tally.found.len(), tally.runs),
    };
    let expected = if arm.bug { LONE_DIVERGENCE } else { "pass" };
    ArmRow {
        arm: arm.title.to_owned(),
        expected: expected.to_owned(),
        found,
        evidence: format!("{} exposed, {} rows compared", tally.exposed, tally.rows),
        report: tally.report.as_ref().map_or("-".to_owned(), |report| report.display().to_string()),
    }
}
