//! Writes a run folder. Everything that happens is on disk before it is judged.
//!
//! ```text
//! run.json                            what was run, by which build and when, and how far it got
//! schedule.jsonl  cures.jsonl         one line per step; one line per cure, synced
//! events.jsonl.zst  log/<partition>.jsonl.zst    see `frame`
//! reads/<capture>/<replica>/<partition>.jsonl.zst            raw rows, by (offset, read)
//! reads/<capture>/<replica>/<partition>.current.jsonl.zst    current flags, by (read, key)
//! ```
//!
//! A file under `reads/` ascends, so a reader can merge files as streams. Lines that would break the order (a
//! copy that is read again in the same capture) go to `<partition>.2.jsonl.zst`.

use super::codec;
use super::cure::{CURES, Cure, CureFile};
use super::frame::FrameWriter;
use super::frame_origin::RunHash;
use super::names::{Kind, RUN_FILE, ReadFile, SCHEDULE, log_name, reads_folder};
use dissent_core::history::event::{Event, Phase, TimedEvent};
use dissent_core::history::row::{CurrentRead, CurrentRow, Entry, Read, Row};
use dissent_core::history::run_record::{EVENTS, FORMAT, RunMeta};
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The content of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// The phase that began last.
    pub phase: Phase,
    /// The build that wrote the folder.
    pub build: Build,
    /// The wall clock. None for a record in memory, whose folder must not depend on the clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall: Option<Wall>,
    /// The recorded counts. None until the run has finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The metadata of the run. The file calls them `facts`.
    #[serde(rename = "facts")]
    pub meta: RunMeta,
}

/// The build of dissent that wrote a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The crate version.
    pub version: String,
}

impl Build {
    pub(super) fn this() -> Self {
        Self { version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

/// Wall-clock times of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wall {
    /// When the run began, in RFC 3339.
    pub started: String,
}

/// How much a finished run recorded, so that a tail that is lost later is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The number of events.
    pub events: u64,
    /// The number of log entries, by partition.
    pub entries: Vec<u64>,
}

/// Why a run folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full.
    #[error("no space left for {file}: free some space, or choose another disk with --results")]
    Full {
        /// The file that was being written.
        file: PathBuf,
    },
    /// The run folder exists already.
    #[error("{dir} already exists, and dissent never overwrites a run: move it, or choose another --results")]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// Any other error of the file system.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// The action that failed, as a verb for the message.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Rows or flags in the record belong to a read that no event announces.
    #[error("read {read} of partition {partition} has rows or flags, but no event announces it")]
    Unannounced {
        /// The partition of the read.
        partition: u32,
        /// The id of the read.
        read: u64,
    },
}

/// The error of a failed operation on a file. `action` is a verb for the message.
pub fn failed<'a>(action: &'static str, file: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| match is_full(&source) {
        true => StoreError::Full { file: file.to_owned() },
        false => StoreError::Io { action, file: file.to_owned(), source },
    }
}

/// Whether there is no space left to write to, or no more is allowed.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// Replaces a file atomically: a reader sees either the old one or the new one.
pub fn replace_file(file: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut to = File::create(&temporary).map_err(failed("create", &temporary))?;
    to.write_all(bytes).and_then(|()| to.sync_all()).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, file).map_err(failed("put in place", file))
}

/// Creates a folder, and those above it. One that exists is an error: its run is never overwritten.
pub fn create_folder(dir: &Path) -> Result<(), StoreError> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    fs::create_dir(dir).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists { dir: dir.to_owned() },
        _ => failed("create", dir)(error),
    })
}

/// A file of frames. Its path is used in errors.
struct LineWriter {
    file: PathBuf,
    frames: FrameWriter<File>,
}

impl LineWriter {
    fn create(dir: &Path, name: &str, run: RunHash) -> Result<Self, StoreError> {
        let (file, origin) = (dir.join(name), run.file(name));
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(failed("create", parent))?;
        }
        let frames = File::create_new(&file).and_then(|to| FrameWriter::new(to, origin));
        let frames = frames.map_err(failed("create", &file))?;
        Ok(Self { file, frames })
    }

    fn line(&mut self, now: Nanos, line: &impl Serialize) -> Result<(), StoreError> {
        self.frames.line(now, line).map_err(failed("write", &self.file))
    }

    fn tick(&mut self, now: Nanos) -> Result<(), StoreError> {
        self.frames.tick(now).map_err(failed("write", &self.file))
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.frames.flush().map_err(failed("write", &self.file))
    }

    fn finish(self) -> Result<(), StoreError> {
        self.frames.finish().map(drop).map_err(failed("end", &self.file))
    }
}

