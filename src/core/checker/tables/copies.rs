//! Which copy of each segment every replica showed at each capture, and how far its rows were read.
//!
//! A copy gathers its rows over several captures; each capture reads only what is new. At a capture a replica
//! shows the copy that its latest sound read of the segment names. A copy is not shown if it is not visible
//! to merges and reads, if its replica is not assigned to the segment, or if it was found changed since that
//! read.
//!
//! What was read soundly was seen, even if the very same capture read the segment again:
//! ```text
//! capture 3: c shows a wrong copy; something else changed in its bracket; by the second read c has fetched
//! the right copy. Without a step between the two reads, the wrong copy is never judged.
//! ```

use super::history::{CurrentRowsRead, HeldSegment, History, RowsRead};
use super::segments::SegmentSpan;
use crate::history::row::{CopyState, Observed, ReadValidity};
use std::collections::{BTreeMap, BTreeSet};

/// A point in the sequence of captures: a step within one, or its end. A capture has more than one step if it
/// read something again that it had already read soundly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CapturePoint {
    pub(crate) capture: usize,
    step: usize,
}

impl CapturePoint {
    /// Before all captures.
    pub(crate) const START: CapturePoint = CapturePoint { capture: 0, step: 0 };

    /// After all captures.
    pub(crate) const LAST: CapturePoint = CapturePoint { capture: usize::MAX, step: usize::MAX };

    /// A step of a capture, counted from 0.
    pub(crate) fn step(capture: usize, step: usize) -> CapturePoint {
        CapturePoint { capture, step }
    }

    /// The end of a capture.
    pub(crate) fn end_of(capture: usize) -> CapturePoint {
        CapturePoint { capture, step: usize::MAX }
    }
}

/// A sound read of a copy. It has all rows from `from` to `end`, and perhaps some beyond.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyRead {
    pub(crate) id: u64,
    pub(crate) when: CapturePoint,
    from: u64,
    end: u64,
}

impl CopyRead {
    /// Whether all rows at this offset were requested.
    pub(crate) fn covers(&self, off: u64) -> bool {
        self.from <= off && off < self.end
    }
}

/// One copy of one segment on one replica.
#[derive(Debug)]
pub(crate) struct SegmentCopy {
    pub(crate) replica: usize,
    pub(crate) segment: usize,
    pub(crate) state: CopyState,
    /// Index of the (replica, incarnation) that first held it.
    pub(crate) life: usize,
    /// All reads of it that count, in order.
    pub(crate) reads: Vec<CopyRead>,
    /// The first offset held.
    start: u64,
    /// One past the last offset that was read soundly, in reads that chain without a gap.
    read_to: u64,
    /// The start of the lowest read above a gap. Reads above a gap prove nothing.
    gap_to: u64,
    /// How many reads requested rows that earlier ones had returned.
    again: usize,
    id: u64,
    shown_to: u64,
}

impl SegmentCopy {
    /// Whether this copy claims a row at the offset, and all its rows there were read.
    pub(crate) fn claims(&self, off: u64) -> bool {
        self.start <= off && off < self.read_to.min(self.shown_to)
    }

    /// Whether any of its rows were read more than once.
    pub(crate) fn was_read_again(&self) -> bool {
        self.again > 0
    }

    /// Takes a read. Returns whether its rows count: rows above a gap do not, since a read builds on the one
    /// below it.
    fn take(&mut self, read: &RowsRead, when: CapturePoint) -> bool {
        self.state = read.held.state;
        if read.from > self.read_to {
            if self.gap_to <= self.read_to {
                self.gap_to = read.from;
            }
            return false;
        }
        self.again += usize::from(self.has_read(read));
        if read.from < read.held.end || read.header.count > 0 {
            self.reads.push(CopyRead { id: read.header.id, when, from: read.from, end: read.held.end });
        }
        // Rows at or above the position before the read may be incomplete; the next read has all of them.
        self.read_to = self.read_to.max(read.held.end);
        true
    }

    /// Whether earlier reads returned rows that this one requests.
    fn has_read(&self, read: &RowsRead) -> bool {
        read.from.max(self.start) < read.held.end.min(self.read_to)
    }
}

