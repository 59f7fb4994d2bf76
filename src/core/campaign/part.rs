//! A campaign in numbered parts, and how they are put together again.
//!
//! A part is made by any worker, more than once if need be, and parts arrive in any order. So putting them
//! together is a union of sets: associative, commutative and idempotent.

use super::run_result::{RunId, RunResult};
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// How many runs a campaign has, and in how many parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The number of arms.
    pub arms: u32,
    /// The seed of the first run of every arm.
    pub first_seed: Seed,
    /// The number of runs of each arm.
    pub runs: u32,
    /// The number of parts.
    pub parts: u32,
}

impl Extent {
    /// The runs of a part: the same seeds of every arm, so that a few parts say as much of each.
    pub fn runs_of(&self, part: u32) -> impl Iterator<Item = RunId> + use<> {
        let (first, arms) = (self.first_seed.0, self.arms);
        self.seeds_of(part).flat_map(move |i| {
            let seed = Seed(first.wrapping_add(i));
            (0..arms).map(move |arm| RunId { seed, arm })
        })
    }

    fn seeds_of(&self, part: u32) -> Range<u64> {
        let from = |part: u32| u64::from(part) * u64::from(self.runs) / u64::from(self.parts);
        from(part)..from(part + 1)
    }
}

/// The results of the runs of one part.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The number of the part, from 0.
    pub part: u32,
    /// The digest of the frozen plan. Parts of another plan do not belong here.
    pub plan: String,
    /// The results, in the order of the part's runs.
    pub results: Vec<RunResult>,
}

/// Parts that were put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    parts: BTreeMap<u32, Part>,
    /// The parts that came twice with different results.
    pub contradicted: BTreeSet<u32>,
}

impl Parts {
    /// Adds a part. Of two that have one number and differ, the smaller one is kept, whichever came first.
    pub fn add(&mut self, part: Part) {
        match self.parts.get_mut(&part.part) {
            Some(known) if *known == part => {}
            Some(known) => {
                self.contradicted.insert(part.part);
                if part < *known {
                    *known = part;
                }
            }
            None => drop(self.parts.insert(part.part, part)),
        }
    }

    /// Adds all parts of another collection.
    pub fn merge(&mut self, other: Parts) {
        self.contradicted.extend(other.contradicted);
        other.parts.into_values().for_each(|part| self.add(part));
    }

    /// Whether a part is there.
    pub fn has(&self, part: u32) -> bool {
        self.parts.contains_key(&part)
    }

    /// How many parts are there.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The parts that are not there yet.
    pub fn missing(&self, extent: &Extent) -> Vec<u32> {
        (0..extent.parts).filter(|part| !self.has(*part)).collect()
    }

    /// All results.
    pub fn results(&self) -> impl Iterator<Item = &RunResult> {
        self.parts.values().flat_map(|part| &part.results)
    }
}

#[cfg(test)]
mod tests {
    use super::super::coverage::RunCoverage;
    use super::*;
    use crate::checker::verdict::VerdictOutcome;

    const EXTENT: Extent = Extent { arms: 3, first_seed: Seed(100), runs: 10, parts: 4 };

    fn part(number: u32, outcome: VerdictOutcome) -> Part {
        let result = |RunId { arm, seed }| {
            let (found, known, target_version) = (Vec::new(), Vec::new(), "1".to_owned());
            let coverage = RunCoverage::default();
            RunResult {
                arm,
                seed,
                outcome,
                exposed: true,
                found,
                known,
                target_version,
                rows: 1,
                write_latency: None,
                writer_race: None,
                coverage,
            }
        };
        Part { part: number, plan: "p".to_owned(), results: EXTENT.runs_of(number).map(result).collect() }
    }

    #[test]
    fn parts_have_every_run_once_with_all_arms_of_a_seed() {
        let mut all: Vec<RunId> = (0..EXTENT.parts).flat_map(|part| EXTENT.runs_of(part)).collect();
        assert_eq!(all.len(), 30);
        assert!(all.is_sorted());
        all.dedup();
        assert_eq!(all.len(), 30);
        let sizes: Vec<usize> = (0..EXTENT.parts).map(|part| EXTENT.runs_of(part).count()).collect();
        assert_eq!(sizes, [6, 9, 6, 9]);
        assert_eq!(Extent { parts: 50, ..EXTENT }.runs_of(3).count(), 0);
    }

    #[test]
    fn any_order_grouping_and_repetition_give_the_same() {
        use VerdictOutcome::{Fail, Pass};
        let parts = [part(0, Pass), part(2, Pass), part(2, Fail), part(3, Fail), part(0, Pass)];
        let together = |order: &[usize]| {
            let mut all = Parts::default();
            order.iter().for_each(|&at| all.add(parts[at].clone()));
            all
        };
        let wanted = together(&[0, 1, 2, 3, 4]);
        assert_eq!(wanted.contradicted, BTreeSet::from([2]));
        assert_eq!(wanted.missing(&EXTENT), [1]);
        for order in [[4, 3, 2, 1, 0], [2, 1, 2, 3, 0], [3, 0, 1, 2, 2]] {
            assert_eq!(together(&order), wanted, "{order:?}");
        }
        let (mut one, other) = (together(&[0, 2]), together(&[3, 1, 0]));
        one.merge(other);
        assert_eq!(one, wanted);
        one.merge(wanted.clone());
        assert_eq!(one, wanted);
    }
}
