//! Files of a run folder as streams, and a merge of ascending streams.

use super::codec;
use super::fast_scan::{self, PlacedRow};
use super::files::RunFiles;
use super::frame::{BrokenFrame, Flaw, FrameReader};
use super::table::Garbled;
use dissent_core::history::event::TimedEvent;
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::schema::Schema;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::marker::PhantomData;

/// The content of a line.
pub(super) trait StoredLine: Sized {
    /// The key by which the lines of a file ascend.
    type Key: Ord;
    fn key(&self) -> Self::Key;
    /// The lowest key that starts with this number.
    fn from(first: u64) -> Self::Key;
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self>;
}

impl StoredLine for TimedEvent {
    type Key = ();
    fn key(&self) {}
    fn from(_: u64) {}
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

impl StoredLine for Entry {
    type Key = u64;
    fn key(&self) -> u64 {
        self.off
    }
    fn from(first: u64) -> u64 {
        first
    }
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_entry(schema, line)
    }
}

impl StoredLine for (u64, Row) {
    type Key = (u64, u64);
    fn key(&self) -> (u64, u64) {
        (self.1.off, self.0)
    }
    fn from(first: u64) -> (u64, u64) {
        (first, 0)
    }
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_row(schema, line)
    }
}

impl StoredLine for (u64, CurrentRow) {
    type Key = (u64, String);
    fn key(&self) -> (u64, String) {
        (self.0, self.1.key.to_string())
    }
    fn from(first: u64) -> (u64, String) {
        (first, String::new())
    }
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_flags(line)
    }
}

/// A row whose content is kept as bytes of its line.
impl StoredLine for PlacedRow {
    type Key = (u64, u64);
    fn key(&self) -> (u64, u64) {
        (self.off, self.read)
    }
    fn from(first: u64) -> (u64, u64) {
        (first, 0)
    }
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        fast_scan::placed(line).map_or_else(
            || {
                codec::decode_row(schema, line).map(|(read, Row { off, .. })| PlacedRow {
                    off,
                    read,
                    content: line.len(),
                })
            },
            Ok,
        )
    }
}

/// Why a line was rejected. The file is not read beyond it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Rejected {
    #[error("cannot parse the line: {0}")]
    Garbled(#[from] serde_json::Error),
    #[error("{0}")]
    Table(#[from] Garbled),
    #[error("{0}")]
    OutOfOrder(String),
}

/// The lines of one file. It ends early at damage and reports the damage to the folder.
pub(super) struct Stream<'a, T> {
    files: &'a RunFiles,
    file: String,
    reader: Option<FrameReader<File>>,
    holds: PhantomData<T>,
}

impl<'a, T: StoredLine> Stream<'a, T> {
    /// Opens a file by its name within the folder.
    pub(super) fn open(files: &'a RunFiles, file: String) -> Self {
        let origin = files.origin(&file);
        let reader = File::open(files.dir().join(&file)).and_then(|from| FrameReader::new(from, origin));
        let reader = reader.map_err(|error| files.add_damage(&file, error.to_string())).ok();
        Self { files, file, reader, holds: PhantomData }
    }

    /// Ends the stream early and records why.
    pub(super) fn stop(&mut self, why: &str) {
        let line = self.reader.take().map_or(0, |reader| reader.lines());
        self.files.add_damage(&self.file, format!("after line {line}: {why}"));
    }

    /// Ends the stream at a broken frame.
    fn give_up(&mut self, broken: &BrokenFrame) {
        match broken.flaw {
            Flaw::OtherRun => {
                self.reader = None;
                self.files.add_foreign(&self.file);
            }
            _ => self.stop(&broken.to_string()),
        }
    }

    /// Whether the last line follows the one before it. Ends the stream if not.
    pub(super) fn check_order(&mut self, follows: impl FnOnce(&[u8]) -> Result<(), Rejected>) -> bool {
        let rejected = follows(self.line()).err();
        if let Some(rejected) = &rejected {
            self.stop(&rejected.to_string());
        }
        rejected.is_none()
    }

    /// False once the stream has ended early.
    pub(super) fn is_whole(&self) -> bool {
        self.reader.is_some()
    }
}

