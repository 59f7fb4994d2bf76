//! What is known of a capture under way: the bracket of each replica, and how far earlier reads went.

use crate::history::row::{Base, Cover, Coverage, CurrentRead, Read};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How far the rows of one segment on one replica were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor {
    pub(super) copy: u64,
    pub(super) end: u64,
    pub(super) rows: u64,
    /// The last sound read of the copy.
    pub(super) base: Base,
}

/// How far the flags of one partition on one replica were read.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagsCursor {
    pub(super) incarnation: u64,
    pub(super) version: u64,
    /// The last read that returned flags.
    pub(super) read: u64,
}

/// What one replica is being asked for.
#[derive(Debug)]
pub(super) enum BracketStage {
    Before,
    Reading { before: Coverage, requests: VecDeque<ReadRequest>, done: ReadsDone },
    After { before: Coverage, done: ReadsDone },
}

/// The reads of one bracket that are answered.
#[derive(Debug, Default)]
pub(super) struct ReadsDone {
    pub(super) reads: Vec<Read>,
    /// Reads of copies whose rows come from another replica.
    pub(super) shares: Vec<Read>,
    pub(super) currents: Vec<CurrentRead>,
}

#[derive(Debug)]
pub(super) enum ReadRequest {
    Rows(Read),
    Flags(CurrentRead),
}

#[derive(Debug)]
pub(super) struct Bracket {
    pub(super) stage: BracketStage,
    pub(super) round: u8,
}

#[derive(Debug)]
pub(super) struct RunningCapture {
    pub(super) id: u32,
    pub(super) brackets: BTreeMap<String, Bracket>,
    /// Reads with a closed bracket, whose rows another read has yet to return.
    pub(super) waiting: Vec<Read>,
    /// Replicas that are to be read again once their bracket is closed.
    pub(super) unread: BTreeSet<String>,
    /// How often each was read again because rows that it was to share did not come.
    pub(super) rereads: BTreeMap<String, u8>,
    /// Whether the shard is still to be read.
    pub(super) shard_pending: bool,
}

impl RunningCapture {
    pub(super) fn new(id: u32) -> RunningCapture {
        RunningCapture {
            id,
            brackets: BTreeMap::new(),
            waiting: Vec::new(),
            unread: BTreeSet::new(),
            rereads: BTreeMap::new(),
            shard_pending: false,
        }
    }
}

/// The same copy of the same segment, if the replica still has it.
pub(super) fn same_copy<'c>(copy: &Cover, coverage: &'c Coverage) -> Option<&'c Cover> {
    coverage.covers.iter().find(|cover| cover.segment == copy.segment && cover.copy == copy.copy)
}
