//! The rows of a partition whose reads refer to blocks (see [`super::content`]). A block is decoded once for
//! all reads that refer to it.

use super::block::Block;
use super::content::BlockRef;
use super::content_reader::ContentReader;
use super::frame::FramePlace;
use super::merged_stream::{Merge, StoredLine};
use super::reads::Counted;
use dissent_core::history::row::Row;
use dissent_core::history::run_record::{RowGroups, RowsAt};
use dissent_core::history::schema::Schema;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A reference to the rows of a read.
pub(super) struct RowsRef(BlockRef);

impl StoredLine for RowsRef {
    type Key = (u64, u64);
    fn key(&self) -> (u64, u64) {
        (self.0.off, self.0.read)
    }
    fn from(first: u64) -> (u64, u64) {
        (first, 0)
    }
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line).map(RowsRef)
    }
}

/// A block, and the reads that show it.
struct Lane {
    place: FramePlace,
    block: Block,
    /// The offset of the current row, and its index in the block.
    off: u64,
    row: usize,
    is_ended: bool,
    reads: Vec<LaneRead>,
}

/// What a read returned of a block.
struct LaneRead {
    /// The reads that it counts for: itself, and those that share its rows. None if no event announces it.
    ids: Vec<u64>,
    docs: Vec<u32>,
}

impl Lane {
    /// Moves to the next row, or ends.
    fn advance(&mut self, schema: &Schema) -> serde_json::Result<()> {
        self.block.advance(schema)?;
        self.row += 1;
        let (before, off) = (self.off, self.block.off());
        self.is_ended = off.is_none();
        self.off = off.unwrap_or(before);
        if self.off < before { Err(serde::de::Error::custom("line out of order")) } else { Ok(()) }
    }
}

/// One row of the current offset.
#[derive(Clone, Copy)]
struct ShownRow {
    read: u64,
    content: usize,
    doc: u32,
}

/// Rows grouped by offset, from blocks.
pub(super) struct BlockRows<'a> {
    schema: &'a Schema,
    content: ContentReader<'a>,
    refs: Merge<'a, RowsRef>,
    counted: Counted<'a>,
    /// For each read whose rows count for others, the ids of those (`RULES.md` 4).
    sharers: &'a BTreeMap<u64, Vec<u64>>,
    lanes: Vec<Lane>,
    shown: Vec<ShownRow>,
    /// Blocks and rows that are done with. Their memory is used again.
    used_blocks: Vec<Block>,
    used_rows: Vec<Row>,
}

