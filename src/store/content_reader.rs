//! Reads the contents of reads, block by block.

use super::content::BlockRef;
use super::files::RunFiles;
use super::frame::{FramePlace, FrameReader};
use std::fs::File;

/// Reads blocks of a partition's contents.
pub(super) struct ContentReader<'a> {
    files: &'a RunFiles,
    file: String,
    frames: Option<FrameReader<File>>,
    /// Behind the last block that was referred to.
    end: (u64, u64),
}

impl<'a> ContentReader<'a> {
    /// A reader of the content file of this name. It is opened when the first block is read.
    pub(super) fn new(files: &'a RunFiles, file: String) -> ContentReader<'a> {
        ContentReader { files, file, frames: None, end: (0, 0) }
    }

    /// The content of a block. None, and damage, if it is not as the reference says.
    pub(super) fn block(&mut self, block: &BlockRef) -> Option<&[u8]> {
        match self.load(block) {
            Ok(()) => self.frames.as_ref().map(FrameReader::plain),
            Err(why) => {
                self.add_damage(block.place, &why);
                None
            }
        }
    }

    fn load(&mut self, block: &BlockRef) -> Result<(), String> {
        let frames = match &mut self.frames {
            Some(frames) => frames,
            None => {
                let file = File::open(self.files.dir().join(&self.file));
                let frames = file.and_then(|file| FrameReader::new(file, self.files.origin(&self.file)));
                self.frames.insert(frames.map_err(|error| error.to_string())?)
            }
        };
        frames.block_at(block.place).map_err(|flaw| flaw.to_string())?;
        self.end = self.end.max(frames.position());
        let count = frames.lines() - block.place.after;
        if count == block.rows { Ok(()) } else { Err(format!("{count} lines, not {}", block.rows)) }
    }

    /// Called when all references were followed. In a run that ended, nothing but the end mark may come
    /// behind the last block.
    pub(super) fn end(&mut self) {
        let frames = self.frames.as_mut().filter(|_| self.files.run().ended.is_some());
        if let Some(Err(flaw)) = frames.map(|frames| frames.end_at(self.end)) {
            self.files.add_damage(&self.file, format!("frame at byte {}: {flaw}", self.end.0));
        }
    }

    /// Records that a block cannot be read, or one of its lines.
    pub(super) fn add_damage(&self, place: FramePlace, why: &str) {
        self.files.add_damage(&self.file, format!("block at byte {}: {why}", place.at));
    }
}
