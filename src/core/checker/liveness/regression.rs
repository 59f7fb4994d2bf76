//! Frontiers that went back. Consuming positions may do so: the lowest offset that is assigned and not
//! covered goes back when an older range is assigned.

use super::freeze::FreezeReport;
use crate::checker::tables::frontier_samples::{FrontierSample, Object};
use crate::checker::verdict::Regressed;
use std::collections::BTreeMap;

/// Reports a frontier that went back within one incarnation, or although it is declared durable. Samples
/// without a value, or of another incarnation, may lie between the two that show it.
///
/// ```text
/// w was at 50, was seen sealed, and is at 30 in the same incarnation
/// ```
pub(super) fn regressed(report: &FreezeReport<'_, '_>) -> Option<Regressed> {
    let Object::Declared(frontier) = report.timeline.object else { return None };
    let samples = &report.timeline.samples;
    let mut last_seen: BTreeMap<u64, (usize, u64)> = BTreeMap::new();
    let (mut first, mut times) = (None, 0);
    for (at, sample) in samples.iter().enumerate() {
        let Some(f) = sample.f else { continue };
        let incarnation = if frontier.durable { 0 } else { sample.incarnation };
        if let Some((before, from)) = last_seen.insert(incarnation, (at, f))
            && f < from
        {
            first = first.or(Some((before, at)));
            times += 1;
        }
    }
    let (before, at) = first?;
    let (was, now): (&FrontierSample, &FrontierSample) = (&samples[before], &samples[at]);
    Some(Regressed {
        object: report.name(),
        kind: report.kind(),
        replica: report.replica(),
        from: was.f?,
        to: now.f?,
        after: was.t,
        t: now.t,
        incarnations: (was.incarnation, now.incarnation),
        durable: frontier.durable,
        before: report.happening_before(at, now.t),
        times,
    })
}
