//! Rows on disk, in parts that fit into memory one at a time.

use crate::digests::{BUCKETS, bucket};
use crate::error::DumpError;
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

/// What one row costs in memory beyond its bytes, about.
const ROW_BYTES: u64 = 400;
/// The largest number of parts: each dump has an open file for each of them.
const PARTS_MAX: u64 = 64;

/// The number of parts in which rows of this many bytes fit into the memory allowed.
pub(super) fn parts(rows: u64, bytes: u64, memory: u64) -> usize {
    (rows * ROW_BYTES + bytes).div_ceil(memory.max(1)).clamp(1, PARTS_MAX) as usize
}

/// The part of a key. Neighbouring buckets share a part.
pub(super) fn part_of(key: &str, parts: usize) -> usize {
    bucket(key) * parts / BUCKETS
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
    each: &mut dyn FnMut(T) -> Result<(), DumpError>,
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
        each(serde_json::from_slice(&line).map_err(|error| DumpError::io("read", file)(error.into()))?)?;
    }
}
