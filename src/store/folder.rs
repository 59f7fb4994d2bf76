//! Reads a run's folder as a record, as streams: memory does not grow with the number of rows.
//!
//! What cannot be read is damage, never silence: an event that announces a read makes its rows due, so that
//! a lost file is not taken for rows that a replica lacks. A file is read to the first line that does not
//! follow the one before: what lies behind a gap proves nothing.

use super::audit::{Announcements, audit};
use super::cure::Cure;
pub use super::files::OpenError;
use super::files::{RunFiles, walk};
use super::merge::{DueFile, Merge, Rejected, Stream};
use super::names::{Kind, READS, ReadFile, log_name};
use super::order::{EventOrder, LogOrder};
use super::reads::{AnnouncedRead, Counted, RowGroupStream};
use super::writer::RunFile;
use super::{codec, fast_scan};
use dissent_core::history::event::TimedEvent;
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::run_record::{
    Damage, EVENTS, EntryHeader, EventRef, RowGroups, RunMeta, RunRecord,
};
use dissent_core::history::time::Nanos;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::available_parallelism;

/// A run folder, opened for reading.
#[derive(Debug)]
pub struct Folder {
    files: RunFiles,
    announced: OnceLock<Announcements>,
}

impl Folder {
    /// Opens a run's folder. Damage in what lies in it is found when it is read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self { files: RunFiles::open(dir)?, announced: OnceLock::new() })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        self.files.dir()
    }

    /// `run.json`.
    pub fn run(&self) -> &RunFile {
        self.files.run()
    }

    /// The cures of the run, in order.
    pub fn cures(&self) -> Vec<Cure> {
        self.files.cures()
    }

    /// What the events announce, read once.
    fn announced(&self) -> &Announcements {
        if self.announced.get().is_none() {
            self.scan_events(&mut |_, _| {});
        }
        self.announced.get_or_init(Announcements::default)
    }

    /// Keeps what all events said of the other files, and holds those against it.
    fn keep(&self, told: Announcements) {
        if self.announced.set(told).is_ok() {
            audit(&self.files, self.announced());
        }
    }

    /// The files under `reads/` of this partition and kind, in the order of their names.
    fn read_files(&self, partition: u32, kind: Kind) -> Vec<String> {
        let mut files = Vec::new();
        if let Err(error) = walk(self.dir(), READS, 2, &mut files) {
            self.files.damaged(READS, format!("cannot list the files: {error}"));
        }
        let is_of_here = |file: &String| {
            ReadFile::of(file).is_some_and(|read| (read.partition, read.kind) == (partition, kind))
        };
        files.retain(is_of_here);
        files
    }

    /// The files of a partition's reads, each with the least number that its lines can begin with, and the
    /// lines that the events announce.
    fn reads(&self, partition: u32, kind: Kind) -> (Vec<DueFile>, Counted<'_>) {
        let of_here = |read: &AnnouncedRead| read.partition == partition && read.kind == kind;
        let announced: Vec<_> = self.announced().reads.iter().filter(|(_, read)| of_here(read)).collect();
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
}

impl RunRecord for Folder {
    fn meta(&self) -> &RunMeta {
        &self.run().meta
    }

    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        let (stream, order) = (Stream::open(&self.files, EVENTS.to_owned()), EventOrder::of(&self.files));
        Box::new(EventStream { folder: self, stream, order, told: Announcements::default() })
    }

    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        let (stream, order) =
            (Stream::open(&self.files, log_name(partition)), LogOrder::of(&self.files, partition));
        Box::new(LogStream { files: &self.files, stream, order })
    }

    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(counted.of(Merge::new(&self.files, files)))
    }

    fn current_rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, CurrentRow>)> + '_> {
        let (files, counted) = self.reads(partition, Kind::Flags);
        Box::new(counted.of(Merge::new(&self.files, files)))
    }

    fn damage(&self) -> Vec<Damage> {
        self.files.damage()
    }

    fn scan_events(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        let (mut told, mut order) = (Announcements::default(), EventOrder::of(&self.files));
        let mut stream = Stream::<TimedEvent>::open(&self.files, EVENTS.to_owned());
        stream.each(|line| {
            order.follow(line)?;
            match fast_scan::event_ref(line) {
                Some((t, moment)) => each(t, moment),
                None => {
                    let stamped: TimedEvent = serde_json::from_slice(line)?;
                    told.note(&stamped.event);
                    each(stamped.t, EventRef::from(&stamped.event));
                }
            }
            Ok(())
        });
        told.are_whole = stream.is_whole() && order.end(&self.files);
        self.keep(told);
    }

    fn scan_log(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        let mut order = LogOrder::of(&self.files, partition);
        let mut stream = Stream::<Entry>::open(&self.files, log_name(partition));
        stream.each(|line| {
            let mut in_order = |entry: EntryHeader<'_>| -> Result<(), Rejected> {
                order.follow(entry.off, line)?;
                each(entry);
                Ok(())
            };
            match fast_scan::entry_header(line) {
                Some(entry) => in_order(entry),
                None => in_order(EntryHeader::from(&codec::decode_entry(&self.run().meta.schema, line)?)),
            }
        });
        if stream.is_whole() {
            order.end(&self.files);
        }
    }

    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(RowGroupStream::new(&self.run().meta.schema, Merge::new(&self.files, files), counted))
    }

    fn parallelism(&self) -> usize {
        available_parallelism().map_or(1, usize::from)
    }
}

/// The events; on the way it is noted what they say of the other files.
struct EventStream<'a> {
    folder: &'a Folder,
    stream: Stream<'a, TimedEvent>,
    order: EventOrder,
    told: Announcements,
}

impl<'a> Iterator for EventStream<'a> {
    type Item = Cow<'a, TimedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next();
        if let Some(stamped) = next
            && self.stream.fits(|line| self.order.follow(line))
        {
            self.told.note(&stamped.event);
            return Some(Cow::Owned(stamped));
        }
        let mut told = std::mem::take(&mut self.told);
        told.are_whole = self.stream.is_whole() && self.order.end(&self.folder.files);
        self.folder.keep(told);
        None
    }
}

/// The entries of a log.
struct LogStream<'a> {
    files: &'a RunFiles,
    stream: Stream<'a, Entry>,
    order: LogOrder,
}

impl<'a> Iterator for LogStream<'a> {
    type Item = Cow<'a, Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next();
        if let Some(entry) = next
            && self.stream.fits(|line| self.order.follow(entry.off, line))
        {
            return Some(Cow::Owned(entry));
        }
        if self.stream.is_whole() {
            self.order.end(self.files);
        }
        None
    }
}
