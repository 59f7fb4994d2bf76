//! Prints the lines of a stored file as JSON, whether they are stored as lines or as tables.

use super::codec;
use super::event_table::EventTable;
use super::files::{OpenError, RunFiles};
use super::flags::read_flags;
use super::frame::FrameReader;
use super::frame_origin::FileTag;
use super::names::RUN_FILE;
use super::records::Records;
use super::table::{self, TableKind};
use dissent_core::history::row::Entry;
use dissent_core::history::schema::Schema;
use serde::Serialize;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// Why a file could not be printed to its end.
#[derive(Debug, thiserror::Error)]
pub enum CatError {
    /// It lies in no run folder.
    #[error("{file} lies in no run folder: none of the folders above it has a {RUN_FILE}")]
    NoRun {
        /// The file as given.
        file: PathBuf,
    },
    /// Its run folder cannot be opened.
    #[error(transparent)]
    Run(#[from] OpenError),
    /// It cannot be read, or is damaged.
    #[error("cannot read {file}: {source}")]
    File {
        /// The file as given.
        file: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// Nothing more can be printed.
    #[error("cannot print: {0}")]
    Output(io::Error),
}

/// Prints the lines of a file of a run folder. A file without frames is printed as it is.
pub fn print(file: &Path, to: &mut dyn Write) -> Result<(), CatError> {
    let unreadable = |source| CatError::File { file: file.to_owned(), source };
    let mut from = File::open(file).map_err(unreadable)?;
    if file.extension().is_none_or(|ending| ending != "zst") {
        return io::copy(&mut from, to).map(drop).map_err(CatError::Output);
    }
    let whole = std::path::absolute(file).map_err(unreadable)?;
    let dir = whole.ancestors().skip(1).find(|dir| dir.join(RUN_FILE).is_file());
    let (dir, name) = dir
        .and_then(|dir| Some((dir, whole.strip_prefix(dir).ok()?.to_str()?)))
        .ok_or_else(|| CatError::NoRun { file: file.to_owned() })?;
    let run = RunFiles::open(dir)?;
    let mut told = Ok(());
    let read = lines(&run.run().meta.schema, from, run.origin(name), &mut |line| {
        told = to.write_all(line).and_then(|()| to.write_all(b"\n"));
        // Whatever stops the reading, `told` says that it was not the file.
        if told.is_ok() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    });
    told.map_err(CatError::Output)?;
    read.map_err(unreadable)
}

/// Calls `each` with the lines of a file of this origin, each without its newline. Fails at the first flaw of
/// the file, after all lines before it, and at the first error of `each`.
pub fn lines(
    schema: &Schema,
    from: impl Read,
    origin: Option<FileTag>,
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let flawed = |flaw| io::Error::new(ErrorKind::InvalidData, flaw);
    let mut reader = FrameReader::new(from, origin)?;
    loop {
        if reader.next_table().map_err(flawed)? {
            lines_of_table(schema, reader.plain(), each)?;
        } else {
            match reader.next_line().map_err(flawed)? {
                Some(line) => each(line)?,
                None => return Ok(()),
            }
        }
    }
}

/// Calls `each` with the lines of a table.
fn lines_of_table(
    schema: &Schema,
    table: &[u8],
    each: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let garbled = |garbled| io::Error::new(ErrorKind::InvalidData, garbled);
    let (kind, ..) = table::open(table).map_err(garbled)?;
    let mut put = LinePut { text: Vec::new(), each };
    match kind {
        TableKind::Flags => read_flags(table).map_err(garbled)?.iter().try_for_each(|flags| put.line(flags)),
        TableKind::Rows | TableKind::Entries => {
            let (mut records, mut entry) = (Records::default(), Entry::default());
            records.read(schema, table).map_err(garbled)?;
            let mut due = records.due;
            while records.take(&mut entry) {
                let skip = due.map_or(0, |due| entry.off.saturating_sub(due));
                put.line(&codec::entry(schema, &entry, skip))?;
                due = due.map(|_| entry.off.saturating_add(1));
            }
            Ok(())
        }
        TableKind::Events => {
            let mut events = EventTable::default();
            events.read(schema, table).map_err(garbled)?;
            let mut numbers = events.numbers();
            while let (Some(stamped), Some(n)) = (events.take(), numbers.next()) {
                put.line(&codec::event(n, &stamped?))?;
            }
            Ok(())
        }
    }
}

/// Passes lines on as text.
struct LinePut<'e> {
    text: Vec<u8>,
    each: &'e mut dyn FnMut(&[u8]) -> io::Result<()>,
}

impl LinePut<'_> {
    fn line(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, line)?;
        (self.each)(&self.text)
    }
}
