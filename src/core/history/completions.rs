//! The ops of a run over time: how many completed, and how long they took, in at most 400 buckets. Its size
//! does not grow with the run.

use super::event::OpOutcome;
use super::run_record::EventRef;
use super::time::Nanos;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Maximum number of buckets.
const BUCKETS_MAX: u64 = 400;
/// Possible widths of a bucket in milliseconds, each a multiple of the previous one. The last is an hour,
/// for runs of two weeks; it is doubled for longer runs.
const WIDTHS_MS: [u64; 11] =
    [100, 200, 1_000, 2_000, 10_000, 20_000, 60_000, 120_000, 600_000, 1_800_000, 3_600_000];
/// Latencies above an hour count as an hour.
const LATENCY_US_MAX: u64 = 3_600_000_000;

/// The completions of a run, while its events are read.
#[derive(Clone, Debug)]
pub struct Completions {
    /// The width of a bucket.
    pub width: Nanos,
    /// The buckets, from the start of the run to the last completion.
    pub buckets: Vec<Bucket>,
    /// Ops invoked.
    pub invoked: u64,
    /// When each op in flight was due.
    dues: BTreeMap<u64, Nanos>,
}

/// What completed within one bucket.
#[derive(Clone, Debug, Default)]
pub struct Bucket {
    /// Ops that succeeded.
    pub ok: u64,
    /// Ops that failed or may have succeeded.
    pub not_ok: u64,
    /// From when ops were due to when they succeeded, in microseconds; none if none did.
    latency_us: Option<Histogram<u32>>,
}

impl Default for Completions {
    fn default() -> Self {
        let width = Nanos(WIDTHS_MS[0] * 1_000_000);
        Completions { width, buckets: Vec::new(), invoked: 0, dues: BTreeMap::new() }
    }
}

impl Completions {
    /// Adds an event of the record.
    pub fn take(&mut self, t: Nanos, event: EventRef<'_>) {
        match event {
            EventRef::Invoked { op, due, .. } => {
                self.invoked += 1;
                self.dues.insert(op, due);
            }
            EventRef::Completed { op, outcome, .. } => {
                let due = self.dues.remove(&op).unwrap_or(t);
                self.complete(t, due, outcome);
            }
            EventRef::Other(_) => {}
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
    pub fn completed(&self) -> (u64, u64) {
        self.buckets.iter().fold((0, 0), |(ok, not_ok), b| (ok + b.ok, not_ok + b.not_ok))
    }
}

impl Bucket {
    /// What this share of the ops that succeeded did not exceed, from when they were due, in microseconds, at
    /// least 1. None if no op succeeded.
    pub fn latency_us(&self, share: f64) -> Option<u64> {
        Some(self.latency_us.as_ref()?.value_at_quantile(share).max(1))
    }

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
