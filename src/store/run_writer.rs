//! Writes a run folder. Everything that happens is on disk before it is judged.
//!
//! ```text
//! run.json                            what was run, by which build and when, and how far it got
//! schedule.jsonl  cures.jsonl         one line per step; one line per cure, synced
//! events.table.zst  log/<partition>.table.zst    see `frame` and `table`
//! content/<partition>.table.zst                              the rows that reads returned, see `content`
//! content/<partition>.current.table.zst                      the current flags that reads returned
//! reads/<capture>/<replica>/<partition>.jsonl.zst            raw rows, by (offset, read)
//! reads/<capture>/<replica>/<partition>.current.jsonl.zst    current flags, by (read, key)
//! ```
//!
//! A file under `reads/` ascends, so a reader can merge files as streams. Lines that would break the order (a
//! copy that is read again in the same capture) go to `<partition>.2.jsonl.zst`.

use super::codec;
use super::cure::{CURES, Cure, CureFile};
use super::entry_batch::EntryBatch;
use super::event_batch::EventBatch;
use super::frame_origin::RunHash;
use super::names::{RUN_FILE, SCHEDULE, log_name};
use super::read_writer::ReadWriter;
use super::table_writer::TableWriter;
use super::writing::{StoreError, create_folder, failed, replace_file};
use dissent_core::history::event::{Event, Phase, TimedEvent};
use dissent_core::history::row::{CurrentRead, CurrentRow, Entry, Read, Row};
use dissent_core::history::run_record::{EVENTS, FORMAT, RunMeta};
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
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

/// A partition's log that is being written.
struct LogWriter {
    table: TableWriter<EntryBatch>,
    entries: u64,
}

/// A run folder that is being written.
#[must_use = "the folder is whole only after `finish`"]
pub struct RunWriter {
    dir: PathBuf,
    run: RunFile,
    events: TableWriter<EventBatch>,
    /// The number of events written.
    recorded: u64,
    logs: Vec<LogWriter>,
    cures: CureFile,
    reads: ReadWriter,
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
            let batch = EntryBatch::new(run.meta.schema.clone());
            let table = TableWriter::create(dir, &log_name(FORMAT, partition), number, batch)?;
            Ok(LogWriter { table, entries: 0 })
        };
        let events = EventBatch::new(run.meta.schema.columns.clone());
        let folder = Self {
            dir: dir.to_owned(),
            events: TableWriter::create(dir, EVENTS, number, events)?,
            recorded: 0,
            logs: (0..run.meta.partitions).map(log).collect::<Result<_, _>>()?,
            cures,
            reads: ReadWriter::new(dir, number),
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
            self.reads.end_reads()?;
        }
        self.recorded += 1;
        let n = self.recorded;
        self.events.add(now, |batch| batch.add(n, event))
    }

    /// Writes a cure and syncs it to the disk. Its fault may begin only after this returns.
    pub fn cure(&mut self, cure: &Cure) -> Result<(), StoreError> {
        self.cures.write(cure).map_err(failed("write", &self.dir.join(CURES)))
    }

    /// Writes entries of a partition's log, which must follow those of the previous call.
    pub fn entries(&mut self, now: Nanos, partition: u32, entries: &[Entry]) -> Result<(), StoreError> {
        let LogWriter { table, entries: count } = &mut self.logs[partition as usize];
        entries.iter().try_for_each(|entry| {
            *count += 1;
            table.add(now, |batch| batch.add(entry))
        })
    }

    /// Writes the rows of a read, given in any order.
    pub fn rows<'a>(
        &mut self,
        now: Nanos,
        read: &Read,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<(), StoreError> {
        self.reads.rows(now, &self.run.meta.schema, read, rows)
    }

    /// Writes the current flags of a read, given in any order.
    pub fn current_rows<'a>(
        &mut self,
        now: Nanos,
        read: &CurrentRead,
        currents: impl IntoIterator<Item = &'a CurrentRow>,
    ) -> Result<(), StoreError> {
        self.reads.current_rows(now, read, currents)
    }

    /// Closes the frames that are old enough.
    pub fn tick(&mut self, now: Nanos) -> Result<(), StoreError> {
        self.events.tick(now)?;
        self.logs.iter_mut().try_for_each(|log| log.table.tick(now))
    }

    /// Ends every file and writes their counts to `run.json`.
    pub fn finish(mut self) -> Result<(), StoreError> {
        self.reads.finish()?;
        let entries = self.logs.iter().map(|log| log.entries).collect();
        self.logs.into_iter().try_for_each(|log| log.table.finish())?;
        self.events.finish()?;
        self.run.ended = Some(Ended { events: self.recorded, entries });
        write_run_file(&self.dir, &self.run)
    }
}

fn write_run_file(dir: &Path, run: &RunFile) -> Result<(), StoreError> {
    let file = dir.join(RUN_FILE);
    replace_file(&file, &run_text(run, &file)?)
}

fn run_text(run: &RunFile, file: &Path) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(run).map_err(|error| failed("write", file)(error.into()))
}

fn write_schedule(file: &Path, meta: &RunMeta) -> Result<(), StoreError> {
    let lines: io::Result<Vec<Vec<u8>>> = meta.steps.iter().map(codec::json_line).collect();
    lines.and_then(|lines| fs::write(file, lines.concat())).map_err(failed("write", file))
}
