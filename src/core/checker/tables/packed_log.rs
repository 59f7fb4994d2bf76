//! The entries of a partition's log in their compact form: 12 bytes each, since a verdict needs all of them
//! at hand.

use std::collections::BTreeMap;

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
    fn of_number(number: u32) -> Effect {
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

/// An entry without its offset.
#[derive(Clone, Copy)]
struct PackedEntry {
    /// The op, or [`WIDE`].
    op: u32,
    /// The key, with the effect in the three highest bits.
    key: u32,
    previous: u32,
}

const EFFECT_BIT: u32 = 29;
const KEY_BITS: u32 = (1 << EFFECT_BIT) - 1;
/// No previous entry.
const NONE: u32 = u32::MAX;
/// The op does not fit: it is kept apart.
const WIDE: u32 = u32::MAX;

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
    entries: Vec<PackedEntry>,
    /// Offsets ascend by one except where a run begins: a log has few gaps.
    runs: Vec<Run>,
    /// By index of the entry: ops of 2^32 - 1 and above.
    wide_ops: BTreeMap<u32, u64>,
}

impl PackedLog {
    /// Adds an entry behind all others.
    pub(super) fn push(&mut self, entry: LogEntry) {
        let LogEntry { off, op, key, effect, previous } = entry;
        let at = self.entries.len();
        let fits = key >> EFFECT_BIT == 0 && at < NONE as usize;
        assert!(fits, "a partition with more than 2^29 keys or 2^32 entries");
        if self.end() != off || at == 0 {
            self.runs.push(Run { at, off });
        }
        let op = match u32::try_from(op) {
            Ok(op) if op != WIDE => op,
            _ => {
                self.wide_ops.insert(at as u32, op);
                WIDE
            }
        };
        let key = key as u32 | (effect as u32) << EFFECT_BIT;
        let previous = previous.map_or(NONE, |previous| previous as u32);
        self.entries.push(PackedEntry { op, key, previous });
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, at: usize) -> LogEntry {
        let PackedEntry { op, key, previous } = self.entries[at];
        LogEntry {
            off: self.off(at),
            op: if op == WIDE { self.wide_ops[&(at as u32)] } else { u64::from(op) },
            key: (key & KEY_BITS) as usize,
            effect: Effect::of_number(key >> EFFECT_BIT),
            previous: (previous != NONE).then_some(previous as usize),
        }
    }

    /// Changes what an entry does to its key.
    pub(super) fn set_effect(&mut self, at: usize, effect: Effect) {
        let key = &mut self.entries[at].key;
        *key = *key & KEY_BITS | (effect as u32) << EFFECT_BIT;
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
        self.entries.len().checked_sub(1).map_or(0, |last| self.off(last) + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back_as_it_was_and_offsets_may_have_gaps() {
        let (mut log, offs) = (PackedLog::default(), [3, 4, 5, 9, 10, 40]);
        let op = |off: u64| if off == 9 { u64::from(WIDE) } else { off << (off % 40) };
        for (at, off) in offs.into_iter().enumerate() {
            let effect = if at == 4 { Effect::Ignored } else { Effect::Merged };
            log.push(LogEntry { off, op: op(off), key: at / 2, effect, previous: at.checked_sub(2) });
        }
        log.set_effect(5, Effect::Undecided);
        for (at, off) in offs.into_iter().enumerate() {
            let entry = log.get(at);
            assert_eq!((entry.off, entry.op, entry.key), (off, op(off), at / 2));
            assert_eq!(entry.previous, at.checked_sub(2));
            assert_eq!((log.below(off), log.below(off + 1)), (at, at + 1));
        }
        assert_eq!((log.get(4).effect, log.get(5).effect), (Effect::Ignored, Effect::Undecided));
        assert_eq!((log.below(0), log.below(7), log.below(u64::MAX), log.end()), (0, 3, 6, 41));
        assert_eq!((PackedLog::default().below(5), PackedLog::default().end()), (0, 0));
    }
}
