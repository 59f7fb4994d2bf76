//! Evidence that lies in memory, as the folder that a run would have written.

use super::writer::{Build, RunFile, RunFolder, StoreError};
use dissent_core::history::event::{Event, Phase};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes evidence to a folder, which must not exist. The bytes are a function of the evidence and of the
/// build alone: time closes no frame, and no clock is asked.
pub fn write_record(dir: &Path, evidence: &MemoryRecord) -> Result<(), StoreError> {
    let mut phases = evidence.events.iter().rev().filter_map(|stamped| match stamped.event {
        Event::Phase { phase } => Some(phase),
        _ => None,
    });
    let phase = phases.next().unwrap_or(Phase::SetUp);
    let run = RunFile { phase, build: Build::this(), wall: None, ended: None, meta: evidence.meta.clone() };
    let mut folder = RunFolder::begin(dir, run)?;
    let still = Nanos(0);
    for (partition, entries) in (0..).zip(&evidence.log) {
        folder.entries(still, partition, entries)?;
    }
    let mut rows = by_read(&evidence.rows);
    let mut currents = by_read(&evidence.current_rows);
    for stamped in &evidence.events {
        match &stamped.event {
            Event::Read(read) => {
                let rows = rows.remove(&(read.before.partition, read.id));
                folder.rows(still, read, rows.unwrap_or_default().into_iter().map(AsRef::as_ref))?;
            }
            Event::CurrentRead(read) => {
                let currents = currents.remove(&(read.partition, read.id));
                folder.current_rows(still, read, currents.unwrap_or_default())?;
            }
            _ => {}
        }
        folder.event_at(still, stamped)?;
    }
    if let Some((partition, read)) = rows.into_keys().chain(currents.into_keys()).next() {
        return Err(StoreError::Unannounced { partition, read });
    }
    folder.finish()
}

/// What came by each read, by (partition, read).
fn by_read<T>(partitions: &[Vec<(u64, T)>]) -> BTreeMap<(u32, u64), Vec<&T>> {
    let mut reads: BTreeMap<_, Vec<&T>> = BTreeMap::new();
    for (partition, items) in (0..).zip(partitions) {
        for (read, item) in items {
            reads.entry((partition, *read)).or_default().push(item);
        }
    }
    reads
}