/// What a replica holds of a segment, according to the reads that count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldRange {
    pub(crate) start: u64,
    /// One past the last offset that was read without a gap from `start`.
    pub(crate) read_to: u64,
    /// Where reads go on above a gap; at most `read_to` if there is no gap.
    pub(crate) gap_to: u64,
}

/// What a replica shows of a segment at a capture: rows of `copy` below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VisibleCopy {
    pub(crate) copy: usize,
    pub(crate) end: u64,
    /// How often its rows had been read again by then.
    again: usize,
}

/// What each replica shows of a segment from this point on, by roster index.
type VisibleAt = (CapturePoint, Vec<Option<VisibleCopy>>);

/// A capture found the whole segment registered in this incarnation. Rows from `from` on were merged after
/// that.
#[derive(Clone, Copy, Debug)]
struct Registered {
    life: usize,
    segment: usize,
    from: u64,
}

/// The copies of one partition.
pub(crate) struct CopyTimeline {
    pub(crate) copies: Vec<SegmentCopy>,
    /// The copies of each segment, in the order of replicas.
    pub(crate) by_segment: Vec<Vec<usize>>,
    /// By index of [`History::reads`]: the copy that its rows belong to; `None` if the read is void.
    pub(crate) by_read: Vec<Option<usize>>,
    /// Ids of the reads whose rows are torn on disk.
    torn: BTreeSet<u64>,
    /// The number of (replica, incarnation) pairs.
    pub(crate) lives: usize,
    /// By segment: what is shown, at every point where it changes.
    shown: Vec<Vec<VisibleAt>>,
    /// When each segment was first seen registered in each incarnation.
    registered: Vec<Registered>,
}

/// The latest that is known of one segment on one replica.
#[derive(Clone, Default)]
struct LatestCopy {
    copy: Option<usize>,
    visible: bool,
    void_at: Option<usize>,
    /// The last capture that read it soundly.
    read_at: Option<usize>,
    /// What the current capture had read soundly before it read the segment again.
    superseded: Vec<VisibleCopy>,
}

