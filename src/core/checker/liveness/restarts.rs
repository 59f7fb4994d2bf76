//! The restarts that may have made one object move on.

use super::fault_windows::replica_of;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::tables::history::History;
use crate::history::frontier::Frontier;
use crate::history::time::Nanos;

/// Incarnations that began without showing in an object's own samples, and restarts of its replica by the
/// probe.
pub(super) struct Restarts {
    /// For objects without a process: when one of its feeders was first seen in a new incarnation, and when
    /// that feeder was first meant to move.
    upstream_restarts: Vec<(Nanos, Nanos)>,
    /// When its replica was restarted because it had not settled.
    probes: Vec<Nanos>,
}

impl Restarts {
    pub(super) fn of(history: &History<'_>, object: Object<'_>, held: &[bool]) -> Restarts {
        let replica = replica_of(history, object);
        let probes = history.faults.iter().filter(|span| span.is_probe() && span.replica.is_some());
        let probes = probes.filter(|span| span.replica == replica).map(|span| span.t).collect();
        let feeders = match (object, replica) {
            (Object::Declared(frontier), None) => feeders(history, frontier, held),
            _ => Vec::new(),
        };
        Restarts { upstream_restarts: feeders, probes }
    }

    /// Whether a feeder began a new incarnation after the first time, and that made the object move on at the
    /// second: the object did not stay stalled for too long under the new incarnation as well.
    pub(super) fn upstream_restarted(&self, after: Nanos, to: Nanos, within: Nanos) -> bool {
        let stalled_for = |ready: Nanos| to.0.saturating_sub(ready.0);
        self.upstream_restarts.iter().any(|&(t, ready)| after < t && t <= to && stalled_for(ready) < within.0)
    }

    /// Whether the probe restarted its replica between two samples.
    pub(super) fn probe_between(&self, from: Nanos, to: Nanos) -> bool {
        self.probes.iter().any(|t| from <= *t && *t <= to)
    }
}

fn feeders(history: &History<'_>, fed: &Frontier, held: &[bool]) -> Vec<(Nanos, Nanos)> {
    let frontiers = history.frontier_samples.frontiers.iter();
    let feeders = frontiers.filter(|(it, _)| it.feeds.as_deref() == Some(fed.object.as_str()));
    let new_incarnations = |samples: &[FrontierSample]| {
        let incarnations = samples.chunk_by(|a, b| a.incarnation == b.incarnation).skip(1);
        let times = |incarnation: &[FrontierSample]| {
            let ready = incarnation.iter().find(|sample| !sample.is_held(held)).or(incarnation.last())?;
            Some((incarnation.first()?.t, ready.t))
        };
        incarnations.filter_map(times).collect::<Vec<_>>()
    };
    feeders.flat_map(|(_, samples)| new_incarnations(samples)).collect()
}
