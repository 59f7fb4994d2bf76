//! Which partition and key each op writes to.

use crate::history::workload::{Skew, Workload};
use crate::seed::{Seed, Stream, below};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A key in use.
struct LiveKey {
    key: Arc<str>,
    /// The nominal segment of its first op.
    born: u64,
    /// The number of its ops so far.
    updates: u32,
    /// The largest comparison value of its ops so far; `None` before the first.
    newest: Option<i64>,
}

/// The keys of all partitions, each partition with its own.
pub(super) struct Keyspace {
    rng: ChaCha8Rng,
    /// Cumulative weights of the ranks: rank r is drawn for numbers from `sums[r - 1]` up to `sums[r]`.
    sums: Vec<u64>,
    /// By partition, by rank.
    live: Vec<Vec<LiveKey>>,
    /// The number of keys made so far, by partition.
    made: Vec<u64>,
    /// Ops per nominal segment, over all partitions.
    segment_ops: u64,
    retire_after_segments: u64,
    retire_after_updates: u32,
}

impl Keyspace {
    pub(super) fn new(workload: &Workload, seed: Seed) -> Keyspace {
        let keys = &workload.keys;
        let weight = |rank: u64| match keys.skew {
            Skew::Uniform => 1,
            Skew::Zipf => (1 << 32) / rank,
        };
        let sums = (1..=u64::from(keys.live)).scan(0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        });
        let mut keyspace = Keyspace {
            rng: seed.stream(Stream::Keys),
            sums: sums.collect(),
            live: Vec::new(),
            made: vec![0; workload.partitions as usize],
            segment_ops: workload.segment_rows.saturating_mul(u64::from(workload.partitions)).max(1),
            retire_after_segments: u64::from(keys.retire_after_segments),
            retire_after_updates: keys.retire_after_updates,
        };
        for partition in 0..workload.partitions {
            let live = (0..keys.live).map(|_| keyspace.fresh(partition, 0)).collect();
            keyspace.live.push(live);
        }
        keyspace
    }

    fn fresh(&mut self, partition: u32, born: u64) -> LiveKey {
        let made = &mut self.made[partition as usize];
        let key = format!("k{partition}-{made}").into();
        *made += 1;
        LiveKey { key, born, updates: 0, newest: None }
    }

    /// The partition and the key of the op with this index in the load, and the key's largest comparison
    /// value so far.
    ///
    /// Segments are *nominal*: those of a log with a boundary at exactly every `segment_rows`. Real
    /// boundaries depend on the target's timing, but the ops of a seed must not.
    pub(super) fn draw(&mut self, index: u64) -> (u32, Arc<str>, &mut Option<i64>) {
        let segment = index / self.segment_ops;
        let partition = below(&mut self.rng, self.made.len() as u32);
        let total = self.sums.last().copied().unwrap_or_default();
        let point = ((u128::from(self.rng.next_u64()) * u128::from(total)) >> 64) as u64;
        let rank = self.sums.partition_point(|sum| *sum <= point);

        let live = &self.live[partition as usize][rank];
        if segment - live.born >= self.retire_after_segments && live.updates >= self.retire_after_updates {
            self.live[partition as usize][rank] = self.fresh(partition, segment);
        }
        let live = &mut self.live[partition as usize][rank];
        live.updates = live.updates.saturating_add(1);
        (partition, live.key.clone(), &mut live.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_data;
    use std::collections::{BTreeMap, BTreeSet};

    /// The first nominal segment and the number of ops of every key among the first `ops`. Fails if a key is
    /// drawn once it is due to retire.
    fn lives(workload: &Workload, ops: u64) -> BTreeMap<Arc<str>, (u64, u32)> {
        let mut keyspace = Keyspace::new(workload, Seed(5));
        let mut lives = BTreeMap::new();
        for index in 0..ops {
            let (partition, key, _) = keyspace.draw(index);
            assert!(key.starts_with(&format!("k{partition}-")), "{key} in partition {partition}");
            let segment = index / (workload.segment_rows * u64::from(workload.partitions));
            let first = if key_number(&key) < workload.keys.live { 0 } else { segment };
            let (born, updates) = lives.entry(key.clone()).or_insert((first, 0));
            let crossed = segment - *born >= u64::from(workload.keys.retire_after_segments);
            let updated = *updates >= workload.keys.retire_after_updates;
            assert!(!(crossed && updated), "{key} should have retired before op {index}");
            *updates += 1;
        }
        let live: BTreeSet<&Arc<str>> = keyspace.live.iter().flatten().map(|live| &live.key).collect();
        for (key, (_, updates)) in lives.iter().filter(|(key, _)| !live.contains(key)) {
            assert!(*updates >= workload.keys.retire_after_updates, "{key} retired after {updates} updates");
        }
        lives
    }

    fn key_number(key: &str) -> u32 {
        key.split_once('-').and_then(|(_, number)| number.parse().ok()).expect("a key has a number")
    }

    #[test]
    fn a_key_retires_after_enough_segments_and_enough_updates_and_not_before() {
        let workload = test_data::workload("partial-upsert");
        let segment_ops = workload.segment_rows * u64::from(workload.partitions);
        let first = lives(&workload, segment_ops * u64::from(workload.keys.retire_after_segments));
        assert!(first.keys().all(|key| key_number(key) < workload.keys.live), "none has crossed enough yet");
        let all = lives(&workload, segment_ops * 100);
        let live = (workload.keys.live * workload.partitions) as usize;
        assert!(all.len() > 4 * live, "old keys retire and new ones are born, {} in all", all.len());
    }

    #[test]
    fn zipf_draws_the_first_rank_n_times_as_often_as_rank_n_and_uniform_draws_all_alike() {
        const DRAWS: u32 = 100_000;
        let mut workload = test_data::workload("partial-upsert");
        (workload.partitions, workload.keys.live) = (1, 4);
        workload.keys.retire_after_updates = u32::MAX;
        // 1/1 : 1/2 : 1/3 : 1/4 = 12 : 6 : 4 : 3 of 25.
        for (skew, shares) in [(Skew::Zipf, [48_000, 24_000, 16_000, 12_000]), (Skew::Uniform, [25_000; 4])] {
            workload.keys.skew = skew;
            let lives = lives(&workload, u64::from(DRAWS));
            for (rank, share) in shares.iter().enumerate() {
                let drawn = lives[format!("k0-{rank}").as_str()].1;
                assert!(drawn.abs_diff(*share) <= DRAWS / 100, "{skew:?} rank {rank}: {drawn}, not {share}");
            }
        }
    }
}
