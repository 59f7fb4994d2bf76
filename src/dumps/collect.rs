//! The second pass: the rows of the buckets that differ, all dumps together, in parts that fit into memory.

use super::cells::{Cells, Typing, value};
use super::digests::{Columns, KeyColumns, bucket};
use super::error::DumpError;
use super::rows::{Format, Pace, Rows};
use super::source::Source;
use dissent_core::history::schema::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// What one row costs in memory beyond its bytes, about.
const ROW_BYTES: u64 = 400;
/// The largest number of parts: each dump has an open file for each of them.
const PARTS_MAX: u64 = 64;

/// A row of a dump: its key, and its values in the order of the columns compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DumpRow {
    pub(super) key: String,
    pub(super) cols: Vec<Value>,
}

/// By key: by dump, its rows.
pub(super) type Part = BTreeMap<String, Vec<Vec<Vec<Value>>>>;

/// What is collected, and how.
pub(super) struct Wanted<'w> {
    pub(super) columns: &'w Columns,
    /// The names of the columns compared, in order.
    pub(super) compared: &'w [String],
    pub(super) format: &'w Format,
    pub(super) typing: Typing,
    /// By bucket: whether its rows are wanted.
    pub(super) buckets: &'w [bool],
    pub(super) pace: &'w Pace,
}

impl Wanted<'_> {
    /// Passes the wanted rows of a dump on.
    fn rows(
        &self,
        source: &Source,
        each: &mut dyn FnMut(DumpRow) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        let mut rows = Rows::of(source, self.format, self.pace);
        let (mut cells, mut key, mut keys) = (Cells::default(), String::new(), KeyColumns::default());
        // By place in the file: the place among the columns compared.
        let mut places: Vec<Option<usize>> = Vec::new();
        while rows.next(&mut cells)? {
            for name in &rows.layout.names()[places.len()..] {
                places.push(self.compared.iter().position(|compared| compared == name));
            }
            keys.key(&cells, &rows.layout, self.columns, &mut key).map_err(|problem| rows.error(problem))?;
            if !self.buckets[bucket(&key)] {
                continue;
            }
            let mut cols = vec![Value::Null; self.compared.len()];
            for (cell, bytes) in cells.iter() {
                if let Some(place) = places[cell.column] {
                    let declared = self.columns.types.get(&self.compared[place]).copied();
                    cols[place] = value(cell.kind, bytes, declared, self.typing);
                }
            }
            each(DumpRow { key: key.clone(), cols })?;
        }
        Ok(())
    }
}

/// The number of parts in which rows of this many bytes fit into the memory allowed.
pub(super) fn parts(rows: u64, bytes: u64, memory: u64) -> usize {
    (rows * ROW_BYTES + bytes).div_ceil(memory.max(1)).clamp(1, PARTS_MAX) as usize
}

/// Collects the wanted rows of all dumps, and passes them on part by part, each in the order of keys.
pub(super) fn collect(
    sources: &[&Source],
    wanted: &Wanted<'_>,
    parts: usize,
    spool: &Path,
    each: &mut dyn FnMut(Part) -> Result<(), DumpError>,
) -> Result<(), DumpError> {
    if parts == 1 {
        let rows = each_in_parallel(sources, |_, source| {
            let mut rows = Vec::new();
            wanted.rows(source, &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            Ok(rows)
        })?;
        let mut all = Part::new();
        for (at, rows) in rows.into_iter().enumerate() {
            rows.into_iter().for_each(|row| enter(&mut all, row, at, sources.len()));
        }
        return each(all);
    }
    let written = each_in_parallel(sources, |at, source| {
        write_parts(source, wanted, parts, &spool.join(format!("rows-{at}")))
    })?;
    for part in 0..parts {
        let mut all = Part::new();
        for (at, files) in written.iter().enumerate() {
            read_part(&files[part], &mut |row| enter(&mut all, row, at, sources.len()))?;
        }
        each(all)?;
    }
    Ok(())
}

/// Does the same with every dump, as many at a time as there are cores.
pub(super) fn each_in_parallel<T: Send>(
    sources: &[&Source],
    work: impl Fn(usize, &Source) -> Result<T, DumpError> + Sync,
) -> Result<Vec<T>, DumpError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<T, DumpError>>>> = Mutex::new(sources.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..cores.min(sources.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(at) else { break };
                    let result = work(at, source);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().flatten().collect()
}

fn enter(part: &mut Part, row: DumpRow, source: usize, sources: usize) {
    part.entry(row.key).or_insert_with(|| vec![Vec::new(); sources])[source].push(row.cols);
}

/// The part of a key. Neighbouring buckets share a part.
pub(super) fn part_of(key: &str, buckets: usize, parts: usize) -> usize {
    bucket(key) * parts / buckets
}

fn write_parts(
    source: &Source,
    wanted: &Wanted<'_>,
    parts: usize,
    stem: &Path,
) -> Result<Vec<PathBuf>, DumpError> {
    let mut out = PartFiles::create(stem, parts)?;
    wanted.rows(source, &mut |row| out.push(part_of(&row.key, wanted.buckets.len(), parts), &row))?;
    out.finish()
}

/// Files of lines of JSON, one for each part.
pub(super) struct PartFiles(Vec<(PathBuf, zstd::Encoder<'static, File>)>);

impl PartFiles {
    pub(super) fn create(stem: &Path, parts: usize) -> Result<PartFiles, DumpError> {
        let files = (0..parts).map(|part| {
            let path = stem.with_extension(format!("{part}.zst"));
            let file = File::create(&path).map_err(DumpError::io("write", &path))?;
            let out = zstd::Encoder::new(file, 1).map_err(DumpError::io("write", &path))?;
            Ok((path, out))
        });
        files.collect::<Result<_, _>>().map(PartFiles)
    }

    pub(super) fn push(&mut self, part: usize, row: &impl Serialize) -> Result<(), DumpError> {
        let (path, out) = &mut self.0[part];
        let written = serde_json::to_writer(&mut *out, row).map_err(std::io::Error::from);
        written.and_then(|()| out.write_all(b"\n")).map_err(DumpError::io("write", path))
    }

    pub(super) fn finish(self) -> Result<Vec<PathBuf>, DumpError> {
        let finished = self.0.into_iter().map(|(path, out)| match out.finish() {
            Ok(_) => Ok(path),
            Err(error) => Err(DumpError::io("write", &path)(error)),
        });
        finished.collect()
    }
}

/// Passes the rows of a part on, in the order in which they were written.
pub(super) fn read_part<T: serde::de::DeserializeOwned>(
    file: &Path,
    each: &mut dyn FnMut(T),
) -> Result<(), DumpError> {
    let opened = File::open(file).map_err(DumpError::io("open", file))?;
    let plain = zstd::Decoder::new(opened).map_err(DumpError::io("read", file))?;
    let mut lines = BufReader::new(plain);
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(DumpError::io("read", file))? == 0 {
            return Ok(());
        }
        each(serde_json::from_slice(&line).map_err(|error| DumpError::io("read", file)(error.into()))?);
    }
}
