//! The steps of the schedule as they run: waiting, in force, cured. Conditions are tested against the cluster
//! view.

use super::cluster_view::ClusterView;
use crate::history::fault::{Condition, Fault, Step, StepEdge, StepId, VictimRole};
use crate::history::time::Nanos;
use std::collections::BTreeSet;

/// The progress of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FaultState {
    Waiting,
    Beginning,
    Active {
        since: Nanos,
    },
    Curing,
    /// Cured, or never begun: the target is free of it.
    Over {
        at: Nanos,
    },
}

/// One step, and its fault once that is filled in.
#[derive(Debug)]
struct ScheduledFault {
    step: Step,
    state: FaultState,
    fault: Option<Fault>,
    /// When it came into force, or failed to.
    begun: Option<Nanos>,
    /// Since when it would begin, if a replica had its role.
    unmet_since: Option<Nanos>,
}

/// A step that is due to begin.
#[derive(Debug)]
pub(super) struct DueFault {
    pub(super) step: StepId,
    pub(super) fault: Fault,
    /// Why it cannot begin: no replica has had its role for too long.
    pub(super) error: Option<String>,
}

impl ScheduledFault {
    /// The replica that it hits.
    fn replica(&self) -> &str {
        self.fault.as_ref().map_or(&self.step.replica, |fault| &fault.replica)
    }
}

#[derive(Debug)]
pub(super) struct Faults {
    steps: Vec<ScheduledFault>,
}

/// What conditions are tested against besides the view.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub now: Nanos,
    /// When the load began.
    pub load_began: Nanos,
    /// The number of boundaries crossed since then.
    pub boundaries: u32,
}

impl Faults {
    pub(super) fn new(steps: &[Step]) -> Faults {
        let scheduled = |step: &Step| ScheduledFault {
            step: step.clone(),
            state: FaultState::Waiting,
            fault: None,
            begun: None,
            unmet_since: None,
        };
        Faults { steps: steps.iter().map(scheduled).collect() }
    }

    /// Returns the steps that are due to begin, with their faults filled in, and marks them as beginning. One
    /// that waits for a replica with its role does so for as long as `patience`, and is over then.
    pub(super) fn begin_due(&mut self, clock: Clock, view: &ClusterView, patience: Nanos) -> Vec<DueFault> {
        let mut due = Vec::new();
        for at in 0..self.steps.len() {
            let scheduled = &self.steps[at];
            let step = &scheduled.step;
            let is_waiting = scheduled.state == FaultState::Waiting;
            if !is_waiting || !self.holds(&step.begin, clock, view, scheduled, None) {
                continue;
            }
            let (step, found) = (step.id.clone(), self.resolve(step, view));
            if let Some(fault) = found {
                due.push(DueFault { step, fault: fault.clone(), error: None });
                let scheduled = &mut self.steps[at];
                (scheduled.state, scheduled.fault) = (FaultState::Beginning, Some(fault));
            } else if let Some(error) = self.unmet(at, clock.now, patience) {
                let scheduled = &mut self.steps[at];
                (scheduled.state, scheduled.begun) = (FaultState::Over { at: clock.now }, Some(clock.now));
                let Step { kind, ref replica, partition, .. } = scheduled.step;
                let fault = Fault { kind, replica: replica.clone(), partition, seq: None };
                due.push(DueFault { step, fault, error: Some(error) });
            }
        }
        due
    }

    /// Why a step is not waited for any longer, though it is due. None if a replica may still get its role.
    fn unmet(&mut self, at: usize, now: Nanos, patience: Nanos) -> Option<String> {
        let since = *self.steps[at].unmet_since.get_or_insert(now);
        let is_late = now.0 >= since.0 + patience.0;
        match self.steps[at].step.role.as_ref()? {
            VictimRole::Leader => is_late.then(|| "no replica says that it leads".to_owned()),
            VictimRole::HolderOf(_) => is_late.then(|| "its segment is assigned to no replica".to_owned()),
            VictimRole::VictimOf(other) => {
                let mut earlier = self.steps.iter().filter(|scheduled| scheduled.step.is_of(other));
                let is_over = earlier.all(|it| matches!(it.state, FaultState::Over { .. }));
                is_over.then(|| format!("step {other} has hit no replica"))
            }
        }
    }

