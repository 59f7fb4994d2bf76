//! The ops that were acknowledged, and the ops that are in the log: one bit per op.

use crate::history::event::OpOutcome;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::time::Nanos;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};

/// A hash of an op and its offset. If the sums of these over two sets of placements are equal, the sets are
/// equal, but for one chance in 2^64.
pub(crate) fn placement_hash(op: u64, off: u64) -> u64 {
    // The finaliser of SplitMix64, applied to two words.
    let mixed = (op ^ off.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(off | 1);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The ops that were sent and acknowledged.
#[derive(Default)]
pub(crate) struct Acks {
    /// The ops that were acknowledged, by partition.
    pub(crate) acked: BTreeMap<u32, RoaringTreemap>,
    /// The ops that were sent, by partition.
    pub(crate) invoked: BTreeMap<u32, RoaringTreemap>,
    /// By partition: the sum of [`placement_hash`] over all acknowledged ops.
    pub(crate) placement_sums: BTreeMap<u32, u64>,
    /// Ops in flight, and their partitions.
    sent: BTreeMap<u64, u32>,
    none: RoaringTreemap,
}

impl Acks {
    /// Reads the acknowledgements for which `counts` holds, given partition and offset.
    pub(crate) fn read(record: &dyn RunRecord, counts: impl Fn(u32, Option<u64>) -> bool) -> Acks {
        let mut acks = Acks::default();
        record.scan_events(&mut |_, event| acks.take(event, &counts));
        acks
    }

    /// The ops that were acknowledged in a partition.
    pub(crate) fn acked_in(&self, partition: u32) -> &RoaringTreemap {
        self.acked.get(&partition).unwrap_or(&self.none)
    }

    /// Takes the next event of an op.
    pub(crate) fn take(&mut self, event: EventRef<'_>, counts: impl Fn(u32, Option<u64>) -> bool) {
        match event {
            EventRef::Invoked { op, partition, .. } => {
                self.sent.insert(op, partition);
                self.invoked.entry(partition).or_default().insert(op);
            }
            EventRef::Completed { op, outcome, off } => {
                if let Some(partition) = self.sent.remove(&op)
                    && outcome == OpOutcome::Ok
                    && counts(partition, off)
                {
                    self.acked.entry(partition).or_default().insert(op);
                    let placement_sums = self.placement_sums.entry(partition).or_default();
                    *placement_sums =
                        placement_sums.wrapping_add(off.map_or(0, |off| placement_hash(op, off)));
                }
            }
            EventRef::Other(_) => {}
        }
    }
}

/// When each of these ops was acknowledged.
pub(crate) fn acknowledged(record: &dyn RunRecord, ops: &BTreeSet<u64>) -> BTreeMap<u64, Nanos> {
    let mut times = BTreeMap::new();
    if !ops.is_empty() {
        record.scan_events(&mut |t, event| {
            if let EventRef::Completed { op, outcome: OpOutcome::Ok, .. } = event
                && ops.contains(&op)
            {
                times.insert(op, t);
            }
        });
    }
    times
}
