//! The steps of the schedule as they run: waiting, in force, cured. Conditions are tested against the view.

use super::view::ClusterView;
use crate::history::fault::{Condition, Fault, Step, StepId};
use crate::history::time::Nanos;
use std::collections::BTreeSet;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultState {
    Waiting,
    Beginning,
    Active {
        since: Nanos,
    },
    Curing,
    /// Cured, or never begun: nothing of it is left at the target.
    Over {
        at: Nanos,
    },
}

/// One step and its fault, once everything in it is known.
#[derive(Debug)]
struct ScheduledFault {
    step: Step,
    state: FaultState,
    fault: Option<Fault>,
}

/// All steps of a run.
#[derive(Debug)]
pub(super) struct Faults {
    steps: Vec<ScheduledFault>,
}

/// What conditions are tested against, beside the view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// Now.
    pub now: Nanos,
    /// When the load began.
    pub load_began: Nanos,
    /// Boundaries crossed since then.
    pub boundaries: u32,
}

impl Faults {
    /// All steps waiting.
    pub(super) fn new(steps: &[Step]) -> Faults {
        let running =
            |step: &Step| ScheduledFault { step: step.clone(), state: FaultState::Waiting, fault: None };
        Faults { steps: steps.iter().map(running).collect() }
    }

    /// The steps whose time to begin has come, with their faults filled in; they count as beginning.
    pub(super) fn begin_due(&mut self, clock: Clock, view: &ClusterView) -> Vec<(StepId, Fault)> {
        let mut due = Vec::new();
        for running in self.steps.iter_mut().filter(|running| running.state == FaultState::Waiting) {
            if holds(&running.step.begin, clock, view, &running.step, running.fault.as_ref(), None) {
                let fault = resolve(&running.step, view);
                running.state = FaultState::Beginning;
                running.fault = Some(fault.clone());
                due.push((running.step.id.clone(), fault));
            }
        }
        due
    }

    /// The steps whose time to end has come; they count as being cured.
    pub(super) fn cure_due(&mut self, clock: Clock, view: &ClusterView) -> Vec<StepId> {
        let mut due = Vec::new();
        for running in &mut self.steps {
            if let FaultState::Active { since } = running.state
                && holds(&running.step.until, clock, view, &running.step, running.fault.as_ref(), Some(since))
            {
                running.state = FaultState::Curing;
                due.push(running.step.id.clone());
            }
        }
        due
    }

    /// Every step in force, to be cured now whatever its condition; waiting ones never begin.
    pub(super) fn cure_all(&mut self, now: Nanos) -> Vec<StepId> {
        let mut due = Vec::new();
        for running in &mut self.steps {
            match running.state {
                FaultState::Waiting => running.state = FaultState::Over { at: now },
                FaultState::Active { .. } => {
                    running.state = FaultState::Curing;
                    due.push(running.step.id.clone());
                }
                FaultState::Beginning | FaultState::Curing | FaultState::Over { .. } => {}
            }
        }
        due
    }

    /// A step beside the schedule, for the probe or the plan's ending; it ends only when it is told to.
    pub(super) fn add_beginning(&mut self, id: &str, fault: &Fault) {
        let step = Step {
            id: id.to_owned(),
            kind: fault.kind,
            replica: fault.replica.clone(),
            partition: fault.partition,
            begin: Condition::At(Nanos(0)),
            until: Condition::At(Nanos(u64::MAX)),
        };
        self.steps.push(ScheduledFault { step, state: FaultState::Beginning, fault: Some(fault.clone()) });
    }

    /// A step's cure begins, whatever its condition.
    pub(super) fn set_curing(&mut self, step: &str) {
        self.set(step, FaultState::Curing);
    }

    /// A step is in force, or could not be begun.
    pub(super) fn begun(&mut self, step: &str, now: Nanos, in_force: bool) {
        self.set(
            step,
            if in_force { FaultState::Active { since: now } } else { FaultState::Over { at: now } },
        );
    }

