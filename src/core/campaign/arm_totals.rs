//! The runs of each arm of a campaign, added up, and two arms side by side.

use super::coverage::CoverageTotals;
use super::part::Parts;
use super::rate::Rate;
use super::run_result::RunResult;
use super::write_latency::WriteLatency;
use super::writer_race::RaceTotals;
use crate::checker::verdict::VerdictOutcome;
use crate::seed::Seed;
use std::collections::{BTreeMap, BTreeSet};

/// How many folders and seeds are named as examples.
const EXAMPLES: usize = 3;

/// The runs of one arm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArmTotals {
    /// Runs that ended.
    pub runs: u64,
    /// Runs that did what the plan is for.
    pub exposed: u64,
    /// Runs by outcome.
    pub outcomes: BTreeMap<VerdictOutcome, u64>,
    /// Rows that were compared.
    pub rows: u64,
    /// The versions that the target reported.
    pub target_versions: BTreeSet<String>,
    /// By kind of finding: the runs that had it.
    pub found: BTreeMap<String, Found>,
    /// How long the acknowledged writes of each run took.
    pub write_latencies: Vec<WriteLatency>,
    /// The races of writers that share a shard.
    pub races: RaceTotals,
    /// Which faults overlapped which events.
    pub coverage: CoverageTotals,
    /// Runs of which nobody knows whether they failed: those that were exposed and inconclusive.
    unknown: u64,
    /// Runs that failed, and those that passed although they were exposed.
    known: u64,
}

/// The runs with one kind of finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub runs: u64,
    /// Those in which a list of known issues covers it.
    pub known: u64,
    /// The seeds of the first few.
    pub seeds: BTreeSet<Seed>,
}

impl ArmTotals {
    /// Adds up the results of each arm, by its index.
    pub fn of_all(parts: &Parts, arms: u32) -> Vec<ArmTotals> {
        let mut totals = vec![ArmTotals::default(); arms as usize];
        for result in parts.results() {
            if let Some(totals) = totals.get_mut(result.arm as usize) {
                totals.add(result);
            }
        }
        totals
    }

    fn add(&mut self, result: &RunResult) {
        self.runs += 1;
        self.exposed += u64::from(result.exposed);
        self.rows += result.rows;
        self.write_latencies.extend(result.write_latency);
        self.coverage.add(&result.coverage);
        result.writer_race.iter().for_each(|race| self.races.add(race));
        if !self.target_versions.contains(&result.target_version) {
            self.target_versions.insert(result.target_version.clone());
        }
        *self.outcomes.entry(result.outcome).or_default() += 1;
        match result.outcome {
            VerdictOutcome::Fail => self.known += 1,
            VerdictOutcome::Pass => self.known += u64::from(result.exposed),
            VerdictOutcome::Inconclusive => self.unknown += u64::from(result.exposed),
        }
        for kind in &result.found {
            let found = self.found.entry(kind.clone()).or_default();
            found.runs += 1;
            found.known += u64::from(result.known.contains(kind));
            found.seeds.insert(result.seed);
            if found.seeds.len() > EXAMPLES {
                found.seeds.pop_last();
            }
        }
    }

    /// The runs with this outcome.
    pub fn count(&self, outcome: VerdictOutcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// How often a run fails that does what the plan is for. A run that passed without that says nothing.
    pub fn failures(&self) -> Rate {
        Rate { hits: self.count(VerdictOutcome::Fail), trials: self.known, unknown: self.unknown }
    }

    /// How often a run has a finding of this kind.
    pub fn rate_of(&self, kind: &str) -> Rate {
        let hits = self.found.get(kind).map_or(0, |found| found.runs);
        Rate { hits, ..self.failures() }
    }
}

/// Two arms compared seed by seed: the same seed draws the same load and the same victims in both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paired {
    /// Seeds that failed in both arms.
    pub both: u64,
    /// Seeds that failed in the first arm alone.
    pub first: u64,
    /// Seeds that failed in the second arm alone.
    pub second: u64,
    /// Seeds that passed in both arms.
    pub neither: u64,
    /// Seeds that came to no verdict in one of them.
    pub unknown: u64,
}

