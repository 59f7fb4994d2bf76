//! What it takes to write files of a run: errors that name the file, whole files, and files of frames.

use super::frame::FrameWriter;
use super::frame_origin::RunHash;
use dissent_core::history::time::Nanos;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Why a run folder could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the quota is full.
    #[error("no space left for {file}: free some space, or choose another disk with --results")]
    Full {
        /// The file that was being written.
        file: PathBuf,
    },
    /// The run folder exists already.
    #[error("{dir} already exists, and dissent never overwrites a run: move it, or choose another --results")]
    Exists {
        /// The folder.
        dir: PathBuf,
    },
    /// Any other error of the file system.
    #[error("cannot {action} {file}: {source}")]
    Io {
        /// The action that failed, as a verb for the message.
        action: &'static str,
        /// The file.
        file: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Rows or flags in the record belong to a read that no event announces.
    #[error("read {read} of partition {partition} has rows or flags, but no event announces it")]
    Unannounced {
        /// The partition of the read.
        partition: u32,
        /// The id of the read.
        read: u64,
    },
}

/// The error of a failed operation on a file. `action` is a verb for the message.
pub fn failed<'a>(action: &'static str, file: &'a Path) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| match is_full(&source) {
        true => StoreError::Full { file: file.to_owned() },
        false => StoreError::Io { action, file: file.to_owned(), source },
    }
}

/// Whether there is no space left to write to, or no more is allowed.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
}

/// Replaces a file atomically: a reader sees either the old one or the new one.
pub fn replace_file(file: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let mut temporary = file.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    let mut to = File::create(&temporary).map_err(failed("create", &temporary))?;
    to.write_all(bytes).and_then(|()| to.sync_all()).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, file).map_err(failed("put in place", file))
}

/// Creates a folder, and those above it. One that exists is an error: its run is never overwritten.
pub fn create_folder(dir: &Path) -> Result<(), StoreError> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    fs::create_dir(dir).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => StoreError::Exists { dir: dir.to_owned() },
        _ => failed("create", dir)(error),
    })
}

/// Creates a file of a run by its name, and the folders above it. One that exists is an error.
pub(super) fn create_file(dir: &Path, name: &str) -> Result<(PathBuf, File), StoreError> {
    let file = dir.join(name);
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).map_err(failed("create", parent))?;
    }
    let created = File::create_new(&file).map_err(failed("create", &file))?;
    Ok((file, created))
}

/// A file of frames. Its path is used in errors.
pub(super) struct LineWriter {
    file: PathBuf,
    frames: FrameWriter<File>,
}

impl LineWriter {
    pub(super) fn create(dir: &Path, name: &str, run: RunHash) -> Result<Self, StoreError> {
        let (file, to) = create_file(dir, name)?;
        let frames = FrameWriter::new(to, run.file(name)).map_err(failed("create", &file))?;
        Ok(Self { file, frames })
    }

    pub(super) fn line(&mut self, now: Nanos, line: &impl Serialize) -> Result<(), StoreError> {
        self.frames.line(now, line).map_err(failed("write", &self.file))
    }

    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.frames.flush().map_err(failed("write", &self.file))
    }

    pub(super) fn finish(self) -> Result<(), StoreError> {
        self.frames.finish().map(drop).map_err(failed("end", &self.file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_names_the_file_and_the_next_step() {
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let error = failed("write", Path::new("run/events.table.zst"))(kind.into()).to_string();
            assert!(error.contains("no space left for run/events.table.zst: free some"), "{error}");
        }
        let other = failed("write", Path::new("run/a"))(ErrorKind::PermissionDenied.into()).to_string();
        assert_eq!(other, "cannot write run/a: permission denied");
    }
}
