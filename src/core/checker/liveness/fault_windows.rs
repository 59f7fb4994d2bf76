//! When an object may stall: during faults on its replica or on everything that moves it, and while
//! nothing could be sampled.

use crate::checker::tables::frontier_samples::Object;
use crate::checker::tables::history::{FaultSpan, History};
use crate::history::frontier::{Frontier, InputMerge};
use crate::history::time::Nanos;

/// A fault that may keep a process from progressing.
#[derive(Clone, Copy)]
struct FaultWindow {
    begin: Nanos,
    /// When the cure was verified.
    cured: Nanos,
    /// The same, plus the grace period.
    end: Nanos,
}

/// The excuses of one object.
pub(super) struct FaultWindows<'h> {
    /// One list per process that may move the object.
    processes: Vec<Vec<FaultWindow>>,
    /// Whether it waits for all of these processes. Otherwise it is excused only while all of them are.
    waits_for_all: bool,
    /// When its replica did not answer, and the error.
    silences: Vec<(Nanos, &'h str)>,
}

impl<'h> FaultWindows<'h> {
    pub(super) fn of(history: &'h History<'_>, object: Object<'_>) -> FaultWindows<'h> {
        let replica = replica_of(history, object);
        let processes = match (object, replica) {
            (_, Some(replica)) => vec![faults_on(history, Some(replica))],
            (Object::Declared(frontier), None) => writers_of(history, frontier),
            (Object::Position { .. }, None) => Vec::new(),
        };
        let silences = history.silences.iter().filter(|(silent, ..)| Some(*silent) == replica);
        let silences = silences.map(|(_, t, error)| (*t, error.as_str())).collect();
        let waits_for_all = match object {
            Object::Declared(frontier) => combines(history, frontier) == InputMerge::All,
            Object::Position { .. } => false,
        };
        FaultWindows { processes, waits_for_all, silences }
    }

    /// Whether a fault, or the grace period after it, covers the time between two samples. A failed sample
    /// between them is no excuse for the whole time.
    pub(super) fn cover(&self, from: Nanos, to: Nanos) -> bool {
        self.excused(|it| it.begin <= to && from < it.end)
    }

    /// Whether a fault was in force between two samples.
    pub(super) fn is_down(&self, from: Nanos, to: Nanos) -> bool {
        self.excused(|it| it.begin <= to && from < it.cured)
    }

    /// The first time after the last sample at which its replica did not answer, without an excuse.
    pub(super) fn silent_after(&self, end: Nanos) -> Option<(Nanos, &'h str)> {
        self.silences.iter().copied().find(|&(t, _)| t > end && !self.cover(t, t))
    }

    fn excused(&self, by: impl Fn(&FaultWindow) -> bool) -> bool {
        let is_excused = |process: &Vec<FaultWindow>| process.iter().any(&by);
        match self.waits_for_all {
            true => self.processes.iter().any(is_excused),
            false => !self.processes.is_empty() && self.processes.iter().all(is_excused),
        }
    }
}

/// How a frontier depends on the frontiers that feed it. If that is not declared, inputs of one group are
/// taken to do the same work, so that any of them moves it; inputs of several groups are all waited for.
pub(super) fn combines(history: &History<'_>, fed: &Frontier) -> InputMerge {
    let mut inputs = inputs(history, fed);
    let first = inputs.next();
    fed.combines.unwrap_or_else(|| match first.is_none_or(|first| inputs.all(|it| it.group == first.group)) {
        true => InputMerge::Any,
        false => InputMerge::All,
    })
}

/// The declared frontiers that feed this one.
pub(super) fn inputs<'h>(history: &'h History<'_>, fed: &'h Frontier) -> impl Iterator<Item = &'h Frontier> {
    history.meta.frontiers.iter().filter(|it| it.feeds.as_deref() == Some(fed.object.as_str()))
}

/// The roster index of the replica that an object belongs to.
pub(super) fn replica_of(history: &History<'_>, object: Object<'_>) -> Option<usize> {
    match object {
        Object::Position { replica, .. } => Some(replica),
        Object::Declared(frontier) => history.replica(frontier.replica.as_deref()?),
    }
}

/// A frontier without a process is moved by the frontiers that feed it. If any of them moves it, one that was
/// never seen does not count: it never ran, so it could not stand in for those that a fault holds back.
fn writers_of(history: &History<'_>, frontier: &Frontier) -> Vec<Vec<FaultWindow>> {
    let replica = |writer: &Frontier| history.replica(writer.replica.as_deref()?);
    let is_any = combines(history, frontier) == InputMerge::Any;
    let is_seen = |writer: &&Frontier| {
        let mut samples = history.frontier_samples.frontiers.iter();
        samples.any(|(of, samples)| of.object == writer.object && !samples.is_empty())
    };
    let writers = inputs(history, frontier).filter(|writer| !is_any || is_seen(writer));
    let writers: Vec<Option<usize>> = writers.map(replica).collect();
    match writers.is_empty() {
        true => vec![faults_on(history, None)],
        false => writers.into_iter().map(|writer| faults_on(history, writer)).collect(),
    }
}

fn faults_on(history: &History<'_>, replica: Option<usize>) -> Vec<FaultWindow> {
    let floor = history.meta.frozen_floor;
    let on = history.faults.iter().filter(|span| match replica {
        Some(replica) => span.is_on(replica),
        None => span.fault.kind.is_of_all(),
    });
    let excuse = |span: &FaultSpan| FaultWindow {
        begin: span.t,
        cured: span.excused_until(Nanos(0)),
        end: span.excused_until(floor),
    };
    on.filter(|span| span.fault.kind.holds_back() && span.may_be_in_force()).map(excuse).collect()
}
