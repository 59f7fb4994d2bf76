//! The contents of reads, each stored once.
//!
//! Replicas that agree hold the same rows. So the lines of a read are cut into blocks, and a block that is in
//! the partition's content file already is referred to, not written again. Rows are cut where their offsets
//! say so, and flags where the hashes of their keys do: equal contents are cut alike, whoever shows them.
//!
//! ```text
//! content/0.table.zst                 block of offsets 0..4096        block of offsets 4096..8192
//! reads/0001/a/0.jsonl.zst            {"read":1,"off":0,"rows":4096,"at":0,"after":0,"sum":7, ..
//! reads/0001/b/0.jsonl.zst            {"read":2,"off":0,"rows":4096,"at":0,"after":0,"sum":7, ..
//! ```
//!
//! Two blocks are the same only if their bytes are; a hash only finds the candidate.

use super::codec;
use super::flags::{self, put_flags};
use super::frame::{FRAME_BYTES, FramePlace, FrameReader, FrameWriter, push_line};
use super::frame_origin::FileTag;
use super::records::{RecordRef, put_records};
use dissent_core::history::row::{CurrentRow, Row};
use dissent_core::history::schema::Schema;
use dissent_core::seed::number_of;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::Path;

/// A block holds rows of at most this many offsets.
pub(super) const BLOCK_OFFSETS: u64 = 4096;
/// A block of more bytes is kept as lines, because each must be short enough to be read.
const TABLE_WEIGHT_MAX: usize = 8 << 20;
/// A block of flags ends after one key in so many.
const KEYS_PER_CUT: u64 = 4096;

/// A line of a read's file: the next lines of the read, by reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BlockRef {
    /// The id of the read.
    pub(super) read: u64,
    /// The offset of its first row; 0 for flags.
    #[serde(default)]
    pub(super) off: u64,
    /// The number of its lines.
    pub(super) rows: u64,
    #[serde(flatten)]
    pub(super) place: FramePlace,
    /// The document numbers of its rows: the first of a run of successive numbers, and the run's length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) docs: Vec<(u32, u32)>,
}

impl BlockRef {
    /// An empty block of a read, in no place yet.
    pub(super) fn begin(read: u64) -> BlockRef {
        BlockRef { read, off: 0, rows: 0, place: FramePlace::default(), docs: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn add_row(&mut self, &Row { off, doc, .. }: &Row) {
        if self.rows == 0 {
            self.off = off;
        }
        self.rows += 1;
        match self.docs.last_mut() {
            Some((first, length)) if first.checked_add(*length) == Some(doc) => *length += 1,
            _ => self.docs.push((doc, 1)),
        }
    }

    /// The document numbers of its rows, in order.
    pub(super) fn doc_numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.docs.iter().flat_map(|&(first, length)| first..first.saturating_add(length))
    }
}

/// Whether a block of flags ends after this key.
pub(super) fn ends_block(key: &str) -> bool {
    number_of(&[key]).is_multiple_of(KEYS_PER_CUT)
}

/// Whether a block of about this many bytes ends at the next chance.
pub(super) fn is_full(weight: usize) -> bool {
    weight >= FRAME_BYTES
}

/// Replaces what `out` holds by the content of a block of rows.
pub(super) fn put_rows(out: &mut Vec<u8>, schema: &Schema, rows: &[&Row]) -> io::Result<()> {
    let records: Vec<RecordRef<'_>> = rows.iter().map(|row| RecordRef::from(*row)).collect();
    let weight: usize = records.iter().map(|record| record.weight()).sum();
    if weight <= TABLE_WEIGHT_MAX && put_records(out, schema, None, &records) {
        return Ok(());
    }
    out.clear();
    let mut lines = rows.iter().map(|row| codec::content(schema, row));
    lines.try_for_each(|line| push_line(out, |to| serde_json::to_writer(to, &line)))
}

/// Replaces what `out` holds by the content of a block of flags.
pub(super) fn put_currents(out: &mut Vec<u8>, currents: &[&CurrentRow]) -> io::Result<()> {
    let weight: usize = currents.iter().map(|current| flags::weight(current)).sum();
    if weight <= TABLE_WEIGHT_MAX && put_flags(out, currents) {
        return Ok(());
    }
    out.clear();
    currents.iter().try_for_each(|line| push_line(out, |to| serde_json::to_writer(to, line)))
}

/// Writes the contents of a partition.
pub(super) struct ContentWriter {
    frames: FrameWriter<File>,
    written: FrameReader<File>,
    /// The blocks that are there, by a hash of their lines.
    known: HashMap<u64, Vec<FramePlace>>,
}

impl ContentWriter {
    /// Starts a writer for an empty file.
    pub(super) fn new(to: File, file: &Path, origin: FileTag) -> io::Result<ContentWriter> {
        let frames = FrameWriter::new(to, origin)?;
        let written = FrameReader::new(File::open(file)?, Some(origin))?;
        Ok(ContentWriter { frames, written, known: HashMap::new() })
    }

    /// The place of a block of so many lines. Writes it unless it is there.
    pub(super) fn put(&mut self, lines: &[u8], count: u64) -> io::Result<FramePlace> {
        let mut hasher = DefaultHasher::new();
        hasher.write(lines);
        let places = self.known.entry(hasher.finish()).or_default();
        for place in places.iter() {
            if self.written.block_at(*place).map_err(io::Error::other)? == lines {
                return Ok(*place);
            }
        }
        let place = self.frames.block(lines, count)?;
        places.push(place);
        Ok(place)
    }

    /// Writes the end mark.
    pub(super) fn finish(self) -> io::Result<()> {
        self.frames.finish().map(drop)
    }
}
