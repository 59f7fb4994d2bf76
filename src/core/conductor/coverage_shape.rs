//! Notices when what a replica holds changes in shape. Between two samples its positions always move, which
//! is recorded elsewhere; segments come and go rarely.

use crate::history::row::{CopyState, Cover, Coverage, CoverageChange, PositionChange};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The coverage of each replica as it was sampled last. A replica that does not answer keeps its last one.
#[derive(Debug, Default)]
pub(super) struct CoverageShapes {
    last: BTreeMap<String, Arc<Coverage>>,
}

impl CoverageShapes {
    /// Takes a sample. Returns what has changed, unless only positions have.
    pub(super) fn change(&mut self, replica: &str, now: &Arc<Coverage>) -> Option<CoverageChange> {
        let last = self.last.insert(replica.to_owned(), Arc::clone(now));
        let is_new = last.as_ref().is_none_or(|last| last.incarnation != now.incarnation);
        if !is_new && last.as_ref().is_some_and(|last| are_alike(&last.covers, &now.covers)) {
            return None;
        }
        let before: BTreeMap<&str, &Cover> = last.iter().flat_map(|last| by_name(&last.covers)).collect();
        let here = by_name(&now.covers).collect::<BTreeMap<_, _>>();
        let same = |cover: &Cover| before.get(cover.segment.as_str()).is_some_and(|it| same_shape(it, cover));
        let changed: Vec<Cover> = now.covers.iter().filter(|cover| is_new || !same(cover)).cloned().collect();
        let gone: Vec<&Cover> =
            before.iter().filter(|(name, _)| !here.contains_key(*name)).map(|(_, it)| *it).collect();
        if !is_new && changed.is_empty() && gone.is_empty() {
            return None;
        }
        let touched: BTreeSet<u32> =
            changed.iter().chain(gone.iter().copied()).map(|it| it.partition).collect();
        let consumed = now.covers.iter().filter(|it| is_consuming(it) && touched.contains(&it.partition));
        let consuming = consumed.map(|it| PositionChange {
            segment: it.segment.clone(),
            partition: it.partition,
            before: before
                .get(it.segment.as_str())
                .filter(|was| !is_new && is_consuming(was))
                .map(|was| was.end),
            now: it.end,
        });
        Some(CoverageChange {
            replica: replica.to_owned(),
            incarnation: now.incarnation,
            consuming: consuming.collect(),
            gone: gone.into_iter().map(|it| it.segment.clone()).collect(),
            changed,
        })
    }
}

fn by_name(covers: &[Cover]) -> impl Iterator<Item = (&str, &Cover)> {
    covers.iter().map(|cover| (cover.segment.as_str(), cover))
}

fn is_consuming(cover: &Cover) -> bool {
    cover.state == CopyState::Consuming
}

/// Whether both are of the same segments, in the same shape, as in nearly all samples.
fn are_alike(some: &[Cover], others: &[Cover]) -> bool {
    let is_alike = |(a, b): (&Cover, &Cover)| a.segment == b.segment && same_shape(a, b);
    some.len() == others.len() && some.iter().zip(others).all(is_alike)
}

/// Whether two covers of a segment differ in nothing but how far they reach.
fn same_shape(a: &Cover, b: &Cover) -> bool {
    (a.start, a.state, a.registered, a.copy) == (b.start, b.state, b.registered, b.copy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::row::Observed;

    fn cover(seq: u32, range: std::ops::Range<u64>, state: CopyState) -> Cover {
        Cover {
            segment: format!("s{seq}"),
            partition: 0,
            seq,
            rows: range.end - range.start,
            position: None,
            checksum: None,
            start: range.start,
            end: range.end,
            state,
            registered: Observed::Known(true),
            copy: u64::from(seq),
        }
    }

    fn coverage(incarnation: u64, covers: Vec<Cover>) -> Coverage {
        Coverage { incarnation, status: "running".to_owned(), covers, leads: None }
    }

    /// Segments that changed, segments that are gone, and positions before and now.
    type Told = (Vec<String>, Vec<String>, Vec<(Option<u64>, u64)>);

    /// The changes that these samples of one replica bring, as (changed, gone, positions before and now).
    fn changes(samples: Vec<Coverage>) -> Vec<Option<Told>> {
        let mut shapes = CoverageShapes::default();
        let changes = samples.into_iter().map(|sample| shapes.change("a", &Arc::new(sample)));
        let told = changes.map(|change| {
            let CoverageChange { changed, gone, consuming, .. } = change?;
            let changed = changed.into_iter().map(|cover| cover.segment).collect();
            Some((changed, gone, consuming.into_iter().map(|it| (it.before, it.now)).collect()))
        });
        told.collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_segment_that_becomes_visible_late_is_told_with_the_positions_between_which_it_did() {
        use CopyState::{Consuming, Downloaded};
        let open = |end| cover(1, 10..end, Consuming);
        let samples = vec![
            coverage(1, vec![open(10)]),
            coverage(1, vec![open(14)]),
            coverage(1, vec![cover(0, 0..10, Downloaded), open(23)]),
            coverage(1, vec![cover(0, 0..10, Downloaded), open(30)]),
        ];
        assert_eq!(
            changes(samples),
            [
                Some((names(&["s1"]), vec![], vec![(None, 10)])),
                None,
                Some((names(&["s0"]), vec![], vec![(Some(14), 23)])),
                None,
            ]
        );
    }

    #[test]
    fn a_copy_a_state_and_a_registration_are_of_the_shape_and_so_is_a_new_life() {
        use CopyState::{CommittedLocal, Consuming};
        let committed = cover(0, 0..10, CommittedLocal);
        let replaced = Cover { copy: 9, ..committed.clone() };
        let hidden = Cover { registered: Observed::Known(false), ..replaced.clone() };
        let samples = vec![
            coverage(1, vec![cover(0, 0..10, Consuming)]),
            coverage(1, vec![committed]),
            coverage(1, vec![replaced]),
            coverage(1, vec![hidden.clone()]),
            coverage(2, vec![hidden]),
            coverage(2, vec![]),
        ];
        let told: Vec<usize> = changes(samples)
            .into_iter()
            .map(|change| change.map_or(0, |(changed, gone, _)| changed.len() + 10 * gone.len()))
            .collect();
        assert_eq!(told, [1, 1, 1, 1, 1, 10]);
    }
}
