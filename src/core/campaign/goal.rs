//! When a campaign knows enough, and ends before all its runs are done.

use super::arm_totals::ArmTotals;
use super::part::Parts;
use crate::checker::verdict::VerdictOutcome;
use serde::{Deserialize, Serialize};

/// What a campaign is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// One run that fails.
    Failure,
    /// How often a run of each arm fails: the interval that holds whenever one looks is at most this wide,
    /// from 0 to 1. Any other interval would be wrong after such a stop.
    Width(f64),
}

impl Goal {
    /// Whether the parts that are done are enough.
    pub fn is_reached(self, parts: &Parts, arms: u32) -> bool {
        match self {
            Goal::Failure => parts.results().any(|result| result.outcome == VerdictOutcome::Fail),
            Goal::Width(width) => ArmTotals::of_all(parts, arms).iter().all(|totals| {
                let interval = totals.failures().anytime_interval();
                interval.high - interval.low <= width
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::coverage::RunCoverage;
    use crate::campaign::part::Part;
    use crate::campaign::run_result::RunResult;
    use crate::seed::Seed;

    fn parts(runs: u64, failed: u64) -> Parts {
        let result = |seed: u64| RunResult {
            arm: 0,
            seed: Seed(seed),
            outcome: if seed < failed { VerdictOutcome::Fail } else { VerdictOutcome::Pass },
            exposed: true,
            found: Vec::new(),
            known: Vec::new(),
            target_version: "1".to_owned(),
            rows: 1,
            write_latency: None,
            writer_race: None,
            coverage: RunCoverage::default(),
        };
        let mut parts = Parts::default();
        parts.add(Part { part: 0, plan: "p".to_owned(), results: (0..runs).map(result).collect() });
        parts
    }

    #[test]
    fn a_goal_is_reached_when_it_is_known() {
        assert!(!Goal::Failure.is_reached(&parts(10, 0), 1));
        assert!(Goal::Failure.is_reached(&parts(10, 1), 1));
        assert!(!Goal::Width(0.1).is_reached(&parts(10, 5), 1));
        assert!(Goal::Width(0.1).is_reached(&parts(3_000, 1_500), 1));
        assert!(!Goal::Width(0.1).is_reached(&parts(3_000, 1_500), 2), "an arm without runs");
    }
}
