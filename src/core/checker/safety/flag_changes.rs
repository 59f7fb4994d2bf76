//! The flags that one replica returned, by key and read, in flat arrays: there is one change for every key
//! that a read returned, so there may be as many as the log has entries.

/// The flags of a key as one read returned them, in the order of reads.
struct Returned {
    key: u32,
    read: u32,
    /// Where its offsets begin.
    first_off: u32,
}

/// Changes as they are read.
#[derive(Default)]
pub(super) struct FlagChangesReader {
    returned: Vec<Returned>,
    offs: Vec<u64>,
}

impl FlagChangesReader {
    /// Adds the flags of a key. Reads come in ascending order.
    pub(super) fn push(&mut self, key: usize, read: usize, offs: &[u64]) {
        let first_off = self.offs.len() as u32;
        self.returned.push(Returned { key: key as u32, read: read as u32, first_off });
        self.offs.extend(offs);
        let most = self.offs.len().max(self.returned.len()).max(key).max(read);
        assert!(u32::try_from(most).is_ok(), "a replica with more than 2^32 flags in a partition");
    }

    /// Sorts the changes by key. Keys are numbered from 0 to `keys`.
    pub(super) fn by_key(self, keys: usize) -> FlagChanges {
        let FlagChangesReader { returned, offs } = self;
        let mut firsts = vec![0_u32; keys + 1];
        returned.iter().for_each(|it| firsts[it.key as usize + 1] += 1);
        (0..keys).for_each(|key| firsts[key + 1] += firsts[key]);
        let mut next = firsts.clone();
        let mut order = vec![0_u32; returned.len()];
        for (at, it) in returned.iter().enumerate() {
            let place = &mut next[it.key as usize];
            order[*place as usize] = at as u32;
            *place += 1;
        }
        let mut sorted = FlagChanges {
            firsts,
            reads: Vec::with_capacity(order.len()),
            first_offs: Vec::with_capacity(order.len() + 1),
            offs: Vec::with_capacity(offs.len()),
        };
        for at in order {
            let start = returned[at as usize].first_off as usize;
            let end = returned.get(at as usize + 1).map_or(offs.len(), |next| next.first_off as usize);
            sorted.reads.push(returned[at as usize].read);
            sorted.first_offs.push(sorted.offs.len() as u32);
            sorted.offs.extend(&offs[start..end]);
        }
        sorted.first_offs.push(sorted.offs.len() as u32);
        sorted
    }
}

/// Changes by key, then by read.
pub(super) struct FlagChanges {
    /// By key: its first change. One more element ends the last key.
    firsts: Vec<u32>,
    /// By change: the read that returned it.
    reads: Vec<u32>,
    /// By change: its first offset. One more element ends the last change.
    first_offs: Vec<u32>,
    offs: Vec<u64>,
}

impl FlagChanges {
    /// The last change of a key at or before a read: the read that returned it, and the flagged offsets.
    pub(super) fn last(&self, key: usize, read: usize) -> Option<(usize, &[u64])> {
        let of_key = self.firsts[key] as usize..self.firsts[key + 1] as usize;
        let at = of_key.rev().find(|&at| self.reads[at] as usize <= read)?;
        let offs = self.first_offs[at] as usize..self.first_offs[at + 1] as usize;
        Some((self.reads[at] as usize, &self.offs[offs]))
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
        assert_eq!(changes.last(0, 0), None);
        assert_eq!(changes.last(0, 9), Some((1, &[1, 2][..])));
        assert_eq!(changes.last(1, 9), None);
        assert_eq!(changes.last(2, 0), Some((0, &[7][..])));
        assert_eq!(changes.last(2, 3), Some((1, &[][..])));
        assert_eq!(changes.last(2, 4), Some((4, &[9][..])));
    }
}
