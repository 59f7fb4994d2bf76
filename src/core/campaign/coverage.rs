//! Which faults overlapped which events, in one run and in all runs of an arm. A cell that stays empty was
//! never tried.

use crate::history::fault::FaultKind;
use crate::history::stored_name::stored_name;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a cell's name ends with if its event was of another replica than the faulted one.
pub const ELSEWHERE: &str = " elsewhere";

/// What nodes and the conductor do while faults are in force. Symptoms of a bug are no events that one plans
/// for: they are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterEvent {
    /// A node starts.
    Boot,
    /// A node is told of a change of a segment's state and carries it out.
    Transition,
    /// The committed copy of a segment becomes visible.
    Registration,
    /// A node counts what merges into its next segment will see.
    Snapshot,
    /// A guard is tested, or keeps a consumer waiting.
    Gate,
    /// Consumption of a segment begins.
    ConsumeStart,
    /// Consumption reaches the end of the log.
    CatchUp,
    /// Consumption of a segment ends.
    ConsumeEnd,
    /// A committed copy is downloaded.
    Download,
    /// A node replaces its own copy by the committed one.
    Replacement,
    /// A segment is being committed. It is an event of every replica that takes part.
    Commit,
    /// A writer puts entries aside for later.
    Stash,
    /// A writer decides what it emits of them.
    Drain,
    /// An append comes too late.
    LostAppend,
    /// An append moves the shared upper.
    Append,
    /// The conductor asks for a boundary.
    Boundary,
    /// All replicas are read.
    Capture,
    /// A write is acknowledged.
    Write,
}

impl ClusterEvent {
    /// The event to which a node's record of this kind belongs.
    pub(super) fn of_kind(kind: &str) -> Option<ClusterEvent> {
        Some(match kind {
            "boot" => ClusterEvent::Boot,
            "transition-created" | "transition-started" | "transition-finished" | "skipped" => {
                ClusterEvent::Transition
            }
            "registered" => ClusterEvent::Registration,
            "snapshot" => ClusterEvent::Snapshot,
            "gate" => ClusterEvent::Gate,
            "consume-start" => ClusterEvent::ConsumeStart,
            "caught-up" => ClusterEvent::CatchUp,
            "consumed" | "consume-end" => ClusterEvent::ConsumeEnd,
            "downloading" | "downloaded" => ClusterEvent::Download,
            "replaced" => ClusterEvent::Replacement,
            "segment-reported" | "commit-winner" | "segment-committed" => ClusterEvent::Commit,
            "buffered" => ClusterEvent::Stash,
            "drain" => ClusterEvent::Drain,
            "append-lost" => ClusterEvent::LostAppend,
            "appended" => ClusterEvent::Append,
            _ => return None,
        })
    }

    /// Whether it concerns the cluster as a whole, and no replica in particular.
    fn is_of_all(self) -> bool {
        matches!(self, ClusterEvent::Boundary | ClusterEvent::Capture | ClusterEvent::Write)
    }

    /// Its cell in the row of a fault.
    pub(super) fn cell(self, is_elsewhere: bool) -> String {
        let name = stored_name(&self);
        if is_elsewhere && !self.is_of_all() { name + ELSEWHERE } else { name }
    }
}

/// Which faults overlapped which events in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunCoverage {
    /// The events that could be seen: those that happened, and those that nodes say they would log.
    pub events: BTreeSet<ClusterEvent>,
    /// By fault: the cells in which it was in force together with an event.
    pub met: BTreeMap<String, BTreeSet<String>>,
}

impl RunCoverage {
    /// Whether there was no fault.
    pub fn is_empty(&self) -> bool {
        self.met.is_empty()
    }
}

/// Which faults overlapped which events in several runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageTotals {
    events: BTreeSet<ClusterEvent>,
    faults: BTreeMap<String, CoverageRow>,
}

/// A fault, and the events under it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CoverageRow {
    /// The fault: `hold-message offline-to-consuming`.
    pub fault: String,
    /// The runs whose schedule had it.
    pub runs: u64,
    /// By event: the runs in which it happened under the fault, on the faulted replica. An event of another
    /// replica ends in ` elsewhere`. A 0 was never tried.
    pub cells: BTreeMap<String, u64>,
}

impl CoverageTotals {
    /// Adds a run.
    pub fn add(&mut self, run: &RunCoverage) {
        self.events.extend(&run.events);
        for (fault, met) in &run.met {
            let row = self.faults.entry(fault.clone()).or_default();
            row.runs += 1;
            met.iter().for_each(|cell| *row.cells.entry(cell.clone()).or_default() += 1);
        }
    }

    /// A row for each fault, with every cell that was possible.
    pub fn rows(&self) -> Vec<CoverageRow> {
        let row = |(fault, row): (&String, &CoverageRow)| {
            let places: &[bool] = if is_of_all_replicas(fault) { &[false] } else { &[false, true] };
            let each = |event: &ClusterEvent| places.iter().map(|elsewhere| event.cell(*elsewhere)).collect();
            let possible = self.events.iter().flat_map::<Vec<String>, _>(each);
            let mut cells: BTreeMap<String, u64> = possible.map(|cell| (cell, 0)).collect();
            cells.extend(row.cells.clone());
            CoverageRow { fault: fault.clone(), runs: row.runs, cells }
        };
        self.faults.iter().map(row).collect()
    }
}

/// Whether a fault leaves no replica aside.
fn is_of_all_replicas(name: &str) -> bool {
    FaultKind::ALL.into_iter().any(|kind| kind.is_of_all() && kind.full_name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_no_run_met_are_counted_as_zero() {
        let mut totals = CoverageTotals::default();
        let events = BTreeSet::from([ClusterEvent::Snapshot, ClusterEvent::Boundary]);
        let run = |fault: &str, met: &[&str]| RunCoverage {
            events: events.clone(),
            met: BTreeMap::from([(fault.to_owned(), met.iter().map(|&cell| cell.to_owned()).collect())]),
        };
        totals.add(&run("restart", &["snapshot elsewhere"]));
        totals.add(&run("restart", &["boundary", "snapshot elsewhere"]));
        totals.add(&run("pause-consumption", &[]));
        let counted: Vec<_> = totals
            .rows()
            .into_iter()
            .map(|row| (row.fault, row.runs, row.cells.into_iter().collect::<Vec<_>>()))
            .collect();
        let cell = |name: &str, runs: u64| (name.to_owned(), runs);
        let wanted = [
            // It is in force on every replica: there is no other one.
            ("pause-consumption".to_owned(), 1, vec![cell("boundary", 0), cell("snapshot", 0)]),
            (
                "restart".to_owned(),
                2,
                vec![cell("boundary", 1), cell("snapshot", 0), cell("snapshot elsewhere", 2)],
            ),
        ];
        assert_eq!(counted, wanted);
    }
}
