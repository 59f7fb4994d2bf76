//! The rows of a dump, whatever its format: one file after the other.

use crate::cells::DumpCells;
use crate::csv::{CsvFormat, CsvReader};
use crate::error::DumpError;
use crate::json_lines::JsonReader;
use crate::layout::Layout;
use crate::source::{DumpSource, open};
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How the files are written, as far as they do not tell.
#[derive(Clone, Debug, Default)]
pub struct DumpFormat {
    /// Between two cells of a CSV file. None: a tab in `.tsv` files, else a comma.
    pub delimiter: Option<u8>,
    /// What stands for null in a CSV file, besides an unquoted empty cell.
    pub null: Option<String>,
}

/// How far reading has come, and whether it shall stop. Shared by all readers.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Bytes read so far, as they lie in the files.
    pub read: Arc<AtomicU64>,
    /// Whether the user has had enough.
    pub stop: Arc<AtomicBool>,
}

/// Rows between two looks at whether to stop.
const STOP_EVERY: u64 = 4_096;

enum Reader {
    Csv(CsvReader<Box<dyn BufRead + Send>>),
    Json(JsonReader<Box<dyn BufRead + Send>>),
}

/// Reads the rows of a dump.
pub(super) struct Rows<'s> {
    source: &'s DumpSource,
    files: std::slice::Iter<'s, PathBuf>,
    format: &'s DumpFormat,
    pace: &'s Pace,
    reader: Option<(&'s Path, Reader)>,
    count: u64,
    /// The columns met so far.
    pub(super) layout: Layout,
}

impl<'s> Rows<'s> {
    pub(super) fn of(source: &'s DumpSource, format: &'s DumpFormat, pace: &'s Pace) -> Self {
        let files = source.files.iter();
        Rows { source, files, format, pace, reader: None, count: 0, layout: Layout::default() }
    }

    /// The next row. False after the last one.
    pub(super) fn next(&mut self, cells: &mut DumpCells) -> Result<bool, DumpError> {
        loop {
            let Some((file, reader)) = &mut self.reader else {
                let Some(file) = self.files.next() else { return Ok(false) };
                self.reader =
                    Some((file, opened(self.source, file, self.format, self.pace, &mut self.layout)?));
                continue;
            };
            let (found, line) = match reader {
                Reader::Csv(csv) => (csv.next(cells), csv.line()),
                Reader::Json(json) => (json.next(cells, &mut self.layout), json.line()),
            };
            let file = || self.source.shown(file);
            let found = found.map_err(|problem| DumpError::Row { file: file(), line, problem })?;
            if !found {
                self.reader = None;
                continue;
            }
            self.count += 1;
            if self.count.is_multiple_of(STOP_EVERY) && self.pace.stop.load(Ordering::Relaxed) {
                return Err(DumpError::Stopped);
            }
            return Ok(true);
        }
    }

    /// An error in the row that was read last.
    pub(super) fn error(&self, problem: String) -> DumpError {
        match &self.reader {
            Some((file, reader)) => {
                let line = match reader {
                    Reader::Csv(csv) => csv.line(),
                    Reader::Json(json) => json.line(),
                };
                DumpError::Row { file: self.source.shown(file), line, problem }
            }
            None => DumpError::Usage(problem),
        }
    }
}

/// Whether any file of a dump is CSV.
pub(super) fn has_csv(source: &DumpSource) -> Result<bool, DumpError> {
    for file in &source.files {
        if !is_json(&mut open(file, |_| {})?, file)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn opened(
    source: &DumpSource,
    file: &Path,
    format: &DumpFormat,
    pace: &Pace,
    layout: &mut Layout,
) -> Result<Reader, DumpError> {
    let read = Arc::clone(&pace.read);
    let count = move |bytes| {
        read.fetch_add(bytes, Ordering::Relaxed);
    };
    let mut from = open(file, count)?;
    if is_json(&mut from, file)? {
        return Ok(Reader::Json(JsonReader::new(from)));
    }
    let is_tabbed = file.to_string_lossy().contains(".tsv");
    let delimiter = format.delimiter.unwrap_or(if is_tabbed { b'\t' } else { b',' });
    let format = CsvFormat { delimiter, null: format.null.clone() };
    let csv = CsvReader::new(from, format, layout);
    csv.map(Reader::Csv).map_err(|problem| DumpError::Row { file: source.shown(file), line: 1, problem })
}

/// Whether a file begins as an object does. An empty one is what its name says: a table of JSON without
/// rows has nothing to begin with.
fn is_json(from: &mut Box<dyn BufRead + Send>, file: &Path) -> Result<bool, DumpError> {
    let start = from.fill_buf().map_err(DumpError::io("read", file))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match start.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(first) => Ok(*first == b'{'),
        None => Ok([".json", ".ndjson"].iter().any(|ending| name.contains(ending))),
    }
}
