//! Where the bytes of a dump come from: a file, the files of a folder, or a pipe; plain, gzip or zstd.

use crate::error::DumpError;
use crate::rows::Pace;
use flate2::read::MultiGzDecoder;
use std::fs::{File, read_dir};
use std::io::{BufRead, BufReader, Read, copy};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The first bytes of a zstd frame (RFC 8878, 3.1.1) and of a gzip member (RFC 1952, 2.3.1).
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The time between two looks at whether to stop waiting for a pipe.
const STOP_EVERY: Duration = Duration::from_millis(20);
/// The size of reads.
const BUFFER: usize = 1 << 18;

/// A dump of one replica.
#[derive(Clone, Debug)]
pub struct DumpSource {
    /// The replica.
    pub name: String,
    /// The path as given.
    pub given: String,
    /// Its files, in order.
    pub(super) files: Vec<PathBuf>,
    /// Whether its only file is a copy of a pipe, which nobody sees.
    is_copied: bool,
    /// Their size in bytes, as they lie there.
    pub(super) bytes: u64,
}

impl DumpSource {
    /// The size of its files in bytes, as they lie there.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The dump that a word of the command line names: `PATH` or `NAME=PATH`. What can be read only once (a
    /// pipe) is copied into `spool`.
    pub fn of(word: &str, spool: &Path, pace: &Pace) -> Result<DumpSource, DumpError> {
        let (name, given) = match word.split_once('=') {
            Some((name, path)) if !name.contains('/') && !Path::new(word).exists() => (Some(name), path),
            _ => (None, word),
        };
        let path = Path::new(given);
        let name = name.map_or_else(|| stem(path), str::to_owned);
        let is =
            if given == "-" { None } else { Some(path.metadata().map_err(DumpError::io("open", path))?) };
        let (files, is_copied) = match is {
            Some(is) if is.is_dir() => (in_folder(path)?, false),
            Some(is) if is.is_file() => (vec![path.to_owned()], false),
            _ => (vec![spooled(path, &name, spool, pace)?], true),
        };
        let size = |file: &PathBuf| file.metadata().map_or(0, |is| is.len());
        let bytes = files.iter().map(size).sum();
        Ok(DumpSource { name, given: given.to_owned(), files, is_copied, bytes })
    }

    /// One of its files as the user knows it.
    pub(super) fn shown(&self, file: &Path) -> PathBuf {
        if self.is_copied { PathBuf::from(&self.given) } else { file.to_owned() }
    }
}

/// The name of a file without its endings: `server-1` of `dumps/server-1.csv.zst`.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem =
        ["zst", "gz", "csv", "tsv", "jsonl", "ndjson", "json", "txt"].iter().fold(&*name, |name, ending| {
            name.strip_suffix(ending).and_then(|name| name.strip_suffix('.')).unwrap_or(name)
        });
    if stem.is_empty() { "dump".to_owned() } else { stem.to_owned() }
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, DumpError> {
    let mut files = Vec::new();
    for entry in read_dir(folder).map_err(DumpError::io("read", folder))? {
        let path = entry.map_err(DumpError::io("read", folder))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
        if path.is_file() && !is_hidden {
            files.push(path);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(DumpError::Usage(format!("no file is in {}", folder.display()))),
        false => Ok(files),
    }
}

/// Copies a pipe into a file, since it is read twice.
fn spooled(path: &Path, name: &str, spool: &Path, pace: &Pace) -> Result<PathBuf, DumpError> {
    let plain: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let mut number = 0;
    let to = loop {
        let to = spool.join(format!("pipe-{plain}-{number}.zst"));
        if !to.exists() {
            break to;
        }
        number += 1;
    };
    let file = File::create(&to).map_err(DumpError::io("write", &to))?;
    // A pipe that nobody writes to blocks whoever opens or reads it, so a thread of its own does.
    let (done, copied) = channel();
    let (from, into) = (path.to_owned(), to.clone());
    std::thread::spawn(move || drop(done.send(copy_pipe(&from, file, &into))));
    loop {
        match copied.recv_timeout(STOP_EVERY) {
            Ok(copied) => return copied.map(|()| to),
            Err(_) if pace.stop.load(Ordering::Relaxed) => return Err(DumpError::Stopped),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(DumpError::io("read", path)(std::io::Error::other("its reader has died")));
            }
        }
    }
}

fn copy_pipe(path: &Path, file: File, to: &Path) -> Result<(), DumpError> {
    let mut from: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(File::open(path).map_err(DumpError::io("open", path))?),
    };
    let mut out = zstd::Encoder::new(file, 1).map_err(DumpError::io("write", to))?;
    copy(&mut from, &mut out).map_err(DumpError::io("read", path))?;
    out.finish().map(drop).map_err(DumpError::io("write", to))
}

/// A file's text. `count` sees how many of its bytes were read.
pub(super) fn open(
    file: &Path,
    count: impl FnMut(u64) + Send + 'static,
) -> Result<Box<dyn BufRead + Send>, DumpError> {
    let opened = File::open(file).map_err(DumpError::io("open", file))?;
    let mut raw = BufReader::with_capacity(BUFFER, Counted { from: opened, count });
    let start = raw.fill_buf().map_err(DumpError::io("read", file))?;
    // A pipe that was spooled may bring compressed bytes of its own.
    let reader: Box<dyn BufRead + Send> = match start {
        start if start.starts_with(&ZSTD) => {
            let plain = zstd::Decoder::with_buffer(raw).map_err(DumpError::io("read", file))?;
            return inner(file, BufReader::with_capacity(BUFFER, plain));
        }
        start if start.starts_with(&GZIP) => {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(raw)))
        }
        _ => Box::new(raw),
    };
    Ok(reader)
}

/// What a zstd file holds, which may be compressed once more.
fn inner<R: BufRead + Send + 'static>(
    file: &Path,
    mut plain: R,
) -> Result<Box<dyn BufRead + Send>, DumpError> {
    let start = plain.fill_buf().map_err(DumpError::io("read", file))?;
    Ok(match start {
        start if start.starts_with(&ZSTD) => {
            let plain = zstd::Decoder::with_buffer(plain).map_err(DumpError::io("read", file))?;
            Box::new(BufReader::with_capacity(BUFFER, plain))
        }
        start if start.starts_with(&GZIP) => {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(plain)))
        }
        _ => Box::new(plain),
    })
}

/// Counts the bytes that are read.
struct Counted<C> {
    from: File,
    count: C,
}

impl<C: FnMut(u64)> Read for Counted<C> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.from.read(into)?;
        (self.count)(read as u64);
        Ok(read)
    }
}
