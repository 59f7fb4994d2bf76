//! Reads a run's folder as evidence, as streams: memory does not grow with the number of rows.
//!
//! What cannot be read is damage, never silence: an event that announces a read makes its rows due, so that
//! a lost file is not taken for rows that a replica lacks. A file is read to the first line that does not
//! follow the one before: what lies behind a gap proves nothing.

use super::audit::{Announcements, audit};
use super::cure::{Cure, read_cures};
use super::merge::{Due, Merge, Stream, Unfit};
use super::names::{Kind, ReadFile, log_name};
use super::order::{EventOrder, LogOrder};
use super::origin::{Origin, RunNumber};
use super::reads::{Announced, Counted, Groups};
use super::store::{Build, READS, RUN_FILE, RunFile};
use super::{codec, scan};
use dissent_core::history::event::TimedEvent;
use dissent_core::history::evidence::EVENTS;
use dissent_core::history::evidence::{Damage, EntryHeader, EventRef, FORMAT, Facts, RowGroups, RunRecord};
use dissent_core::history::row::{Current, Entry, Row};
use dissent_core::history::time::Nanos;
use dissent_core::history::workload::PARTITIONS_MAX;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

/// Why a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such folder.
    #[error("no folder {dir}: name a run folder, or `latest`")]
    NoFolder {
        /// The folder.
        dir: PathBuf,
    },
    /// It is empty.
    #[error("{dir} is empty: the run ended before it wrote anything, so run it again")]
    Empty {
        /// The folder.
        dir: PathBuf,
    },
    /// It is not a run folder.
    #[error("{dir} has no {RUN_FILE}, so it is not a run folder: name one under results, or `latest`")]
    NoRunFile {
        /// The folder.
        dir: PathBuf,
    },
    /// A later version wrote it.
    #[error(
        "{file} has format {format}, written by dissent {writer}; this is dissent {reader}, which reads \
         formats up to {FORMAT}: use dissent {writer} or later"
    )]
    Format {
        /// The file.
        file: PathBuf,
        /// Its format.
        format: u32,
        /// The version that wrote it.
        writer: String,
        /// The version that reads it.
        reader: &'static str,
    },
    /// It contradicts itself.
    #[error("{file} has {partitions} partitions, but a run has 1 to {PARTITIONS_MAX}: the file was changed")]
    Partitions {
        /// The file.
        file: PathBuf,
        /// The number of partitions.
        partitions: u32,
    },
    /// It does not parse.
    #[error("cannot parse {file}: {source}; without it, the folder cannot be read")]
    Garbled {
        /// The file.
        file: PathBuf,
        /// The error.
        source: serde_json::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// The file.
        file: PathBuf,
        /// The error.
        source: io::Error,
    },
}

/// The part of `run.json` that says whether the rest can be read.
#[derive(Deserialize)]
struct Outline {
    build: Build,
    facts: FactsOutline,
}

#[derive(Deserialize)]
struct FactsOutline {
    format: u32,
}

/// A run folder, opened for reading.
#[derive(Debug)]
pub struct Folder {
    dir: PathBuf,
    run: RunFile,
    /// None for format 1, whose files do not name their run.
    number: Option<RunNumber>,
    damage: Mutex<Vec<Damage>>,
    /// Files that belong to another run.
    foreign: Mutex<BTreeSet<String>>,
    announced: OnceLock<Announcements>,
}

