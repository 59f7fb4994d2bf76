//! Verdicts of simulated runs against what the cluster itself knows, for every plan that it can run: no right
//! server is accused, and no wrong row is missed in a run that is exposed. No judge sees that truth.
//!
//! Method: `TRUTH_SEEDS=130 TRUTH_FIGURES=file` compares that many seeds of each plan under each weak guard,
//! and seven times as many under the right one, and writes the figures.

use crate::support::sim;
use dissent::run::fitting::plans_for;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{FindingKind, Verdict, VerdictOutcome};
use dissent_core::history::event::Event;
use dissent_core::history::row::Segment;
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::seed::Seed;
use dissent_simulator::{Simulated, run_with_truth};
use specimen::segments::{ServerTruth, WrongRow};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const WEAK: [&str; 7] = [
    "startup-latch",
    "signal-gate",
    "partition-gate-no-skip-wake",
    "readiness-flag",
    "delivery-order",
    "timed-wait",
    "max-watermark-gate",
];

/// How many seeds of a plan a guard gets: the right one as many as all weak ones together. The plan with the
/// longest runs gets a tenth.
fn seeds(guard: &str, plan: &str) -> u64 {
    let given = std::env::var("TRUTH_SEEDS").ok().and_then(|seeds| seeds.parse::<u64>().ok());
    let seeds =
        given.map_or(1, |seeds| if WEAK.contains(&guard) { seeds } else { seeds * WEAK.len() as u64 });
    if plan == "session-expiry" { seeds.div_ceil(10) } else { seeds }
}

/// What a number of runs gave, compared with the truth.
#[derive(Debug, Default)]
struct Compared {
    runs: u64,
    exposed: u64,
    /// Runs in which the servers with wrong rows are those that are found to diverge.
    right: u64,
    wrong_somewhere: u64,
    frozen: u64,
    /// Runs in which a server was accused that merged everything rightly, by plan and seed.
    falsely: Vec<String>,
    /// Runs in which a server merged wrongly, but its copy was replaced before anybody read it.
    unread: u64,
    /// Runs in which nobody was accused although a server showed wrong rows, by plan and seed.
    missed: Vec<String>,
}

/// The servers whose rows are found to be wrong.
fn accused(verdict: &Verdict) -> BTreeSet<&String> {
    let of = verdict.findings.iter().filter_map(|finding| match &finding.kind {
        FindingKind::Divergence(it) => Some(&it.replicas),
        _ => None,
    });
    of.flatten().collect()
}

/// The servers that merged rows wrongly.
fn wrong(truth: &BTreeMap<String, ServerTruth>) -> BTreeSet<&String> {
    truth.iter().filter(|(_, of)| !of.wrong.is_empty()).map(|(name, _)| name).collect()
}

/// Whether anybody read a wrong row of a server before the committed copy of its segment took its place.
fn was_read(record: &MemoryRecord, server: &str, of: &ServerTruth) -> bool {
    let reads = || {
        record.events.iter().filter_map(|timed| match &timed.event {
            Event::Read(read) if read.replica == server => Some((timed.t.0, read)),
            _ => None,
        })
    };
    of.wrong.iter().any(|row| {
        let segment = segment_of(record, row).map(|segment| segment.name.as_str()).unwrap_or_default();
        let replaced = of.truth.visible.iter().rfind(|visible| visible.segment == segment);
        let replaced = replaced.map_or(u64::MAX, |visible| visible.at);
        reads().any(|(t, read)| {
            read.before.segment == segment && (read.from..read.before.end).contains(&row.off) && t <= replaced
        })
    })
}

/// The segment of a row.
fn segment_of<'r>(record: &'r MemoryRecord, row: &WrongRow) -> Option<&'r Segment> {
    let segments = record.events.iter().filter_map(|timed| match &timed.event {
        Event::Segment { segment } if segment.partition == row.partition => Some(segment),
        _ => None,
    });
    segments.filter(|segment| segment.start <= row.off).max_by_key(|segment| segment.start)
}

impl Compared {
    fn take(&mut self, plan: &str, guard: &str, seed: Seed) {
        let spec = sim("partial-upsert", plan, &[&format!("guard={guard}")]);
        let Ok(Simulated::Segments { config, .. }) = spec.simulation() else { panic!("segments") };
        let meta = spec.meta(seed, None).expect("it fits");
        let (record, truth) = run_with_truth(&meta, spec.timing, &config).expect("it runs");
        let verdict = judge(&record);
        let (accused, wrong) = (accused(&verdict), wrong(&truth));
        self.runs += 1;
        self.exposed += u64::from(verdict.is_exposed());
        self.right += u64::from(accused == wrong);
        self.wrong_somewhere += u64::from(!wrong.is_empty());
        self.frozen += u64::from(verdict.findings.iter().any(|it| matches!(it.kind, FindingKind::Frozen(_))));
        let at = format!("{plan} {guard} seed {}: accused {accused:?}, wrong {wrong:?}", seed.0);
        if !accused.is_subset(&wrong) {
            self.falsely.push(at);
        } else if accused != wrong && verdict.outcome != VerdictOutcome::Inconclusive {
            let mut not_accused = wrong.difference(&accused);
            match not_accused.any(|server| was_read(&record, server, &truth[*server])) {
                true => self.missed.push(at),
                false => self.unread += 1,
            }
        }
    }
}

/// All plans under one guard.
fn compared(guard: &str, plans: &[&str]) -> Compared {
    let mut compared = Compared::default();
    for plan in plans {
        (1..=seeds(guard, plan)).map(Seed).for_each(|seed| compared.take(plan, guard, seed));
    }
    compared
}

#[test]
fn servers_that_are_accused_are_those_that_merged_wrongly() {
    let plans = plans_for(&sim("partial-upsert", "none", &[]).target);
    assert!(plans.len() > 8, "{plans:?}");
    let weak = || WEAK.map(|guard| (guard, compared(guard, &plans)));
    let (weak, right) = std::thread::scope(|scope| {
        let weak = scope.spawn(weak);
        let right = compared("partition-gate", &plans);
        (weak.join().expect("no panic"), ("partition-gate", right))
    });
    let (mut figures, mut denied) = (String::new(), Vec::new());
    for (guard, compared) in weak.into_iter().chain([right]) {
        let Compared { runs, exposed, wrong_somewhere, frozen, right, unread, falsely, missed } = compared;
        let _ = writeln!(
            figures,
            "{guard}: {runs} runs, {exposed} exposed, {wrong_somewhere} with wrong rows, {frozen} frozen, \
             {right} right, {unread} replaced unread, {} falsely, {} missed",
            falsely.len(),
            missed.len()
        );
        denied.extend(falsely.into_iter().chain(missed));
    }
    if let Ok(file) = std::env::var("TRUTH_FIGURES") {
        std::fs::write(file, format!("{figures}{}\n", denied.join("\n"))).expect("it can be written");
    }
    assert!(denied.is_empty(), "{figures}{}", denied.join("\n"));
}
