//! Files of a run's folder as streams, and many ascending streams as one.

use super::codec;
use super::event::Stamped;
use super::evidence::Recorded;
use super::folder::Folder;
use super::frame::FrameReader;
use super::row::{Current, Entry, Row};
use crate::schema::Schema;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::marker::PhantomData;

/// What a line of a file holds.
pub(super) trait Stored: Sized {
    /// What the lines of a file ascend by.
    type Key: Ord;
    fn key(&self) -> Self::Key;
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self>;
}

impl Stored for Stamped {
    type Key = ();
    fn key(&self) {}
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

impl Stored for Entry {
    type Key = u64;
    fn key(&self) -> u64 {
        self.off
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
    fn decode(schema: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_row(schema, line)
    }
}

impl Stored for (u64, Current) {
    type Key = (u64, String);
    fn key(&self) -> (u64, String) {
        (self.0, self.1.key.clone())
    }
    fn decode(_: &Schema, line: &[u8]) -> serde_json::Result<Self> {
        codec::decode_flags(line)
    }
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
        let reader = File::open(folder.dir().join(&file)).and_then(FrameReader::new);
        let reader = reader.map_err(|error| folder.damaged(&file, error.to_string())).ok();
        Self { folder, file, reader, holds: PhantomData }
    }

    /// Ends here, and says why.
    fn stop(&mut self, why: &str) {
        let line = self.reader.take().map_or(0, |reader| reader.lines());
        self.folder.damaged(&self.file, format!("after line {line}: {why}"));
    }
}

impl<T: Stored> Iterator for Stream<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let decoded = match self.reader.as_mut()?.next_line() {
            Ok(line) => line.map(|line| T::decode(&self.folder.facts().schema, line)).transpose(),
            Err(broken) => {
                self.stop(&broken.to_string());
                return None;
            }
        };
        decoded.unwrap_or_else(|error| {
            self.stop(&format!("line not understood: {error}"));
            None
        })
    }
}

/// Merges files, each ascending; equal keys come in the order of the files. A file is opened only when its
/// first item is due, and closed after its last: captures follow each other along the log, so that few of
/// a thousand files are open at a time.
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
    pub(super) fn new(folder: &'a Folder, files: Vec<String>) -> Self {
        let first = |file: &String| Some(Stream::<T>::open(folder, file.clone()).next()?.key());
        let firsts =
            files.into_iter().enumerate().filter_map(|(rank, file)| Some((first(&file)?, rank, file)));
        let mut waiting: Vec<_> = firsts.collect();
        waiting.sort_by(|a, b| (&b.0, b.1).cmp(&(&a.0, a.1)));
        Self { folder, waiting, open: BinaryHeap::new() }
    }

    fn open_due(&mut self) {
        while let Some(due) =
            self.waiting.pop_if(|next| self.open.peek().is_none_or(|head| next.0 <= head.key))
        {
            let (key, rank, file) = due;
            let mut rest = Stream::open(self.folder, file);
            if let Some(item) = rest.next() {
                self.open.push(Head { key, rank, item, rest });
            }
        }
    }
}

impl<T: Stored> Iterator for Merge<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.open_due();
        let Head { key, rank, item, mut rest } = self.open.pop()?;
        if let Some(next) = rest.next() {
            if next.key() < key {
                rest.stop("line out of order");
            } else {
                self.open.push(Head { key: next.key(), rank, item: next, rest });
            }
        }
        Some(item)
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