impl Folder {
    /// Opens a run's folder. Damage in what lies in it is found when it is read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let file = dir.join(RUN_FILE);
        let text = fs::read(&file).map_err(|source| no_run_file(dir, source))?;
        let garbled = |source| OpenError::Garbled { file: file.clone(), source };
        let outline: Outline = serde_json::from_slice(&text).map_err(garbled)?;
        let format = outline.facts.format;
        if !(1..=FORMAT).contains(&format) {
            let (writer, reader) = (outline.build.version, env!("CARGO_PKG_VERSION"));
            return Err(OpenError::Format { file, format, writer, reader });
        }
        let run: RunFile = serde_json::from_slice(&text).map_err(garbled)?;
        let partitions = run.facts.partitions;
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(OpenError::Partitions { file, partitions });
        }
        let number = if format > 1 { Some(RunNumber::of(&text).map_err(garbled)?) } else { None };
        Ok(Self {
            dir: dir.to_owned(),
            run,
            number,
            damage: Mutex::default(),
            foreign: Mutex::default(),
            announced: OnceLock::new(),
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `run.json`.
    pub fn run(&self) -> &RunFile {
        &self.run
    }

    /// The cures of the run, in order.
    pub fn cures(&self) -> Vec<Cure> {
        let (cures, damage) = read_cures(&self.dir);
        damage.into_iter().for_each(|damage| self.damaged(&damage.file, damage.detail));
        cures
    }

    /// Notes damage, once however often it is met.
    pub(super) fn damaged(&self, file: &str, detail: String) {
        let damage = Damage { file: file.to_owned(), detail };
        let mut all = self.damage.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&damage) {
            all.push(damage);
        }
    }

    /// Whether files say whose they are and number their lines: since format 2.
    pub(super) fn has_marks(&self) -> bool {
        self.number.is_some()
    }

    /// What the frames of a file must say.
    pub(super) fn origin(&self, file: &str) -> Option<Origin> {
        self.number.map(|number| number.file(file))
    }

    /// Notes a file of another run.
    pub(super) fn is_foreign(&self, file: &str) {
        self.foreign.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned());
    }

    /// Notes lines of a read that no event announces, unless that event may be lost.
    pub(super) fn unannounced(&self, read: u64) {
        if self.announced().are_whole {
            self.damaged(READS, format!("read {read} is here, but no event announces it"));
        }
    }

    /// If the events are another run's, so is `run.json`, or all files are: that is told once.
    fn foreign_files(&self) -> Vec<Damage> {
        let foreign = self.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        let damage = |file: &str, detail: String| Damage { file: file.to_owned(), detail };
        if foreign.contains(EVENTS) {
            let detail = format!(
                "{EVENTS} does not match these facts: it belongs to another run, or {RUN_FILE} was changed"
            );
            return vec![damage(RUN_FILE, detail)];
        }
        foreign.iter().map(|file| damage(file, "it belongs to another run".to_owned())).collect()
    }

    /// What the events announce, read once.
    fn announced(&self) -> &Announcements {
        if self.announced.get().is_none() {
            self.moments(&mut |_, _| {});
        }
        self.announced.get_or_init(Announcements::default)
    }

    /// Keeps what all events said of the other files, and holds those against it.
    fn keep(&self, told: Announcements) {
        if self.announced.set(told).is_ok() {
            audit(self, self.announced());
        }
    }

    /// The files under `reads/` of this partition and kind, in the order of their names.
    fn read_files(&self, partition: u32, kind: Kind) -> Vec<String> {
        let mut files = Vec::new();
        if let Err(error) = walk(&self.dir, READS, 2, &mut files) {
            self.damaged(READS, format!("cannot list the files: {error}"));
        }
        let is_of_here = |file: &String| {
            ReadFile::of(file).is_some_and(|read| (read.partition, read.kind) == (partition, kind))
        };
        files.retain(is_of_here);
        files
    }

    /// The files of a partition's reads, each with the least number that its lines can begin with, and the
    /// lines that the events announce.
    fn reads(&self, partition: u32, kind: Kind) -> (Vec<Due>, Counted<'_>) {
        let of_here = |read: &Announced| read.partition == partition && read.kind == kind;
        let announced: Vec<_> = self.announced().reads.iter().filter(|(_, read)| of_here(read)).collect();
        let mut firsts: BTreeMap<String, u64> = BTreeMap::new();
        for (_, read) in announced.iter().filter(|(_, read)| read.lines > 0) {
            let first = firsts.entry(read.folder.clone()).or_insert(read.first);
            *first = read.first.min(*first);
        }
        let files = self.read_files(partition, kind).into_iter().map(|file| {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            Due { first: firsts.get(folder).copied().unwrap_or(0), file }
        });
        (files.collect(), Counted::new(self, announced))
    }
}

fn no_run_file(dir: &Path, source: io::Error) -> OpenError {
    let dir = dir.to_owned();
    if source.kind() != ErrorKind::NotFound {
        return OpenError::Io { file: dir.join(RUN_FILE), source };
    }
    match fs::read_dir(&dir).map(|mut files| files.next().is_none()) {
        Ok(true) => OpenError::Empty { dir },
        Ok(false) => OpenError::NoRunFile { dir },
        Err(_) => OpenError::NoFolder { dir },
    }
}

/// The files `depth` folders below `at`, sorted; none if `at` is not there.
pub(super) fn walk(dir: &Path, at: &str, depth: u32, files: &mut Vec<String>) -> io::Result<()> {
    let listed = match fs::read_dir(dir.join(at)) {
        // A file that somebody else put where folders lie holds nothing of ours.
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(());
        }
        listed => listed?,
    };
    let names = listed.map(|found| Ok(format!("{at}/{}", found?.file_name().to_string_lossy())));
    let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
    names.sort();
    if depth == 0 {
        files.extend(names);
        return Ok(());
    }
    names.iter().try_for_each(|name| walk(dir, name, depth - 1, files))
}

