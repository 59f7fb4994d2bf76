//! The map from offsets to timestamps. The writers share it, so each of them gives an entry the same
//! timestamp, and two writers' batches for one time are equal.

/// One binding per timestamp, from 0: one past the last offset with this timestamp or an earlier one.
#[derive(Default)]
pub(crate) struct Remap {
    ends: Vec<u64>,
}

impl Remap {
    /// Assigns the next timestamp to all offsets below `end` that have none. It is minted even if there are
    /// none.
    pub(crate) fn mint(&mut self, end: u64) {
        self.ends.push(end);
    }

    /// The lowest timestamp that is not assigned yet.
    pub(crate) fn upper(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The timestamp of an offset. The upper if it has none yet.
    pub(crate) fn timestamp(&self, off: u64) -> u64 {
        self.ends.partition_point(|end| *end <= off) as u64
    }

    /// One past the last offset whose timestamp is before `frontier`.
    pub(crate) fn end_before(&self, frontier: u64) -> u64 {
        let count = usize::try_from(frontier).unwrap_or(usize::MAX).min(self.ends.len());
        self.ends[..count].last().copied().unwrap_or(0)
    }

    /// The bindings; see [`Remap`].
    pub(crate) fn ends(&self) -> &[u64] {
        &self.ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_has_the_timestamp_of_the_first_binding_behind_it() {
        let mut remap = Remap::default();
        [2, 2, 5].into_iter().for_each(|end| remap.mint(end));
        assert_eq!([0, 1, 2, 4, 5].map(|off| remap.timestamp(off)), [0, 0, 2, 2, 3]);
        assert_eq!([0, 1, 2, 3, 9].map(|frontier| remap.end_before(frontier)), [0, 2, 2, 5, 5]);
        assert_eq!(remap.upper(), 3);
    }
}
