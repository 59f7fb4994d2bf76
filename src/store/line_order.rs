//! Checks the sequence of lines in a file: events by their numbers, log entries by their offsets. So a lost,
//! repeated or moved line is noticed even if its frame is intact.

use super::codec;
use super::fast_scan;
use super::files::RunFiles;
use super::merged_stream::Rejected;
use super::records::Records;
use super::table::Garbled;
use std::ops::Range;

/// The events read so far.
pub(super) struct EventOrder {
    seen: u64,
    is_numbered: bool,
}

impl EventOrder {
    pub(super) fn of(files: &RunFiles) -> EventOrder {
        EventOrder { seen: 0, is_numbered: files.has_marks() }
    }

    /// Checks the line of the next event.
    pub(super) fn follow(&mut self, line: &[u8]) -> Result<(), Rejected> {
        self.seen += 1;
        let due = self.seen;
        match fast_scan::number(line) {
            _ if !self.is_numbered => Ok(()),
            Some(n) if n == due => Ok(()),
            Some(n) => Err(Rejected::OutOfOrder(format!("found event {n} instead of event {due}"))),
            None => Err(Rejected::OutOfOrder("an event without a number".to_owned())),
        }
    }

    /// Checks the numbers of the next table of events.
    pub(super) fn follow_table(&mut self, numbers: Range<u64>) -> Result<(), Rejected> {
        let due = self.seen.saturating_add(1);
        if numbers.start != due {
            let found = numbers.start;
            return Err(Rejected::OutOfOrder(format!("found event {found} instead of event {due}")));
        }
        self.seen = numbers.end.saturating_sub(1);
        Ok(())
    }

    /// Called at the end of a file that was read completely. Returns whether it had all events.
    pub(super) fn end(&self, files: &RunFiles) -> bool {
        let recorded = files.run().ended.as_ref().map_or(self.seen, |ended| ended.events);
        if recorded != self.seen {
            files.add_damage(files.events(), lost(recorded, self.seen, "events"));
        }
        recorded == self.seen
    }
}

/// The entries of a partition's log read so far.
pub(super) struct LogOrder {
    partition: u32,
    seen: u64,
    /// The lowest offset that can come next.
    next: u64,
    has_skips: bool,
}

impl LogOrder {
    pub(super) fn of(files: &RunFiles, partition: u32) -> LogOrder {
        LogOrder { partition, seen: 0, next: 0, has_skips: files.has_marks() }
    }

    /// Checks the next entry, given its offset and its line.
    pub(super) fn follow(&mut self, off: u64, line: &[u8]) -> Result<(), Rejected> {
        let due = self.next;
        if off < due {
            return Err(Rejected::OutOfOrder("line out of order".to_owned()));
        }
        if off > due && self.has_skips && codec::skipped(line)? != off - due {
            return Err(Rejected::OutOfOrder(format!("found offset {off} instead of {due}")));
        }
        self.next = off.saturating_add(1);
        self.seen += 1;
        Ok(())
    }

    /// Checks the offsets of the next table of entries.
    pub(super) fn follow_table(&mut self, table: &Records) -> Result<(), Rejected> {
        let due = self.next;
        let found = table.due.ok_or(Garbled("rows in place of entries"))?;
        if found != due {
            return Err(Rejected::OutOfOrder(format!("found offset {found} instead of {due}")));
        }
        for off in table.offs() {
            if off < self.next {
                return Err(Rejected::OutOfOrder("line out of order".to_owned()));
            }
            self.next = off.saturating_add(1);
            self.seen += 1;
        }
        Ok(())
    }

    /// Called at the end of a file that was read completely.
    pub(super) fn end(&self, files: &RunFiles) {
        let Some(ended) = &files.run().ended else { return };
        let recorded = ended.entries.get(self.partition as usize).copied().unwrap_or(0);
        if recorded != self.seen {
            files.add_damage(&files.log(self.partition), lost(recorded, self.seen, "entries"));
        }
    }
}

fn lost(recorded: u64, seen: u64, what: &str) -> String {
    format!("{recorded} {what} were recorded, {seen} are here")
}
