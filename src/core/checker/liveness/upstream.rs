//! Corrects the upstream's end in samples. If the target reports the last offset, it becomes the next one. If
//! the object reports its own upstream, or its siblings know better, it becomes what the siblings have shown.

use crate::checker::tables::frontier_samples::FrontierSample;
use crate::history::frontier::{Frontier, UpstreamEnd};
use std::borrow::Cow;

/// After this many moves in step with its siblings' upstream, an object's upstream is taken to be the same
/// one.
const MOVES_MIN: usize = 3;

/// The corrected samples of a declared frontier.
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

/// Raises the upstream's end to what the siblings have shown of it: always if the object reports its own
/// upstream, otherwise once the two have moved in step.
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