    /// Returns the steps that are due to end, and marks them as being cured.
    pub(super) fn cure_due(&mut self, clock: Clock, view: &ClusterView) -> Vec<StepId> {
        let is_due = |scheduled: &&ScheduledFault| {
            let FaultState::Active { since } = scheduled.state else { return false };
            self.holds(&scheduled.step.until, clock, view, scheduled, Some(since))
        };
        let due: Vec<StepId> =
            self.steps.iter().filter(is_due).map(|scheduled| scheduled.step.id.clone()).collect();
        due.iter().for_each(|step| self.set_curing(step));
        due
    }

    /// The segment that the end of a step waits for: its own, or that of the step that its plan names.
    fn segment_of(&self, step: &Step) -> Option<(u32, u32)> {
        let named = match &step.until {
            Condition::EventsInNext { of: Some(other), .. } => other,
            _ => &step.id,
        };
        let of = self.steps.iter().find(|scheduled| scheduled.step.is_of(named));
        of?.fault.as_ref().and_then(|fault| Some((fault.partition?, fault.seq?)))
    }

    /// Returns every step in force, to be cured now whatever its condition. Waiting steps never begin.
    pub(super) fn cure_all(&mut self, now: Nanos) -> Vec<StepId> {
        let mut due = Vec::new();
        for scheduled in &mut self.steps {
            match scheduled.state {
                FaultState::Waiting => scheduled.state = FaultState::Over { at: now },
                FaultState::Active { .. } => {
                    scheduled.state = FaultState::Curing;
                    due.push(scheduled.step.id.clone());
                }
                FaultState::Beginning | FaultState::Curing | FaultState::Over { .. } => {}
            }
        }
        due
    }

    /// Adds a step that is not in the schedule, for the probe or the plan's ending. It ends only on request.
    pub(super) fn add_beginning(&mut self, id: &str, fault: &Fault) {
        let step = Step {
            id: id.to_owned(),
            kind: fault.kind,
            replica: fault.replica.clone(),
            role: None,
            partition: fault.partition,
            begin: Condition::At(Nanos(0)),
            until: Condition::At(Nanos(u64::MAX)),
        };
        let (state, fault) = (FaultState::Beginning, Some(fault.clone()));
        self.steps.push(ScheduledFault { step, state, fault, begun: None, unmet_since: None });
    }

    /// Marks a step as being cured, whatever its condition.
    pub(super) fn set_curing(&mut self, step: &str) {
        self.set(step, FaultState::Curing);
    }

    /// Takes the outcome of beginning a step.
    pub(super) fn begun(&mut self, step: &str, now: Nanos, in_force: bool) {
        self.set(
            step,
            if in_force { FaultState::Active { since: now } } else { FaultState::Over { at: now } },
        );
        let begun = self.steps.iter_mut().find(|scheduled| scheduled.step.id == step);
        begun.into_iter().for_each(|scheduled| scheduled.begun = Some(now));
    }

    /// Marks a step as over, whether or not its cure worked.
    pub(super) fn cured(&mut self, step: &str, now: Nanos) {
        self.set(step, FaultState::Over { at: now });
    }

    fn set(&mut self, step: &str, state: FaultState) {
        if let Some(scheduled) = self.steps.iter_mut().find(|scheduled| scheduled.step.id == step) {
            scheduled.state = state;
        }
    }

    /// Whether any step has begun.
    pub(super) fn any_begun(&self) -> bool {
        self.steps.iter().any(|scheduled| scheduled.fault.is_some())
    }

    /// Whether a step is being begun or cured right now.
    pub(super) fn any_changing(&self) -> bool {
        self.steps
            .iter()
            .any(|scheduled| matches!(scheduled.state, FaultState::Beginning | FaultState::Curing))
    }

    /// Whether some step keeps a replica silent.
    pub(super) fn any_down(&self) -> bool {
        self.steps.iter().any(|scheduled| {
            scheduled.step.kind.silences()
                && !matches!(scheduled.state, FaultState::Waiting | FaultState::Over { .. })
        })
    }

