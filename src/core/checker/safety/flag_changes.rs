//! The flags that one replica returned, by key and read, in flat arrays: there is one change for every key
//! that a read returned, so there may be as many as the log has entries.

use crate::checker::tables::packed_column::PackedColumn;
use crate::history::scratch::Scratch;
use std::sync::Arc;

/// Changes as they are read.
#[derive(Default)]
pub(super) struct FlagChangesReader {
    /// By change, in the order of reads: the key, the read, and where its offsets begin.
    keys: PackedColumn,
    reads: PackedColumn,
    first_offs: PackedColumn,
    offs: PackedColumn,
    scratch: Option<Arc<dyn Scratch>>,
}

impl FlagChangesReader {
    /// Puts away what exceeds the memory of the scratch space.
    pub(super) fn with(scratch: Option<Arc<dyn Scratch>>) -> FlagChangesReader {
        let column = || PackedColumn::with(scratch.clone());
        let (keys, reads, first_offs, offs) = (column(), column(), column(), column());
        FlagChangesReader { keys, reads, first_offs, offs, scratch }
    }

    /// Adds the flags of a key. Reads come in ascending order.
    pub(super) fn push(&mut self, key: usize, read: usize, offs: &[u64]) {
        self.keys.push(key as u64);
        self.reads.push(read as u64);
        self.first_offs.push(self.offs.len() as u64);
        offs.iter().for_each(|&off| self.offs.push(off));
        let changes = u32::try_from(self.keys.len());
        assert!(changes.is_ok(), "a replica with more than 2^32 flags in a partition");
    }

    /// Sorts the changes by key. Keys are numbered from 0 to `keys`.
    pub(super) fn by_key(self, keys: usize) -> FlagChanges {
        let key_of = |at: usize| self.keys.get(at) as usize;
        let mut firsts = vec![0_u32; keys + 1];
        (0..self.keys.len()).for_each(|at| firsts[key_of(at) + 1] += 1);
        (0..keys).for_each(|key| firsts[key + 1] += firsts[key]);
        let mut next = firsts.clone();
        let mut order = vec![0_u32; self.keys.len()];
        for at in 0..self.keys.len() {
            let place = &mut next[key_of(at)];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        let column = || PackedColumn::with(self.scratch.clone());
        let mut sorted = FlagChanges { firsts, reads: column(), first_offs: column(), offs: column() };
        for at in order {
            let at = at as usize;
            let is_last = at + 1 == self.keys.len();
            let end = if is_last { self.offs.len() } else { self.first_offs.get(at + 1) as usize };
            sorted.reads.push(self.reads.get(at));
            sorted.first_offs.push(sorted.offs.len() as u64);
            (self.first_offs.get(at) as usize..end).for_each(|off| sorted.offs.push(self.offs.get(off)));
        }
        sorted.first_offs.push(sorted.offs.len() as u64);
        sorted
    }
}

/// Changes by key, then by read.
pub(super) struct FlagChanges {
    /// By key: its first change. One more element ends the last key.
    firsts: Vec<u32>,
    /// By change: the read that returned it.
    reads: PackedColumn,
    /// By change: its first offset. One more element ends the last change.
    first_offs: PackedColumn,
    offs: PackedColumn,
}

impl FlagChanges {
    /// The last change of a key at or before a read: the read that returned it. Replaces what `offs` holds by
    /// the flagged offsets.
    pub(super) fn last(&self, key: usize, read: usize, offs: &mut Vec<u64>) -> Option<usize> {
        offs.clear();
        let of_key = self.firsts[key] as usize..self.firsts[key + 1] as usize;
        let at = of_key.rev().find(|&at| self.reads.get(at) as usize <= read)?;
        let range = self.first_offs.get(at) as usize..self.first_offs.get(at + 1) as usize;
        offs.extend(range.map(|off| self.offs.get(off)));
        Some(self.reads.get(at) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_at_or_before_a_read_counts() {
        let mut reader = FlagChangesReader::default();
        for (key, read, offs) in [(2, 0, &[7][..]), (0, 1, &[1, 2]), (2, 1, &[]), (2, 4, &[9])] {
            reader.push(key, read, offs);
        }
        let changes = reader.by_key(3);
        let last = |key, read| {
            let mut offs = vec![5];
            (changes.last(key, read, &mut offs), offs)
        };
        assert_eq!(last(0, 0), (None, vec![]));
        assert_eq!(last(0, 9), (Some(1), vec![1, 2]));
        assert_eq!(last(1, 9), (None, vec![]));
        assert_eq!(last(2, 0), (Some(0), vec![7]));
        assert_eq!(last(2, 3), (Some(1), vec![]));
        assert_eq!(last(2, 4), (Some(4), vec![9]));
    }
}
