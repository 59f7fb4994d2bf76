//! From the record of a run to the first candidate: what it wrote, when it crossed boundaries, whom it hit.

use super::candidate::Candidate;
use crate::generator::generate::Generator;
use crate::generator::given::writes_of;
use crate::generator::ops::FILLERS;
use crate::history::delivery::Delivery;
use crate::history::event::{Event, Op, Phase};
use crate::history::fault::{Condition, Step, VictimRole};
use crate::history::given_load::BoundarySpec;
use crate::history::nemesis::{Nemesis, Select, StepSpec};
use crate::history::run_record::{RunMeta, RunRecord};
use crate::history::time::Nanos;
use crate::history::workload::Workload;
use std::collections::BTreeMap;

/// What happened during the load, on the load's own clock: from its beginning, and without pauses.
struct Load {
    ops: Vec<(Op, Delivery)>,
    boundaries: Vec<BoundarySpec>,
    /// The faults that began, by the names of their steps.
    steps: BTreeMap<String, RecordedFault>,
}

/// A fault as it was injected.
struct RecordedFault {
    replica: String,
    begun: Nanos,
    cured: Option<Nanos>,
}

/// The workload and the plan of a run with everything filled in that was drawn: the writes, the times of the
/// boundaries, the victims. In virtual time it gives the very same run.
pub fn recorded(record: &dyn RunRecord) -> Candidate {
    let meta = record.meta();
    let load = load_of(record);
    let spec_of = |step: &Step| meta.nemesis.steps.iter().find(|spec| step.is_of(&spec.id));
    let steps = meta.steps.iter().filter_map(|step| Some(given_step(spec_of(step)?, step, meta, &load)));
    let steps = steps.collect();
    Candidate {
        workload: Workload {
            writes: Some(writes_of(&load.ops, &meta.schema)),
            boundaries: meta.has_boundaries().then_some(load.boundaries),
            ..meta.workload.clone()
        },
        nemesis: Nemesis { boundaries_after_first_step: None, steps, ..meta.nemesis.clone() },
    }
}

/// A step with its victim, and with the times that were drawn for it. Where no segment ends, rows are
/// counted, and fewer writes would be fewer rows: the step then begins and ends at the times at which it did.
/// So does one that waits for another step, which can then be taken away.
fn given_step(spec: &StepSpec, step: &Step, meta: &RunMeta, load: &Load) -> StepSpec {
    let fault = load.steps.get(&step.id);
    // Who leads or holds a segment is found out anew.
    let select = match &step.role {
        Some(VictimRole::Leader | VictimRole::HolderOf(_)) => spec.select.clone(),
        Some(VictimRole::VictimOf(_)) | None => {
            Select::Replica(fault.map_or(&step.replica, |fault| &fault.replica).clone())
        }
    };
    let timed = |condition: &Condition, at: Option<Nanos>| match (condition, at) {
        (Condition::Boundaries(_), Some(at)) if !meta.has_boundaries() => Condition::At(at),
        (Condition::AfterStep { .. }, Some(at)) => Condition::At(at),
        _ => condition.clone(),
    };
    StepSpec {
        id: step.id.clone(),
        select,
        partition: step.partition,
        begin: timed(&step.begin, fault.map(|fault| fault.begun)),
        until: timed(&step.until, fault.and_then(|fault| fault.cured)),
        jitter: Nanos(0),
        repeat: None,
        ..spec.clone()
    }
}

fn load_of(record: &dyn RunRecord) -> Load {
    let meta = record.meta();
    let mut drawn = Generator::new(&meta.workload, &meta.schema, meta.seed);
    let mut load = Load { ops: Vec::new(), boundaries: Vec::new(), steps: BTreeMap::new() };
    // Each boundary's time, and when the write before it was due.
    let mut boundaries: Vec<(Nanos, Nanos)> = Vec::new();
    // When the load began, and how long it has paused since.
    let (mut began, mut paused) = (None, 0);
    for event in record.events() {
        let since = |began: Nanos| Nanos(event.t.0.saturating_sub(began.0 + paused));
        match (&event.event, began) {
            (Event::Phase { phase: Phase::Load }, _) => began = Some(event.t),
            (Event::Phase { phase: Phase::Quiesce | Phase::Done }, Some(_)) => break,
            (Event::Invoke { op }, Some(began)) if op.id < FILLERS => {
                while load.ops.last().is_none_or(|(last, _)| last.id < op.id) {
                    let Some(next) = drawn.next() else { break };
                    let delivery = drawn.delivery(next.id);
                    load.ops.push((next, delivery));
                }
                let own = load.ops.iter().rev().map(|(own, _)| own).find(|own| own.id == op.id);
                paused = own.map_or(paused, |own| op.due.0.saturating_sub(began.0 + own.due.0).max(paused));
            }
            (Event::Boundary, Some(began)) => {
                let last = load.ops.last().map_or(Nanos(0), |(op, _)| op.due);
                boundaries.push((since(began), last));
            }
            (Event::FaultBegin { step, fault, .. }, Some(began)) => {
                let (replica, begun) = (fault.replica.clone(), since(began));
                load.steps.insert(step.clone(), RecordedFault { replica, begun, cured: None });
            }
            (Event::CureBegin { step, .. }, Some(began)) => {
                let cured = since(began);
                load.steps.entry(step.clone()).and_modify(|fault| fault.cured = Some(cured));
            }
            _ => {}
        }
    }
    // A load that pauses for boundaries has sent what was due before, and goes on right after them.
    let at = |(at, last): (Nanos, Nanos)| if paused > 0 { Nanos(last.0 + 1) } else { at };
    load.boundaries = boundaries.into_iter().map(|times| BoundarySpec { at: at(times) }).collect();
    load
}
