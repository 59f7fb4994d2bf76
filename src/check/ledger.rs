//! A partition's log without its values: which entry belongs to which key and segment, and what it does to
//! the key's state. One line an entry, so that every check can look back over a key's history.

use super::history::{History, SegmentSpan};
use crate::record::evidence::Recorded;
use std::collections::HashMap;

/// What an entry does to its key (`semantics` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is merged into the key's row, which becomes current.
    Merged,
    /// It came out of order: its raw row is the event alone, never current.
    Aside,
    /// It deletes the key.
    Deleted,
}

/// One log entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) off: u64,
    pub(super) op: u64,
    pub(super) key: usize,
    pub(super) effect: Effect,
    /// The segment that its offset lies in, by index; none if the authority knows no such segment.
    pub(super) segment: Option<usize>,
    /// The key's line before this one.
    pub(super) previous: Option<usize>,
}

/// The lines of one partition.
pub(super) struct Ledger {
    pub(super) partition: u32,
    pub(super) lines: Vec<Line>,
    /// Key names, by index.
    pub(super) keys: Vec<String>,
    /// Each key's last line.
    pub(super) last: Vec<usize>,
    /// Two entries of one key that tie or run backwards, though they carry different ops.
    pub(super) disorder: Option<(u64, u64)>,
    index: HashMap<String, usize>,
}

impl Ledger {
    /// Reads a partition's log once.
    pub(super) fn read(evidence: &dyn Recorded, history: &History<'_>, partition: u32) -> Ledger {
        let mut ledger = Ledger {
            partition,
            lines: Vec::new(),
            keys: Vec::new(),
            last: Vec::new(),
            disorder: None,
            index: HashMap::new(),
        };
        let spans = &history.segments[partition as usize];
        let mut cmps: Vec<i64> = Vec::new();
        for entry in evidence.log(partition) {
            let at = ledger.lines.len();
            let (key, previous) = match ledger.index.get(&entry.key) {
                Some(&key) => (key, Some(ledger.last[key])),
                None => {
                    let key = ledger.keys.len();
                    ledger.keys.push(entry.key.clone());
                    ledger.index.insert(entry.key.clone(), key);
                    ledger.last.push(at);
                    cmps.push(entry.cmp);
                    (key, None)
                }
            };
            let in_order = entry.cmp >= cmps[key];
            if let Some(previous) = previous
                && entry.cmp <= cmps[key]
                && ledger.disorder.is_none()
                && !ledger.before(previous).any(|line| line.op == entry.op)
            {
                ledger.disorder = Some((ledger.lines[previous].off, entry.off));
            }
            let effect = match (in_order, entry.tombstone) {
                (false, _) => Effect::Aside,
                (true, true) => Effect::Deleted,
                (true, false) => Effect::Merged,
            };
            cmps[key] = cmps[key].max(entry.cmp);
            ledger.last[key] = at;
            let segment = segment_of(spans, entry.off);
            ledger.lines.push(Line { off: entry.off, op: entry.op, key, effect, segment, previous });
        }
        ledger
    }

    /// One past the last offset.
    pub(super) fn end(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.off + 1)
    }

    /// The index of a key.
    pub(super) fn key(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The lines of a key from this one back to its first.
    pub(super) fn before(&self, line: usize) -> impl Iterator<Item = &Line> {
        std::iter::successors(Some(line), |&at| self.lines[at].previous).map(|at| &self.lines[at])
    }

    /// The line at an offset.
    pub(super) fn at(&self, off: u64) -> Option<usize> {
        self.lines.binary_search_by_key(&off, |line| line.off).ok()
    }

    /// How many entries lie in `start..end`.
    pub(super) fn count(&self, start: u64, end: u64) -> u64 {
        let first = self.lines.partition_point(|line| line.off < start);
        let last = self.lines.partition_point(|line| line.off < end);
        last.saturating_sub(first) as u64
    }

    /// What was merged into the key's row before this line, since its birth or last deletion, in log order.
    pub(super) fn merged_before(&self, line: usize) -> Vec<Line> {
        let Some(previous) = self.lines[line].previous else { return Vec::new() };
        let mut past: Vec<Line> = self
            .before(previous)
            .filter(|line| line.effect != Effect::Aside)
            .take_while(|line| line.effect == Effect::Merged)
            .copied()
            .collect();
        past.reverse();
        past
    }
}

/// The segment that holds an offset: the last that starts at or below it, if it has not ended before.
pub(super) fn segment_of(spans: &[SegmentSpan], off: u64) -> Option<usize> {
    let at = spans.partition_point(|span| span.start <= off).checked_sub(1)?;
    spans[at].end.is_none_or(|end| off < end).then_some(at)
}