/// Identifies a file under `reads/`, except for the number of its continuation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReadKey {
    capture: u32,
    replica: String,
    partition: u32,
    kind: Kind,
}

/// A file under `reads/` that is being written.
struct ReadRun {
    lines: LineWriter,
    /// Counted from 1.
    number: u32,
    /// The sort key of its last line: an offset for rows, the read's id for flags.
    last_key: u64,
}

/// A partition's log that is being written.
struct LogWriter {
    lines: LineWriter,
    entries: u64,
    /// The lowest offset that the next entry can have.
    next: u64,
}

/// A run folder that is being written.
#[must_use = "the folder is whole only after `finish`"]
pub struct RunWriter {
    dir: PathBuf,
    run: RunFile,
    number: RunHash,
    events: LineWriter,
    /// The number of events written.
    recorded: u64,
    logs: Vec<LogWriter>,
    cures: CureFile,
    reads: BTreeMap<ReadKey, ReadRun>,
}

impl RunWriter {
    /// Creates the folder and writes what is known before the first event. Fails if the folder exists.
    pub fn create(dir: &Path, meta: RunMeta, wall: Option<Wall>) -> Result<Self, StoreError> {
        let (phase, build) = (Phase::SetUp, Build::this());
        Self::begin(dir, RunFile { phase, build, wall, ended: None, meta })
    }

    pub(super) fn begin(dir: &Path, mut run: RunFile) -> Result<Self, StoreError> {
        run.meta.format = FORMAT;
        create_folder(dir)?;
        write_schedule(&dir.join(SCHEDULE), &run.meta)?;
        let file = dir.join(CURES);
        let cures = CureFile::create(&file).map_err(failed("create", &file))?;
        let file = dir.join(RUN_FILE);
        let text = run_text(&run, &file)?;
        let number = RunHash::of(&text).map_err(|error| failed("write", &file)(error.into()))?;
        let log = |partition| -> Result<LogWriter, StoreError> {
            let lines = LineWriter::create(dir, &log_name(partition), number)?;
            Ok(LogWriter { lines, entries: 0, next: 0 })
        };
        let folder = Self {
            dir: dir.to_owned(),
            number,
            events: LineWriter::create(dir, EVENTS, number)?,
            recorded: 0,
            logs: (0..run.meta.partitions).map(log).collect::<Result<_, _>>()?,
            cures,
            reads: BTreeMap::new(),
            run,
        };
        write_run_file(dir, &folder.run)?;
        Ok(folder)
    }

    /// The path of the folder, as given.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes an event. A phase also updates `run.json`, and the end of a capture ends its files. The caller
    /// must write rows before the event that announces them, so that announced rows are on disk.
    pub fn event(&mut self, event: &TimedEvent) -> Result<(), StoreError> {
        if let Event::Phase { phase } = event.event {
            self.run.phase = phase;
            write_run_file(&self.dir, &self.run)?;
        }
        self.event_at(event.t, event)
    }

    /// Like [`RunWriter::event`], for a record whose last phase is already in `run.json`.
    pub(super) fn event_at(&mut self, now: Nanos, event: &TimedEvent) -> Result<(), StoreError> {
        if let Event::CaptureEnd { .. } = event.event {
            self.end_reads()?;
        }
        self.recorded += 1;
        self.events.line(now, &codec::event(self.recorded, event))
    }

    /// Writes a cure and syncs it to the disk. Its fault may begin only after this returns.
    pub fn cure(&mut self, cure: &Cure) -> Result<(), StoreError> {
        self.cures.write(cure).map_err(failed("write", &self.dir.join(CURES)))
    }

    /// Writes entries of a partition's log, which must follow those of the previous call.
    pub fn entries(&mut self, now: Nanos, partition: u32, entries: &[Entry]) -> Result<(), StoreError> {
        let LogWriter { lines, entries: count, next } = &mut self.logs[partition as usize];
        entries.iter().try_for_each(|entry| {
            let skip = entry.off.saturating_sub(*next);
            *next = entry.off.saturating_add(1);
            *count += 1;
            lines.line(now, &codec::entry(&self.run.meta.schema, entry, skip))
        })
    }