impl RunRecord for Folder {
    fn facts(&self) -> &Facts {
        &self.run.facts
    }

    fn events(&self) -> Box<dyn Iterator<Item = Cow<'_, TimedEvent>> + '_> {
        let (stream, order) = (Stream::open(self, EVENTS.to_owned()), EventOrder::of(self));
        Box::new(Events { folder: self, stream, order, told: Announcements::default() })
    }

    fn log(&self, partition: u32) -> Box<dyn Iterator<Item = Cow<'_, Entry>> + '_> {
        let (stream, order) = (Stream::open(self, log_name(partition)), LogOrder::of(self, partition));
        Box::new(Log { folder: self, stream, order })
    }

    fn rows(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Row>)> + '_> {
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(counted.of(Merge::new(self, files)))
    }

    fn currents(&self, partition: u32) -> Box<dyn Iterator<Item = (u64, Cow<'_, Current>)> + '_> {
        let (files, counted) = self.reads(partition, Kind::Flags);
        Box::new(counted.of(Merge::new(self, files)))
    }

    /// Sorted: partitions are read side by side, and one run has one verdict.
    fn damage(&self) -> Vec<Damage> {
        let mut damage = self.damage.lock().unwrap_or_else(PoisonError::into_inner).clone();
        damage.extend(self.foreign_files());
        damage.sort_by(|a, b| (&a.file, &a.detail).cmp(&(&b.file, &b.detail)));
        damage
    }

    fn moments(&self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        let (mut told, mut order) = (Announcements::default(), EventOrder::of(self));
        let mut stream = Stream::<TimedEvent>::open(self, EVENTS.to_owned());
        stream.each(|line| {
            order.follow(line)?;
            match scan::moment(line) {
                Some((t, moment)) => each(t, moment),
                None => {
                    let stamped: TimedEvent = serde_json::from_slice(line)?;
                    told.hear(&stamped.event);
                    each(stamped.t, EventRef::from(&stamped.event));
                }
            }
            Ok(())
        });
        told.are_whole = stream.is_whole() && order.end(self);
        self.keep(told);
    }

    fn skim(&self, partition: u32, each: &mut dyn FnMut(EntryHeader<'_>)) {
        let mut order = LogOrder::of(self, partition);
        let mut stream = Stream::<Entry>::open(self, log_name(partition));
        stream.each(|line| {
            let mut in_order = |entry: EntryHeader<'_>| -> Result<(), Unfit> {
                order.follow(entry.off, line)?;
                each(entry);
                Ok(())
            };
            match scan::skimmed(line) {
                Some(entry) => in_order(entry),
                None => in_order(EntryHeader::from(&codec::decode_entry(&self.run.facts.schema, line)?)),
            }
        });
        if stream.is_whole() {
            order.end(self);
        }
    }

    fn row_groups(&self, partition: u32) -> Box<dyn RowGroups<'_> + '_> {
        let (files, counted) = self.reads(partition, Kind::Rows);
        Box::new(Groups::new(&self.run.facts.schema, Merge::new(self, files), counted))
    }

    fn lanes(&self) -> usize {
        available_parallelism().map_or(1, usize::from)
    }
}

/// The events; on the way it is noted what they say of the other files.
struct Events<'a> {
    folder: &'a Folder,
    stream: Stream<'a, TimedEvent>,
    order: EventOrder,
    told: Announcements,
}

impl<'a> Iterator for Events<'a> {
    type Item = Cow<'a, TimedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next();
        if let Some(stamped) = next
            && self.stream.fits(|line| self.order.follow(line))
        {
            self.told.hear(&stamped.event);
            return Some(Cow::Owned(stamped));
        }
        let mut told = std::mem::take(&mut self.told);
        told.are_whole = self.stream.is_whole() && self.order.end(self.folder);
        self.folder.keep(told);
        None
    }
}

/// The entries of a log.
struct Log<'a> {
    folder: &'a Folder,
    stream: Stream<'a, Entry>,
    order: LogOrder,
}

impl<'a> Iterator for Log<'a> {
    type Item = Cow<'a, Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.stream.next();
        if let Some(entry) = next
            && self.stream.fits(|line| self.order.follow(entry.off, line))
        {
            return Some(Cow::Owned(entry));
        }
        if self.stream.is_whole() {
            self.order.end(self.folder);
        }
        None
    }
}
