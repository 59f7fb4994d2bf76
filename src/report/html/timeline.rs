//! The timeline that the page shows, computed from the events: completions and latencies in at most 400
//! buckets, fault windows, phases and captures. Its size does not grow with the run.

use super::frontier_lines::FrontierLines;
use dissent_core::history::event::{CaptureReason, Event, OpOutcome, Phase};
use dissent_core::history::fault::StepId;
use dissent_core::history::run_record::{EventRef, RunRecord};
use dissent_core::history::time::Nanos;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Maximum number of buckets in a figure.
pub(super) const BUCKETS_MAX: u64 = 400;
/// Restarts kept.
const RESTARTS_MAX: usize = 200;
/// Possible widths of a bucket in milliseconds, each a multiple of the previous one. The last is an hour,
/// for runs of two weeks; it is doubled for longer runs.
const WIDTHS_MS: [u64; 11] =
    [100, 200, 1_000, 2_000, 10_000, 20_000, 60_000, 120_000, 600_000, 1_800_000, 3_600_000];
/// Latencies above an hour are drawn as an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// A run in time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The last event.
    pub(crate) end: Nanos,
    /// The width of a bucket.
    pub(super) width: Nanos,
    /// The buckets, from the start of the run to the last completion.
    pub(super) buckets: Vec<Bucket>,
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
    /// Ops invoked.
    pub(super) invoked: u64,
    /// The last incarnation sampled of each replica.
    incarnations: BTreeMap<String, u64>,
    /// When each op in flight was due.
    dues: BTreeMap<u64, Nanos>,
}

/// What completed within one bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Bucket {
    /// Ops that succeeded.
    pub(super) ok: u64,
    /// Ops that failed or may have succeeded.
    pub(super) not_ok: u64,
    /// From when ops were due to when they succeeded, in microseconds; none if none did.
    pub(super) latency_us: Option<Histogram<u32>>,
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

impl Default for Timeline {
    fn default() -> Self {
        Timeline {
            end: Nanos(0),
            width: Nanos(WIDTHS_MS[0] * 1_000_000),
            buckets: Vec::new(),
            phases: Vec::new(),
            fault_bars: Vec::new(),
            captures: Vec::new(),
            settled: None,
            lines: FrontierLines::default(),
            restarts: Vec::new(),
            invoked: 0,
            incarnations: BTreeMap::new(),
            dues: BTreeMap::new(),
        }
    }
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
            EventRef::Invoked { op, due, .. } => {
                self.invoked += 1;
                self.dues.insert(op, due);
            }
            EventRef::Completed { op, outcome, .. } => {
                let due = self.dues.remove(&op).unwrap_or(t);
                self.complete(t, due, outcome);
            }
            EventRef::Other(event) => self.note(t, event),
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

    fn complete(&mut self, t: Nanos, due: Nanos, outcome: OpOutcome) {
        while t.0 / self.width.0 >= BUCKETS_MAX {
            self.widen();
        }
        let at = (t.0 / self.width.0) as usize;
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, Bucket::default());
        }
        let bucket = &mut self.buckets[at];
        if outcome != OpOutcome::Ok {
            bucket.not_ok += 1;
            return;
        }
        bucket.ok += 1;
        if bucket.latency_us.is_none() {
            bucket.latency_us = Histogram::new_with_bounds(1, LATENCY_US_MAX, 2).ok();
        }
        if let Some(latency) = &mut bucket.latency_us {
            latency.saturating_record(t.0.saturating_sub(due.0) / 1_000);
        }
    }

    /// Switches to the next width, because the run is longer than the buckets.
    fn widen(&mut self) {
        let wider = WIDTHS_MS.into_iter().map(|ms| Nanos(ms * 1_000_000)).find(|wider| *wider > self.width);
        let wider = wider.unwrap_or(Nanos(2 * self.width.0));
        let merged = (wider.0 / self.width.0) as usize;
        self.buckets = self.buckets.chunks_mut(merged).map(Bucket::merge).collect();
        self.width = wider;
    }

    /// Ops that succeeded, and ops that failed or may have succeeded.
    pub(super) fn completed(&self) -> (u64, u64) {
        self.buckets.iter().fold((0, 0), |(ok, not_ok), b| (ok + b.ok, not_ok + b.not_ok))
    }
}

impl Bucket {
    fn merge(several: &mut [Bucket]) -> Bucket {
        let mut all = Bucket::default();
        for bucket in several {
            all.ok += bucket.ok;
            all.not_ok += bucket.not_ok;
            match (&mut all.latency_us, bucket.latency_us.take()) {
                (Some(known), Some(more)) => {
                    // All have the same bounds, so that nothing is too large to be added.
                    let _added = known.add(more);
                }
                (None, more) => all.latency_us = more,
                (Some(_), None) => {}
            }
        }
        all
    }
}
