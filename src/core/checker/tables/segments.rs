//! The segments of one partition: their offsets, the replicas assigned to them over time, and which segments
//! they replace.

use crate::history::row::Segment;

/// A segment of one partition, with its assignments since a capture (by index).
#[derive(Clone, Debug)]
pub(crate) struct SegmentSpan {
    pub(crate) name: String,
    pub(crate) seq: u32,
    pub(crate) start: u64,
    pub(crate) end: Option<u64>,
    /// The earlier segments whose rows it holds now, by index: it was merged from them, or made in their
    /// place.
    pub(crate) replaces: Vec<usize>,
    assigned: Vec<(usize, Vec<usize>)>,
}

impl SegmentSpan {
    /// The replicas assigned at a capture, by roster index.
    pub(crate) fn assigned(&self, capture: usize) -> &[usize] {
        let known = self.assigned.iter().rev().find(|(from, _)| *from <= capture);
        known.map_or(&[], |(_, replicas)| replicas)
    }

    /// The segments whose rows it holds, by index, its own first.
    pub(crate) fn held(&self, own: usize) -> impl Iterator<Item = usize> {
        std::iter::once(own).chain(self.replaces.iter().copied())
    }

    /// Whether a replica was ever assigned to it.
    pub(crate) fn was_assigned(&self, replica: usize) -> bool {
        self.assigned.iter().any(|(_, replicas)| replicas.contains(&replica))
    }
}

/// Takes the next state of a segment, with its assignment since a capture. Segments stay ordered by sequence
/// number.
pub(crate) fn take(spans: &mut Vec<SegmentSpan>, segment: &Segment, since: usize, replicas: Vec<usize>) {
    let at = match spans.binary_search_by_key(&segment.seq, |span| span.seq) {
        Ok(at) => at,
        Err(at) => {
            let span = SegmentSpan {
                name: segment.name.clone(),
                seq: segment.seq,
                start: segment.start,
                end: None,
                replaces: Vec::new(),
                assigned: Vec::new(),
            };
            spans.insert(at, span);
            at
        }
    };
    spans[at].start = segment.start;
    spans[at].end = segment.end.or(spans[at].end);
    spans[at].assigned.push((since, replicas));
}

/// Finds the segments that later ones replace. A segment that begins no higher than an earlier one holds the
/// rows of all segments that begin within it:
///
/// ```text
/// s0 [0, 10) and s1 [10, 20) were merged to s7 [0, 20)
/// ```
///
/// A segment that was committed before it had a row is not replaced: the next one begins at the same offset.
pub(crate) fn find_replaced(spans: &mut [SegmentSpan]) {
    for at in 1..spans.len() {
        let (earlier, later) = spans.split_at_mut(at);
        let within = later[0].start..later[0].end.unwrap_or(u64::MAX);
        let is_empty = |span: &SegmentSpan| span.end == Some(span.start);
        let is_held = |span: &SegmentSpan| within.contains(&span.start) && !is_empty(span);
        let replaced = earlier.iter().enumerate().filter(|(_, span)| is_held(span));
        later[0].replaces = replaced.map(|(at, _)| at).collect();
    }
}

/// The start of a segment, its end once it is committed, and its index.
pub(crate) type Bounds = (u64, Option<u64>, usize);

/// The bounds of the segments in which rows were first written. The other segments hold rows of these.
pub(crate) fn bounds(spans: &[SegmentSpan]) -> Vec<Bounds> {
    let first = spans.iter().enumerate().filter(|(_, span)| span.replaces.is_empty());
    first.map(|(at, span)| (span.start, span.end, at)).collect()
}

/// The segment in which an offset was first written: the last one that starts at or below it, unless it ends
/// at or below it.
pub(crate) fn segment_of(spans: &[Bounds], off: u64) -> Option<usize> {
    let at = spans.partition_point(|(start, ..)| *start <= off).checked_sub(1)?;
    let (_, end, segment) = spans[at];
    end.is_none_or(|end| off < end).then_some(segment)
}
