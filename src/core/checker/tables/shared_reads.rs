//! Copies that were counted by their checksum instead of being read (`RULES.md` 4).

use super::reads::RowsRead;
use crate::checker::verdict::{ByChecksum, Doubt, DoubtKind};
use crate::history::row::ReadValidity;
use crate::history::trust::TrustChecksums;
use std::collections::BTreeMap;

/// Two reads that returned different rows of copies with equal checksums.
#[derive(Debug)]
pub(crate) struct Refutation {
    pub(crate) segment: String,
    /// Their ids.
    pub(crate) reads: [u64; 2],
}

/// Voids the reads that share rows, if checksums say nothing in this run, or if the read with the rows does
/// not count, or is of another segment or checksum. `reads` ascend by id.
pub(crate) fn void(reads: &mut [RowsRead], is_refuted: bool) {
    for at in 0..reads.len() {
        let read = &reads[at];
        let Some(of) = read.rows_of else { continue };
        let source = reads.binary_search_by_key(&of, |read| read.header.id).ok().map(|source| &reads[source]);
        let is_backed = source.is_some_and(|it| is_whole(it) && identity(it) == identity(read));
        if !is_backed || is_refuted {
            reads[at].header.soundness = ReadValidity::Failed;
        }
    }
}

/// What equal copies of committed rows have in common: partition, sequence number, checksum, and range.
type Identity = (u32, u32, u64, u64, u64);

/// None if the target tells no checksum.
fn identity(read: &RowsRead) -> Option<Identity> {
    let RowsRead { header, held, checksum, .. } = read;
    Some((header.partition, held.seq, (*checksum)?, held.start, held.end))
}

/// Whether it returned all rows of its copy.
fn is_whole(read: &RowsRead) -> bool {
    let is_sound = read.header.soundness == ReadValidity::Sound;
    is_sound && read.rows_of.is_none() && read.from == read.held.start && read.header.count > 0
}

/// How much was counted by checksums. None if nothing was.
pub(crate) fn count(reads: &[RowsRead]) -> Option<ByChecksum> {
    let mut counted = ByChecksum::default();
    let mut first: BTreeMap<Identity, usize> = BTreeMap::new();
    for read in reads.iter().filter(|read| read.header.soundness == ReadValidity::Sound) {
        if read.rows_of.is_some() {
            counted.copies += 1;
            counted.rows += read.header.count;
        } else if let Some(identity) = identity(read).filter(|_| is_whole(read)) {
            let replica = *first.entry(identity).or_insert(read.header.replica);
            if replica != read.header.replica {
                counted.cross_read_copies += 1;
                counted.cross_read_rows += read.header.count;
            }
        }
    }
    (counted.copies > 0).then_some(counted)
}

/// Doubt in the checksums of the run.
pub(crate) fn doubt(
    reads: &[RowsRead],
    trust: TrustChecksums,
    refuted: Option<&Refutation>,
) -> Option<Doubt> {
    let detail = match (refuted, count(reads)) {
        (Some(Refutation { segment, reads: [a, b] }), _) => format!(
            "reads {a} and {b} returned different rows of {segment}, although the checksums of both copies \
             are equal: checksums say nothing here, and every copy was read from then on"
        ),
        (None, Some(ByChecksum { copies, cross_read_copies: 0, .. })) if trust == TrustChecksums::Sampled => {
            format!(
                "{copies} copies were counted by their checksum, and none was read to see whether equal \
                 checksums mean equal rows"
            )
        }
        _ => return None,
    };
    Some(Doubt { kind: DoubtKind::UnmetAssumption, detail })
}