impl Paired {
    /// How likely arms that fail equally often differ in so many seeds, or in more: McNemar's exact test, of
    /// both sides.
    pub fn p_value(&self) -> f64 {
        let (n, less) = (self.first + self.second, self.first.min(self.second));
        // The terms are n! / k! (n - k)! / 2^n; their logarithms do not underflow.
        let mut term = -(n as f64) * std::f64::consts::LN_2;
        let mut sum = 0.0;
        for k in 0..=less {
            sum += term.exp();
            term += ((n - k) as f64 / (k + 1) as f64).ln();
        }
        (2.0 * sum).min(1.0)
    }

    /// Compares two arms, by their indices.
    pub fn of(parts: &Parts, first: u32, second: u32) -> Paired {
        let of_arm = |arm: u32| -> BTreeMap<Seed, VerdictOutcome> {
            let results = parts.results().filter(|result| result.arm == arm);
            results.map(|result| (result.seed, result.outcome)).collect()
        };
        let (ones, others) = (of_arm(first), of_arm(second));
        let mut paired = Paired::default();
        for (seed, one) in &ones {
            let Some(other) = others.get(seed) else { continue };
            let count = match (one, other) {
                (VerdictOutcome::Inconclusive, _) | (_, VerdictOutcome::Inconclusive) => &mut paired.unknown,
                (VerdictOutcome::Fail, VerdictOutcome::Fail) => &mut paired.both,
                (VerdictOutcome::Fail, VerdictOutcome::Pass) => &mut paired.first,
                (VerdictOutcome::Pass, VerdictOutcome::Fail) => &mut paired.second,
                (VerdictOutcome::Pass, VerdictOutcome::Pass) => &mut paired.neither,
            };
            *count += 1;
        }
        paired
    }
}

#[cfg(test)]
mod tests {
    use super::super::coverage::RunCoverage;
    use super::super::part::Part;
    use super::*;

    fn parts(results: &[(u32, u64, VerdictOutcome, bool)]) -> Parts {
        let results = results.iter().map(|&(arm, seed, outcome, exposed)| {
            let found = if outcome == VerdictOutcome::Fail { vec!["frozen".to_owned()] } else { Vec::new() };
            let (known, target_version) = (Vec::new(), "1".to_owned());
            let (seed, coverage) = (Seed(seed), RunCoverage::default());
            RunResult {
                arm,
                seed,
                outcome,
                exposed,
                found,
                known,
                target_version,
                rows: 2,
                write_latency: None,
                writer_race: None,
                coverage,
            }
        });
        let mut parts = Parts::default();
        parts.add(Part { part: 0, plan: String::new(), results: results.collect() });
        parts
    }

    #[test]
    fn runs_that_were_not_exposed_are_no_trials_and_unknown_ones_are_bounds() {
        use VerdictOutcome::{Fail, Inconclusive, Pass};
        let all = parts(&[
            (0, 1, Pass, true),
            (0, 2, Pass, false),
            (0, 3, Inconclusive, true),
            (0, 4, Inconclusive, false),
            (0, 5, Fail, true),
            (1, 1, Pass, true),
            (1, 3, Pass, true),
            (1, 5, Pass, true),
        ]);
        let totals = ArmTotals::of_all(&all, 2);
        assert_eq!(totals[0].failures(), Rate { hits: 1, trials: 2, unknown: 1 });
        assert_eq!(totals[0].rate_of("frozen"), totals[0].failures());
        assert_eq!(totals[0].rate_of("regressed").hits, 0);
        assert_eq!((totals[0].runs, totals[0].exposed, totals[0].rows), (5, 3, 10));
        assert_eq!(totals[1].failures(), Rate { hits: 0, trials: 3, unknown: 0 });
        let differ = |first, second| Paired { first, second, ..Paired::default() }.p_value();
        assert_eq!((differ(0, 0), differ(1, 0), differ(3, 3)), (1.0, 1.0, 1.0));
        assert!((differ(6, 0) - 2.0 / 64.0).abs() < 1e-12);
        // 2 (1 + 10) / 2^10
        assert!((differ(1, 9) - 22.0 / 1024.0).abs() < 1e-12);
        assert!(differ(3_000, 0) < 1e-300);
        let paired = Paired::of(&all, 0, 1);
        assert_eq!(paired, Paired { first: 1, neither: 1, unknown: 1, ..Paired::default() });
    }
}
