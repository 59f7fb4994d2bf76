//! Which copy of each segment every replica showed at each capture, and how far its rows were read.
//!
//! A copy gathers its rows over several captures; each reads only what is new. At a capture a replica shows
//! the copy that its latest sound read of the segment names. Not shown: a copy that is not visible to merges
//! and reads, that belongs to a replica not assigned to the segment, or that was found changed since.
//!
//! What was read soundly was seen, also if the very same capture read the segment again:
//! ```text
//! capture 3: c shows a wrong copy; something else moved in its bracket; by the second read c has fetched
//! the right copy. Without a step between the two, nobody judges the wrong one.
//! ```

use super::history::{CurrentRowsRead, HeldSegment, History, RowsRead};
use super::segments::SegmentSpan;
use crate::history::row::{CopyState, Observed, Soundness};
use std::collections::{BTreeMap, BTreeSet};

/// A point in the course of the captures: a step within one, or its end. A capture has more than one step
/// where it read again what it had read soundly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CapturePoint {
    pub(crate) capture: usize,
    step: usize,
}

impl CapturePoint {
    /// Before everything.
    pub(crate) const START: CapturePoint = CapturePoint { capture: 0, step: 0 };

    /// A step of a capture, from 0.
    pub(crate) fn step(capture: usize, step: usize) -> CapturePoint {
        CapturePoint { capture, step }
    }

    /// When a capture ends.
    pub(crate) fn end_of(capture: usize) -> CapturePoint {
        CapturePoint { capture, step: usize::MAX }
    }
}

/// A sound read of a copy: its rows from `from` to `end`, which are all there are. Rows beyond may have come
/// too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CopyRead {
    pub(crate) id: u64,
    pub(crate) when: CapturePoint,
    from: u64,
    end: u64,
}

impl CopyRead {
    /// Whether all rows at this offset were asked for.
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
    /// Index of the (replica, incarnation) that was first seen to hold it.
    pub(crate) life: usize,
    /// All reads of it that count, in order.
    pub(crate) reads: Vec<CopyRead>,
    /// The first offset held.
    start: u64,
    /// One past the last offset up to which its rows were read soundly, in reads that chain without a gap.
    read_to: u64,
    /// Where the lowest of the reads begins that lie above a gap; they prove nothing.
    gap_to: u64,
    /// How many reads asked for rows that earlier ones had brought.
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
    pub(crate) fn is_read_again(&self) -> bool {
        self.again > 0
    }

    /// Takes in a read, and tells whether its rows count: those above a gap do not, since a read builds on
    /// the one below it.
    fn take(&mut self, read: &RowsRead, when: CapturePoint) -> bool {
        self.state = read.held.state;
        if read.from > self.read_to {
            if self.gap_to <= self.read_to {
                self.gap_to = read.from;
            }
            return false;
        }
        self.again += usize::from(self.brought(read));
        if read.from < read.held.end || read.header.count > 0 {
            self.reads.push(CopyRead { id: read.header.id, when, from: read.from, end: read.held.end });
        }
        // Rows that came at or above the position before the read may be a part only: the next read has them.
        self.read_to = self.read_to.max(read.held.end);
        true
    }

    /// Whether earlier reads brought rows that this one asks for.
    fn brought(&self, read: &RowsRead) -> bool {
        read.from.max(self.start) < read.held.end.min(self.read_to)
    }
}

/// What a replica holds of a segment, as far as reads that count show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldRange {
    pub(crate) start: u64,
    /// One past the last offset that was read, without a gap from `start`.
    pub(crate) read_to: u64,
    /// Where reads go on above a gap; `read_to` or less if there is none.
    pub(crate) gap_to: u64,
}

/// What a replica shows of a segment at a capture: rows of `copy` below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VisibleCopy {
    pub(crate) copy: usize,
    pub(crate) end: u64,
    /// How often its rows had been read again.
    again: usize,
}

/// What each replica shows of a segment from then on, by roster index.
type VisibleAt = (CapturePoint, Vec<Option<VisibleCopy>>);

/// A segment that a capture found registered as a whole in one life of a replica: rows from `from` on were
/// merged after that.
#[derive(Clone, Copy, Debug)]
struct Registered {
    life: usize,
    segment: usize,
    from: u64,
}

/// The copies of one partition.
pub(crate) struct CopyTimeline {
    pub(crate) copies: Vec<SegmentCopy>,
    /// By segment, in the order of replicas.
    pub(crate) by_segment: Vec<Vec<usize>>,
    /// By index of [`History::reads`]: the copy its rows belong to; none if the read is void.
    pub(crate) by_read: Vec<Option<usize>>,
    /// Reads whose rows are torn on disk, by id.
    torn: BTreeSet<u64>,
    /// The number of (replica, incarnation) pairs.
    pub(crate) lives: usize,
    /// By segment, wherever it changed.
    shown: Vec<Vec<VisibleAt>>,
    /// The first sight of each segment in each life.
    registered: Vec<Registered>,
}

/// The latest that is known of one segment on one replica.
#[derive(Clone, Default)]
struct LatestCopy {
    copy: Option<usize>,
    visible: bool,
    void_at: Option<usize>,
    /// The capture that read it soundly last.
    read_at: Option<usize>,
    /// What this capture read soundly before, and then read again.
    superseded: Vec<VisibleCopy>,
}

