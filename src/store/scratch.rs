//! Memory for the tables of a verdict, and a file for what exceeds it.

use dissent_core::history::scratch::Scratch;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The bytes of a word.
const WORD: u64 = 8;

/// The memory that a verdict may take by default, in bytes.
pub(crate) const MEMORY: u64 = 256 << 20;

/// The part of the memory that tables may take. The rest is for reading, which needs as much however long a
/// run was.
const TABLES_PART: u64 = 3;

/// Numbers the files of this process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A file without a name, which ends with its last user. It is created when the memory is used up.
#[derive(Debug)]
pub(crate) struct ScratchFile {
    /// The folders to try, in this order.
    folders: [PathBuf; 2],
    /// The words that tables may still keep in memory.
    left: AtomicU64,
    spilled: Mutex<Spilled>,
}

#[derive(Debug)]
enum Spilled {
    Nothing,
    To {
        file: File,
        words: u64,
    },
    /// No file can be created or written: everything stays in memory.
    Impossible,
}

impl ScratchFile {
    /// Scratch space for the verdict on the run in this folder, which may take so many bytes of memory.
    pub(crate) fn new(run: &Path, memory: u64) -> ScratchFile {
        ScratchFile {
            folders: [run.to_owned(), std::env::temp_dir()],
            left: AtomicU64::new(memory / TABLES_PART / WORD),
            spilled: Mutex::new(Spilled::Nothing),
        }
    }

    fn create(&self) -> io::Result<File> {
        let name = format!("scratch-{}-{}", process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let create = |folder: &PathBuf| {
            let path = folder.join(&name);
            let file = File::options().read(true).write(true).create_new(true).open(&path)?;
            fs::remove_file(&path).map(|()| file)
        };
        create(&self.folders[0]).or_else(|_| create(&self.folders[1]))
    }

    fn write(&self, spilled: &mut Spilled, words: &[u64]) -> io::Result<u64> {
        if matches!(spilled, Spilled::Nothing) {
            *spilled = Spilled::To { file: self.create()?, words: 0 };
        }
        let Spilled::To { file, words: count } = spilled else {
            return Err(io::ErrorKind::StorageFull.into());
        };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.write_all_at(&bytes, *count * WORD)?;
        let at = *count;
        *count += words.len() as u64;
        Ok(at)
    }
}

impl Scratch for ScratchFile {
    fn put(&self, words: &[u64]) -> Option<u64> {
        let take = |left: u64| left.checked_sub(words.len() as u64);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return None;
        }
        let mut spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
        let written = self.write(&mut spilled, words);
        if written.is_err() && matches!(*spilled, Spilled::Nothing) {
            *spilled = Spilled::Impossible;
        }
        written.ok()
    }

    fn get(&self, at: u64, count: usize, words: &mut Vec<u64>) {
        let spilled = self.spilled.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; count * WORD as usize];
        let read = match &*spilled {
            Spilled::To { file, .. } => file.read_exact_at(&mut bytes, at * WORD),
            Spilled::Nothing | Spilled::Impossible => Err(io::ErrorKind::NotFound.into()),
        };
        assert!(read.is_ok(), "the scratch file cannot be read: {read:?}");
        words.extend(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exceeds_the_memory_goes_to_a_file_without_a_name() {
        let folder = std::env::temp_dir();
        let scratch = ScratchFile::new(&folder, 4 * TABLES_PART * WORD);
        assert_eq!(scratch.put(&[1, 2, 3]), None, "within the memory");
        assert_eq!(scratch.put(&[4, 5]), Some(0));
        assert_eq!(scratch.put(&[6]), None, "one word was left");
        assert_eq!(scratch.put(&[7, 8, 9]), Some(2));
        let mut words = vec![0];
        scratch.get(3, 2, &mut words);
        assert_eq!(words, [0, 8, 9]);
        let own = format!("scratch-{}-", process::id());
        let is_own = |entry: fs::DirEntry| entry.file_name().to_string_lossy().starts_with(&own);
        assert!(!fs::read_dir(&folder).expect("readable").flatten().any(is_own), "no name stays");
    }

    #[test]
    fn without_a_place_for_the_file_everything_stays_in_memory() {
        let mut scratch = ScratchFile::new(Path::new("/nowhere"), 0);
        scratch.folders[1] = PathBuf::from("/nowhere");
        assert_eq!((scratch.put(&[1]), scratch.put(&[2])), (None, None));
    }
}
