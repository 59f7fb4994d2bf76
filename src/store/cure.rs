//! Cures: how to undo a fault, written to disk before the fault begins.

use super::codec::json_line;
use dissent_core::history::fault::{Fault, StepId};
use dissent_core::history::run_record::Damage;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// The file of a run's cures, with one JSON line for each.
pub const CURES: &str = "cures.jsonl";

/// How to undo one fault. Plain data, so another process can apply it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cure {
    /// The step of the schedule that injects the fault.
    pub step: StepId,
    /// The fault to undo.
    pub fault: Fault,
    /// The run's id, as marked at the target beside the fault.
    pub mark: String,
    /// What the injector needs to undo the fault. Its shape is the injector's own.
    pub undo: serde_json::Value,
}

/// The cures of a run while they are written.
pub(super) struct CureFile(File);

impl CureFile {
    /// Creates the file, which must not exist.
    pub(super) fn create(file: &Path) -> io::Result<CureFile> {
        File::create_new(file).map(CureFile)
    }

    /// Writes a cure and syncs it to the disk. Its fault may begin only after this returns.
    pub(super) fn write(&mut self, cure: &Cure) -> io::Result<()> {
        self.0.write_all(&json_line(cure)?)?;
        self.0.sync_all()
    }
}

/// The cures in a run folder, in the order of their writing. A line that was torn by a kill is damage, and
/// the other lines still count. No other file of the run is needed, because healing must work when nothing
/// else does.
pub fn read_cures(dir: &Path) -> (Vec<Cure>, Vec<Damage>) {
    let (mut cures, mut damage) = (Vec::new(), Vec::new());
    let mut note = |detail| damage.push(Damage { file: CURES.to_owned(), detail });
    let text = std::fs::read(dir.join(CURES)).unwrap_or_else(|error| {
        note(error.to_string());
        Vec::new()
    });
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        match serde_json::from_slice(line) {
            Ok(cure) => cures.push(cure),
            Err(error) => note(format!("line {}: {error}", at + 1)),
        }
    }
    (cures, damage)
}
