//! Frontiers beyond the end of their upstream, or beyond the slowest input that they wait for. Both are said
//! only where the other number is the younger one (`RULES.md` 7).

use super::fault_windows::{combines, inputs};
use super::freeze::FreezeReport;
use super::stall::FrontierTimeline;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::verdict::Ahead;
use crate::history::frontier::{Combines, Domain};
use crate::history::time::Nanos;

/// So many of the longest times that an upstream's number stood are sure to bring a new one.
const AGE_FACTOR: u64 = 2;

/// That a frontier was beyond its upstream's end, or beyond an input, if it was.
pub(super) fn ahead(
    report: &FreezeReport<'_, '_>,
    timelines: &[FrontierTimeline<'_>],
    held: &[bool],
) -> Option<Ahead> {
    if report.timeline.object.is_foreign() {
        return None;
    }
    of_upstream(report).or_else(|| of_inputs(report, timelines, held))
}

fn of_upstream(report: &FreezeReport<'_, '_>) -> Option<Ahead> {
    let samples = &report.timeline.samples;
    let ages = SampleAges::of(report.timeline.object, samples);
    let is_over = |sample: &FrontierSample| sample.f.is_some_and(|f| f > sample.u2);
    let mut at = 0;
    let mut told: Option<(usize, u64)> = None;
    for run in samples.chunk_by(|a, b| is_over(a) == is_over(b)) {
        let is_proven = |it: usize| ages.is_younger(it);
        if is_over(&run[0]) && (at..at + run.len()).any(is_proven) {
            let (first, count) = told.unwrap_or((at, 0));
            told = Some((first, count + run.len() as u64));
        }
        at += run.len();
    }
    let (first, count) = told?;
    let first = &samples[first];
    Some(found(report, first, first.u2, count, None))
}

/// The longest time for which an upstream's number stood below the frontier and turned out to be old.
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
struct SampleAges<'s> {
    samples: &'s [FrontierSample],
    declared: Option<Nanos>,
    seen: Nanos,
    /// By look: the next that shows another number.
    next: Vec<usize>,
}

impl<'s> SampleAges<'s> {
    fn of(object: Object<'_>, samples: &'s [FrontierSample]) -> SampleAges<'s> {
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

    /// Whether an upstream's number that is known to be younger than this look is still below what it saw.
    ///
    /// ```text
    /// the end is asked for every 30 s: 1 for half a minute, then 31; the frontier goes 1, 2, 3 .. 31
    /// ```
    fn is_younger(&self, at: usize) -> bool {
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
                let stood = self.samples.last().map_or(0, |last| last.t.0 - sample.t.0);
                self.seen == Nanos(0) || stood > self.seen.0.saturating_mul(AGE_FACTOR)
            }
        }
    }
}

/// One that waits for all its inputs is not beyond the slowest. Where nobody declared that it waits for all,
/// an input that stands still for good is no proof against it, nor one that has nothing to do.
fn of_inputs(
    report: &FreezeReport<'_, '_>,
    timelines: &[FrontierTimeline<'_>],
    held: &[bool],
) -> Option<Ahead> {
    let Object::Declared(fed) = report.timeline.object else { return None };
    if combines(report.history, fed) == Combines::Any {
        return None;
    }
    let is_declared = fed.combines.is_some();
    let is_input = |it: &&FrontierTimeline<'_>| match it.object {
        Object::Declared(input) => {
            inputs(report.history, fed).any(|known| known == input) && input.domain == Domain::Same
        }
        Object::Position { .. } => false,
    };
    let beyond = timelines.iter().filter(is_input).filter_map(|input| {
        let mut shown = InputProgress { input, held, is_declared, at: 0, most: 0 };
        let over = report.timeline.samples.iter().filter_map(|sample| Some((sample, shown.below(sample)?)));
        let over: Vec<(&FrontierSample, u64)> = over.collect();
        let &(first, upper) = over.first()?;
        let Object::Declared(named) = input.object else { return None };
        Some(found(report, first, upper, over.len() as u64, Some(named.object.clone())))
    });
    beyond.min_by_key(|ahead| ahead.t)
}

/// What an input has shown, look by look.
struct InputProgress<'s, 'h> {
    input: &'s FrontierTimeline<'h>,
    held: &'s [bool],
    is_declared: bool,
    at: usize,
    /// The furthest that it was seen.
    most: u64,
}

impl InputProgress<'_, '_> {
    /// Where the input is at its first look after this one, if that is below what this one saw.
    fn below(&mut self, sample: &FrontierSample) -> Option<u64> {
        let samples = &self.input.samples;
        while samples.get(self.at)?.t <= sample.t {
            self.most = self.most.max(samples[self.at].f.unwrap_or(u64::MAX));
            self.at += 1;
        }
        let next = samples[self.at..].iter().find(|next| !next.is_held(self.held))?;
        let upper = self.most.max(next.f.unwrap_or(u64::MAX));
        let counts = self.is_declared || next.f < Some(next.u1) && !self.input.is_pinned_in(next.t, next.t);
        (sample.f? > upper && counts).then_some(upper)
    }
}

fn found(
    report: &FreezeReport<'_, '_>,
    sample: &FrontierSample,
    upper: u64,
    samples: u64,
    input: Option<String>,
) -> Ahead {
    Ahead {
        object: report.name(),
        kind: report.kind(),
        replica: report.replica(),
        position: sample.f.unwrap_or(0),
        upper,
        input,
        t: sample.t,
        incarnation: sample.incarnation,
        samples,
    }
}
