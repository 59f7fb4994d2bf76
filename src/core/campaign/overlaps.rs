//! Finds out which faults overlapped which events of a run, from its events seen once.
//!
//! What a node logs is known when the node is sampled: it happened since the sample before. It counts under a
//! fault only if the fault was in force all that time. What was under way when the fault began counts, too.
//! A replica that was silenced logs nothing; what it does in the grace period after the cure is the fault's
//! doing.
//!
//! ```text
//! sample      pause begins      sample: snapshot      was it before the pause? it does not count
//! pause begins      sample      sample: snapshot      it counts
//! ```

use super::coverage::{ClusterEvent, RunCoverage};
use crate::history::event::{Event, OpOutcome};
use crate::history::fault::{Fault, StepId};
use crate::history::lifecycle::LifecycleRecord;
use crate::history::run_record::{EventRef, RunMeta};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// Whose event it is. `None`: the whole cluster's.
type Node<'a> = Option<&'a str>;

/// A fault that is or was in force.
#[derive(Debug)]
struct FaultInForce {
    step: StepId,
    fault: Fault,
    begun: Option<Nanos>,
    cured: Option<Nanos>,
    /// The events under it, and whether they were of another replica.
    met: BTreeSet<(ClusterEvent, bool)>,
}

/// The overlaps of a run, while its events are read.
#[derive(Debug)]
pub struct Overlaps {
    /// How long a silenced replica recovers.
    grace: Nanos,
    /// The faults of the schedule: one that never began is missed.
    planned: BTreeSet<String>,
    events: BTreeSet<ClusterEvent>,
    faults: Vec<FaultInForce>,
    /// What is under way: the event, its node, and its segment.
    open: BTreeSet<(ClusterEvent, Option<String>, Option<String>)>,
    /// When nodes were sampled last, and the time before.
    sampled: Nanos,
    sampled_before: Nanos,
}

impl Overlaps {
    /// No overlap yet.
    pub fn of(meta: &RunMeta) -> Overlaps {
        let own = [ClusterEvent::Write, ClusterEvent::Capture].into_iter();
        let boundary = meta.has_boundaries().then_some(ClusterEvent::Boundary);
        Overlaps {
            grace: meta.frozen_floor,
            planned: meta.steps.iter().map(|step| step.kind.full_name()).collect(),
            events: own.chain(boundary).collect(),
            faults: Vec::new(),
            open: BTreeSet::new(),
            sampled: Nanos(0),
            sampled_before: Nanos(0),
        }
    }

