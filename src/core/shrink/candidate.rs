//! What a run is shrunk to: a workload that gives its writes, and a plan. Pieces of it can be taken away.

use crate::history::fault::Condition;
use crate::history::nemesis::{Ending, Nemesis};
use crate::history::workload::Workload;
use std::collections::BTreeSet;
use std::ops::Range;

/// A workload and a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The workload. It gives its writes, and its boundaries where the target has any.
    pub workload: Workload,
    /// The plan. It names its replicas.
    pub nemesis: Nemesis,
}

/// The kinds of pieces that can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A key with all its writes.
    Key,
    /// A step of the plan.
    Step,
    /// A write.
    Write,
    /// A boundary. Conditions that count boundaries count one less.
    Boundary,
    /// A column with all its values.
    Column,
    /// A value that a write sets.
    Cell,
}

impl Piece {
    /// All kinds, in the order in which they are best taken away.
    pub const ALL: [Piece; 6] =
        [Piece::Key, Piece::Write, Piece::Step, Piece::Boundary, Piece::Column, Piece::Cell];
}

impl Candidate {
    /// The number of steps.
    pub fn steps(&self) -> usize {
        self.nemesis.steps.len()
    }

    /// The number of writes.
    pub fn writes(&self) -> usize {
        self.workload.writes.as_ref().map_or(0, Vec::len)
    }

    /// The number of pieces of a kind.
    pub fn count(&self, piece: Piece) -> usize {
        match piece {
            Piece::Key => self.keys().len(),
            Piece::Step => self.steps(),
            Piece::Write => self.writes(),
            Piece::Boundary => self.workload.boundaries.as_ref().map_or(0, Vec::len),
            Piece::Column => self.workload.columns.len(),
            Piece::Cell => self.workload.writes.iter().flatten().map(|write| write.set.len()).sum(),
        }
    }

    /// The keys, in the order of their first write.
    fn keys(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let keys = self.workload.writes.iter().flatten().map(|write| write.key.as_str());
        keys.filter(|key| seen.insert(*key)).collect()
    }

    /// The rest without some pieces of a kind.
    pub fn without(&self, piece: Piece, range: Range<usize>) -> Candidate {
        let mut rest = self.clone();
        match piece {
            Piece::Key => {
                let gone: BTreeSet<&str> = self.keys().drain(range).collect();
                let writes = rest.workload.writes.iter_mut();
                writes.for_each(|writes| writes.retain(|write| !gone.contains(write.key.as_str())));
            }
            Piece::Step => rest.remove_steps(range),
            Piece::Write => {
                rest.workload.writes.iter_mut().for_each(|writes| drop(writes.drain(range.clone())));
            }
            Piece::Boundary => rest.remove_boundaries(&range),
            Piece::Column => {
                let gone: BTreeSet<String> =
                    rest.workload.columns.drain(range).map(|column| column.name).collect();
                let writes = rest.workload.writes.iter_mut().flatten();
                writes.for_each(|write| write.set.retain(|name, _| !gone.contains(name)));
            }
            Piece::Cell => {
                let mut cells = 0..;
                for write in rest.workload.writes.iter_mut().flatten() {
                    write.set.retain(|_, _| cells.next().is_none_or(|cell| !range.contains(&cell)));
                }
            }
        }
        rest
    }

    /// What refers to a step that is gone refers to its own segment. A plan that holds nothing back has no
    /// segment to end.
    fn remove_steps(&mut self, range: Range<usize>) {
        let nemesis = &mut self.nemesis;
        let gone: BTreeSet<String> = nemesis.steps.drain(range).map(|step| step.id).collect();
        for step in &mut nemesis.steps {
            if let Condition::EventsInNext { of, .. } = &mut step.until {
                *of = of.take().filter(|other| !gone.contains(other));
            }
        }
        if !nemesis.steps.iter().any(|step| step.fault.withholds_a_segment()) {
            (nemesis.ending, nemesis.reload, nemesis.min_exposure) = (Ending::Uncommitted, false, 0);
        }
    }

    fn remove_boundaries(&mut self, range: &Range<usize>) {
        self.workload.boundaries.iter_mut().for_each(|boundaries| drop(boundaries.drain(range.clone())));
        for step in &mut self.nemesis.steps {
            for condition in [&mut step.begin, &mut step.until] {
                if let Condition::Boundaries(count) = condition {
                    let counted = range.clone().filter(|boundary| *boundary < *count as usize).count();
                    *count -= counted as u32;
                }
            }
        }
    }
}
