//! Writes a record in memory as a run folder.

use super::run_writer::{Build, RunFile, RunWriter};
use super::writing::StoreError;
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes a record to the folder `dir`, which must not exist. The bytes depend only on the record and the
/// build: no frame is closed by age, and no clock is read. Fails if rows or flags have no event that
/// announces them.
pub fn write_record(dir: &Path, record: &MemoryRecord) -> Result<(), StoreError> {
    let mut phases = record.events.iter().rev().filter_map(|stamped| match stamped.event {
        Event::Phase { phase } => Some(phase),
        _ => None,
    });
    let phase = phases.next().unwrap_or(Phase::SetUp);
    let run = RunFile { phase, build: Build::this(), wall: None, ended: None, meta: record.meta.clone() };
    let mut folder = RunWriter::begin(dir, run)?;
    let time = Nanos(0);
    for (partition, entries) in (0..).zip(&record.log) {
        folder.entries(time, partition, entries)?;
    }
    let mut rows = by_read(&record.rows);
    let mut currents = by_read(&record.current_rows);
    for stamped in &record.events {
        match &stamped.event {
            Event::Read(read) => {
                let rows = rows.remove(&(read.before.partition, read.id));
                folder.rows(time, read, rows.unwrap_or_default().into_iter().map(AsRef::as_ref))?;
            }
            Event::CurrentRead(read) => {
                let currents = currents.remove(&(read.partition, read.id));
                folder.current_rows(time, read, currents.unwrap_or_default())?;
            }
            _ => {}
        }
        folder.event_at(time, stamped)?;
    }
    if let Some((partition, read)) = rows.into_keys().chain(currents.into_keys()).next() {
        return Err(StoreError::Unannounced { partition, read });
    }
    folder.finish()
}

/// The rows or flags of each read, by (partition, read).
fn by_read<T>(partitions: &[Vec<(u64, T)>]) -> BTreeMap<(u32, u64), Vec<&T>> {
    let mut reads: BTreeMap<_, Vec<&T>> = BTreeMap::new();
    for (partition, items) in (0..).zip(partitions) {
        for (read, item) in items {
            reads.entry((partition, *read)).or_default().push(item);
        }
    }
    reads
}
