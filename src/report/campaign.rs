//! The results of many runs of one order, as text and as data.

use crate::exit::{Exit, StopSignal};
use dissent_core::checker::self_test::SelfTest;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::checker::verdict::document::CampaignTotals;
use dissent_core::seed::Seed;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The results of many runs.
#[derive(Debug, Default)]
pub struct CampaignSummary {
    /// Runs with a verdict.
    pub runs: u32,
    /// Runs that exercised what the plan is for.
    pub exposed: u32,
    /// Exposed keys, rows or restarts over all runs, by what is counted.
    pub exposure: BTreeMap<String, u64>,
    /// Rows compared, over all runs.
    pub rows: u64,
    /// Runs by outcome.
    pub outcomes: BTreeMap<VerdictOutcome, u32>,
    /// Runs by what they found.
    pub found: BTreeMap<String, u32>,
    /// Runs with a known finding.
    pub known: u32,
    /// Exposed runs that passed.
    pub exposed_passes: u32,
    /// Failed runs whose findings are only on the replicas that the plan targets.
    pub on_faulted_replica: u32,
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
    pub signal: Option<StopSignal>,
}

/// A few lines. No newline at the end.
pub fn words(summary: &CampaignSummary, title: &str) -> String {
    let fail = summary.count(VerdictOutcome::Fail);
    let mut out = format!("{title}\n");
    for (found, runs) in &summary.found {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "  found in {runs} of {} runs: {found}", summary.runs);
    }
    if fail > 0 {
        let _ = writeln!(
            out,
            "  only on the replica that the plan targets: {} of {fail}",
            summary.on_faulted_replica
        );
    }
    if summary.known > 0 {
        let _ = writeln!(out, "  known issues in {} of {} runs", summary.known, summary.runs);
    }
    for (what, count) in &summary.exposure {
        let _ = writeln!(out, "  exposure: {count} {what}");
    }
    for seed in &summary.inconclusive {
        let _ = writeln!(out, "  inconclusive: seed {}", seed.0);
    }
    if let Some(found) = summary.self_tested {
        let _ = writeln!(out, "  self-test: found in {found} of {} runs", summary.runs);
    }
    if let Some((seed, test)) = &summary.self_test_failed {
        let _ = writeln!(out, "  seed {}: {}", seed.0, super::self_test::line(test));
    }
    out.truncate(out.trim_end().len());
    out
}

/// The one line to grep for. No newline.
pub fn last_line(summary: &CampaignSummary, first: Seed) -> String {
    let (fail, pass) = (summary.count(VerdictOutcome::Fail), summary.count(VerdictOutcome::Pass));
    let inconclusive = summary.count(VerdictOutcome::Inconclusive);
    let cut = summary.signal.map_or(String::new(), |cut| format!(", cut off by {}", cut.name()));
    let word = match (fail, inconclusive) {
        (0, 0) if summary.signal.is_none() => "PASS",
        (0, _) => "INCONCLUSIVE",
        _ => "FAIL",
    };
    let mut out = format!(
        "{word} {fail} of {} runs failed, {} exposed, {pass} passed, {inconclusive} inconclusive, \
         {} rows compared{cut} seed={}",
        summary.runs, summary.exposed, summary.rows, first.0
    );
    if summary.known > 0 {
        let _ = write!(out, " known={}", summary.known);
    }
    if let Some(report) = &summary.report {
        let _ = write!(out, " report={}", report.display());
    }
    out
}

/// The summary as data.
pub fn totals(summary: &CampaignSummary, title: &str, first: Seed) -> CampaignTotals {
    CampaignTotals {
        title: title.to_owned(),
        first_seed: first,
        runs: summary.runs,
        exposed: summary.exposed,
        exposure: summary.exposure.clone(),
        rows_compared: summary.rows,
        passed: summary.count(VerdictOutcome::Pass),
        failed: summary.count(VerdictOutcome::Fail),
        inconclusive: summary.count(VerdictOutcome::Inconclusive),
        exposed_and_passed: summary.exposed_passes,
        found: summary.found.clone(),
        known: summary.known,
        on_victim: summary.on_faulted_replica,
        self_tests_found: summary.self_tested,
        report: summary.report.as_ref().map(|path| path.display().to_string()),
        cut_off_by: summary.signal.map(|signal| signal.name().to_owned()),
    }
}