enum CaptureRead<'h> {
    Rows(usize, &'h RowsRead),
    Flags(&'h CurrentRowsRead),
}

impl CopyTimeline {
    /// Builds the timeline of a partition; `void` names reads whose rows are known to be torn on disk.
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
        let mut sights = capture_reads(history, partition).into_iter().peekable();
        for capture in 0..history.captures.len() {
            while let Some(sight) = sights.next_if(|(at, ..)| *at <= capture) {
                let look = match sight.2 {
                    CaptureRead::Flags(read) => read.header,
                    CaptureRead::Rows(_, read) => read.header,
                };
                let next = lives.len();
                let life = *lives.entry((look.replica, look.incarnation)).or_insert(next);
                let is_sound = look.soundness == Soundness::Sound && !void.contains(&look.id);
                match sight.2 {
                    CaptureRead::Flags(read) if is_sound => {
                        timeline.take_flags(spans, &mut latest, read, life)
                    }
                    CaptureRead::Flags(_) => {}
                    CaptureRead::Rows(index, read) => {
                        let Ok(at) = spans.binary_search_by_key(&read.held.seq, |span| span.seq) else {
                            continue;
                        };
                        let slot = &mut latest[at][look.replica];
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

    /// What each replica shows of a segment from then on, by roster index, wherever that changed.
    pub(crate) fn changes(&self, segment: usize) -> &[VisibleAt] {
        &self.shown[segment]
    }

    /// What a replica holds of a segment at the last capture.
    pub(crate) fn held_at_last(&self, segment: usize, replica: usize) -> Option<HeldRange> {
        let (_, shown) = self.shown[segment].last()?;
        let SegmentCopy { start, read_to, gap_to, .. } = self.copies[shown[replica]?.copy];
        Some(HeldRange { start, read_to, gap_to })
    }

    /// How far the copy was read that this read is of; none if the read does not count.
    pub(crate) fn read_to(&self, history: &History<'_>, read: u64) -> Option<u64> {
        let copy = self.by_read[history.read_index(read)?]?;
        Some(self.copies[copy].read_to)
    }

    /// Whether rows of this read are lost on disk.
    pub(crate) fn is_torn(&self, read: u64) -> bool {
        self.torn.contains(&read)
    }

    /// Whether a capture showed this segment registered as a whole, in this life, before the row at this
    /// offset was merged.
    pub(crate) fn was_registered(&self, life: usize, segment: usize, off: u64) -> bool {
        self.registered.iter().any(|it| it.life == life && it.segment == segment && it.from <= off)
    }

    /// The copy that a read is of; none if its rows do not count.
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
        if slot.copy != Some(at) || self.copies[at].brought(read) {
            self.supersede(slot, capture);
        }
        let counts = self.copies[at].take(read, CapturePoint::step(capture, slot.superseded.len()));
        (slot.copy, slot.visible) = (Some(at), held.is_visible());
        (slot.void_at, slot.read_at) = (None, Some(capture));
        counts.then_some(at)
    }

    /// Keeps in mind what this capture has read soundly before it reads the same again.
    fn supersede(&self, slot: &mut LatestCopy, capture: usize) {
        if slot.read_at.take_if(|at| *at == capture).is_some() {
            slot.superseded.extend(self.shows(slot, capture));
        }
    }

    /// What is known to be shown.
    fn shows(&self, slot: &LatestCopy, capture: usize) -> Option<VisibleCopy> {
        let at = slot.copy.filter(|_| slot.visible && slot.void_at != Some(capture))?;
        let SegmentCopy { read_to, again, .. } = self.copies[at];
        Some(VisibleCopy { copy: at, end: read_to, again })
    }

    /// Coverage read with the flags tells of copies that changed, or became visible, without new rows.
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

    /// What all replicas show at the end of a capture, and before what each of them was read again.
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

    /// Rows of a segment that others took the place of are judged on in those.
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

    /// Copies that showed nothing have no say.
    fn order(&mut self) {
        for copies in &mut self.by_segment {
            copies
                .retain(|&at| self.copies[at].start < self.copies[at].read_to.min(self.copies[at].shown_to));
            copies.sort_by_key(|&at| (self.copies[at].replica, at));
        }
    }
}

/// What replicas show of a segment from then on, where `later` has taken its place for those that show it.
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

/// Whether the target says that all of a segment is registered.
fn is_whole(held: &HeldSegment, span: &SegmentSpan) -> bool {
    let (known, end) = (held.registered == Observed::Known(true), span.end.unwrap_or(u64::MAX));
    known && held.start <= span.start && end <= held.end
}

/// All reads of a partition as (capture, id, read), in order.
fn capture_reads<'h>(history: &'h History<'_>, partition: u32) -> Vec<(usize, u64, CaptureRead<'h>)> {
    let rows = history.reads.iter().enumerate().map(|(at, read)| (read.header, CaptureRead::Rows(at, read)));
    let flags = history.current_reads.iter().map(|read| (read.header, CaptureRead::Flags(read)));
    let mut sights: Vec<_> = rows
        .chain(flags)
        .filter(|(look, _)| look.partition == partition)
        .map(|(look, sight)| (look.capture, look.id, sight))
        .collect();
    sights.sort_by_key(|&(capture, id, _)| (capture, id));
    sights
}
