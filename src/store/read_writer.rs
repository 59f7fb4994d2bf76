//! Writes what reads returned: references to blocks under `reads/`, and the blocks in the content files.
//!
//! A block is written before the line that refers to it, and both before the event that announces the read.

use super::content::{BLOCK_OFFSETS, BlockRef, ContentWriter, ends_block, is_full, put_currents, put_rows};
use super::flags;
use super::frame_origin::RunHash;
use super::names::{Kind, ReadFile, content_name, reads_folder};
use super::records::RecordRef;
use super::writing::{LineWriter, StoreError, create_file, failed};
use dissent_core::history::row::{CurrentRead, CurrentRow, Read, Row};
use dissent_core::history::run_record::FORMAT;
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::path::{Path, PathBuf};

/// Identifies a file under `reads/`, except for the number of its continuation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ReadKey {
    capture: u32,
    replica: String,
    partition: u32,
    kind: Kind,
}

impl ReadKey {
    fn name(&self, number: u32) -> String {
        let ReadKey { capture, replica, partition, kind } = self;
        let folder = reads_folder(*capture, replica);
        ReadFile { folder: &folder, partition: *partition, kind: *kind, number }.name()
    }
}

/// A file under `reads/` that is being written.
struct ReadRun {
    lines: LineWriter,
    /// Counted from 1.
    number: u32,
    /// The sort key of its last line: an offset for rows, the read's id for flags.
    last_key: u64,
}

/// The files of reads and of their contents, in a run folder.
pub(super) struct ReadWriter {
    dir: PathBuf,
    run: RunHash,
    contents: BTreeMap<(u32, Kind), Contents>,
    reads: BTreeMap<ReadKey, ReadRun>,
    /// The content of the last block.
    block: Vec<u8>,
}

/// The content file of a partition.
struct Contents {
    file: PathBuf,
    blocks: ContentWriter,
}

impl ReadWriter {
    pub(super) fn new(dir: &Path, run: RunHash) -> ReadWriter {
        let (contents, reads) = (BTreeMap::new(), BTreeMap::new());
        ReadWriter { dir: dir.to_owned(), run, contents, reads, block: Vec::new() }
    }

    /// Writes the rows of a read, given in any order.
    pub(super) fn rows<'a>(
        &mut self,
        now: Nanos,
        schema: &Schema,
        read: &Read,
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Result<(), StoreError> {
        let mut rows: Vec<&Row> = rows.into_iter().collect();
        rows.sort_by_key(|row| row.off);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return Ok(());
        };
        let partition = read.before.partition;
        let key =
            ReadKey { capture: read.capture, replica: read.replica.clone(), partition, kind: Kind::Rows };
        self.open(&key, first.off, last.off)?;
        let mut block = BlockRef::begin(read.id);
        let (mut start, mut weight) = (0, 0);
        for (at, row) in rows.iter().enumerate() {
            block.add_row(row);
            weight += RecordRef::from(*row).weight();
            let ends = rows.get(at + 1).is_none_or(|next| {
                next.off / BLOCK_OFFSETS != row.off / BLOCK_OFFSETS || next.off > row.off && is_full(weight)
            });
            if ends {
                let rows = &rows[start..=at];
                self.end_block(now, &key, &mut block, |content| put_rows(content, schema, rows))?;
                (start, weight) = (at + 1, 0);
            }
        }
        self.flush(&key)
    }

    /// Writes the current flags of a read, given in any order.
    pub(super) fn current_rows<'a>(
        &mut self,
        now: Nanos,
        read: &CurrentRead,
        currents: impl IntoIterator<Item = &'a CurrentRow>,
    ) -> Result<(), StoreError> {
        let mut currents: Vec<&CurrentRow> = currents.into_iter().collect();
        currents.sort_by_key(|current| &current.key);
        if currents.is_empty() {
            return Ok(());
        }
        let partition = read.partition;
        let key =
            ReadKey { capture: read.capture, replica: read.replica.clone(), partition, kind: Kind::Flags };
        self.open(&key, read.id, read.id)?;
        let mut block = BlockRef::begin(read.id);
        let (mut start, mut weight) = (0, 0);
        for (at, current) in currents.iter().enumerate() {
            block.rows += 1;
            weight += flags::weight(current);
            if at + 1 == currents.len() || ends_block(&current.key) || is_full(weight) {
                let currents = &currents[start..=at];
                self.end_block(now, &key, &mut block, |content| put_currents(content, currents))?;
                (start, weight) = (at + 1, 0);
            }
        }
        self.flush(&key)
    }

    /// Ends the files of reads: the next capture has files of its own.
    pub(super) fn end_reads(&mut self) -> Result<(), StoreError> {
        std::mem::take(&mut self.reads).into_values().try_for_each(|run| run.lines.finish())
    }

    /// Ends all files.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        self.end_reads()?;
        self.contents
            .into_values()
            .try_for_each(|Contents { file, blocks }| blocks.finish().map_err(failed("end", &file)))
    }

    /// Opens the file that continues in ascending order with a read from `first` to `last`.
    fn open(&mut self, key: &ReadKey, first: u64, last: u64) -> Result<(), StoreError> {
        let run = match self.reads.remove(key) {
            Some(run) if run.last_key < first => ReadRun { last_key: last, ..run },
            old => {
                let number = old.as_ref().map_or(1, |run| run.number + 1);
                old.map_or(Ok(()), |run| run.lines.finish())?;
                let lines = LineWriter::create(&self.dir, &key.name(number), self.run)?;
                ReadRun { lines, number, last_key: last }
            }
        };
        self.reads.insert(key.clone(), run);
        Ok(())
    }

    /// Puts a block into the content file, and the reference to it into the read's file.
    fn end_block(
        &mut self,
        now: Nanos,
        key: &ReadKey,
        block: &mut BlockRef,
        put: impl FnOnce(&mut Vec<u8>) -> io::Result<()>,
    ) -> Result<(), StoreError> {
        let contents = match self.contents.entry((key.partition, key.kind)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Contents::create(&self.dir, key, self.run)?),
        };
        let put = put(&mut self.block).and_then(|()| contents.blocks.put(&self.block, block.rows));
        block.place = put.map_err(failed("write", &contents.file))?;
        if let Some(run) = self.reads.get_mut(key) {
            run.lines.line(now, block)?;
        }
        *block = BlockRef::begin(block.read);
        Ok(())
    }

    fn flush(&mut self, key: &ReadKey) -> Result<(), StoreError> {
        self.reads.get_mut(key).map_or(Ok(()), |run| run.lines.flush())
    }
}

impl Contents {
    fn create(dir: &Path, key: &ReadKey, run: RunHash) -> Result<Contents, StoreError> {
        let name = content_name(FORMAT, key.partition, key.kind);
        let (file, to) = create_file(dir, &name)?;
        let blocks = ContentWriter::new(to, &file, run.file(&name)).map_err(failed("create", &file))?;
        Ok(Contents { file, blocks })
    }
}
