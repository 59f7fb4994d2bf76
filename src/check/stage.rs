//! Which copy of each segment every replica showed at each capture, and how far its rows were read.
//!
//! A copy gathers its rows over several captures; each reads only what is new. At a capture a replica shows
//! the copy that its latest sound read of the segment names. Not shown: a copy that is not visible to merges
//! and reads, that belongs to a replica not assigned to the segment, or that was found changed since.

use super::history::{FlagsRead, Held, History, RowsRead, SegmentSpan};
use crate::record::row::{CopyState, Soundness};
use std::collections::{BTreeMap, BTreeSet};

/// One copy of one segment on one replica.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) replica: usize,
    pub(super) segment: usize,
    pub(super) state: CopyState,
    /// Index of the (replica, incarnation) that was first seen to hold it.
    pub(super) life: usize,
    /// The first offset held.
    start: u64,
    /// One past the last offset up to which its rows were read soundly, in reads that chain without a gap.
    read_to: u64,
    /// Where the lowest of the reads begins that lie above a gap; they prove nothing.
    gap_to: u64,
    id: u64,
    shown_to: u64,
}

impl Copy {
    /// Whether this copy claims a row at the offset, and all its rows there were read.
    pub(super) fn claims(&self, off: u64) -> bool {
        self.start <= off && off < self.read_to.min(self.shown_to)
    }
}

/// What a replica holds of a segment, as far as reads that count show it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldRange {
    pub(super) start: u64,
    /// One past the last offset that was read, without a gap from `start`.
    pub(super) read_to: u64,
    /// Where reads go on above a gap; `read_to` or less if there is none.
    pub(super) gap_to: u64,
}

/// What a replica shows of a segment at a capture: rows of `copy` below `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) copy: usize,
    pub(super) end: u64,
}

/// The copies of one partition.
pub(super) struct Stage {
    pub(super) copies: Vec<Copy>,
    /// By segment, in the order of replicas.
    pub(super) of_segment: Vec<Vec<usize>>,
    /// By index of [`History::reads`]: the copy its rows belong to; none if the read is void.
    pub(super) of_read: Vec<Option<usize>>,
    /// Reads whose rows are torn on disk, by id.
    torn: BTreeSet<u64>,
    /// The number of (replica, incarnation) pairs.
    pub(super) lives: usize,
    /// By segment: what each replica shows from a capture on, by roster index; only where it changed.
    shown: Vec<Vec<(usize, Vec<Option<Shown>>)>>,
}

/// The latest that is known of one segment on one replica.
#[derive(Clone, Copy, Default)]
struct Latest {
    copy: Option<usize>,
    visible: bool,
    void_at: Option<usize>,
}

