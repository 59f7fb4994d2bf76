//! The ops that were acknowledged, and the ops that the log holds: a bit for each.

use crate::history::event::OpOutcome;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::time::Nanos;
use roaring::RoaringTreemap;
use std::collections::{BTreeMap, BTreeSet};

/// A number for an op at an offset. Sums of them are equal, but for one chance in 2^64, where all ops lie at
/// the same offsets.
pub(crate) fn offset(op: u64, off: u64) -> u64 {
    // The finisher of splitmix64, of two words.
    let mixed = (op ^ off.rotate_left(32)).wrapping_add(0x9e37_79b9_7f4a_7c15).wrapping_mul(off | 1);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// The ops that were acknowledged, by partition.
#[derive(Default)]
pub(crate) struct Acks {
    pub(crate) of: BTreeMap<u32, RoaringTreemap>,
    /// Those that were sent, by partition.
    pub(crate) invoked: BTreeMap<u32, RoaringTreemap>,
    /// By partition: what [`offset`] gives for each offset that was acknowledged, added up.
    pub(crate) places: BTreeMap<u32, u64>,
    /// Ops in flight and their partitions.
    sent: BTreeMap<u64, u32>,
}

impl Acks {
    /// Reads those for which `counts` holds, by partition and offset.
    pub(crate) fn read(evidence: &dyn RunRecord, counts: impl Fn(u32, Option<u64>) -> bool) -> Acks {
        let mut acks = Acks::default();
        evidence.scan_events(&mut |_, moment| acks.take(moment, &counts));
        acks
    }

    /// Takes in what became of an op.
    pub(crate) fn take(&mut self, moment: EventRef<'_>, counts: impl Fn(u32, Option<u64>) -> bool) {
        match moment {
            EventRef::Invoked { op, partition, .. } => {
                self.sent.insert(op, partition);
                self.invoked.entry(partition).or_default().insert(op);
            }
            EventRef::Completed { op, outcome, off } => {
                if let Some(partition) = self.sent.remove(&op)
                    && outcome == OpOutcome::Ok
                    && counts(partition, off)
                {
                    self.of.entry(partition).or_default().insert(op);
                    let places = self.places.entry(partition).or_default();
                    *places = places.wrapping_add(off.map_or(0, |off| offset(op, off)));
                }
            }
            EventRef::Other(_) => {}
        }
    }
}

/// When these ops were acknowledged.
pub(crate) fn acknowledged(evidence: &dyn RunRecord, ops: &BTreeSet<u64>) -> BTreeMap<u64, Nanos> {
    let mut times = BTreeMap::new();
    if !ops.is_empty() {
        evidence.scan_events(&mut |t, moment| {
            if let EventRef::Completed { op, outcome: OpOutcome::Ok, .. } = moment
                && ops.contains(&op)
            {
                times.insert(op, t);
            }
        });
    }
    times
}