    /// Writes the rows of a read, given in any order.
    pub fn rows<'a>(
        &mut self,
        now: Nanos,
        read: &Read,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<(), StoreError> {
        let mut rows: Vec<&Row> = rows.into_iter().collect();
        rows.sort_by_key(|row| row.off);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        let partition = read.before.partition;
        let key =
            ReadKey { capture: read.capture, replica: read.replica.clone(), partition, kind: Kind::Rows };
        let lines = read_run((self.dir.as_path(), self.number), &mut self.reads, key, first.off, last.off)?;
        let schema: &Schema = &self.run.meta.schema;
        rows.into_iter().try_for_each(|row| lines.line(now, &codec::row(schema, read.id, row)))?;
        lines.flush()
    }

    /// Writes the current flags of a read, given in any order.
    pub fn current_rows<'a>(
        &mut self,
        now: Nanos,
        read: &CurrentRead,
        currents: impl IntoIterator<Item = &'a CurrentRow>,
    ) -> Result<(), StoreError> {
        let mut currents: Vec<&CurrentRow> = currents.into_iter().collect();
        currents.sort_by_key(|current| &current.key);
        if currents.is_empty() {
            return Ok(());
        }
        let partition = read.partition;
        let key =
            ReadKey { capture: read.capture, replica: read.replica.clone(), partition, kind: Kind::Flags };
        let lines = read_run((self.dir.as_path(), self.number), &mut self.reads, key, read.id, read.id)?;
        currents.into_iter().try_for_each(|current| lines.line(now, &codec::flags(read.id, current)))?;
        lines.flush()
    }

    /// Closes the frames that are old enough.
    pub fn tick(&mut self, now: Nanos) -> Result<(), StoreError> {
        self.events.tick(now)?;
        self.logs.iter_mut().try_for_each(|log| log.lines.tick(now))
    }

    /// Ends every file and writes their counts to `run.json`.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.end_reads()?;
        let entries = self.logs.iter().map(|log| log.entries).collect();
        self.logs.into_iter().try_for_each(|log| log.lines.finish())?;
        self.events.finish()?;
        self.run.ended = Some(Ended { events: self.recorded, entries });
        write_run_file(&self.dir, &self.run)
    }

    fn end_reads(&mut self) -> Result<(), StoreError> {
        std::mem::take(&mut self.reads).into_values().try_for_each(|run| run.lines.finish())
    }
}

fn write_run_file(dir: &Path, run: &RunFile) -> Result<(), StoreError> {
    let file = dir.join(RUN_FILE);
    replace_file(&file, &run_text(run, &file)?)
}

fn run_text(run: &RunFile, file: &Path) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(run).map_err(|error| failed("write", file)(error.into()))
}

/// The file that continues in ascending order with a read from `first` to `last`.
fn read_run<'a>(
    (dir, number_of_run): (&Path, RunHash),
    reads: &'a mut BTreeMap<ReadKey, ReadRun>,
    key: ReadKey,
    first: u64,
    last: u64,
) -> Result<&'a mut LineWriter, StoreError> {
    let run = match reads.remove(&key) {
        Some(run) if run.last_key < first => ReadRun { last_key: last, ..run },
        old => {
            let number = old.as_ref().map_or(1, |run| run.number + 1);
            old.map_or(Ok(()), |run| run.lines.finish())?;
            let lines = LineWriter::create(dir, &read_name(&key, number), number_of_run)?;
            ReadRun { lines, number, last_key: last }
        }
    };
    Ok(&mut reads.entry(key).or_insert(run).lines)
}

fn read_name(key: &ReadKey, number: u32) -> String {
    let ReadKey { capture, replica, partition, kind } = key;
    let folder = reads_folder(*capture, replica);
    ReadFile { folder: &folder, partition: *partition, kind: *kind, number }.name()
}

fn write_schedule(file: &Path, meta: &RunMeta) -> Result<(), StoreError> {
    let lines: io::Result<Vec<Vec<u8>>> = meta.steps.iter().map(codec::json_line).collect();
    lines.and_then(|lines| fs::write(file, lines.concat())).map_err(failed("write", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_names_the_file_and_the_next_step() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let error = failed("write", Path::new("run/events.jsonl.zst"))(kind.into()).to_string();
            assert!(error.contains("no space left for run/events.jsonl.zst: free some"), "{error}");
        }
        let other = failed("write", Path::new("run/a"))(ErrorKind::PermissionDenied.into()).to_string();
        assert_eq!(other, "cannot write run/a: permission denied");
    }
}
