//! The results of many runs of one order, as text and as JSON.

use crate::exit::{Exit, StopSignal};
use dissent_core::checker::self_test::SelfTest;
use dissent_core::checker::verdict::Outcome;
use dissent_core::seed::Seed;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The results of many runs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Runs with a verdict.
    pub runs: u32,
    /// Runs that exercised what the plan is for.
    pub exposed: u32,
    /// Exposed keys, rows or restarts over all runs, by what is counted.
    pub exposure: BTreeMap<String, u64>,
    /// Rows compared, over all runs.
    pub rows: u64,
    /// Runs by outcome.
    pub outcomes: BTreeMap<Outcome, u32>,
    /// Runs by what they found.
    pub found: BTreeMap<String, u32>,
    /// Runs with a known finding.
    pub known: u32,
    /// Exposed runs that passed.
    pub exposed_passes: u32,
    /// Failed runs whose findings are only on the replicas that the plan targets.
    pub on_victim: u32,
    /// The report of the first run with findings.
    pub report: Option<PathBuf>,
    /// Seeds of the first few inconclusive runs.
    pub inconclusive: Vec<Seed>,
    /// Runs whose self-test found the corrupted value; none without self-test.
    pub self_tested: Option<u32>,
    /// The first self-test that did not find it.
    pub self_test_failed: Option<(Seed, SelfTest)>,
    /// The exit code that matters most.
    pub exit: Option<Exit>,
    /// The signal that stopped it before all runs were done.
    pub cut: Option<StopSignal>,
}

/// A few lines. No newline at the end.
pub fn words(tally: &Tally, title: &str) -> String {
    let fail = tally.count(Outcome::Fail);
    let mut out = format!("{title}\n");
    for (found, runs) in &tally.found {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  found in {runs} of {} runs: {found}", tally.runs);
    }
    if fail > 0 {
        let _ = writeln!(out, "  only on the replica that the plan targets: {} of {fail}", tally.on_victim);
    }
    if tally.known > 0 {
        let _ = writeln!(out, "  known issues in {} of {} runs", tally.known, tally.runs);
    }
    for (what, count) in &tally.exposure {
        let _ = writeln!(out, "  exposure: {count} {what}");
    }
    for seed in &tally.inconclusive {
        let _ = writeln!(out, "  inconclusive: seed {}", seed.0);
    }
    if let Some(found) = tally.self_tested {
        let _ = writeln!(out, "  self-test: found in {found} of {} runs", tally.runs);
    }
    if let Some((seed, test)) = &tally.self_test_failed {
        let _ = writeln!(out, "  seed {}: {}", seed.0, super::self_test::line(test));
    }
    out.truncate(out.trim_end().len());
    out
}

/// The one line to grep for. No newline.
pub fn last_line(tally: &Tally, first: Seed) -> String {
    let (fail, pass) = (tally.count(Outcome::Fail), tally.count(Outcome::Pass));
    let inconclusive = tally.count(Outcome::Inconclusive);
    let cut = tally.cut.map_or(String::new(), |cut| format!(", cut off by {}", cut.name()));
    let word = match (fail, inconclusive) {
        (0, 0) if tally.cut.is_none() => "PASS",
        (0, _) => "INCONCLUSIVE",
        _ => "FAIL",
    };
    let mut out = format!(
        "{word} {fail} of {} runs failed, {} exposed, {pass} passed, {inconclusive} inconclusive, \
         {} rows compared{cut} seed={}",
        tally.runs, tally.exposed, tally.rows, first.0
    );
    if tally.known > 0 {
        let _ = write!(out, " known={}", tally.known);
    }
    if let Some(report) = &tally.report {
        let _ = write!(out, " report={}", report.display());
    }
    out
}

/// One JSON document.
pub fn json(tally: &Tally, title: &str, first: Seed) -> String {
    let inconclusive: Vec<u64> = tally.inconclusive.iter().map(|seed| seed.0).collect();
    let document = serde_json::json!({
        "order": title,
        "first_seed": first.0,
        "runs": tally.runs,
        "exposed": tally.exposed,
        "exposure": tally.exposure,
        "rows_compared": tally.rows,
        "passed": tally.count(Outcome::Pass),
        "failed": tally.count(Outcome::Fail),
        "inconclusive": tally.count(Outcome::Inconclusive),
        "inconclusive_seeds": inconclusive,
        "exposed_and_passed": tally.exposed_passes,
        "found": tally.found,
        "known": tally.known,
        "on_victim": tally.on_victim,
        "self_tests_found": tally.self_tested,
        "report": tally.report,
        "cut_off_by": tally.cut.map(StopSignal::name),
    });
    document.to_string()
}
