//! Reads of rows and of current flags, as events announced them. Names are indices here.

use crate::history::row::{Base, CopyState, Cover, Observed, ReadValidity};
use crate::history::time::Nanos;

/// A [`Cover`] without names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldSegment {
    pub(crate) seq: u32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) state: CopyState,
    pub(crate) registered: Observed<bool>,
    pub(crate) copy: u64,
    pub(crate) position: Option<u64>,
}

impl From<&Cover> for HeldSegment {
    fn from(cover: &Cover) -> HeldSegment {
        let Cover { seq, start, end, state, registered, copy, position, .. } = *cover;
        HeldSegment { seq, start, end, state, registered, copy, position }
    }
}

impl HeldSegment {
    /// Whether merges and reads see these rows, as far as the target can show that.
    pub(crate) fn is_visible(&self) -> bool {
        self.registered != Observed::Known(false)
    }
}

/// Who was read and when, and whether the read counts. Common to reads of rows and of flags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadHeader {
    pub(crate) id: u64,
    pub(crate) capture: usize,
    pub(crate) t: Nanos,
    pub(crate) replica: usize,
    pub(crate) partition: u32,
    pub(crate) incarnation: u64,
    pub(crate) soundness: ReadValidity,
    /// The number of rows or keys that the read claims to have.
    pub(crate) count: u64,
}

/// A read of the rows of one segment.
#[derive(Clone, Debug)]
pub(crate) struct RowsRead {
    pub(crate) header: ReadHeader,
    pub(crate) from: u64,
    pub(crate) held: HeldSegment,
    pub(crate) checksum: Option<u64>,
    /// The read whose rows count for this one, if it returned none itself.
    pub(crate) rows_of: Option<u64>,
    /// The target's own position after the read. The one before it is in `held`.
    pub(crate) position_after: Option<u64>,
}

/// A read of the current flags of one partition.
#[derive(Clone, Debug)]
pub(crate) struct CurrentRowsRead {
    pub(crate) header: ReadHeader,
    pub(crate) base: Base,
    pub(crate) before: Vec<HeldSegment>,
    pub(crate) after: Vec<HeldSegment>,
}
