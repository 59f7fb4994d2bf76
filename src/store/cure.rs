//! What undoes a fault, written down before the fault begins (design, invariant 8).

use dissent_core::history::fault::{Fault, StepId};
use dissent_core::history::run_record::Damage;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file of a run's cures, one JSON line each.
pub const CURES: &str = "cures.jsonl";

/// How to undo one fault: data, so that another process can do it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cure {
    /// The step of the schedule.
    pub step: StepId,
    /// The fault that it undoes.
    pub fault: Fault,
    /// The run's id, as left at the target beside the fault.
    pub mark: String,
    /// What the hand that began the fault needs to undo it.
    pub undo: serde_json::Value,
}

/// The cures of a run's folder, in the order in which they were written; a line that was torn when the run
/// was killed is damage, and the others still count. Needs no other file of the run: healing must work when
/// nothing else does.
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
