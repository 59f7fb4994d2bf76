//! The current flags of a partition whose reads refer to blocks (see [`super::content`]).

use super::content::BlockRef;
use super::content_reader::ContentReader;
use super::flags::read_flags;
use super::frame::FramePlace;
use super::merged_stream::{Merge, StoredLine};
use super::reads::Counted;
use super::table::is_table;
use dissent_core::history::row::CurrentRow;
use dissent_core::history::schema::Schema;
use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;

/// Replicas are read one after another, so a block is soon referred to again: this many are remembered.
const RECENT_BLOCKS: usize = 8;

/// A reference to the flags of a read.
pub(super) struct FlagsRef(BlockRef);

impl StoredLine for FlagsRef {
    type Key = u64;
    fn key(&self) -> u64 {
        self.0.read
    }
    fn from(first: u64) -> u64 {
        first
    }
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line).map(FlagsRef)
    }
}

/// The flags of all reads, by ascending read id, then key.
pub(super) struct BlockFlags<'a> {
    content: ContentReader<'a>,
    refs: Merge<'a, FlagsRef>,
    counted: Counted<'a>,
    recent: VecDeque<(FramePlace, Rc<[CurrentRow]>)>,
    /// The block that is being returned, its read, and how many of its flags were returned.
    block: Rc<[CurrentRow]>,
    read: u64,
    returned: usize,
}

impl<'a> BlockFlags<'a> {
    pub(super) fn new(
        content: ContentReader<'a>,
        refs: Merge<'a, FlagsRef>,
        counted: Counted<'a>,
    ) -> BlockFlags<'a> {
        let (recent, block) = (VecDeque::new(), Rc::from([]));
        BlockFlags { content, refs, counted, recent, block, read: 0, returned: 0 }
    }

    /// The flags of a block. None, and damage, if they cannot be read.
    fn flags(&mut self, block: &BlockRef) -> Option<Rc<[CurrentRow]>> {
        if let Some((_, known)) = self.recent.iter().find(|(place, _)| *place == block.place) {
            return Some(Rc::clone(known));
        }
        let content = self.content.block(block)?;
        let read = match is_table(content) {
            true => read_flags(content).map_err(serde_json::Error::from),
            false => {
                let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.map(serde_json::from_slice).collect()
            }
        };
        let flags: Rc<[CurrentRow]> = match read {
            Ok(flags) => Rc::from(flags),
            Err(error) => {
                self.content.add_damage(block.place, &error.to_string());
                return None;
            }
        };
        self.recent.truncate(RECENT_BLOCKS - 1);
        self.recent.push_front((block.place, Rc::clone(&flags)));
        Some(flags)
    }
}

impl<'a> Iterator for BlockFlags<'a> {
    type Item = (u64, Cow<'a, CurrentRow>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.returned == self.block.len() {
            let Some(FlagsRef(block)) = self.refs.next() else {
                self.content.end();
                self.counted.end();
                return None;
            };
            if let Some(flags) = self.flags(&block)
                && self.counted.count(block.read, block.rows)
            {
                (self.block, self.read, self.returned) = (flags, block.read, 0);
            }
        }
        let current = self.block[self.returned].clone();
        self.returned += 1;
        Some((self.read, Cow::Owned(current)))
    }
}