    /// Adds an event of the record.
    pub fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        match moment {
            EventRef::Completed { outcome: OpOutcome::Ok, .. } => {
                self.happened(ClusterEvent::Write, None, (t, t));
            }
            EventRef::Completed { .. } | EventRef::Invoked { .. } => {}
            EventRef::Other(event) => self.note(t, event),
        }
    }

    fn note(&mut self, t: Nanos, event: &Event) {
        match event {
            Event::FaultBegin { step, fault, .. } => self.faults.push(FaultInForce {
                step: step.clone(),
                fault: fault.clone(),
                begun: None,
                cured: None,
                met: BTreeSet::new(),
            }),
            Event::FaultBegun { step, error: None } => self.begun(step, t),
            Event::Cured { step, ended_early, .. } => {
                if let Some(fault) = self.faults.iter_mut().rev().find(|it| it.step == *step) {
                    fault.cured = Some(t);
                    // Nobody knows how long it was in force.
                    if ended_early.is_some() {
                        (fault.begun, fault.met) = (None, BTreeSet::new());
                    }
                }
            }
            Event::Boundary => self.happened(ClusterEvent::Boundary, None, (t, t)),
            Event::CaptureBegin { .. } => {
                self.open.insert((ClusterEvent::Capture, None, None));
                self.happened(ClusterEvent::Capture, None, (t, t));
            }
            Event::CaptureEnd { .. } => drop(self.open.remove(&(ClusterEvent::Capture, None, None))),
            Event::Sample { .. } | Event::Frontier(_) => self.sampled_at(t),
            Event::Lifecycle(record) => {
                self.sampled_at(t);
                self.logged(t, record);
            }
            _ => {}
        }
    }

    /// A fault is in force from now on, over whatever is under way.
    fn begun(&mut self, step: &str, t: Nanos) {
        let Some(fault) = self.faults.iter_mut().rev().find(|it| it.step == step) else { return };
        fault.begun = Some(t);
        for (event, node, _) in &self.open {
            fault.met.insert((*event, !fault.is_on(node.as_deref())));
        }
    }

    fn sampled_at(&mut self, t: Nanos) {
        if t > self.sampled {
            (self.sampled_before, self.sampled) = (self.sampled, t);
        }
    }

    fn logged(&mut self, t: Nanos, record: &LifecycleRecord) {
        let Some(event) = ClusterEvent::of_kind(&record.kind) else { return };
        if event == ClusterEvent::Boot {
            // What it was about to do is gone.
            self.open.retain(|(_, node, _)| node.as_ref() != Some(&record.replica));
            self.events.extend(record.logs().filter_map(ClusterEvent::of_kind));
        }
        self.events.insert(event);
        let node = node_of(record);
        self.happened(event, Some(node), (self.sampled_before, t));
        let under_way = (event, Some(node.to_owned()), record.segment.clone());
        match record.kind.as_str() {
            "transition-created" | "downloading" | "segment-reported" => drop(self.open.insert(under_way)),
            "transition-finished" | "downloaded" => drop(self.open.remove(&under_way)),
            "segment-committed" => {
                self.open.retain(|(open, _, segment)| *open != event || *segment != record.segment);
            }
            "gate" if record.detail["released_by"].is_null() => drop(self.open.insert(under_way)),
            "gate" => drop(self.open.remove(&under_way)),
            _ => {}
        }
    }

    /// An event happened at some time in this span.
    fn happened(&mut self, event: ClusterEvent, node: Node<'_>, (from, to): (Nanos, Nanos)) {
        for fault in &mut self.faults {
            let is_on = fault.is_on(node);
            let grace = if is_on && fault.fault.kind.silences() { self.grace } else { Nanos(0) };
            let begun = fault.begun.is_some_and(|begun| begun <= from);
            if begun && fault.cured.is_none_or(|cured| to.0 <= cured.0 + grace.0) {
                fault.met.insert((event, !is_on));
            }
        }
    }

    /// What overlapped.
    pub fn coverage(self) -> RunCoverage {
        let planned = self.planned.into_iter().map(|fault| (fault, BTreeSet::new()));
        let mut met: BTreeMap<String, BTreeSet<String>> = planned.collect();
        for fault in self.faults {
            let cells = fault.met.iter().map(|(event, elsewhere)| event.cell(*elsewhere));
            met.entry(fault.fault.kind.full_name()).or_default().extend(cells);
        }
        RunCoverage { events: self.events, met }
    }
}

impl FaultInForce {
    /// Whether it acts on this node.
    fn is_on(&self, node: Node<'_>) -> bool {
        self.fault.kind.is_of_all() || node == Some(&self.fault.replica)
    }
}

