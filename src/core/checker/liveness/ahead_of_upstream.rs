//! Frontiers beyond the end of their upstream, or beyond the slowest input that they wait for. Both are
//! reported only if the other number is the younger one (`RULES.md` 7).

use super::fault_windows::{combines, inputs};
use super::freeze::FreezeReport;
use super::sample_age::SampleAges;
use super::stall::FrontierTimeline;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::verdict::Ahead;
use crate::history::frontier::{Domain, InputMerge};

/// Reports a frontier that was beyond its upstream's end, or beyond an input.
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
    let mut beyond: Option<(usize, u64)> = None;
    for run in samples.chunk_by(|a, b| is_over(a) == is_over(b)) {
        let is_proven = |it: usize| ages.is_younger(it);
        if is_over(&run[0]) && (at..at + run.len()).any(is_proven) {
            let (first, count) = beyond.unwrap_or((at, 0));
            beyond = Some((first, count + run.len() as u64));
        }
        at += run.len();
    }
    let (first, count) = beyond?;
    let first = &samples[first];
    Some(found(report, first, first.u2, count, None))
}

/// A frontier that waits for all its inputs is never beyond the slowest. If the target does not declare that
/// it waits for all, an input proves nothing against it while the input is frozen for good or has nothing to
/// do.
fn of_inputs(
    report: &FreezeReport<'_, '_>,
    timelines: &[FrontierTimeline<'_>],
    held: &[bool],
) -> Option<Ahead> {
    let Object::Declared(fed) = report.timeline.object else { return None };
    if combines(report.history, fed) == InputMerge::Any {
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

/// What an input has shown, sample by sample.
struct InputProgress<'s, 'h> {
    input: &'s FrontierTimeline<'h>,
    held: &'s [bool],
    is_declared: bool,
    at: usize,
    /// The furthest position seen so far.
    most: u64,
}

impl InputProgress<'_, '_> {
    /// The upper bound for this sample from the input's samples, up to the first one after it; `None` if the
    /// sample is not above that bound.
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
