//! The log of a partition while it is read, table by table or line by line.

use super::files::RunFiles;
use super::line_order::LogOrder;
use super::merged_stream::{Rejected, Stream};
use super::records::Records;
use super::{codec, fast_scan};
use dissent_core::history::row::Entry;
use dissent_core::history::run_record::{EntryHeader, LogEntries};
use std::borrow::Cow;

/// The entries of a partition's log.
pub(super) struct LogStream<'a> {
    files: &'a RunFiles,
    stream: Stream<'a, Entry>,
    order: LogOrder,
    table: Records,
}

impl<'a> LogStream<'a> {
    pub(super) fn open(files: &'a RunFiles, partition: u32) -> LogStream<'a> {
        let stream = Stream::open(files, files.log(partition));
        LogStream { files, stream, order: LogOrder::of(files, partition), table: Records::default() }
    }

    /// Calls `each` with all entries, without their values.
    pub(super) fn scan(mut self, each: &mut dyn FnMut(EntryHeader<'_>)) {
        let schema = &self.files.run().meta.schema;
        loop {
            while self.stream.next_table() {
                let headers = self.table.read_headers(self.stream.plain()).map(drop).map_err(Rejected::from);
                match headers.and_then(|()| self.order.follow_table(&self.table)) {
                    Ok(()) => self.table.scan(each),
                    Err(rejected) => self.stop(&rejected),
                }
            }
            let Some(line) = self.stream.next_line() else { break };
            let entry = match fast_scan::entry_header(line) {
                Some(entry) => self.order.follow(entry.off, line).map(|()| each(entry)),
                None => codec::decode_entry(schema, line).map_err(Rejected::from).and_then(|entry| {
                    self.order.follow(entry.off, line).map(|()| each(EntryHeader::from(&entry)))
                }),
            };
            if let Err(rejected) = entry {
                self.stop(&rejected);
            }
        }
        self.end();
    }

    fn stop(&mut self, rejected: &Rejected) {
        self.stream.stop(&rejected.to_string());
    }

    /// Called at the end of the file.
    fn end(&self) {
        if self.stream.is_whole() {
            self.order.end(self.files);
        }
    }
}

impl<'a> LogEntries<'a> for LogStream<'a> {
    fn next(&mut self, entry: &mut Cow<'a, Entry>) -> bool {
        let schema = &self.files.run().meta.schema;
        loop {
            if self.table.next_off().is_some() {
                return self.table.take(entry.to_mut());
            }
            if self.stream.next_table() {
                let read = self.table.read(schema, self.stream.plain()).map_err(Rejected::from);
                if let Err(rejected) = read.and_then(|()| self.order.follow_table(&self.table)) {
                    self.table.clear();
                    self.stop(&rejected);
                }
                continue;
            }
            let next = self.stream.next();
            if let Some(next) = next
                && self.stream.check_order(|line| self.order.follow(next.off, line))
            {
                *entry = Cow::Owned(next);
                return true;
            }
            self.end();
            return false;
        }
    }
}

impl<'a> Iterator for LogStream<'a> {
    type Item = Cow<'a, Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut entry = Cow::Owned(Entry::default());
        LogEntries::next(self, &mut entry).then_some(entry)
    }
}
