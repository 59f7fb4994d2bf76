//! What happened when, boiled down from the events to what the page shows: completions and latencies in at
//! most 400 buckets, the windows of the faults, phases and captures. Its size does not grow with the run.

use crate::plan::schedule::StepId;
use crate::record::event::{CaptureReason, Event, Outcome, Phase};
use crate::record::evidence::{Moment, Recorded};
use crate::record::row::Nanos;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The most buckets that a figure has.
pub(super) const BUCKETS_MAX: u64 = 400;
/// The widths that a bucket may have, in milliseconds; the last is an hour, for runs of two weeks.
const WIDTHS_MS: [u64; 14] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
    3_600_000,
];
/// Latencies above an hour are drawn as an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// A run in time.
pub(super) struct Timeline {
    /// The last event.
    pub(super) end: Nanos,
    /// How long a bucket is.
    pub(super) width: Nanos,
    /// The buckets, from the start of the run.
    pub(super) buckets: Vec<Bucket>,
    /// When each phase began.
    pub(super) phases: Vec<(Nanos, Phase)>,
    /// The faults, in the order in which they began.
    pub(super) windows: Vec<Window>,
    /// The captures: number, when it began, and why.
    pub(super) captures: Vec<(u32, Nanos, CaptureReason)>,
    /// Whether all replicas had settled, and how long that was waited for.
    pub(super) settled: Option<(bool, Nanos)>,
    /// Ops invoked.
    pub(super) invoked: u64,
}

/// What completed within one bucket.
#[derive(Clone, Default)]
pub(super) struct Bucket {
    /// Ops that happened.
    pub(super) ok: u64,
    /// Ops that failed, or may have happened.
    pub(super) not_ok: u64,
    /// From when ops were due to when they happened, in microseconds; none if none did.
    pub(super) latency_us: Option<Histogram<u32>>,
}

/// When a fault was in force.
pub(super) struct Window {
    /// The step of the schedule.
    pub(super) step: StepId,
    /// On which replica.
    pub(super) replica: String,
    /// The segment sequence number it is about, if one.
    pub(super) seq: Option<u32>,
    /// When it was about to begin.
    pub(super) begin: Nanos,
    /// When its cure was verified; none if that was never seen.
    pub(super) end: Option<Nanos>,
    /// What went wrong with it or with its cure.
    pub(super) error: Option<String>,
}

impl Timeline {
    /// Reads the events once: the length of the run, which decides how long a bucket is, is known before.
    pub(super) fn of(evidence: &dyn Recorded) -> Self {
        let end = evidence.end();
        let width = bucket_width(end);
        let mut timeline = Self {
            end,
            width,
            buckets: vec![Bucket::default(); (end.0 / width.0 + 1) as usize],
            phases: Vec::new(),
            windows: Vec::new(),
            captures: Vec::new(),
            settled: None,
            invoked: 0,
        };
        let mut dues = BTreeMap::new();
        evidence.moments(&mut |t, moment| match moment {
            Moment::Invoked { op, due, .. } => {
                timeline.invoked += 1;
                dues.insert(op, due);
            }
            Moment::Completed { op, outcome, .. } => {
                timeline.complete(t, dues.remove(&op).unwrap_or(t), outcome);
            }
            Moment::Other(event) => timeline.note(t, event),
        });
        timeline
    }

    fn note(&mut self, t: Nanos, event: &Event) {
        match event {
            Event::Phase { phase } => self.phases.push((t, *phase)),
            Event::CaptureBegin { capture, reason } => self.captures.push((*capture, t, *reason)),
            Event::Settled { all, waited } => self.settled = Some((*all, *waited)),
            Event::FaultBegin { step, fault, .. } => self.windows.push(Window {
                step: step.clone(),
                replica: fault.replica.clone(),
                seq: fault.seq,
                begin: t,
                end: None,
                error: None,
            }),
            // Never in force: nothing to shade.
            Event::FaultBegun { step, error: Some(error) } => self.fault_ended(step, Some(t), Some(error)),
            Event::Cured { step, error: None } => self.fault_ended(step, Some(t), None),
            Event::Cured { step, error } => self.fault_ended(step, None, error.as_ref()),
            _ => {}
        }
    }

    fn fault_ended(&mut self, step: &str, end: Option<Nanos>, error: Option<&String>) {
        if let Some(window) = self.windows.iter_mut().rev().find(|window| window.step == step) {
            window.end = end.or(window.end);
            window.error = error.cloned().or(window.error.take());
        }
    }

    fn complete(&mut self, t: Nanos, due: Nanos, outcome: Outcome) {
        let Some(bucket) = self.buckets.get_mut((t.0 / self.width.0) as usize) else {
            return;
        };
        if outcome != Outcome::Ok {
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

    /// Ops that happened, and ops that failed or may have happened.
    pub(super) fn completed(&self) -> (u64, u64) {
        self.buckets.iter().fold((0, 0), |(ok, not_ok), b| (ok + b.ok, not_ok + b.not_ok))
    }
}

fn bucket_width(end: Nanos) -> Nanos {
    let longest = WIDTHS_MS[WIDTHS_MS.len() - 1];
    let fits = |width: &u64| end.0 / (width * 1_000_000) < BUCKETS_MAX;
    let ms = WIDTHS_MS.into_iter().find(fits).unwrap_or_else(|| {
        let hours = end.0 / (longest * 1_000_000) / BUCKETS_MAX + 1;
        hours * longest
    });
    Nanos(ms * 1_000_000)
}
