//! Reads a run folder as a record of streams: memory use does not grow with the number of rows.
//!
//! Anything unreadable is damage and is never ignored. An event that announces a read makes its rows due, so
//! a lost file is not mistaken for rows that a replica lacks. A file is read up to the first line that does
//! not follow the one before, because lines after a gap prove nothing.

use super::audit::{ReadIndex, audit};
use super::block_flags::BlockFlags;
use super::block_rows::BlockRows;
use super::content_reader::ContentReader;
use super::cure::Cure;
use super::event_stream::EventStream;
pub use super::files::OpenError;
use super::files::{RunFiles, walk};
use super::log_stream::LogStream;
use super::merged_stream::{DueFile, Merge};
use super::names::{Kind, READS, ReadFile};
use super::reads::{Counted, ExpectedRead, RowGroupStream};
use super::run_writer::RunFile;
use super::scratch::{MEMORY, ScratchFile};
use dissent_core::history::event::TimedEvent;
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::run_record::{
    Damage, EntryHeader, EventRef, LogEntries, RowGroups, RunMeta, RunRecord, SHARED_CONTENTS,
};
use dissent_core::history::scratch::Scratch;
use dissent_core::history::time::Nanos;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

/// A run folder opened for reading. It implements [`RunRecord`].
#[derive(Debug)]
pub struct RunReader {
    files: RunFiles,
    announced: OnceLock<ReadIndex>,
    scratch: Arc<ScratchFile>,
}

impl RunReader {
    /// Opens a run folder. Damage in files other than `run.json` is found when they are read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let files = RunFiles::open(dir)?;
        Ok(Self { files, announced: OnceLock::new(), scratch: Arc::new(ScratchFile::new(dir, MEMORY)) })
    }

    /// Allows a verdict so many bytes of memory: beyond, its tables go to a file. Keys and wrong rows stay in
    /// memory.
    #[must_use]
    pub fn with_memory(self, bytes: u64) -> Self {
        let scratch = Arc::new(ScratchFile::new(self.dir(), bytes));
        Self { scratch, ..self }
    }

    /// The path of the folder, as given.
    pub fn dir(&self) -> &Path {
        self.files.dir()
    }

    /// The parsed `run.json`.
    pub fn run(&self) -> &RunFile {
        self.files.run()
    }

    /// The cures of the run, in the order of their writing.
    pub fn cures(&self) -> Vec<Cure> {
        self.files.cures()
    }

    /// The announcements of all events. The first call reads the events.
    fn announced(&self) -> &ReadIndex {
        if self.announced.get().is_none() {
            self.scan_events(&mut |_, _| {});
        }
        self.announced.get_or_init(ReadIndex::default)
    }

    /// Stores the announcements of all events and compares the files with them.
    fn store_announcements(&self, announcements: ReadIndex) {
        if self.announced.set(announcements).is_ok() {
            audit(&self.files, self.announced());
        }
    }

    /// The files under `reads/` for this partition and kind, sorted by name.
    fn read_files(&self, partition: u32, kind: Kind) -> Vec<String> {
        let mut files = Vec::new();
        if let Err(error) = walk(self.dir(), READS, 2, &mut files) {
            self.files.add_damage(READS, format!("cannot list the files: {error}"));
        }
        let matches = |file: &String| {
            ReadFile::of(file).is_some_and(|read| (read.partition, read.kind) == (partition, kind))
        };
        files.retain(matches);
        files
    }

    /// The files of a partition's reads, each with the lowest number that its lines can start with, and the
    /// line counts that the events announce.
    fn reads(&self, partition: u32, kind: Kind) -> (Vec<DueFile>, Counted<'_>) {
        let matches = |read: &ExpectedRead| read.partition == partition && read.kind == kind;
        let announced: Vec<_> = self.announced().reads.iter().filter(|(_, read)| matches(read)).collect();
        let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
        for (_, read) in announced.iter().filter(|(_, read)| read.lines > 0) {
            let first = firsts.entry(read.folder.clone()).or_insert(read.first);
            *first = read.first.min(*first);
        }
        let files = self.read_files(partition, kind).into_iter().map(|file| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            DueFile { first: firsts.get(folder).copied().unwrap_or(0), file }
        });
        (files.collect(), Counted::new(&self.files, announced, self.announced().are_whole))
    }

    /// Whether reads refer to contents.
    fn shares_contents(&self) -> bool {
        self.run().meta.format >= SHARED_CONTENTS
    }

    fn block_rows(&self, partition: u32) -> BlockRows<'_> {
        let (files, counted) = self.reads(partition, Kind::Rows);
        let content = ContentReader::new(&self.files, self.files.content(partition, Kind::Rows));
        let sharers = &self.announced().sharers;
        BlockRows::new(&self.run().meta.schema, content, Merge::new(&self.files, files), counted, sharers)
    }
}

impl RunRecord for RunReader {
    fn meta(&self) -> &RunMeta {
        &self.run().meta
    }

    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        Box::new(EventStream::open(&self.files, |announcements| self.store_announcements(announcements)))
    }

    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        Box::new(LogStream::open(&self.files, partition))
    }

    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        if self.shares_contents() {
            return Box::new(self.block_rows(partition).one_by_one());
        }
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(counted.filter_announced(Merge::new(&self.files, files)))
    }

    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        let (files, counted) = self.reads(partition, Kind::Flags);
        if self.shares_contents() {
            let content = ContentReader::new(&self.files, self.files.content(partition, Kind::Flags));
            return Box::new(BlockFlags::new(content, Merge::new(&self.files, files), counted));
        }
        Box::new(counted.filter_announced(Merge::new(&self.files, files)))
    }

    fn damage(&self) -> Vec<Damage> {
        self.files.damage()
    }

    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        EventStream::open(&self.files, |announcements| self.store_announcements(announcements)).scan(each);
    }

    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        LogStream::open(&self.files, partition).scan(each);
    }

    fn log_entries(&self, partition: u32) -> Box<dyn LogEntries<'_> + '_> {
        Box::new(LogStream::open(&self.files, partition))
    }

    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        if self.shares_contents() {
            return Box::new(self.block_rows(partition));
        }
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(RowGroupStream::new(&self.run().meta.schema, Merge::new(&self.files, files), counted))
    }

    fn scratch(&self) -> Option<Arc<dyn Scratch>> {
        Some(Arc::<ScratchFile>::clone(&self.scratch))
    }

    fn parallelism(&self) -> usize {
        available_parallelism().map_or(1, usize::from)
    }
}
