//! How old the upstream numbers in a sample may be.

use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::history::time::Nanos;

/// An upstream is sure to have a new number after this many times the longest time that it kept an old one.
const AGE_FACTOR: u64 = 2;

/// The longest time for which an upstream's number was below the frontier and turned out to be old.
pub(super) fn seen_age(samples: &[FrontierSample]) -> Nanos {
    let (mut age, mut since) = (0, 0);
    for at in 1..samples.len() {
        let (was, now) = (&samples[at - 1], &samples[at]);
        if was.u2 == now.u2 {
            continue;
        }
        if was.f.is_some_and(|f| f > was.u2 && f <= now.u2) {
            age = age.max(was.t.0.saturating_sub(samples[since].t.0));
        }
        since = at;
    }
    Nanos(age)
}

/// How old an upstream's numbers are.
pub(super) struct SampleAges<'s> {
    samples: &'s [FrontierSample],
    declared: Option<Nanos>,
    seen: Nanos,
    /// By sample: the next sample with another number.
    next: Vec<usize>,
}

impl<'s> SampleAges<'s> {
    pub(super) fn of(object: Object<'_>, samples: &'s [FrontierSample]) -> SampleAges<'s> {
        let declared = match object {
            Object::Declared(frontier) => frontier.upstream.age,
            Object::Position { .. } => None,
        };
        let mut next = vec![samples.len(); samples.len()];
        for at in (1..samples.len()).rev() {
            next[at - 1] = if samples[at - 1].u2 == samples[at].u2 { next[at] } else { at };
        }
        SampleAges { samples, declared, seen: seen_age(samples), next }
    }

    /// Whether an upstream number that is known to be younger than this sample is still below the sample's
    /// frontier.
    ///
    /// ```text
    /// the end is polled every 30 s: 1 for half a minute, then 31; the frontier goes 1, 2, 3 .. 31
    /// ```
    pub(super) fn is_younger(&self, at: usize) -> bool {
        let sample = &self.samples[at];
        let is_below = |later: &FrontierSample| sample.f.is_some_and(|f| later.u2 < f);
        if let Some(age) = self.declared {
            let later = &self.samples[at..];
            let asked = later.partition_point(|later| later.t.0 < sample.t.0.saturating_add(age.0));
            return later.get(asked).is_some_and(is_below);
        }
        match self.samples.get(self.next[at]) {
            Some(later) => is_below(later),
            None => {
                let unchanged = self.samples.last().map_or(0, |last| last.t.0 - sample.t.0);
                self.seen == Nanos(0) || unchanged > self.seen.0.saturating_mul(AGE_FACTOR)
            }
        }
    }
}
