//! The log of a partition without its values: which entry belongs to which key and segment, and what it does
//! to the state of its key. Every check can look back over the history of a key.

pub(crate) use super::packed_log::Effect;
use super::packed_log::{LogEntry, PackedLog};
use super::segments::{Bounds, SegmentSpan, bounds, segment_of};
use crate::history::run_record::{EntryHeader, RunRecord};
use crate::history::schema::rules::{Absence, EventOfDeleted, Rules};
use indexmap::IndexSet;
use roaring::RoaringTreemap;
use std::collections::{BTreeSet, HashSet};

/// One log entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexedEntry {
    pub(crate) off: u64,
    pub(crate) op: u64,
    pub(crate) key: usize,
    pub(crate) effect: Effect,
    /// The index of the segment that has its offset; `None` if the authority knows no such segment.
    pub(crate) segment: Option<usize>,
    /// The index of the key's previous entry.
    pub(crate) previous: Option<usize>,
}

/// What decides the effect of a key's next entry.
struct KeyState {
    /// The largest comparison value accepted so far.
    cmp: i64,
    deleted: bool,
}

/// Folds the log, to find the effect of each entry.
struct EffectFold<'r> {
    rules: &'r Rules,
    states: Vec<KeyState>,
    /// If duplicates are ignored: the ops that each key has had.
    had: HashSet<(usize, u64)>,
}

impl EffectFold<'_> {
    fn effect(&mut self, key: usize, entry: EntryHeader<'_>) -> Effect {
        let is_repeated = self.rules.allow(Absence::Duplicates) && !self.had.insert((key, entry.op));
        let state = &mut self.states[key];
        let drops = self.rules.event_of_deleted == EventOfDeleted::Dropped;
        if drops && state.deleted && !entry.tombstone {
            return Effect::Ignored;
        }
        if entry.cmp < state.cmp {
            return Effect::OutOfOrder;
        }
        if is_repeated {
            return Effect::Ignored;
        }
        *state = KeyState { cmp: entry.cmp, deleted: entry.tombstone };
        if entry.tombstone { Effect::Deleted } else { Effect::Merged }
    }
}

/// The log entries of one partition.
#[derive(Default)]
pub(crate) struct LogIndex {
    pub(crate) partition: u32,
    log: PackedLog,
    /// Key names, by index.
    pub(crate) keys: IndexSet<String>,
    /// By key: the index of its last entry.
    pub(crate) last: Vec<usize>,
    /// The entries of which nobody knows whether they happened, as ascending indices.
    pub(crate) undecided: Vec<usize>,
    /// The ops that it contains.
    pub(crate) logged: RoaringTreemap,
    /// Ops at more than one offset: a retried write, or a write by somebody else.
    pub(crate) repeated: BTreeSet<u64>,
    /// The offsets of two successive entries of one key, with different ops, of which the later one does not
    /// have the larger comparison value.
    pub(crate) disorder: Option<(u64, u64)>,
    spans: Vec<Bounds>,
}

impl LogIndex {
    /// Reads a partition's log once. The segments of entries are unknown before
    /// [`LogIndex::assign_segments`].
    pub(crate) fn read(record: &dyn RunRecord, partition: u32) -> LogIndex {
        let log = PackedLog::with(record.scratch());
        let mut log_index = LogIndex { partition, log, ..LogIndex::default() };
        let rules = &record.meta().schema.rules;
        let mut reader = EffectFold { rules, states: Vec::new(), had: HashSet::new() };
        record.scan_log(partition, &mut |entry| log_index.take(entry, &mut reader));
        log_index
    }

    fn take(&mut self, entry: EntryHeader<'_>, reader: &mut EffectFold<'_>) {
        let at = self.log.len();
        if !self.logged.insert(entry.op) {
            self.repeated.insert(entry.op);
        }
        let (key, previous) = match self.keys.get_index_of(entry.key) {
            Some(key) => (key, Some(self.last[key])),
            None => {
                let (key, _) = self.keys.insert_full(entry.key.to_owned());
                self.last.push(at);
                reader.states.push(KeyState { cmp: entry.cmp, deleted: false });
                (key, None)
            }
        };
        if let Some(previous) = previous
            && entry.cmp <= reader.states[key].cmp
            && self.disorder.is_none()
            && !self.earlier_of_key(previous).any(|earlier| earlier.op == entry.op)
        {
            self.disorder = Some((self.log.off(previous), entry.off));
        }
        let effect = reader.effect(key, entry);
        self.last[key] = at;
        self.log.push(LogEntry { off: entry.off, op: entry.op, key, effect, previous });
    }

    /// In a log of our own sessions: marks the ops that were never acknowledged.
    pub(crate) fn mark_undecided(&mut self, acked: &RoaringTreemap) {
        self.undecided = (0..self.len()).filter(|&at| !acked.contains(self.log.op(at))).collect();
    }

    /// Sets the segments that the entries belong to.
    pub(crate) fn assign_segments(&mut self, spans: &[SegmentSpan]) {
        self.spans = bounds(spans);
    }

    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    pub(crate) fn entry(&self, at: usize) -> IndexedEntry {
        self.indexed(at, self.log.get(at))
    }

    /// The offset of the entry at an index.
    pub(crate) fn off(&self, at: usize) -> u64 {
        self.log.off(at)
    }

    /// All entries in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = IndexedEntry> {
        self.log.iter().enumerate().map(|(at, entry)| self.indexed(at, entry))
    }

    fn indexed(&self, at: usize, entry: LogEntry) -> IndexedEntry {
        let LogEntry { off, op, key, mut effect, previous } = entry;
        if self.undecided.binary_search(&at).is_ok() {
            effect = Effect::Undecided;
        }
        IndexedEntry { off, op, key, effect, segment: self.segment(off), previous }
    }

    /// One past the last offset.
    pub(crate) fn end(&self) -> u64 {
        self.log.end()
    }

    /// The index of a key.
    pub(crate) fn key(&self, name: &str) -> Option<usize> {
        self.keys.get_index_of(name)
    }

    /// The entries of a key from this one back to its first.
    pub(crate) fn earlier_of_key(&self, at: usize) -> impl Iterator<Item = IndexedEntry> {
        std::iter::successors(Some(self.entry(at)), |entry| entry.previous.map(|at| self.entry(at)))
    }

    /// Replaces the contents of `past` by all entries of a key, in log order.
    pub(crate) fn past(&self, key: usize, past: &mut Vec<IndexedEntry>) {
        past.clear();
        past.extend(self.earlier_of_key(self.last[key]));
        past.reverse();
    }

    /// The index of the entry at an offset.
    pub(crate) fn at(&self, off: u64) -> Option<usize> {
        let at = self.log.below(off);
        (at < self.len() && self.log.off(at) == off).then_some(at)
    }

    /// The index of the segment that has this offset.
    pub(crate) fn segment(&self, off: u64) -> Option<usize> {
        segment_of(&self.spans, off)
    }

    /// The number of entries in `start..end`.
    pub(crate) fn count(&self, start: u64, end: u64) -> u64 {
        self.log.below(end).saturating_sub(self.log.below(start)) as u64
    }

    /// The entries merged into the key's row before this entry, since the key's birth or last deletion, in
    /// log order.
    pub(crate) fn merged_before(&self, at: usize) -> Vec<IndexedEntry> {
        let Some(previous) = self.entry(at).previous else { return Vec::new() };
        let mut past: Vec<IndexedEntry> = self
            .earlier_of_key(previous)
            .filter(|entry| entry.effect.is_accepted())
            .take_while(|entry| entry.effect == Effect::Merged)
            .collect();
        past.reverse();
        past
    }
}
