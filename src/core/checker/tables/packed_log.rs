//! The entries of a partition's log in their compact form: about five bytes each, since a verdict needs all
//! of them at hand.

use super::packed_column::PackedColumn;
use crate::history::scratch::Scratch;
use std::sync::Arc;

/// What an entry does to its key (`RULES.md` 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It is merged into the key's row, which becomes current.
    Merged = 0,
    /// It came out of order: its raw row is the event alone, and is never current.
    OutOfOrder = 1,
    /// It deletes the key.
    Deleted = 2,
    /// The table ignores it (`schema::rules`): its row is the key's previous row, and is never current.
    Ignored = 3,
    /// Nobody knows whether it happened: its outcome is unknown, and no log tells. It is the last entry of
    /// its key (`RULES.md` 15).
    Undecided = 4,
}

impl Effect {
    /// The effect with this number.
    fn of_number(number: u64) -> Effect {
        match number {
            0 => Effect::Merged,
            1 => Effect::OutOfOrder,
            2 => Effect::Deleted,
            3 => Effect::Ignored,
            _ => Effect::Undecided,
        }
    }

    /// Whether it decides which row is current.
    pub(crate) fn is_accepted(self) -> bool {
        matches!(self, Effect::Merged | Effect::Deleted)
    }
}

/// The bits of an effect.
const EFFECT_BITS: u32 = 3;

/// What is known of an entry.
#[derive(Clone, Copy)]
pub(super) struct LogEntry {
    pub(super) off: u64,
    pub(super) op: u64,
    pub(super) key: usize,
    pub(super) effect: Effect,
    /// The index of the key's previous entry.
    pub(super) previous: Option<usize>,
}

impl LogEntry {
    /// The entry at an index, given what the columns of keys and of previous entries have there.
    fn of(at: usize, off: u64, op: u64, (key, back): (u64, u64)) -> LogEntry {
        LogEntry {
            off,
            op,
            key: (key >> EFFECT_BITS) as usize,
            effect: Effect::of_number(key & ((1 << EFFECT_BITS) - 1)),
            previous: (back > 0).then(|| at - back as usize),
        }
    }
}

/// Successive offsets.
struct Run {
    /// The index of its first entry.
    at: usize,
    /// The offset of its first entry.
    off: u64,
}

/// Entries in order of their offsets.
#[derive(Default)]
pub(super) struct PackedLog {
    ops: PackedColumn,
    /// The key, and the effect in the lowest bits.
    keys: PackedColumn,
    /// How many entries before this one the key has its previous entry. 0: it has none.
    back: PackedColumn,
    /// Offsets ascend by one except where a run begins: a log has few gaps.
    runs: Vec<Run>,
}

impl PackedLog {
    /// An empty log.
    pub(super) fn with(scratch: Option<Arc<dyn Scratch>>) -> PackedLog {
        let column = || PackedColumn::with(scratch.clone());
        PackedLog { ops: column(), keys: column(), back: column(), runs: Vec::new() }
    }

    /// Adds an entry behind all others.
    pub(super) fn push(&mut self, entry: LogEntry) {
        let LogEntry { off, op, key, effect, previous } = entry;
        let at = self.len();
        if self.end() != off || at == 0 {
            self.runs.push(Run { at, off });
        }
        self.ops.push(op);
        self.keys.push((key as u64) << EFFECT_BITS | effect as u64);
        self.back.push(previous.map_or(0, |previous| (at - previous) as u64));
    }

    pub(super) fn len(&self) -> usize {
        self.ops.len()
    }

    pub(super) fn get(&self, at: usize) -> LogEntry {
        LogEntry::of(at, self.off(at), self.ops.get(at), (self.keys.get(at), self.back.get(at)))
    }

    /// All entries in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = LogEntry> {
        let ends = self.runs.iter().skip(1).map(|run| run.at).chain([self.len()]);
        let runs = self.runs.iter().zip(ends);
        let offs = runs.flat_map(|(run, end)| (run.off..).take(end - run.at));
        let numbers = self.ops.iter().zip(self.keys.iter().zip(self.back.iter()));
        (0..).zip(offs).zip(numbers).map(|((at, off), (op, packed))| LogEntry::of(at, off, op, packed))
    }

    /// The op of an entry.
    pub(super) fn op(&self, at: usize) -> u64 {
        self.ops.get(at)
    }

    /// The offset of an entry.
    pub(super) fn off(&self, at: usize) -> u64 {
        let run = self.runs.partition_point(|run| run.at <= at) - 1;
        self.runs[run].off + (at - self.runs[run].at) as u64
    }

    /// The number of entries below an offset.
    pub(super) fn below(&self, off: u64) -> usize {
        let next = self.runs.partition_point(|run| run.off < off);
        let Some(run) = next.checked_sub(1).map(|before| &self.runs[before]) else { return 0 };
        let end = self.runs.get(next).map_or(self.len(), |run| run.at);
        end.min(run.at + usize::try_from(off - run.off).unwrap_or(usize::MAX))
    }

    /// One past the last offset.
    pub(super) fn end(&self) -> u64 {
        self.len().checked_sub(1).map_or(0, |last| self.off(last) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_and_offsets_may_have_gaps() {
        let (mut log, offs) = (PackedLog::default(), [3, 4, 5, 9, 10, 40]);
        let op = |off: u64| off << (off % 40);
        for (at, off) in offs.into_iter().enumerate() {
            let effect = if at == 4 { Effect::Ignored } else { Effect::Merged };
            log.push(LogEntry { off, op: op(off), key: at / 2, effect, previous: at.checked_sub(2) });
        }
        assert!(log.iter().map(|entry| (entry.off, entry.key)).eq(offs.into_iter().zip([0, 0, 1, 1, 2, 2])));
        for (at, off) in offs.into_iter().enumerate() {
            let entry = log.get(at);
            assert_eq!((entry.off, entry.op, entry.key), (off, op(off), at / 2));
            assert_eq!(entry.previous, at.checked_sub(2));
            assert_eq!((log.below(off), log.below(off + 1)), (at, at + 1));
        }
        assert_eq!((log.get(4).effect, log.get(5).effect), (Effect::Ignored, Effect::Merged));
        assert_eq!((log.below(0), log.below(7), log.below(u64::MAX), log.end()), (0, 3, 6, 41));
        assert_eq!((PackedLog::default().below(5), PackedLog::default().end()), (0, 0));
    }
}
