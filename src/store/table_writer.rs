//! Files of tables while they are written.

use super::frame::{FRAME_AGE, FRAME_BYTES, FrameWriter};
use super::frame_origin::RunHash;
use super::writing::{StoreError, create_file, failed};
use dissent_core::history::time::Nanos;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A table is closed when it has this many lines.
const LINES: usize = 1 << 14;

/// Lines that become a table.
pub(super) trait Batch {
    fn count(&self) -> usize;
    /// About how many bytes they take.
    fn weight(&self) -> usize;
    /// Replaces what `out` holds by a table of the lines, and begins anew.
    fn put(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A file of tables. Its path is used in errors.
pub(super) struct TableWriter<B> {
    file: PathBuf,
    frames: FrameWriter<File>,
    batch: B,
    /// When the first line of the batch was added.
    opened: Nanos,
    table: Vec<u8>,
}

impl<B: Batch> TableWriter<B> {
    pub(super) fn create(dir: &Path, name: &str, run: RunHash, batch: B) -> Result<Self, StoreError> {
        let (file, to) = create_file(dir, name)?;
        let frames = FrameWriter::new(to, run.file(name)).map_err(failed("create", &file))?;
        Ok(Self { file, frames, batch, opened: Nanos(0), table: Vec::new() })
    }

    /// Adds a line. Closes the table if it is full or old enough.
    pub(super) fn add(
        &mut self,
        now: Nanos,
        add: impl FnOnce(&mut B) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        if self.batch.count() == 0 {
            self.opened = now;
        }
        add(&mut self.batch).map_err(failed("write", &self.file))?;
        let is_full = self.batch.weight() >= FRAME_BYTES || self.batch.count() >= LINES;
        if is_full { self.flush() } else { self.tick(now) }
    }

    /// Closes the table if its first line is old enough.
    pub(super) fn tick(&mut self, now: Nanos) -> Result<(), StoreError> {
        if now.0.saturating_sub(self.opened.0) >= FRAME_AGE.0 { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let count = self.batch.count() as u64;
        if count == 0 {
            return Ok(());
        }
        let put = self.batch.put(&mut self.table);
        let written = put.and_then(|()| self.frames.frame(&self.table, count));
        written.map_err(failed("write", &self.file))
    }

    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.flush()?;
        self.frames.finish().map(drop).map_err(failed("end", &self.file))
    }
}