enum CaptureRead<'h> {
    Rows(usize, &'h RowsRead),
    Flags(&'h CurrentRowsRead),
}

impl CopyTimeline {
    /// Builds the timeline of a partition. `void` has the ids of reads whose rows are known to be torn on
    /// disk.
    pub(crate) fn build(history: &History<'_>, partition: u32, void: &BTreeSet<u64>) -> CopyTimeline {
        let spans = &history.segments[partition as usize];
        let replicas = history.meta.roster.len();
        let mut timeline = CopyTimeline {
            copies: Vec::new(),
            by_segment: vec![Vec::new(); spans.len()],
            by_read: vec![None; history.reads.len()],
            torn: void.clone(),
            lives: 0,
            shown: vec![Vec::new(); spans.len()],
            registered: Vec::new(),
        };
        let mut latest = vec![vec![LatestCopy::default(); replicas]; spans.len()];
        let mut lives = BTreeMap::new();
        let mut reads = capture_reads(history, partition).into_iter().peekable();
        for capture in 0..history.captures.len() {
            while let Some((_, _, capture_read)) = reads.next_if(|(at, ..)| *at <= capture) {
                let header = match capture_read {
                    CaptureRead::Flags(read) => read.header,
                    CaptureRead::Rows(_, read) => read.header,
                };
                let next = lives.len();
                let life = *lives.entry((header.replica, header.incarnation)).or_insert(next);
                let is_sound = header.soundness == ReadValidity::Sound && !void.contains(&header.id);
                match capture_read {
                    CaptureRead::Flags(read) if is_sound => {
                        timeline.take_flags(spans, &mut latest, read, life)
                    }
                    CaptureRead::Flags(_) => {}
                    CaptureRead::Rows(index, read) => {
                        let Ok(at) = spans.binary_search_by_key(&read.held.seq, |span| span.seq) else {
                            continue;
                        };
                        let slot = &mut latest[at][header.replica];
                        if is_sound {
                            timeline.by_read[index] = timeline.take_rows(at, read, life, slot);
                        } else {
                            timeline.supersede(slot, capture);
                            slot.void_at = Some(capture);
                        }
                    }
                }
            }
            timeline.snapshot(history, partition, capture, &mut latest);
        }
        timeline.lives = lives.len();
        timeline.order();
        timeline.follow(spans);
        timeline
    }

    /// What each replica shows of a segment, by roster index, at every point where it changes.
    pub(crate) fn changes(&self, segment: usize) -> &[VisibleAt] {
        &self.shown[segment]
    }

    /// What a replica holds of a segment at the last capture.
    pub(crate) fn held_at_last(&self, segment: usize, replica: usize) -> Option<HeldRange> {
        let (_, shown) = self.shown[segment].last()?;
        let SegmentCopy { start, read_to, gap_to, .. } = self.copies[shown[replica]?.copy];
        Some(HeldRange { start, read_to, gap_to })
    }

    /// How far the copy of this read was read; `None` if the read does not count.
    pub(crate) fn read_to(&self, history: &History<'_>, read: u64) -> Option<u64> {
        let copy = self.by_read[history.read_index(read)?]?;
        Some(self.copies[copy].read_to)
    }

    /// Whether rows of this read are lost on disk.
    pub(crate) fn is_torn(&self, read: u64) -> bool {
        self.torn.contains(&read)
    }

    /// Whether a capture showed the whole segment registered, in this incarnation, before the row at this
    /// offset was merged.
    pub(crate) fn was_registered(&self, life: usize, segment: usize, off: u64) -> bool {
        self.registered.iter().any(|it| it.life == life && it.segment == segment && it.from <= off)
    }

    /// The copy that a read belongs to; `None` if its rows do not count.
    fn take_rows(
        &mut self,
        segment: usize,
        read: &RowsRead,
        life: usize,
        slot: &mut LatestCopy,
    ) -> Option<usize> {
        let held = read.held;
        let known = self.by_segment[segment]
            .iter()
            .copied()
            .find(|&at| self.copies[at].replica == read.header.replica && self.copies[at].id == held.copy);
        let at = known.unwrap_or_else(|| {
            let at = self.copies.len();
            self.copies.push(SegmentCopy {
                replica: read.header.replica,
                segment,
                state: held.state,
                life,
                reads: Vec::new(),
                start: held.start,
                read_to: held.start,
                gap_to: 0,
                again: 0,
                id: held.copy,
                shown_to: 0,
            });
            self.by_segment[segment].push(at);
            at
        });
        let capture = read.header.capture;
        if slot.copy != Some(at) || self.copies[at].has_read(read) {
            self.supersede(slot, capture);
        }
        let counts = self.copies[at].take(read, CapturePoint::step(capture, slot.superseded.len()));
        (slot.copy, slot.visible) = (Some(at), held.is_visible());
        (slot.void_at, slot.read_at) = (None, Some(capture));
        counts.then_some(at)
    }

    /// Keeps what this capture has read soundly, before it reads the same segment again.
    fn supersede(&self, slot: &mut LatestCopy, capture: usize) {
        if slot.read_at.take_if(|at| *at == capture).is_some() {
            slot.superseded.extend(self.shows(slot, capture));
        }
    }

    /// What the replica is known to show.
    fn shows(&self, slot: &LatestCopy, capture: usize) -> Option<VisibleCopy> {
        let at = slot.copy.filter(|_| slot.visible && slot.void_at != Some(capture))?;
        let SegmentCopy { read_to, again, .. } = self.copies[at];
        Some(VisibleCopy { copy: at, end: read_to, again })
    }

    /// Coverage read with the flags shows copies that changed, or became visible, without new rows.
    fn take_flags(
        &mut self,
        spans: &[SegmentSpan],
        latest: &mut [Vec<LatestCopy>],
        read: &CurrentRowsRead,
        life: usize,
    ) {
        let from = read.before.iter().map(|held| held.end).max().unwrap_or(0);
        for (segment, (span, slots)) in spans.iter().zip(latest).enumerate() {
            let slot = &mut slots[read.header.replica];
            let held: Option<&HeldSegment> = read.before.iter().find(|held| held.seq == span.seq);
            if held.is_some_and(|held| is_whole(held, span)) {
                for segment in span.held(segment) {
                    self.register(Registered { life, segment, from });
                }
            }
            match (slot.copy, held) {
                (Some(copy), Some(held)) if self.copies[copy].id == held.copy => {
                    slot.visible = held.is_visible();
                }
                _ => {
                    self.supersede(slot, read.header.capture);
                    slot.copy = None;
                }
            }
        }
    }

    fn register(&mut self, seen: Registered) {
        if !self.was_registered(seen.life, seen.segment, u64::MAX) {
            self.registered.push(seen);
        }
    }

    /// Adds what all replicas show at the end of a capture, after what they showed before any segment was
    /// read again.
    fn snapshot(
        &mut self,
        history: &History<'_>,
        partition: u32,
        capture: usize,
        latest: &mut [Vec<LatestCopy>],
    ) {
        let spans = &history.segments[partition as usize];
        for (segment, (span, slots)) in spans.iter().zip(latest).enumerate() {
            let steps = slots.iter().map(|slot| slot.superseded.len()).max().unwrap_or(0);
            let whens = (0..steps)
                .map(|step| CapturePoint::step(capture, step))
                .chain([CapturePoint::end_of(capture)]);
            for when in whens {
                let mut shown = vec![None; history.meta.roster.len()];
                for &replica in span.assigned(capture) {
                    let slot = &slots[replica];
                    let earlier = slot.superseded.get(when.step).copied();
                    shown[replica] = earlier.or_else(|| self.shows(slot, capture));
                }
                for it in shown.iter().flatten() {
                    self.copies[it.copy].shown_to = self.copies[it.copy].shown_to.max(it.end);
                }
                if self.shown[segment].last().is_none_or(|(_, before)| *before != shown) {
                    self.shown[segment].push((when, shown));
                }
            }
            slots.iter_mut().for_each(|slot| slot.superseded.clear());
        }
    }

    /// If other segments replace a segment, its rows continue to be judged in those.
    fn follow(&mut self, spans: &[SegmentSpan]) {
        for (later, span) in spans.iter().enumerate() {
            for &earlier in &span.replaces {
                let copies = self.by_segment[later].clone();
                self.by_segment[earlier].extend(copies);
                self.by_segment[earlier].sort_by_key(|&at| (self.copies[at].replica, at));
                self.shown[earlier] = overlaid(&self.shown[earlier], &self.shown[later]);
            }
        }
    }

    /// Copies that showed nothing do not take part.
    fn order(&mut self) {
        for copies in &mut self.by_segment {
            copies
                .retain(|&at| self.copies[at].start < self.copies[at].read_to.min(self.copies[at].shown_to));
            copies.sort_by_key(|&at| (self.copies[at].replica, at));
        }
    }
}

/// What replicas show of a segment over time, where `later` has replaced it on the replicas that show
/// `later`.
fn overlaid(earlier: &[VisibleAt], later: &[VisibleAt]) -> Vec<VisibleAt> {
    let at = |all: &[VisibleAt], when: CapturePoint| {
        let known = all.iter().rfind(|(since, _)| *since <= when);
        known.map(|(_, shown)| shown.clone()).unwrap_or_default()
    };
    let whens: BTreeSet<CapturePoint> = earlier.iter().chain(later).map(|(when, _)| *when).collect();
    let shown = whens.into_iter().map(|when| {
        let (mut shown, later) = (at(earlier, when), at(later, when));
        shown.resize(shown.len().max(later.len()), None);
        shown.iter_mut().zip(later).for_each(|(shown, later)| *shown = later.or(*shown));
        (when, shown)
    });
    shown.collect()
}

/// Whether the target reports that the whole segment is registered.
fn is_whole(held: &HeldSegment, span: &SegmentSpan) -> bool {
    let (known, end) = (held.registered == Observed::Known(true), span.end.unwrap_or(u64::MAX));
    known && held.start <= span.start && end <= held.end
}

/// All reads of a partition as (capture, id, read), in order.
fn capture_reads<'h>(history: &'h History<'_>, partition: u32) -> Vec<(usize, u64, CaptureRead<'h>)> {
    let rows = history.reads.iter().enumerate().map(|(at, read)| (read.header, CaptureRead::Rows(at, read)));
    let flags = history.current_reads.iter().map(|read| (read.header, CaptureRead::Flags(read)));
    let mut reads: Vec<_> = rows
        .chain(flags)
        .filter(|(header, _)| header.partition == partition)
        .map(|(header, read)| (header.capture, header.id, read))
        .collect();
    reads.sort_by_key(|&(capture, id, _)| (capture, id));
    reads
}
