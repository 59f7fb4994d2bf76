//! What an audit leaves on disk: the plan while it lasts, and one line for each chunk that is done.
//!
//! A line is whole or torn; a torn one is the last, and its chunk is audited again. Chunks have numbers,
//! so the lines of several folders can be put together in any order, and twice.

use super::chunk::{ChunkRecord, Records};
use super::facts::AuditFacts;
use crate::adapter::contents::Chunk;
use dissent_core::history::event::TimedEvent;
use dissent_store::writing::{StoreError, create_folder, failed, replace_file};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

/// The file with a line for each chunk that is done.
const CHUNKS: &str = "chunks.jsonl";
/// The chunks. The file holds keys, so it is removed when the audit is done.
const PLAN: &str = "plan.json";

/// The file with samples of positions.
const POSITIONS: &str = "positions.jsonl";
/// The file with everything but the chunks.
const FACTS: &str = "audit.json";

impl AuditFacts {
    /// Whether a folder has them.
    pub(super) fn is_in(dir: &Path) -> bool {
        dir.join(FACTS).is_file()
    }

    /// Those of an audit.
    pub(super) fn read(dir: &Path) -> Result<AuditFacts, StoreError> {
        read_json(&dir.join(FACTS))
    }
}

/// How the table is cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The table.
    pub(super) table: String,
    /// Its chunks.
    pub(super) chunks: Vec<Chunk>,
}

impl Plan {
    /// Reads a plan.
    pub(super) fn read(file: &Path) -> Result<Plan, StoreError> {
        read_json(file)
    }

    /// Writes the plan.
    pub(super) fn write(&self, file: &Path) -> Result<(), StoreError> {
        write_json(file, self)
    }
}

fn read_json<T: DeserializeOwned>(file: &Path) -> Result<T, StoreError> {
    let text = fs::read(file).map_err(failed("read", file))?;
    serde_json::from_slice(&text).map_err(|error| failed("read", file)(error.into()))
}

fn write_json(file: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let text = serde_json::to_vec(value).map_err(|error| failed("write", file)(error.into()))?;
    replace_file(file, &text)
}

/// The folder of an audit.
pub(super) struct AuditFolder {
    pub(super) dir: PathBuf,
    lines: File,
}

impl AuditFolder {
    /// A new folder with a plan.
    pub(super) fn create(dir: &Path, plan: &Plan) -> Result<AuditFolder, StoreError> {
        create_folder(dir)?;
        plan.write(&dir.join(PLAN))?;
        AuditFolder::open(dir)
    }

    /// A folder that exists.
    pub(super) fn open(dir: &Path) -> Result<AuditFolder, StoreError> {
        let file = dir.join(CHUNKS);
        let mut lines =
            OpenOptions::new().create(true).append(true).open(&file).map_err(failed("open", &file))?;
        // After a torn line the next one begins on its own.
        if fs::read(&file).map_err(failed("read", &file))?.last().is_some_and(|last| *last != b'\n') {
            lines.write_all(b"\n").map_err(failed("write", &file))?;
        }
        Ok(AuditFolder { dir: dir.to_owned(), lines })
    }

    /// The plan, if the audit is not done.
    pub(super) fn plan(&self) -> Result<Plan, StoreError> {
        Plan::read(&self.dir.join(PLAN))
    }

    /// The chunks that are done.
    pub(super) fn records(&self) -> Result<Records, StoreError> {
        records(&self.dir)
    }

    /// Adds a chunk that is done. It is on disk when this returns.
    pub(super) fn push(&mut self, record: &ChunkRecord) -> Result<(), StoreError> {
        let file = self.dir.join(CHUNKS);
        let written = serde_json::to_vec(record).map_err(std::io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.lines.write_all(&line)?;
            self.lines.sync_data()
        });
        written.map_err(failed("write", &file))
    }

    /// Writes what is known besides the chunks.
    pub(super) fn write_facts(&self, facts: &AuditFacts) -> Result<(), StoreError> {
        write_json(&self.dir.join(FACTS), facts)
    }

    /// Adds samples of positions.
    pub(super) fn push_samples(&self, samples: &[TimedEvent]) -> Result<(), StoreError> {
        let file = self.dir.join(POSITIONS);
        let mut lines = Vec::new();
        for sample in samples {
            serde_json::to_writer(&mut lines, sample)
                .map_err(std::io::Error::from)
                .map_err(failed("write", &file))?;
            lines.push(b'\n');
        }
        let opened = OpenOptions::new().create(true).append(true).open(&file);
        opened.and_then(|mut out| out.write_all(&lines)).map_err(failed("write", &file))
    }

    /// Removes the plan.
    pub(super) fn forget_plan(&self) {
        drop(fs::remove_file(self.dir.join(PLAN)));
    }
}

/// The chunks that are done in a folder. A chunk that was audited twice counts as it was the last time.
pub(super) fn records(dir: &Path) -> Result<Records, StoreError> {
    let file = dir.join(CHUNKS);
    let lines = BufReader::new(File::open(&file).map_err(failed("open", &file))?);
    let mut records = Records::new();
    for line in lines.lines() {
        let line = line.map_err(failed("read", &file))?;
        // Only the last line can be torn.
        if let Ok(record) = serde_json::from_str::<ChunkRecord>(&line) {
            records.insert(record.chunk, record);
        }
    }
    Ok(records)
}

/// The samples of positions in a folder. A torn line is left out.
pub(super) fn samples(dir: &Path) -> Result<Vec<TimedEvent>, StoreError> {
    let file = dir.join(POSITIONS);
    match fs::read_to_string(&file) {
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(failed("read", &file)(error)),
    }
}

/// Puts the chunks of several audits of one table together. A chunk that was read once and not another time
/// counts as read; otherwise the first one counts.
pub(super) fn joined(all: impl IntoIterator<Item = Records>) -> Records {
    let mut joined = Records::new();
    for (number, record) in all.into_iter().flatten() {
        let known = joined.entry(number);
        known.and_modify(|known| *known = better(known, &record)).or_insert(record);
    }
    joined
}

/// The record that says more. The order of the two does not matter.
fn better(a: &ChunkRecord, b: &ChunkRecord) -> ChunkRecord {
    let rank =
        |record: &ChunkRecord| (record.outcome as u8, serde_json::to_string(record).unwrap_or_default());
    if rank(a) <= rank(b) { a.clone() } else { b.clone() }
}