    /// Whether some step of ours kept this replica silent at or after this time.
    pub(super) fn silenced(&self, replica: &str, since: Nanos) -> bool {
        self.steps.iter().any(|scheduled| {
            let over_before = match scheduled.state {
                FaultState::Waiting => true,
                FaultState::Over { at } => at < since,
                FaultState::Beginning | FaultState::Active { .. } | FaultState::Curing => false,
            };
            let hit = scheduled.fault.as_ref().is_some_and(|fault| fault.replica == replica);
            hit && scheduled.step.kind.silences() && !over_before
        })
    }

    /// The replicas that a step is acting on.
    pub(super) fn victims(&self) -> BTreeSet<&str> {
        let hit = |scheduled: &&ScheduledFault| {
            !matches!(scheduled.state, FaultState::Waiting | FaultState::Over { .. })
        };
        self.steps.iter().filter(hit).map(ScheduledFault::replica).collect()
    }

    /// When the last step was over; `None` while one is not.
    pub(super) fn over_at(&self) -> Option<Nanos> {
        let over = |scheduled: &ScheduledFault| match scheduled.state {
            FaultState::Over { at } => Some(at),
            _ => None,
        };
        self.steps.iter().map(over).try_fold(Nanos(0), |last, at| Some(last.max(at?)))
    }

    /// Whether a condition of a step holds. `since` is when it came into force.
    fn holds(
        &self,
        condition: &Condition,
        clock: Clock,
        view: &ClusterView,
        of: &ScheduledFault,
        since: Option<Nanos>,
    ) -> bool {
        let segment = || self.segment_of(&of.step);
        match condition {
            Condition::At(at) => clock.now.0 >= clock.load_began.0 + at.0,
            Condition::Boundaries(count) => clock.boundaries >= *count,
            Condition::OthersCommitted => {
                segment().is_some_and(|(partition, seq)| view.others_committed(of.replica(), partition, seq))
            }
            Condition::EventsInNext { events, or_after, .. } => segment().is_some_and(|(partition, seq)| {
                view.segment(partition, seq + 1).is_some_and(|(next, opened)| {
                    view.log_ends()[partition as usize] >= next.start + events
                        || clock.now.0 >= opened.0 + or_after.0
                })
            }),
            Condition::After(span) => since.is_some_and(|since| clock.now.0 >= since.0 + span.0),
            Condition::AfterStep { step, edge, wait } => {
                self.passed(step, *edge).is_some_and(|at| clock.now.0 >= at.0 + wait.0)
            }
        }
    }

    /// Fills in the replica, and the segment: the one that opens next, as seen when the step begins. None as
    /// long as no replica has the step's role.
    fn resolve(&self, step: &Step, view: &ClusterView) -> Option<Fault> {
        let next = || step.partition.and_then(|partition| view.newest_seq(partition)).map(|seq| seq + 1);
        let seq = if step.kind.withholds_a_segment() { next() } else { None };
        let replica = match &step.role {
            None => step.replica.clone(),
            Some(VictimRole::Leader) => view.first_from(&step.replica, |replica| view.leads(replica))?,
            Some(VictimRole::HolderOf(segment)) => {
                view.first_from(&step.replica, |replica| view.holds(replica, step.partition, *segment))?
            }
            Some(VictimRole::VictimOf(other)) => {
                let earlier = self.steps.iter().find(|scheduled| scheduled.step.is_of(other))?;
                earlier.fault.as_ref()?.replica.clone()
            }
        };
        Some(Fault { kind: step.kind, replica, partition: step.partition, seq })
    }

    /// When the last fault of a step of the plan began or was over. None as long as one has not.
    fn passed(&self, planned: &str, edge: StepEdge) -> Option<Nanos> {
        let moment = |scheduled: &ScheduledFault| match (edge, scheduled.state) {
            (StepEdge::Begin, _) if scheduled.begun.is_some() => scheduled.begun,
            (_, FaultState::Over { at }) => Some(at),
            _ => None,
        };
        let faults = self.steps.iter().filter(|scheduled| scheduled.step.is_of(planned));
        faults.map(moment).try_fold(Nanos(0), |last, at| Some(last.max(at?)))
    }

    /// The first fault that withheld a segment. The plan's ending refers to it.
    pub(super) fn held(&self) -> Option<&Fault> {
        self.steps
            .iter()
            .filter_map(|scheduled| scheduled.fault.as_ref())
            .find(|fault| fault.kind.withholds_a_segment())
    }
}