impl<T: StoredLine> Stream<'_, T> {
    /// The line of the item that was returned last.
    pub(super) fn line(&self) -> &[u8] {
        self.reader.as_ref().map_or(&[], FrameReader::line)
    }

    /// The next line. None at the end, and after damage.
    pub(super) fn next_line(&mut self) -> Option<&[u8]> {
        match self.reader.as_mut()?.next_line() {
            Ok(None) => return None,
            Ok(Some(_)) => {}
            Err(broken) => {
                self.give_up(&broken);
                return None;
            }
        }
        Some(self.line())
    }

    /// Whether the next frame holds a table, which is then in [`Stream::plain`].
    pub(super) fn next_table(&mut self) -> bool {
        match self.reader.as_mut().map(FrameReader::next_table) {
            Some(Ok(has_table)) => has_table,
            Some(Err(broken)) => {
                self.give_up(&broken);
                false
            }
            None => false,
        }
    }

    /// The table that was found last.
    pub(super) fn plain(&self) -> &[u8] {
        self.reader.as_ref().map_or(&[], FrameReader::plain)
    }
}

impl<T: StoredLine> Iterator for Stream<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let decoded = match self.reader.as_mut()?.next_line() {
            Ok(line) => line.map(|line| T::decode(&self.files.run().meta.schema, line)).transpose(),
            Err(broken) => {
                self.give_up(&broken);
                return None;
            }
        };
        decoded.unwrap_or_else(|error| {
            self.stop(&Rejected::from(error).to_string());
            None
        })
    }
}

/// A file, and the lowest key that its lines can have according to the events.
pub(super) struct DueFile {
    pub(super) file: String,
    pub(super) first: u64,
}

/// Merges files, each of which ascends. Equal keys come in the order of the files. A file is opened only when
/// its first item may be next, and closed after its last item. Captures follow each other along the log, so
/// only a few of a thousand files are open at a time.
pub(super) struct Merge<'a, T: StoredLine> {
    files: &'a RunFiles,
    /// Files that are not open yet. The one with the lowest first key is last.
    waiting: Vec<(T::Key, usize, String)>,
    open: BinaryHeap<Head<'a, T>>,
}

/// An open file and its next item.
struct Head<'a, T: StoredLine> {
    key: T::Key,
    rank: usize,
    item: T,
    rest: Stream<'a, T>,
}

impl<'a, T: StoredLine> Merge<'a, T> {
    pub(super) fn new(files: &'a RunFiles, due: Vec<DueFile>) -> Self {
        let ranked = due.into_iter().enumerate();
        let mut waiting: Vec<_> =
            ranked.map(|(rank, DueFile { file, first })| (T::from(first), rank, file)).collect();
        waiting.sort_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
        Self { files, waiting, open: BinaryHeap::new() }
    }

    fn open_due(&mut self) {
        while let Some(due) =
            self.waiting.pop_if(|next| self.open.peek().is_none_or(|head| next.0 <= head.key))
        {
            let (first, rank, file) = due;
            let mut rest = Stream::<T>::open(self.files, file);
            if let Some(item) = rest.next() {
                let key: T::Key = item.key();
                if key < first {
                    rest.stop("line of an earlier read");
                } else {
                    self.open.push(Head { key, rank, item, rest });
                }
            }
        }
    }

    /// The next item and its line.
    pub(super) fn peek(&mut self) -> Option<(&T, &[u8])> {
        self.open_due();
        self.open.peek().map(|head| (&head.item, head.rest.line()))
    }

    /// Ends the file of the next item early and records why.
    pub(super) fn stop(&mut self, why: &str) {
        if let Some(mut head) = self.open.pop() {
            head.rest.stop(why);
        }
    }
}

impl<T: StoredLine> Iterator for Merge<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.open_due();
        let mut head = self.open.peek_mut()?;
        let next = head.rest.next().map(|next| (next.key(), next));
        match next {
            Some((key, next)) if key >= head.key => {
                head.key = key;
                Some(std::mem::replace(&mut head.item, next))
            }
            Some(_) => {
                head.rest.stop("line out of order");
                Some(PeekMut::pop(head).item)
            }
            None => Some(PeekMut::pop(head).item),
        }
    }
}

/// The heap returns its greatest element first, so the order is reversed.
impl<T: StoredLine> Ord for Head<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.key, other.rank).cmp(&(&self.key, self.rank))
    }
}

impl<T: StoredLine> PartialOrd for Head<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: StoredLine> PartialEq for Head<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: StoredLine> Eq for Head<'_, T> {}
