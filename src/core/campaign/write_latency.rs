//! How long the writes of a run took, from their invocation to their acknowledgement.

use crate::history::event::OpOutcome;
use crate::history::run_record::EventRef;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The acknowledged writes of a run, or the medians of these numbers over several runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WriteLatency {
    /// Half of them took no longer.
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub p50_ns: Nanos,
    /// 99 in 100 took no longer.
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub p99_ns: Nanos,
}

impl WriteLatency {
    /// The medians over runs. None without a run.
    pub fn median(runs: &[WriteLatency]) -> Option<WriteLatency> {
        let median = |of: fn(&WriteLatency) -> Nanos| quantile(runs.iter().map(of).collect(), 50);
        Some(WriteLatency { p50_ns: median(|run| run.p50_ns)?, p99_ns: median(|run| run.p99_ns)? })
    }
}

/// The least value that this many per cent of all do not exceed. None without a value.
fn quantile(mut values: Vec<Nanos>, percent: usize) -> Option<Nanos> {
    let at = (values.len() * percent).div_ceil(100).checked_sub(1)?;
    Some(*values.select_nth_unstable(at).1)
}

/// The writes of a run, while its events are read.
#[derive(Debug, Default)]
pub struct WriteTimes {
    under_way: BTreeMap<u64, Nanos>,
    took: Vec<Nanos>,
}

impl WriteTimes {
    /// Adds an event of the record.
    pub fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        match moment {
            EventRef::Invoked { op, .. } => drop(self.under_way.insert(op, t)),
            EventRef::Completed { op, outcome, .. } => {
                let invoked = self.under_way.remove(&op).filter(|_| outcome == OpOutcome::Ok);
                self.took.extend(invoked.map(|invoked| Nanos(t.0.saturating_sub(invoked.0))));
            }
            EventRef::Other(_) => {}
        }
    }

    /// How long they took. None if none was acknowledged.
    pub fn latency(self) -> Option<WriteLatency> {
        let p50_ns = quantile(self.took.clone(), 50)?;
        Some(WriteLatency { p50_ns, p99_ns: quantile(self.took, 99)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_acknowledged_writes_count_and_medians_are_values_that_occurred() {
        let mut times = WriteTimes::default();
        for op in 1..=100 {
            times.take(Nanos(op), EventRef::Invoked { op, partition: 0, due: Nanos(0) });
        }
        for op in 1..=99 {
            let outcome = if op == 99 { OpOutcome::Unknown } else { OpOutcome::Ok };
            times.take(Nanos(2 * op), EventRef::Completed { op, outcome, off: None });
        }
        // 98 writes took 1 to 98.
        let latency = WriteLatency { p50_ns: Nanos(49), p99_ns: Nanos(98) };
        assert_eq!(times.latency(), Some(latency));
        let other = WriteLatency { p50_ns: Nanos(1), p99_ns: Nanos(200) };
        assert_eq!(
            WriteLatency::median(&[latency, other]).expect("two"),
            WriteLatency { p50_ns: Nanos(1), p99_ns: Nanos(98) }
        );
        assert_eq!((WriteLatency::median(&[]), WriteTimes::default().latency()), (None, None));
    }
}
