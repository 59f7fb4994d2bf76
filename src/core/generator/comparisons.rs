//! The comparison values of ops.

use crate::history::workload::Workload;
use crate::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;

/// Draws the comparison values of the load's ops.
pub(super) struct Comparisons {
    rng: ChaCha8Rng,
    tie_percent: u32,
    out_of_order_percent: u32,
}

impl Comparisons {
    pub(super) fn new(workload: &Workload, seed: Seed) -> Comparisons {
        Comparisons {
            rng: seed.stream(Stream::Comparisons),
            tie_percent: workload.tie_percent.into(),
            out_of_order_percent: workload.out_of_order_percent.into(),
        }
    }

    /// The comparison value of an op: its id, that of its key's newest op, or a smaller one. `newest` is the
    /// largest that the key has had, and follows.
    ///
    /// ```text
    /// op 40 cmp 40    the key's first
    /// op 52 cmp 40    a tie: merged, because it is later in the log
    /// op 61 cmp 17    out of order: changes nothing
    /// ```
    pub(super) fn draw(&mut self, id: u64, newest: &mut Option<i64>) -> i64 {
        let number = below(&mut self.rng, 100);
        let earlier = below(&mut self.rng, u32::MAX);
        match *newest {
            Some(newest) if number < self.tie_percent => newest,
            Some(newest) if number < self.tie_percent + self.out_of_order_percent && newest > 1 => {
                1 + i64::from(earlier) % (newest - 1)
            }
            _ => *newest.insert(id.cast_signed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;

    #[test]
    fn so_many_ops_tie_or_come_out_of_order_and_the_others_ascend() {
        const OPS: u64 = 10_000;
        let workload = test_data::workload("partial-upsert");
        let workload = Workload { tie_percent: 30, out_of_order_percent: 20, ..workload };
        let mut comparisons = Comparisons::new(&workload, Seed(1));
        let (mut newest, mut ties, mut late) = (None, 0_u64, 0_u64);
        for id in 1..=OPS {
            let before = newest;
            let cmp = comparisons.draw(id, &mut newest);
            match before {
                Some(before) if cmp == before => ties += 1,
                Some(before) if cmp < before => {
                    assert!(cmp > 0);
                    late += 1;
                }
                _ => assert_eq!(cmp, id.cast_signed()),
            }
            assert_eq!(newest, before.max(Some(cmp)));
        }
        assert!(ties.abs_diff(OPS * 30 / 100) < OPS / 50, "{ties} ties");
        assert!(late.abs_diff(OPS * 20 / 100) < OPS / 50, "{late} out of order");
    }
}
