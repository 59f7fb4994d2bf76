//! The rows of a partition whose reads refer to blocks (see [`super::content`]). A block is decoded once for
//! all reads that refer to it.

use super::codec;
use super::content::BlockRef;
use super::content_reader::ContentReader;
use super::fast_scan;
use super::frame::FramePlace;
use super::merged_stream::{Merge, StoredLine};
use super::reads::Counted;
use dissent_core::history::row::Row;
use dissent_core::history::run_record::{RowGroups, RowsAt};
use dissent_core::history::schema::Schema;
use memchr::memchr;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

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
    lines: Vec<u8>,
    /// The current row: its line, its offset, and its index in the block.
    line: Range<usize>,
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
    /// Begins with the first row of a block.
    fn open(place: FramePlace, lines: Vec<u8>, schema: &Schema) -> serde_json::Result<Lane> {
        let mut lane = Lane { place, lines, line: 0..0, off: 0, row: 0, is_ended: false, reads: Vec::new() };
        lane.set_line(0, schema)?;
        Ok(lane)
    }

    fn line(&self) -> &[u8] {
        &self.lines[self.line.clone()]
    }

    /// Moves to the next row, or ends.
    fn advance(&mut self, schema: &Schema) -> serde_json::Result<()> {
        self.row += 1;
        self.set_line(self.line.end + 1, schema)
    }

    fn set_line(&mut self, start: usize, schema: &Schema) -> serde_json::Result<()> {
        let Some(length) = memchr(b'\n', &self.lines[start..]) else {
            self.is_ended = true;
            return Ok(());
        };
        self.line = start..start + length;
        self.off = match fast_scan::offset(self.line()) {
            Some(off) => off,
            None => codec::decode_content(schema, self.line())?.off,
        };
        Ok(())
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
}

impl<'a> BlockRows<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        content: ContentReader<'a>,
        refs: Merge<'a, RowsRef>,
        counted: Counted<'a>,
        sharers: &'a BTreeMap<u64, Vec<u64>>,
    ) -> BlockRows<'a> {
        BlockRows { schema, content, refs, counted, sharers, lanes: Vec::new(), shown: Vec::new() }
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
    fn open(&mut self, block: &BlockRef) -> Option<usize> {
        let lines = self.content.lines(block)?;
        let why = match Lane::open(block.place, lines, self.schema) {
            Ok(lane) if lane.off == block.off => {
                self.lanes.push(lane);
                return Some(self.lanes.len() - 1);
            }
            Ok(lane) => format!("it begins at offset {}, not {}", lane.off, block.off),
            Err(error) => error.to_string(),
        };
        self.content.add_damage(block.place, &why);
        None
    }

    /// Takes the rows of all lanes at this offset.
    fn take(&mut self, off: u64, rows: &mut RowsAt<'a>) {
        let mut lines: Vec<(usize, Range<usize>)> = Vec::new();
        for at in 0..self.lanes.len() {
            while !self.lanes[at].is_ended && self.lanes[at].off == off {
                let lane = &self.lanes[at];
                let is_same =
                    |(of, line): &(usize, Range<usize>)| self.lanes[*of].lines[line.clone()] == *lane.line();
                let content = match lines.iter().position(is_same) {
                    Some(known) => Ok(known),
                    None => codec::decode_content(self.schema, lane.line()).map(|row| {
                        lines.push((at, lane.line.clone()));
                        rows.contents.push(Cow::Owned(row));
                        rows.contents.len() - 1
                    }),
                };
                if let Err(error) = content.and_then(|content| self.show(at, content)) {
                    self.content.add_damage(self.lanes[at].place, &format!("offset {off}: {error}"));
                    self.lanes[at].is_ended = true;
                }
            }
        }
        self.lanes.retain(|lane| !lane.is_ended);
    }

    /// Notes the current row of a lane for all its reads, and moves the lane on.
    fn show(&mut self, lane: usize, content: usize) -> serde_json::Result<()> {
        let lane = &mut self.lanes[lane];
        for LaneRead { ids, docs } in &lane.reads {
            let doc = docs.get(lane.row).copied().unwrap_or_default();
            self.shown.extend(ids.iter().map(|&read| ShownRow { read, content, doc }));
        }
        let off = lane.off;
        lane.advance(self.schema)?;
        if lane.off < off { Err(serde::de::Error::custom("line out of order")) } else { Ok(()) }
    }
}

impl<'a> RowGroups<'a> for BlockRows<'a> {
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool {
        rows.seen.clear();
        while let Some(off) = self.next_offset() {
            self.shown.clear();
            rows.contents.clear();
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
