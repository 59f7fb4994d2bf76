//! Reads the contents of reads, block by block.

use super::content::BlockRef;
use super::files::RunFiles;
use super::frame::{FramePlace, FrameReader};
use memchr::memchr_iter;
use std::fs::File;

/// Reads blocks of a partition's contents.
pub(super) struct ContentReader<'a> {
    files: &'a RunFiles,
    file: String,
    frames: Option<FrameReader<File>>,
    /// The last block of the file that was referred to.
    last: Option<FramePlace>,
}

impl<'a> ContentReader<'a> {
    /// A reader of the content file of this name. It is opened when the first block is read.
    pub(super) fn new(files: &'a RunFiles, file: String) -> ContentReader<'a> {
        ContentReader { files, file, frames: None, last: None }
    }

    /// The lines of a block. None, and damage, if they are not as the reference says.
    pub(super) fn lines(&mut self, block: &BlockRef) -> Option<Vec<u8>> {
        let lines = self.read(block.place).and_then(|lines| {
            let count = memchr_iter(b'\n', &lines).count() as u64;
            if count == block.rows { Ok(lines) } else { Err(format!("{count} lines, not {}", block.rows)) }
        });
        lines.map_err(|why| self.add_damage(block.place, &why)).ok()
    }

    /// Called when all references were followed. In a run that ended, nothing but the end mark may come
    /// behind the last block.
    pub(super) fn end(&mut self) {
        let Some(last) = self.last.take().filter(|_| self.files.run().ended.is_some()) else { return };
        let end = self.read(last).and_then(|_| {
            let frames = self.frames.as_mut().map(FrameReader::end);
            frames.transpose().map_err(|broken| broken.to_string())
        });
        if let Err(why) = end {
            self.files.add_damage(&self.file, why);
        }
    }

    fn read(&mut self, place: FramePlace) -> Result<Vec<u8>, String> {
        if self.last.is_none_or(|last| last.at < place.at) {
            self.last = Some(place);
        }
        let frames = match &mut self.frames {
            Some(frames) => frames,
            None => {
                let file = File::open(self.files.dir().join(&self.file));
                let frames = file.and_then(|file| FrameReader::new(file, self.files.origin(&self.file)));
                self.frames.insert(frames.map_err(|error| error.to_string())?)
            }
        };
        let lines = frames.block_at(place);
        lines.map(<[u8]>::to_vec).map_err(|broken| broken.flaw.to_string())
    }

    /// Records that a block cannot be read, or one of its lines.
    pub(super) fn add_damage(&self, place: FramePlace, why: &str) {
        self.files.add_damage(&self.file, format!("block at byte {}: {why}", place.at));
    }
}