    /// A step's cure has ended, well or not.
    pub(super) fn cured(&mut self, step: &str, now: Nanos) {
        self.set(step, FaultState::Over { at: now });
    }

    fn set(&mut self, step: &str, state: FaultState) {
        if let Some(running) = self.steps.iter_mut().find(|running| running.step.id == step) {
            running.state = state;
        }
    }

    /// Whether any step has begun.
    pub(super) fn any_begun(&self) -> bool {
        self.steps.iter().any(|running| running.fault.is_some())
    }

    /// Whether a step is between asked and answered.
    pub(super) fn any_changing(&self) -> bool {
        self.steps.iter().any(|running| matches!(running.state, FaultState::Beginning | FaultState::Curing))
    }

    /// Whether a replica is silent by one of the steps.
    pub(super) fn any_down(&self) -> bool {
        self.steps.iter().any(|running| {
            running.step.kind.silences()
                && !matches!(running.state, FaultState::Waiting | FaultState::Over { .. })
        })
    }

    /// Whether a step of ours kept this replica silent at or after a time.
    pub(super) fn silenced(&self, replica: &str, since: Nanos) -> bool {
        self.steps.iter().any(|running| {
            let over_before = match running.state {
                FaultState::Waiting => true,
                FaultState::Over { at } => at < since,
                FaultState::Beginning | FaultState::Active { .. } | FaultState::Curing => false,
            };
            running.step.replica == replica && running.step.kind.silences() && !over_before
        })
    }

    /// The replicas that a step has begun to do something to.
    pub(super) fn victims(&self) -> BTreeSet<&str> {
        let hit = |running: &&ScheduledFault| {
            !matches!(running.state, FaultState::Waiting | FaultState::Over { .. })
        };
        self.steps.iter().filter(hit).map(|running| running.step.replica.as_str()).collect()
    }

    /// When the last step was over; none while one is not.
    pub(super) fn over_at(&self) -> Option<Nanos> {
        let over = |running: &ScheduledFault| match running.state {
            FaultState::Over { at } => Some(at),
            _ => None,
        };
        self.steps.iter().map(over).try_fold(Nanos(0), |last, at| Some(last.max(at?)))
    }

    /// The first fault that held something back, for the plan's ending.
    pub(super) fn held(&self) -> Option<&Fault> {
        self.steps
            .iter()
            .filter_map(|running| running.fault.as_ref())
            .find(|fault| fault.kind.withholds_a_segment())
    }
}

/// Fills in the segment: the one that opens next, as seen when the step begins.
fn resolve(step: &Step, view: &ClusterView) -> Fault {
    let next = || step.partition.and_then(|partition| view.newest_seq(partition)).map(|seq| seq + 1);
    let seq = if step.kind.withholds_a_segment() { next() } else { None };
    Fault { kind: step.kind, replica: step.replica.clone(), partition: step.partition, seq }
}

fn holds(
    condition: &Condition,
    clock: Clock,
    view: &ClusterView,
    step: &Step,
    fault: Option<&Fault>,
    since: Option<Nanos>,
) -> bool {
    let segment = fault.and_then(|fault| Some((fault.partition?, fault.seq?)));
    match condition {
        Condition::At(at) => clock.now.0 >= clock.load_began.0 + at.0,
        Condition::Boundaries(count) => clock.boundaries >= *count,
        Condition::OthersCommitted => {
            segment.is_some_and(|(partition, seq)| view.others_committed(&step.replica, partition, seq))
        }
        Condition::EventsInNext { events, or_after } => segment.is_some_and(|(partition, seq)| {
            view.segment(partition, seq + 1).is_some_and(|(next, opened)| {
                view.log_ends()[partition as usize] >= next.start + events
                    || clock.now.0 >= opened.0 + or_after.0
            })
        }),
        Condition::After(span) => since.is_some_and(|since| clock.now.0 >= since.0 + span.0),
    }
}
