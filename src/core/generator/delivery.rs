//! How ops of the load are sent: once, or in the ways that go wrong between a client and a cluster.

pub use crate::history::delivery::Delivery;
use crate::history::workload::Workload;
use crate::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;

/// Draws how ops are sent. The draw depends on the op alone, since sessions send ops when earlier ones of
/// their key are answered, and not in the order of generation.
pub(super) struct Deliveries {
    rng: ChaCha8Rng,
    unknown_percent: u32,
    duplicate_percent: u32,
}

impl Deliveries {
    pub(super) fn new(workload: &Workload, seed: Seed) -> Deliveries {
        Deliveries {
            rng: seed.stream(Stream::Deliveries),
            unknown_percent: workload.unknown_percent.into(),
            duplicate_percent: workload.duplicate_percent.into(),
        }
    }

    /// How the op with this id is sent.
    pub(super) fn of(&self, op: u64) -> Delivery {
        if self.unknown_percent + self.duplicate_percent == 0 {
            return Delivery::Once;
        }
        let mut rng = self.rng.clone();
        rng.set_word_pos(2 * u128::from(op));
        match below(&mut rng, 100) {
            number if number >= self.unknown_percent + self.duplicate_percent => Delivery::Once,
            number if number >= self.unknown_percent => Delivery::Twice,
            _ if below(&mut rng, 2) == 0 => Delivery::Lost,
            _ => Delivery::Unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;
    use std::collections::BTreeMap;

    #[test]
    fn an_op_is_always_sent_the_same_way_and_so_many_of_each_kind_are() {
        const OPS: u64 = 10_000;
        let workload = test_data::workload("partial-upsert");
        let workload = Workload { unknown_percent: 20, duplicate_percent: 10, ..workload };
        let deliveries = Deliveries::new(&workload, Seed(1));
        let mut counts: BTreeMap<(usize, bool), u64> = BTreeMap::new();
        for op in 0..OPS {
            let delivery = deliveries.of(op);
            assert_eq!(delivery, deliveries.of(op));
            *counts.entry((delivery.copies(), delivery.is_answered())).or_default() += 1;
        }
        let kinds = [((1, true), 70), ((2, true), 10), ((0, false), 10), ((1, false), 10)];
        for (kind, percent) in kinds {
            assert!(counts[&kind].abs_diff(OPS * percent / 100) < OPS / 50, "{counts:?}");
        }
    }
}