impl<'a> BlockRows<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        content: ContentReader<'a>,
        refs: Merge<'a, RowsRef>,
        counted: Counted<'a>,
        sharers: &'a BTreeMap<u64, Vec<u64>>,
    ) -> BlockRows<'a> {
        let (lanes, shown, used_blocks, used_rows) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        BlockRows { schema, content, refs, counted, sharers, lanes, shown, used_blocks, used_rows }
    }

    /// The rows one by one, each with the id of its read.
    pub(super) fn one_by_one(mut self) -> impl Iterator<Item = (u64, Cow<'a, Row>)> {
        let (mut rows, mut next) = (RowsAt::default(), 0);
        std::iter::from_fn(move || {
            if next == self.shown.len() {
                next = 0;
                if !self.next(&mut rows) {
                    return None;
                }
            }
            let ShownRow { read, content, doc } = *self.shown.get(next)?;
            next += 1;
            let row = rows.contents[content].as_ref().clone();
            Some((read, Cow::Owned(Row { doc, ..row })))
        })
    }

    /// Opens the blocks that may have rows at the next offset, and returns that offset.
    fn next_offset(&mut self) -> Option<u64> {
        loop {
            let least = self.lanes.iter().map(|lane| lane.off).min();
            let is_due = |(next, _): (&RowsRef, _)| least.is_none_or(|least| next.0.off <= least);
            if !self.refs.peek().is_some_and(is_due) {
                return least;
            }
            if let Some(RowsRef(block)) = self.refs.next() {
                self.join(&block);
            }
        }
    }

    /// Adds the read to the lane of its block, or opens one.
    fn join(&mut self, block: &BlockRef) {
        let known = self.lanes.iter().position(|lane| lane.place == block.place && lane.row == 0);
        let Some(at) = known.or_else(|| self.open(block)) else { return };
        let ids = match self.counted.count(block.read, block.rows) {
            true => {
                let sharers = self.sharers.get(&block.read).into_iter().flatten();
                sharers.copied().chain([block.read]).collect()
            }
            false => Vec::new(),
        };
        let docs = block.doc_numbers().take(block.rows as usize).collect();
        self.lanes[at].reads.push(LaneRead { ids, docs });
    }

    /// Opens a lane for a block, which must begin as the reference says.
    fn open(&mut self, of: &BlockRef) -> Option<usize> {
        let content = self.content.block(of)?;
        let mut block = self.used_blocks.pop().unwrap_or_else(Block::new);
        let why = match block.open(self.schema, content) {
            Ok(()) if block.off() == Some(of.off) => {
                let (place, off) = (of.place, of.off);
                self.lanes.push(Lane { place, block, off, row: 0, is_ended: false, reads: Vec::new() });
                return Some(self.lanes.len() - 1);
            }
            Ok(()) => format!("it does not begin at offset {}", of.off),
            Err(error) => error.to_string(),
        };
        self.content.add_damage(of.place, &why);
        None
    }

    /// Takes the rows of all lanes at this offset.
    fn take(&mut self, off: u64, rows: &mut RowsAt<'a>) {
        for at in 0..self.lanes.len() {
            while !self.lanes[at].is_ended && self.lanes[at].off == off {
                let block = &mut self.lanes[at].block;
                let known = rows.contents.iter().position(|row| block.is_next(row));
                let content = known.unwrap_or_else(|| {
                    let mut row = self.used_rows.pop().unwrap_or_else(blank_row);
                    block.exchange(&mut row);
                    rows.contents.push(Cow::Owned(row));
                    rows.contents.len() - 1
                });
                if let Err(error) = self.show(at, content) {
                    self.content.add_damage(self.lanes[at].place, &format!("offset {off}: {error}"));
                    self.lanes[at].is_ended = true;
                }
            }
        }
        let ended = self.lanes.extract_if(.., |lane| lane.is_ended);
        self.used_blocks.extend(ended.map(|lane| lane.block));
    }

    /// Notes the current row of a lane for all its reads, and moves the lane on.
    fn show(&mut self, lane: usize, content: usize) -> serde_json::Result<()> {
        let lane = &mut self.lanes[lane];
        for LaneRead { ids, docs } in &lane.reads {
            let doc = docs.get(lane.row).copied().unwrap_or_default();
            self.shown.extend(ids.iter().map(|&read| ShownRow { read, content, doc }));
        }
        lane.advance(self.schema)
    }

    /// Forgets the rows of an offset, and keeps their memory.
    fn clear(&mut self, rows: &mut RowsAt<'a>) {
        self.shown.clear();
        let owned = |row| if let Cow::Owned(row) = row { Some(row) } else { None };
        self.used_rows.extend(rows.contents.drain(..).filter_map(owned));
    }
}

fn blank_row() -> Row {
    Row { off: 0, key: Arc::default(), op: 0, cmp: 0, cols: Vec::new(), doc: 0 }
}

impl<'a> RowGroups<'a> for BlockRows<'a> {
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool {
        rows.seen.clear();
        while let Some(off) = self.next_offset() {
            self.clear(rows);
            self.take(off, rows);
            if !self.shown.is_empty() {
                self.shown.sort_by_key(|shown| shown.read);
                rows.off = off;
                rows.seen.extend(self.shown.iter().map(|shown| (shown.read, shown.content)));
                return true;
            }
        }
        self.content.end();
        self.counted.end();
        false
    }
}
