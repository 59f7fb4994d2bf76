//! The lines of reads, counted against the number that the events announce, and rows grouped by equal
//! content.
//!
//! Rows are equal if the bytes of their content are. All rows of an offset are in memory together, so bytes
//! are compared directly. A hash would cost as much, and could make two different rows look equal.

use super::codec;
use super::fast_scan::PlacedRow;
use super::files::RunFiles;
use super::merged_stream::{Merge, StoredLine};
use super::names::{Kind, READS, reads_folder};
use dissent_core::history::event::Event;
use dissent_core::history::run_record::{RowGroups, RowsAt};
use dissent_core::history::schema::Schema;
use std::borrow::Cow;

/// What an event announces about a read.
#[derive(Clone, Debug)]
pub(super) struct ExpectedRead {
    pub(super) partition: u32,
    pub(super) kind: Kind,
    /// The number of its lines under `reads/`.
    pub(super) lines: u64,
    /// The folder with its lines.
    pub(super) folder: String,
    /// The lowest number that its lines can start with: an offset for rows, the read's id for flags.
    pub(super) first: u64,
}

impl ExpectedRead {
    /// The read that an event announces, with its id.
    pub(super) fn from_event(event: &Event) -> Option<(u64, ExpectedRead)> {
        let (id, partition, kind, lines, folder, first) = match event {
            Event::Read(read) => {
                let folder = reads_folder(read.capture, &read.replica);
                let lines = if read.rows_of.is_none() { read.rows } else { 0 };
                (read.id, read.before.partition, Kind::Rows, lines, folder, read.from)
            }
            Event::CurrentRead(read) => {
                let folder = reads_folder(read.capture, &read.replica);
                (read.id, read.partition, Kind::Flags, read.keys, folder, read.id)
            }
            _ => return None,
        };
        Some((id, ExpectedRead { partition, kind, lines, folder, first }))
    }
}

/// The number of lines of each read, announced and found so far.
pub(super) struct Counted<'a> {
    files: &'a RunFiles,
    /// Ordered by id.
    reads: Vec<Count>,
    /// The entries of `reads` used most recently. Each replica's lines come from one read for a while.
    recent: [usize; 8],
    turn: usize,
    /// Whether all announcements are known.
    are_whole: bool,
}

struct Count {
    id: u64,
    announced: u64,
    found: u64,
}

impl<'a> Counted<'a> {
    /// Starts with nothing found. `announced` ascends by id. `are_whole` is false if announcements may be
    /// missing.
    pub(super) fn new(
        files: &'a RunFiles,
        announced: Vec<(&u64, &ExpectedRead)>,
        are_whole: bool,
    ) -> Counted<'a> {
        let count = |(id, read): (&u64, &ExpectedRead)| Count { id: *id, announced: read.lines, found: 0 };
        let reads = announced.into_iter().map(count).collect();
        Counted { files, reads, recent: [0; 8], turn: 0, are_whole }
    }

    /// Counts lines of a read. False if no event announces the read.
    pub(super) fn count(&mut self, id: u64, lines: u64) -> bool {
        let known =
            self.recent.iter().copied().find(|&at| self.reads.get(at).is_some_and(|read| read.id == id));
        let Some(at) = known.or_else(|| self.reads.binary_search_by_key(&id, |read| read.id).ok()) else {
            if self.are_whole {
                self.files.add_damage(READS, format!("read {id} is here, but no event announces it"));
            }
            return false;
        };
        if known.is_none() {
            self.recent[self.turn] = at;
            self.turn = (self.turn + 1) % self.recent.len();
        }
        self.reads[at].found += lines;
        true
    }

    /// Called after the last line. Any read with missing or extra lines is damage.
    pub(super) fn end(&mut self) {
        for Count { id, announced, found } in std::mem::take(&mut self.reads) {
            if announced != found {
                let detail = format!("read {id}: {announced} lines were announced, {found} are here");
                self.files.add_damage(READS, detail);
            }
        }
    }

    /// The lines of the files, without those that no event announces.
    pub(super) fn filter_announced<T: Clone + 'a>(
        mut self,
        mut lines: Merge<'a, (u64, T)>,
    ) -> impl Iterator<Item = (u64, Cow<'a, T>)>
    where
        (u64, T): StoredLine,
    {
        std::iter::from_fn(move || {
            let next = lines.by_ref().find(|(read, _)| self.count(*read, 1));
            if next.is_none() {
                self.end();
            }
            next.map(|(read, item)| (read, Cow::Owned(item)))
        })
    }
}

/// The rows of a partition's files, grouped by offset. One row of each content is parsed.
pub(super) struct RowGroupStream<'a> {
    schema: &'a Schema,
    lines: Merge<'a, PlacedRow>,
    counted: Counted<'a>,
    /// The contents of the current offset, concatenated, and the end of each.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl<'a> RowGroupStream<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        lines: Merge<'a, PlacedRow>,
        counted: Counted<'a>,
    ) -> RowGroupStream<'a> {
        RowGroupStream { schema, lines, counted, bytes: Vec::new(), ends: Vec::new() }
    }
}

impl<'a> RowGroups<'a> for RowGroupStream<'a> {
    fn next(&mut self, rows: &mut RowsAt<'a>) -> bool {
        rows.seen.clear();
        rows.contents.clear();
        self.bytes.clear();
        self.ends.clear();
        while let Some((placed, line)) = self.lines.peek() {
            let PlacedRow { off, read, content } = *placed;
            if !rows.seen.is_empty() && off != rows.off {
                return true;
            }
            let content = &line[..content];
            let starts = std::iter::once(0).chain(self.ends.iter().copied());
            let known = starts.zip(&self.ends).position(|(start, end)| self.bytes[start..*end] == *content);
            let at = match known {
                Some(at) => at,
                None => match codec::decode_row(self.schema, line) {
                    Ok((_, row)) => {
                        self.bytes.extend_from_slice(content);
                        self.ends.push(self.bytes.len());
                        rows.contents.push(Cow::Owned(row));
                        rows.contents.len() - 1
                    }
                    Err(error) => {
                        self.lines.stop(&format!("cannot parse the line: {error}"));
                        continue;
                    }
                },
            };
            self.lines.next();
            if self.counted.count(read, 1) {
                rows.off = off;
                rows.seen.push((read, at));
            }
        }
        if rows.seen.is_empty() {
            self.counted.end();
        }
        !rows.seen.is_empty()
    }
}
