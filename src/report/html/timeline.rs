//! The timeline that the page shows, computed from the events: completions and latencies in at most 400
//! buckets, fault windows, phases and captures. Its size does not grow with the run.

use super::frontier_lines::FrontierLines;
use dissent_core::history::completions::Completions;
use dissent_core::history::event::{CaptureReason, Event, Phase};
use dissent_core::history::fault::StepId;
use dissent_core::history::run_record::{EventRef, RunRecord};
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;

/// Restarts kept.
const RESTARTS_MAX: usize = 200;

/// A run in time.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The last event.
    pub(crate) end: Nanos,
    /// The ops that completed.
    pub(super) completions: Completions,
    /// When each phase began.
    pub(super) phases: Vec<(Nanos, Phase)>,
    /// The faults, in the order in which they began.
    pub(super) fault_bars: Vec<FaultBar>,
    /// The captures: number, when it began, and why.
    pub(super) captures: Vec<(u32, Nanos, CaptureReason)>,
    /// Whether all replicas caught up, and how long the run waited for that.
    pub(super) settled: Option<(bool, Nanos)>,
    /// The frontiers that were sampled.
    pub(super) lines: FrontierLines,
    /// Restarts of replicas: when a new incarnation was first sampled.
    pub(super) restarts: Vec<(Nanos, String)>,
    /// The last incarnation sampled of each replica.
    incarnations: BTreeMap<String, u64>,
}

/// When a fault was in force.
#[derive(Clone, Debug)]
pub(super) struct FaultBar {
    /// The step of the schedule.
    pub(super) step: StepId,
    /// On which replica.
    pub(super) replica: String,
    /// The sequence number of the segment concerned, if any.
    pub(super) seq: Option<u32>,
    /// When its begin was requested.
    pub(super) begin: Nanos,
    /// When its cure was verified; none if it never was.
    pub(super) end: Option<Nanos>,
    /// What went wrong with it or with its cure.
    pub(super) error: Option<String>,
}

impl Timeline {
    /// Reads all events.
    pub fn of(evidence: &dyn RunRecord) -> Self {
        let mut timeline = Timeline::default();
        evidence.scan_events(&mut |t, moment| timeline.take(t, moment));
        timeline
    }

    /// Adds an event.
    pub fn take(&mut self, t: Nanos, moment: EventRef<'_>) {
        self.end = self.end.max(t);
        match moment {
            EventRef::Other(event) => self.note(t, event),
            op => self.completions.take(t, op),
        }
    }

    fn note(&mut self, t: Nanos, event: &Event) {
        match event {
            Event::Phase { phase } => self.phases.push((t, *phase)),
            Event::Frontier(look) => self.lines.take(t, look),
            Event::Sample { replica, incarnation, .. } => self.live(t, replica, *incarnation),
            Event::CaptureBegin { capture, reason } => self.captures.push((*capture, t, *reason)),
            Event::Settled { all, waited } => self.settled = Some((*all, *waited)),
            Event::FaultBegin { step, fault, .. } => self.fault_bars.push(FaultBar {
                step: step.clone(),
                replica: fault.replica.clone(),
                seq: fault.seq,
                begin: t,
                end: None,
                error: None,
            }),
            // Never in force: nothing to shade.
            Event::FaultBegun { step, error: Some(error) } => self.fault_ended(step, Some(t), Some(error)),
            Event::Cured { step, error: None, .. } => self.fault_ended(step, Some(t), None),
            Event::Cured { step, error, .. } => self.fault_ended(step, None, error.as_ref()),
            _ => {}
        }
    }

    fn live(&mut self, t: Nanos, replica: &str, incarnation: u64) {
        match self.incarnations.get_mut(replica) {
            Some(known) if *known == incarnation => {}
            Some(known) => {
                *known = incarnation;
                if self.restarts.len() < RESTARTS_MAX {
                    self.restarts.push((t, replica.to_owned()));
                }
            }
            None => {
                self.incarnations.insert(replica.to_owned(), incarnation);
            }
        }
    }

    fn fault_ended(&mut self, step: &str, end: Option<Nanos>, error: Option<&String>) {
        if let Some(window) = self.fault_bars.iter_mut().rev().find(|window| window.step == step) {
            window.end = end.or(window.end);
            window.error = error.cloned().or(window.error.take());
        }
    }
}
