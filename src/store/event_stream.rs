//! The events of a run while they are read, table by table or line by line. What they announce is collected
//! on the way.

use super::audit::ReadIndex;
use super::event_table::EventTable;
use super::fast_scan;
use super::files::RunFiles;
use super::line_order::EventOrder;
use super::merged_stream::{Rejected, Stream};
use dissent_core::history::event::TimedEvent;
use dissent_core::history::run_record::EventRef;
use dissent_core::history::time::Nanos;
use std::borrow::Cow;

/// The events of a run. `done` gets what they announce, once they have ended.
pub(super) struct EventStream<'a, F> {
    files: &'a RunFiles,
    stream: Stream<'a, TimedEvent>,
    order: EventOrder,
    table: EventTable,
    announcements: ReadIndex,
    done: F,
}

impl<'a, F: FnMut(ReadIndex)> EventStream<'a, F> {
    pub(super) fn open(files: &'a RunFiles, done: F) -> Self {
        let (stream, order) = (Stream::open(files, files.events().to_owned()), EventOrder::of(files));
        let (table, announcements) = (EventTable::default(), ReadIndex::default());
        EventStream { files, stream, order, table, announcements, done }
    }

    /// Calls `each` with all events. Ops come without their values.
    pub(super) fn scan(mut self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) {
        loop {
            while self.stream.next_table() {
                if let Err(rejected) = self.scan_table(each) {
                    self.stop(&rejected);
                }
            }
            let Some(line) = self.stream.next_line() else { break };
            let announcements = &mut self.announcements;
            let read = self.order.follow(line).and_then(|()| {
                if let Some((t, event)) = fast_scan::event_ref(line) {
                    each(t, event);
                    return Ok(());
                }
                let stamped: TimedEvent = serde_json::from_slice(line)?;
                announcements.note(&stamped.event);
                each(stamped.t, EventRef::from(&stamped.event));
                Ok(())
            });
            if let Err(rejected) = read {
                self.stop(&rejected);
            }
        }
        self.end();
    }

    fn scan_table(&mut self, each: &mut dyn FnMut(Nanos, EventRef<'_>)) -> Result<(), Rejected> {
        self.table.read_headers(self.stream.plain())?;
        self.order.follow_table(self.table.numbers())?;
        let announcements = &mut self.announcements;
        Ok(self.table.scan(&mut |event| announcements.note(event), each)?)
    }

    fn stop(&mut self, rejected: &Rejected) {
        self.stream.stop(&rejected.to_string());
    }

    /// Called after the last event.
    fn end(&mut self) {
        let mut announcements = std::mem::take(&mut self.announcements);
        announcements.are_whole = self.stream.is_whole() && self.order.end(self.files);
        (self.done)(announcements);
    }

    /// The next event, if a table is open or next.
    fn next_of_table(&mut self) -> Option<Result<TimedEvent, Rejected>> {
        loop {
            if let Some(event) = self.table.take() {
                return Some(event.map_err(Rejected::from));
            }
            if !self.stream.next_table() {
                return None;
            }
            let read = self.table.read(&self.files.run().meta.schema, self.stream.plain());
            let read = read.map_err(Rejected::from);
            if let Err(rejected) = read.and_then(|()| self.order.follow_table(self.table.numbers())) {
                return Some(Err(rejected));
            }
        }
    }
}

impl<'a, F: FnMut(ReadIndex)> Iterator for EventStream<'a, F> {
    type Item = Cow<'a, TimedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.next_of_table() {
            Some(Ok(stamped)) => {
                self.announcements.note(&stamped.event);
                return Some(Cow::Owned(stamped));
            }
            Some(Err(rejected)) => {
                self.table = EventTable::default();
                self.stop(&rejected);
                None
            }
            None => self.stream.next(),
        };
        if let Some(stamped) = next
            && self.stream.check_order(|line| self.order.follow(line))
        {
            self.announcements.note(&stamped.event);
            return Some(Cow::Owned(stamped));
        }
        self.end();
        None
    }
}
