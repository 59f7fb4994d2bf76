//! Committed copies with equal checksums: one of them is read, and its rows count for the others (`RULES.md`
//! 4).
//!
//! Each copy is bracketed by its own replica's coverage. Rows under a checksum do not change, so the two
//! brackets need not overlap. Which rows are current is read on every replica, whatever the checksums.
//!
//! A few copies, drawn from the seed, are read although their checksum would do. If one of them has other
//! rows than its checksum says, the checksums of this run are worth nothing:
//! ```text
//! a and b have SEG_M under checksum 7: a is read, and counts for b; c has it under 7 too, is read, and shows
//! another row 12: nothing says any more that b has the rows of a, so b is read
//! ```

use crate::history::row::{Cover, Read, ReadValidity};
use crate::history::trust::TrustChecksums;
use crate::seed::{Seed, Stream, below, number_of};
use std::collections::{BTreeMap, BTreeSet};

/// One copy in this many is read although its checksum would do, and in any case the first.
const CROSS_READ_EVERY: u32 = 16;

/// What equal copies of committed rows have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CopyKey {
    segment: String,
    checksum: u64,
    start: u64,
    end: u64,
    rows: u64,
}

impl CopyKey {
    /// None if the checksum says nothing. Some systems have a different one on each replica if there are no
    /// rows.
    fn of(cover: &Cover) -> Option<CopyKey> {
        let Cover { start, end, rows, .. } = *cover;
        let checksum = cover.checksum.filter(|_| rows > 0)?;
        Some(CopyKey { segment: cover.segment.clone(), checksum, start, end, rows })
    }
}

/// A sound read of all rows of a copy.
#[derive(Debug)]
struct WholeRead {
    id: u64,
    replica: String,
    digest: u64,
}

/// Where the rows of a copy come from that is not read itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the read with this id.
    Read(u64),
    /// From a read that is under way.
    Pending,
    /// From nowhere: the copy must be read.
    Nowhere,
}

/// The committed copies of a run, by checksum.
#[derive(Debug, Default)]
pub(super) struct SharedCopies {
    trust: TrustChecksums,
    seed: u64,
    whole: BTreeMap<CopyKey, WholeRead>,
    /// The replica whose copy is being read.
    reading: BTreeMap<CopyKey, String>,
    /// Digests of the rows of reads whose bracket is still open, by id.
    digests: BTreeMap<u64, u64>,
    /// Reads under way that will prove the rule or refute it, by id.
    crossing: BTreeSet<u64>,
    is_proven: bool,
    is_refuted: bool,
}

impl SharedCopies {
    pub(super) fn new(trust: TrustChecksums, seed: Seed) -> SharedCopies {
        SharedCopies { trust, seed: seed.0, ..SharedCopies::default() }
    }

    /// Whether the rows of a planned read come from another one. Otherwise the copy is to be read now.
    pub(super) fn is_shared(&mut self, read: &Read) -> bool {
        let Some(key) = self.key_of(read) else { return false };
        let by_another = self.reading.get(&key).is_some_and(|by| *by != read.replica);
        if !by_another && !self.whole.contains_key(&key) {
            self.reading.insert(key, read.replica.clone());
            return false;
        }
        let is_cross_read = self.trust == TrustChecksums::Sampled && self.is_drawn(read);
        if is_cross_read {
            self.crossing.insert(read.id);
        }
        !is_cross_read
    }

    fn key_of(&self, read: &Read) -> Option<CopyKey> {
        let counts = self.trust != TrustChecksums::None && !self.is_refuted;
        let is_whole = read.from == read.before.start;
        CopyKey::of(&read.before).filter(|_| counts && is_whole)
    }

    fn is_drawn(&self, read: &Read) -> bool {
        let is_first = !self.is_proven && self.crossing.is_empty();
        let seed = Seed(self.seed ^ number_of(&[&read.replica, &read.before.segment]));
        is_first || below(&mut seed.stream(Stream::CrossRead), CROSS_READ_EVERY) == 0
    }

    /// Takes the digest of the rows that a read returned.
    pub(super) fn digested(&mut self, read: u64, digest: u64) {
        self.digests.insert(read, digest);
    }

    /// Takes a read whose bracket is closed. Returns the two reads that refute the rule, if this is one.
    pub(super) fn closed(&mut self, read: &Read) -> Option<[u64; 2]> {
        let digest = self.digests.remove(&read.id);
        self.crossing.remove(&read.id);
        let key = self.key_of(read).filter(|_| read.soundness == ReadValidity::Sound)?;
        let (id, replica, digest) = (read.id, read.replica.clone(), digest?);
        let Some(known) = self.whole.get(&key) else {
            self.whole.insert(key, WholeRead { id, replica, digest });
            return None;
        };
        self.is_refuted = known.digest != digest;
        self.is_proven |= known.replica != replica;
        self.is_refuted.then_some([known.id, id])
    }

    /// The bracket of this replica is closed: it reads no copy any more.
    pub(super) fn stopped(&mut self, replica: &str) {
        self.reading.retain(|_, by| by != replica);
    }

    /// Where the rows come from of a read that shares them.
    pub(super) fn source(&self, read: &Read) -> Source {
        let Some(key) = self.key_of(read) else { return Source::Nowhere };
        match self.whole.get(&key) {
            Some(whole) => Source::Read(whole.id),
            None if self.reading.contains_key(&key) => Source::Pending,
            None => Source::Nowhere,
        }
    }
}
