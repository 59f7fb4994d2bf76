//! The ops that were acknowledged, and the ops that the log holds: a bit for each.

use crate::record::event::Outcome;
use crate::record::evidence::{Moment, Recorded};
use crate::record::row::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// So many ids, of which the first is a multiple of them, lie in one piece.
const PIECE_BITS: u64 = 4_096;
const WORDS: usize = (PIECE_BITS / 64) as usize;

/// A set of op ids. They are given out in order, so that nearly all bits of a piece are in use.
#[derive(Default)]
pub(super) struct Ids {
    pieces: BTreeMap<u64, [u64; WORDS]>,
}

impl Ids {
    /// Puts an id in.
    pub(super) fn insert(&mut self, id: u64) {
        let piece = self.pieces.entry(id / PIECE_BITS).or_insert([0; WORDS]);
        piece[(id % PIECE_BITS / 64) as usize] |= 1 << (id % 64);
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.pieces.values().flatten().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Those that the other set lacks, ascending.
    pub(super) fn without(&self, other: &Ids) -> Vec<u64> {
        let mut lacking = Vec::new();
        for (at, piece) in &self.pieces {
            let known = other.pieces.get(at).unwrap_or(&[0; WORDS]);
            for (word, (here, there)) in (0..).zip(piece.iter().zip(known)) {
                let bits = (0..64).filter(|bit| here & !there & (1 << bit) != 0);
                lacking.extend(bits.map(|bit| at * PIECE_BITS + word * 64 + bit));
            }
        }
        lacking
    }
}

/// The ops that were acknowledged, by partition.
#[derive(Default)]
pub(super) struct Acks {
    pub(super) of: BTreeMap<u32, Ids>,
    /// Ops in flight and their partitions.
    sent: BTreeMap<u64, u32>,
}

impl Acks {
    /// Reads those for which `counts` holds, by partition and offset.
    pub(super) fn read(evidence: &dyn Recorded, counts: impl Fn(u32, Option<u64>) -> bool) -> Acks {
        let mut acks = Acks::default();
        evidence.moments(&mut |_, moment| acks.take(moment, &counts));
        acks
    }

    /// Takes in what became of an op.
    pub(super) fn take(&mut self, moment: Moment<'_>, counts: impl Fn(u32, Option<u64>) -> bool) {
        match moment {
            Moment::Invoked { op, partition, .. } => {
                self.sent.insert(op, partition);
            }
            Moment::Completed { op, outcome, off } => {
                if let Some(partition) = self.sent.remove(&op)
                    && outcome == Outcome::Ok
                    && counts(partition, off)
                {
                    self.of.entry(partition).or_default().insert(op);
                }
            }
            Moment::Other(_) => {}
        }
    }
}

/// When these ops were acknowledged.
pub(super) fn acknowledged(evidence: &dyn Recorded, ops: &BTreeSet<u64>) -> BTreeMap<u64, Nanos> {
    let mut times = BTreeMap::new();
    if !ops.is_empty() {
        evidence.moments(&mut |t, moment| {
            if let Moment::Completed { op, outcome: Outcome::Ok, .. } = moment
                && ops.contains(&op)
            {
                times.insert(op, t);
            }
        });
    }
    times
}
