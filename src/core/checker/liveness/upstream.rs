//! The looks at an object with its upstream's end as it is meant: the next offset, where the target gives the
//! last one, and not what the object itself says of it, where its siblings know better.

use crate::checker::tables::frontier_samples::FrontierSample;
use crate::history::frontier::{Frontier, UpstreamEnd};
use std::borrow::Cow;

/// So many moves that an object's upstream makes in step with its siblings' show that it is the same one.
const MOVES_MIN: usize = 3;

/// The looks at a declared frontier, put right.
pub(super) fn corrected<'h>(frontier: &Frontier, samples: &'h [FrontierSample]) -> Cow<'h, [FrontierSample]> {
    let mut samples = Cow::Borrowed(samples);
    raise(&mut samples, frontier.upstream.own);
    if frontier.upstream.end == UpstreamEnd::Last && !samples.is_empty() {
        samples.to_mut().iter_mut().for_each(|sample| {
            sample.u1 = sample.u1.saturating_add(1);
            sample.u2 = sample.u2.saturating_add(1);
        });
    }
    samples
}

/// Raises the upstream's end to what the siblings had shown of it: if the object reports its own, and once
/// the two have moved in step.
///
/// ```text
/// partitions of one group have ends of their own: one that is idle at 40 while another goes from 0 to 100
/// never moved in step with it
/// ```
fn raise(samples: &mut Cow<'_, [FrontierSample]>, is_own: bool) {
    let (mut before, mut moves): (Option<(u64, u64)>, usize) = (None, 0);
    for at in 0..samples.len() {
        let FrontierSample { u1, u2, known, .. } = samples[at];
        let in_step = |(was_known, was): (u64, u64)| was < u1 && was_known <= u1 && was_known < known;
        moves += usize::from(before.is_some_and(in_step));
        before = Some((known, u1));
        if known > u1 && (is_own || moves >= MOVES_MIN) {
            let sample = &mut samples.to_mut()[at];
            (sample.u1, sample.u2) = (known, u2.max(known));
        }
    }
}
