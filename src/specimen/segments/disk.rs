//! A server's folder: its committed copies, and a count of its starts. Only real processes have one; in the
//! simulation a disk is a map.

use super::copy::StoredCopy;
use super::messages::SegmentId;
use crate::error::Error;
use crate::host::Host;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(crate) struct Disk {
    dir: PathBuf,
}

impl Disk {
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|source| at("create", dir, source))?;
        Ok(Disk { dir: dir.to_owned() })
    }

    /// Counts this start and returns its number, from 1.
    pub(crate) fn next_incarnation(&self) -> Result<u64, Error> {
        let path = self.dir.join("incarnation");
        let last = std::fs::read_to_string(&path).ok().and_then(|text| text.parse().ok());
        let next = last.unwrap_or(0) + 1;
        self.write("incarnation", next.to_string().as_bytes())?;
        Ok(next)
    }

    /// The copies on disk. An unreadable copy is skipped, so the server downloads it again.
    pub(crate) fn load(&self) -> Result<BTreeMap<SegmentId, StoredCopy>, Error> {
        let entries = std::fs::read_dir(&self.dir).map_err(|source| at("list", &self.dir, source))?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let read = |path: PathBuf| serde_json::from_slice::<StoredCopy>(&std::fs::read(path).ok()?).ok();
        Ok(files.filter_map(read).map(|copy| (copy.stored.segment, copy)).collect())
    }

    /// Stores a copy and replaces an older one of the same segment. Fails if the disk of the machine is full.
    pub(crate) fn keep(&self, copy: &StoredCopy, host: &Host) -> Result<(), Error> {
        let SegmentId { partition, seq } = copy.stored.segment;
        let name = format!("{partition}-{seq}.json");
        if host.is_disk_full() {
            return Err(at("write", &self.dir.join(name), std::io::ErrorKind::StorageFull.into()));
        }
        let bytes = serde_json::to_vec(copy).map_err(|error| at("encode", &self.dir, error.into()))?;
        self.write(&name, &bytes)
    }

    /// Atomic: a kill leaves either the old file or the new one.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let (path, temporary) = (self.dir.join(name), self.dir.join(format!("{name}.draft")));
        std::fs::write(&temporary, bytes).map_err(|source| at("write", &temporary, source))?;
        std::fs::rename(&temporary, &path).map_err(|source| at("rename to", &path, source))
    }
}

fn at(what: &str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { what: format!("{what} {}", path.display()), source }
}
