//! When an object may stand still: faults on its replica, or on all that move it, and times at which nobody
//! could look.

use super::super::history::History;
use super::track::Object;
use crate::record::frontier::Frontier;
use crate::record::row::Nanos;

/// The excuses of one object.
pub(super) struct Excuses<'h> {
    /// One list a process that may move the object: it is excused while each of them is.
    processes: Vec<Vec<(Nanos, Nanos)>>,
    /// When its replica did not answer.
    silences: Vec<(Nanos, &'h str)>,
}

impl<'h> Excuses<'h> {
    pub(super) fn of(history: &'h History<'_>, object: Object<'_>) -> Excuses<'h> {
        let replica = replica_of(history, object);
        let processes = match (object, replica) {
            (_, Some(replica)) => vec![faults_on(history, Some(replica))],
            (Object::Declared(frontier), None) => writers_of(history, frontier),
            (Object::Position { .. }, None) => Vec::new(),
        };
        let silences = history.silences.iter().filter(|(silent, ..)| Some(*silent) == replica);
        let silences = silences.map(|(_, t, error)| (*t, error.as_str())).collect();
        Excuses { processes, silences }
    }

    /// Whether what two looks at these times saw proves nothing.
    pub(super) fn cover(&self, from: Nanos, to: Nanos) -> bool {
        self.excused(from, to) || self.silences.iter().any(|(t, _)| from < *t && *t <= to)
    }

    /// The first time after the last look at which its replica did not answer, without an excuse.
    pub(super) fn silent_after(&self, end: Nanos) -> Option<(Nanos, &'h str)> {
        self.silences.iter().copied().find(|&(t, _)| t > end && !self.excused(t, t))
    }

    fn excused(&self, from: Nanos, to: Nanos) -> bool {
        let covers =
            |spans: &Vec<(Nanos, Nanos)>| spans.iter().any(|&(begin, end)| begin <= to && from < end);
        !self.processes.is_empty() && self.processes.iter().all(covers)
    }
}

/// The roster index of the replica that an object belongs to.
pub(super) fn replica_of(history: &History<'_>, object: Object<'_>) -> Option<usize> {
    match object {
        Object::Position { replica, .. } => Some(replica),
        Object::Declared(frontier) => history.replica(frontier.replica.as_deref()?),
    }
}

/// A frontier without a process is moved by all that feed it.
fn writers_of(history: &History<'_>, frontier: &Frontier) -> Vec<Vec<(Nanos, Nanos)>> {
    let declared = &history.facts.frontiers;
    let feeds = |it: &&Frontier| it.feeds.as_deref() == Some(frontier.object.as_str());
    let writers: Vec<Option<usize>> =
        declared.iter().filter(feeds).map(|writer| history.replica(writer.replica.as_deref()?)).collect();
    match writers.is_empty() {
        true => vec![faults_on(history, None)],
        false => writers.into_iter().map(|writer| faults_on(history, writer)).collect(),
    }
}

fn faults_on(history: &History<'_>, replica: Option<usize>) -> Vec<(Nanos, Nanos)> {
    let floor = history.facts.frozen_floor;
    let on = history.faults.iter().filter(|span| match replica {
        Some(replica) => span.is_on(replica),
        None => span.fault.kind.is_of_all(),
    });
    on.filter(|span| span.fault.kind.holds_back()).map(|span| (span.t, span.excused_until(floor))).collect()
}