enum Sight<'h> {
    Rows(usize, &'h RowsRead),
    Flags(&'h FlagsRead),
}

impl Stage {
    /// Builds the stage of a partition; `void` names reads whose rows are known to be torn on disk.
    pub(super) fn set(history: &History<'_>, partition: u32, void: &BTreeSet<u64>) -> Stage {
        let spans = &history.segments[partition as usize];
        let replicas = history.facts.roster.len();
        let mut stage = Stage {
            copies: Vec::new(),
            of_segment: vec![Vec::new(); spans.len()],
            of_read: vec![None; history.reads.len()],
            torn: void.clone(),
            lives: 0,
            shown: vec![Vec::new(); spans.len()],
        };
        let mut latest = vec![vec![Latest::default(); replicas]; spans.len()];
        let mut lives = BTreeMap::new();
        let mut sights = sights(history, partition).into_iter().peekable();
        for capture in 0..history.captures.len() {
            while let Some(sight) = sights.next_if(|(at, ..)| *at <= capture) {
                match sight.2 {
                    Sight::Flags(read) => stage.take_flags(spans, &mut latest, read),
                    Sight::Rows(index, read) => {
                        let Ok(at) = spans.binary_search_by_key(&read.held.seq, |span| span.seq) else {
                            continue;
                        };
                        let slot = &mut latest[at][read.look.replica];
                        if read.look.soundness != Soundness::Sound || void.contains(&read.look.id) {
                            slot.void_at = Some(capture);
                            continue;
                        }
                        let next = lives.len();
                        let life = *lives.entry((read.look.replica, read.look.incarnation)).or_insert(next);
                        let (copy, counts) = stage.take_rows(at, read, life);
                        stage.of_read[index] = counts.then_some(copy);
                        *slot = Latest { copy: Some(copy), visible: read.held.is_visible(), void_at: None };
                    }
                }
            }
            stage.snapshot(history, partition, capture, &latest);
        }
        stage.lives = lives.len();
        stage.order();
        stage
    }

    /// What each replica shows of a segment from a capture on, by roster index, wherever that changed.
    pub(super) fn changes(&self, segment: usize) -> &[(usize, Vec<Option<Shown>>)] {
        &self.shown[segment]
    }

    /// What a replica holds of a segment at the last capture.
    pub(super) fn held_at_last(&self, segment: usize, replica: usize) -> Option<HeldRange> {
        let (_, shown) = self.shown[segment].last()?;
        let Copy { start, read_to, gap_to, .. } = self.copies[shown[replica]?.copy];
        Some(HeldRange { start, read_to, gap_to })
    }

    /// How far the copy was read that this read is of; none if the read does not count.
    pub(super) fn read_to(&self, history: &History<'_>, read: u64) -> Option<u64> {
        let copy = self.of_read[history.read_index(read)?]?;
        Some(self.copies[copy].read_to)
    }

    /// Whether rows of this read are lost on disk.
    pub(super) fn is_torn(&self, read: u64) -> bool {
        self.torn.contains(&read)
    }

    /// The copy that a read is of, and whether its rows count: those above a gap do not, since a read builds
    /// on the one below it.
    fn take_rows(&mut self, segment: usize, read: &RowsRead, life: usize) -> (usize, bool) {
        let held = read.held;
        let known = self.of_segment[segment]
            .iter()
            .copied()
            .find(|&at| self.copies[at].replica == read.look.replica && self.copies[at].id == held.copy);
        let at = known.unwrap_or_else(|| {
            let at = self.copies.len();
            self.copies.push(Copy {
                replica: read.look.replica,
                segment,
                state: held.state,
                life,
                start: held.start,
                read_to: held.start,
                gap_to: 0,
                id: held.copy,
                shown_to: 0,
            });
            self.of_segment[segment].push(at);
            at
        });
        let copy = &mut self.copies[at];
        copy.state = held.state;
        if read.from > copy.read_to {
            if copy.gap_to <= copy.read_to {
                copy.gap_to = read.from;
            }
            return (at, false);
        }
        // Rows that came at or above the position before the read may be a part only: the next read has them.
        copy.read_to = copy.read_to.max(held.end);
        (at, true)
    }

    /// Coverage read with the flags tells of copies that changed, or became visible, without new rows.
    fn take_flags(&self, spans: &[SegmentSpan], latest: &mut [Vec<Latest>], read: &FlagsRead) {
        if read.look.soundness != Soundness::Sound {
            return;
        }
        for (span, slots) in spans.iter().zip(latest) {
            let slot = &mut slots[read.look.replica];
            let held: Option<&Held> = read.before.iter().find(|held| held.seq == span.seq);
            match (slot.copy, held) {
                (Some(copy), Some(held)) if self.copies[copy].id == held.copy => {
                    slot.visible = held.is_visible();
                }
                _ => slot.copy = None,
            }
        }
    }

    fn snapshot(&mut self, history: &History<'_>, partition: u32, capture: usize, latest: &[Vec<Latest>]) {
        let spans = &history.segments[partition as usize];
        for (segment, span) in spans.iter().enumerate() {
            let mut shown = vec![None; history.facts.roster.len()];
            for &replica in span.assigned(capture) {
                let slot = latest[segment][replica];
                let Some(copy) = slot.copy.filter(|_| slot.visible && slot.void_at != Some(capture)) else {
                    continue;
                };
                let end = self.copies[copy].read_to;
                self.copies[copy].shown_to = self.copies[copy].shown_to.max(end);
                shown[replica] = Some(Shown { copy, end });
            }
            if self.shown[segment].last().is_none_or(|(_, before)| *before != shown) {
                self.shown[segment].push((capture, shown));
            }
        }
    }

    /// Copies that showed nothing have no say.
    fn order(&mut self) {
        for copies in &mut self.of_segment {
            copies
                .retain(|&at| self.copies[at].start < self.copies[at].read_to.min(self.copies[at].shown_to));
            copies.sort_by_key(|&at| (self.copies[at].replica, at));
        }
    }
}

/// All reads of a partition as (capture, id, read), in order.
fn sights<'h>(history: &'h History<'_>, partition: u32) -> Vec<(usize, u64, Sight<'h>)> {
    let rows = history.reads.iter().enumerate().map(|(at, read)| (read.look, Sight::Rows(at, read)));
    let flags = history.flag_reads.iter().map(|read| (read.look, Sight::Flags(read)));
    let mut sights: Vec<_> = rows
        .chain(flags)
        .filter(|(look, _)| look.partition == partition)
        .map(|(look, sight)| (look.capture, look.id, sight))
        .collect();
    sights.sort_by_key(|&(capture, id, _)| (capture, id));
    sights
}