/// The replica that a record is about. The authority logs of others, and names them.
fn node_of(record: &LifecycleRecord) -> &str {
    let named = record.detail["server"].as_str().or_else(|| record.detail["by"]["name"].as_str());
    named.unwrap_or(&record.replica)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::CaptureReason;
    use crate::history::fault::FaultKind;
    use crate::test_data;
    use serde_json::{Value, json};

    fn begin(kind: FaultKind) -> Event {
        let fault = Fault { kind, replica: "a".to_owned(), partition: None, seq: None };
        Event::FaultBegin { step: "restart".to_owned(), fault, log_ends: Vec::new() }
    }

    fn begun() -> Event {
        Event::FaultBegun { step: "restart".to_owned(), error: None }
    }

    fn cured(ended_early: Option<&str>) -> Event {
        let ended_early = ended_early.map(str::to_owned);
        Event::Cured { step: "restart".to_owned(), error: None, ended_early }
    }

    fn logged(replica: &str, kind: &str, detail: Value) -> Event {
        let (replica, kind, segment) = (replica.to_owned(), kind.to_owned(), Some("s".to_owned()));
        Event::from(LifecycleRecord { replica, incarnation: 1, seq: 1, node_ms: 0, segment, kind, detail })
    }

    fn sample() -> Event {
        let (replica, status) = ("a".to_owned(), "up".to_owned());
        Event::Sample { replica, partition: 0, u1: 0, f: 0, u2: 0, status, incarnation: 1 }
    }

    /// The cells of a run with these events, each at its second.
    fn cells(events: &[(u64, Event)]) -> Vec<String> {
        let (workload, nemesis) = (test_data::workload("partial-upsert"), test_data::nemesis("restart-one"));
        let mut overlaps = Overlaps::of(&test_data::meta(&workload, &nemesis, &["a", "b"]));
        for (t, event) in events {
            overlaps.take(Nanos(t * 1_000_000_000), EventRef::from(event));
        }
        let coverage = overlaps.coverage();
        let faults: Vec<&String> = coverage.met.keys().collect();
        assert_eq!(faults, ["restart"], "the one fault of the schedule");
        coverage.met["restart"].iter().cloned().collect()
    }

    #[test]
    fn what_a_node_logs_counts_if_it_happened_surely_under_the_fault() {
        let snapshot = |at| (at, logged("b", "snapshot", Value::Null));
        let fault = [(2, begin(FaultKind::Restart)), (2, begun())];
        let events = |more: &[(u64, Event)]| cells(&[&[(1, sample())], &fault[..], more].concat());
        assert!(events(&[snapshot(3)]).is_empty(), "it may have been before the fault");
        assert_eq!(events(&[(3, sample()), snapshot(4)]), ["snapshot elsewhere"]);
        assert!(events(&[(3, sample()), (4, cured(None)), snapshot(5)]).is_empty(), "it may have been after");
        let early = cured(Some("a was running"));
        assert!(events(&[(3, sample()), snapshot(4), (5, early)]).is_empty(), "it ended at an unknown time");
    }

    #[test]
    fn a_replica_that_was_silenced_meets_the_fault_in_its_recovery() {
        let fault = [(2, begin(FaultKind::Restart)), (2, begun()), (3, sample()), (4, cured(None))];
        let boot = |at| (at, logged("a", "boot", json!({"logs": ["boot", "gate"]})));
        assert_eq!(cells(&[&fault[..], &[boot(6)]].concat()), ["boot"]);
        assert!(cells(&[&fault[..], &[boot(7)]].concat()).is_empty(), "the grace period is two seconds");
    }

    #[test]
    fn what_was_under_way_when_the_fault_began_counts() {
        let fault = [(4, begin(FaultKind::Restart)), (4, begun())];
        let reported = (1, logged("controller", "segment-reported", json!({"server": "a"})));
        let committed = (3, logged("controller", "segment-committed", json!({"server": "b"})));
        let capture = (2, Event::CaptureBegin { capture: 0, reason: CaptureReason::Periodic });
        let open = [reported, capture];
        assert_eq!(cells(&[&open[..], &fault[..]].concat()), ["capture", "commit"]);
        let over = [committed, (3, Event::CaptureEnd { capture: 0 })];
        assert!(cells(&[&open[..], &over[..], &fault[..]].concat()).is_empty());
    }

    #[test]
    fn a_fault_that_was_refused_meets_nothing() {
        let refused = Event::FaultBegun { step: "restart".to_owned(), error: Some("no".to_owned()) };
        assert!(cells(&[(1, begin(FaultKind::Restart)), (1, refused), (2, Event::Boundary)]).is_empty());
        assert_eq!(
            cells(&[(1, begin(FaultKind::Restart)), (1, begun()), (2, Event::Boundary)]),
            ["boundary"]
        );
    }
}
