//! Files of a run's folder as streams, and many ascending streams as one.

use super::codec;
use super::folder::Folder;
use super::frame::{Broken, Flaw, FrameReader};
use super::scan::{self, Placed};
use dissent_core::history::event::TimedEvent;
use dissent_core::history::evidence::RunRecord;
use dissent_core::history::row::{Current, Entry, Row};
use dissent_core::history::schema::Schema;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::marker::PhantomData;

/// What a line of a file holds.
pub(super) trait Stored: Sized {
    /// What the lines of a file ascend by.
    type Key: Ord;
    fn key(&self) -> Self::Key;
    /// The least key that begins with this number.
    fn from(first: u64) -> Self::Key;
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self>;
}

impl Stored for TimedEvent {
    type Key = ();
    fn key(&self) {}
    fn from(_: u64) {}
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

impl Stored for Entry {
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

impl Stored for (u64, Row) {
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

impl Stored for (u64, Current) {
    type Key = (u64, String);
    fn key(&self) -> (u64, String) {
        (self.0, self.1.key.clone())
    }
    fn from(first: u64) -> (u64, String) {
        (first, String::new())
    }
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_flags(line)
    }
}

/// A row whose content stays in its line.
impl Stored for Placed {
    type Key = (u64, u64);
    fn key(&self) -> (u64, u64) {
        (self.off, self.read)
    }
    fn from(first: u64) -> (u64, u64) {
        (first, 0)
    }
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        scan::placed(line).map_or_else(
            || {
                codec::decode_row(schema, line).map(|(read, Row { off, .. })| Placed {
                    off,
                    read,
                    content: line.len(),
                })
            },
            Ok,
        )
    }
}

/// Why a file is read no further than to a line that is whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("cannot parse the line: {0}")]
    Garbled(#[from] serde_json::Error),
    #[error("{0}")]
    OutOfOrder(String),
}

/// The lines of one file. It ends early at damage, of which it tells the folder.
pub(super) struct Stream<'a, T> {
    folder: &'a Folder,
    file: String,
    reader: Option<FrameReader<File>>,
    holds: PhantomData<T>,
}

impl<'a, T: Stored> Stream<'a, T> {
    /// Opens a file by its name within the folder.
    pub(super) fn open(folder: &'a Folder, file: String) -> Self {
        let origin = folder.origin(&file);
        let reader = File::open(folder.dir().join(&file)).and_then(|from| FrameReader::new(from, origin));
        let reader = reader.map_err(|error| folder.damaged(&file, error.to_string())).ok();
        Self { folder, file, reader, holds: PhantomData }
    }

    /// Ends here, and says why.
    pub(super) fn stop(&mut self, why: &str) {
        let line = self.reader.take().map_or(0, |reader| reader.lines());
        self.folder.damaged(&self.file, format!("after line {line}: {why}"));
    }

    /// Ends where the file is broken.
    fn give_up(&mut self, broken: &Broken) {
        match broken.flaw {
            Flaw::OtherRun => {
                self.reader = None;
                self.folder.is_foreign(&self.file);
            }
            _ => self.stop(&broken.to_string()),
        }
    }

    /// Whether the line of the last item is what is due; it ends before one that is not.
    pub(super) fn fits(&mut self, follows: impl FnOnce(&[u8]) -> Result<(), Unfit>) -> bool {
        let unfit = follows(self.line()).err();
        if let Some(unfit) = &unfit {
            self.stop(&unfit.to_string());
        }
        unfit.is_none()
    }

    /// Whether it was read to its end, or may be yet.
    pub(super) fn is_whole(&self) -> bool {
        self.reader.is_some()
    }
}

impl<T: Stored> Stream<'_, T> {
    /// The line of the item that was handed out last.
    pub(super) fn line(&self) -> &[u8] {
        self.reader.as_ref().map_or(&[], FrameReader::line)
    }

    /// Hands out every line as what `read` makes of it; ends early where it cannot.
    pub(super) fn each(&mut self, mut read: impl FnMut(&[u8]) -> Result<(), Unfit>) {
        while let Some(reader) = self.reader.as_mut() {
            match reader.next_line() {
                Ok(Some(line)) => {
                    if let Err(unfit) = read(line) {
                        self.stop(&unfit.to_string());
                    }
                }
                Ok(None) => return,
                Err(broken) => self.give_up(&broken),
            }
        }
    }
}

impl<T: Stored> Iterator for Stream<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let decoded = match self.reader.as_mut()?.next_line() {
            Ok(line) => line.map(|line| T::decode(&self.folder.facts().schema, line)).transpose(),
            Err(broken) => {
                self.give_up(&broken);
                return None;
            }
        };
        decoded.unwrap_or_else(|error| {
            self.stop(&Unfit::from(error).to_string());
            None
        })
    }
}

/// A file and a key below which it has none, as the events say.
pub(super) struct Due {
    pub(super) file: String,
    pub(super) first: u64,
}

/// Merges files, each ascending; equal keys come in the order of the files. A file is opened only when its
/// first item may be due, and closed after its last: captures follow each other along the log, so that few
/// of a thousand files are open at a time.
pub(super) struct Merge<'a, T: Stored> {
    folder: &'a Folder,
    /// Files not yet opened, the one with the least first key last.
    waiting: Vec<(T::Key, usize, String)>,
    open: BinaryHeap<Head<'a, T>>,
}

/// An open file and the item that it is to give next.
struct Head<'a, T: Stored> {
    key: T::Key,
    rank: usize,
    item: T,
    rest: Stream<'a, T>,
}

impl<'a, T: Stored> Merge<'a, T> {
    pub(super) fn new(folder: &'a Folder, files: Vec<Due>) -> Self {
        let ranked = files.into_iter().enumerate();
        let mut waiting: Vec<_> =
            ranked.map(|(rank, Due { file, first })| (T::from(first), rank, file)).collect();
        waiting.sort_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
        Self { folder, waiting, open: BinaryHeap::new() }
    }

    fn open_due(&mut self) {
        while let Some(due) =
            self.waiting.pop_if(|next| self.open.peek().is_none_or(|head| next.0 <= head.key))
        {
            let (first, rank, file) = due;
            let mut rest = Stream::<T>::open(self.folder, file);
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

    /// The item that comes next, and its line.
    pub(super) fn peek(&mut self) -> Option<(&T, &[u8])> {
        self.open_due();
        self.open.peek().map(|head| (&head.item, head.rest.line()))
    }

    /// Ends the file of the item that comes next, and says why.
    pub(super) fn stop(&mut self, why: &str) {
        if let Some(mut head) = self.open.pop() {
            head.rest.stop(why);
        }
    }
}

impl<T: Stored> Iterator for Merge<'_, T> {
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

/// The heap gives its greatest first: greatest is who comes first.
impl<T: Stored> Ord for Head<'_, T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.key, other.rank).cmp(&(&self.key, self.rank))
    }
}

impl<T: Stored> PartialOrd for Head<'_, T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Stored> PartialEq for Head<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T: Stored> Eq for Head<'_, T> {}
