//! The greatest possible age of log entries, from when their ops were sent and acknowledged
//! (`schema::rules`).

use super::log_index::LogIndex;
use crate::history::event::OpOutcome;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::time::Nanos;
use std::collections::BTreeMap;

/// The earliest and the latest time at which an entry came into the log.
#[derive(Clone, Copy)]
struct SendWindow {
    /// `None`: unknown, perhaps before the run.
    from: Option<Nanos>,
    to: Nanos,
}

/// The entries of a partition, by index in the log. An entry came after everything sent before it in the log,
/// and before everything acknowledged after it. So entries that others wrote have windows too.
pub(crate) struct EntryAges {
    windows: Vec<SendWindow>,
}

impl EntryAges {
    /// Reads when ops were sent and acknowledged.
    pub(crate) fn read(record: &dyn RunRecord, log_index: &LogIndex) -> EntryAges {
        let mut known: BTreeMap<u64, SendWindow> = BTreeMap::new();
        let never = Nanos(u64::MAX);
        record.scan_events(&mut |t, event| match event {
            EventRef::Invoked { op, .. } => {
                known.entry(op).or_insert(SendWindow { from: Some(t), to: never });
            }
            EventRef::Completed { op, outcome: OpOutcome::Ok, .. } => {
                known.entry(op).and_modify(|window| window.to = window.to.min(t));
            }
            _ => {}
        });
        let unknown = SendWindow { from: None, to: never };
        let of_op = |op| known.get(&op).copied().unwrap_or(unknown);
        let mut windows: Vec<SendWindow> = log_index.entries().map(|entry| of_op(entry.op)).collect();
        let mut earliest = None;
        for window in &mut windows {
            earliest = earliest.max(window.from);
            window.from = earliest;
        }
        let mut latest = never;
        for window in windows.iter_mut().rev() {
            latest = latest.min(window.to);
            window.to = latest;
        }
        EntryAges { windows }
    }

    /// The greatest possible age of an entry at a time.
    pub(crate) fn at(&self, entry: usize, t: Nanos) -> Nanos {
        let from = self.windows[entry].from;
        from.map_or(Nanos(u64::MAX), |from| Nanos(t.0.saturating_sub(from.0)))
    }

    /// Whether an entry may have been sent by a time.
    pub(crate) fn may_be_sent(&self, entry: usize, t: Nanos) -> bool {
        self.windows[entry].from.is_none_or(|from| from <= t)
    }

    /// The greatest possible time from one entry to a later one of the log.
    pub(crate) fn between(&self, entry: usize, later: usize) -> Nanos {
        self.at(entry, self.windows[later].to)
    }
}
