//! The lock and the marks of a system that has no place for them: a folder beside the target file.
//!
//! ```text
//! mine.toml
//! mine.dissent/
//!   lock.json      the run that uses the target
//!   guard          locked by a process while it reads and replaces lock.json
//!   marks/         the cure of each fault in force, one a file
//! ```
//!
//! Whoever uses another copy of the target file has another lock.

use super::capabilities::owner;
use super::clock::now_ms;
use crate::config::target::TargetFile;
use crate::target_error::{Holder, TargetError};
use dissent_core::seed::number_of;
use dissent_store::cure::Cure;
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A lock expires this long after its last renewal.
pub const LOCK_EXPIRY: Duration = Duration::from_secs(30);

/// The time between two renewals.
pub const LOCK_RENEWAL: Duration = Duration::from_secs(8);

/// How long to wait for another process that is reading or replacing the lock.
const GUARD_TIMEOUT: Duration = Duration::from_secs(2);

/// The time between two attempts at that.
const GUARD_INTERVAL: Duration = Duration::from_millis(10);

/// The lock as stored. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredLock {
    run: String,
    owner: String,
    taken: u64,
    renewed: u64,
    expires: u64,
}

impl From<StoredLock> for Holder {
    fn from(StoredLock { run, owner, taken, expires, .. }: StoredLock) -> Holder {
        let now = now_ms();
        let seconds = now.saturating_sub(taken) / 1_000;
        Holder { run, owner, seconds, left: expires.saturating_sub(now).div_ceil(1_000) }
    }
}

/// The folder with the lock and the marks of one target.
#[derive(Clone, Debug)]
pub struct LockFolder(PathBuf);

impl LockFolder {
    /// The folder beside a target file.
    pub fn beside(file: &TargetFile) -> LockFolder {
        LockFolder(file.folder.join(format!("{}.dissent", file.name)))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the lock for a run, or renews it. Fails with the holder if another run has the lock.
    pub async fn take(&self, run: &str) -> Result<(), TargetError> {
        let _guard = self.guard().await?;
        let (now, held) = (now_ms(), self.read_lock()?);
        let own = held.as_ref().filter(|lock| lock.run == run);
        let taken = own.map_or(now, |lock| lock.taken);
        if let Some(other) = held.filter(|lock| lock.run != run && now < lock.expires) {
            let at = self.0.display().to_string();
            return Err(TargetError::InUse { at, holder: other.into() });
        }
        let expires = now + LOCK_EXPIRY.as_millis() as u64;
        let lock = StoredLock { run: run.to_owned(), owner: owner(), taken, renewed: now, expires };
        write(&self.lock_file(), &lock)
    }

    /// Releases the lock if this run holds it.
    pub async fn release(&self, run: &str) -> Result<(), TargetError> {
        let _guard = self.guard().await?;
        match self.read_lock()? {
            Some(lock) if lock.run == run => remove(&self.lock_file()),
            _ => Ok(()),
        }
    }

    /// The run that holds the lock.
    pub fn holder(&self) -> Result<Option<Holder>, TargetError> {
        let held = self.read_lock()?.filter(|lock| now_ms() < lock.expires);
        Ok(held.map(Holder::from))
    }

    /// Writes the mark of a fault and syncs it to the disk. The fault may begin only after this returns.
    pub fn put_mark(&self, cure: &Cure) -> Result<(), TargetError> {
        let file = self.mark_file(cure);
        create_folder(&self.marks_folder())?;
        write(&file, cure)
    }

    /// Removes the mark of a fault, if it is there.
    pub fn remove_mark(&self, cure: &Cure) -> Result<(), TargetError> {
        remove(&self.mark_file(cure))
    }

    /// Whether the mark of a fault is there.
    pub fn is_marked(&self, cure: &Cure) -> bool {
        self.mark_file(cure).exists()
    }

    /// The marks that runs have left. Each mark is a cure.
    pub fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        let folder = self.marks_folder();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed(&folder))?,
        };
        let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut paths = paths.map_err(failed(&folder))?;
        // A write that a kill interrupted leaves a file with another ending, for a fault that never began.
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        paths.sort();
        Ok(paths
            .iter()
            .map(|path| read(path))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("lock.json")
    }

    fn marks_folder(&self) -> PathBuf {
        self.0.join("marks")
    }

    fn mark_file(&self, cure: &Cure) -> PathBuf {
        let id = number_of(&[&cure.mark, &cure.step]);
        self.marks_folder().join(format!("{id:016x}.json"))
    }

    fn read_lock(&self) -> Result<Option<StoredLock>, TargetError> {
        read(&self.lock_file())
    }

    /// Keeps other processes from reading and replacing the lock until the result is dropped.
    async fn guard(&self) -> Result<File, TargetError> {
        create_folder(&self.0)?;
        let path = self.0.join("guard");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(failed(&path))?;
        let until = Instant::now() + GUARD_TIMEOUT;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(file),
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => sleep(GUARD_INTERVAL).await,
                Err(error) => return Err(failed(&path)(error.into())),
            }
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> TargetError {
    move |error| TargetError::Refused { at: path.display().to_string(), cause: error.to_string() }
}

fn create_folder(path: &Path) -> Result<(), TargetError> {
    fs::create_dir_all(path).map_err(failed(path))
}

/// Reads a file. None if there is none. A file that cannot be understood is an error that names it.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TargetError> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.map_err(failed(path))?,
    };
    let corrupt = |error: serde_json::Error| TargetError::InvalidResponse {
        at: path.display().to_string(),
        cause: format!("{error}; if no run is in progress, remove the file"),
    };
    serde_json::from_slice(&text).map(Some).map_err(corrupt)
}

/// Replaces a file as a whole and syncs it, so that a kill leaves the old or the new contents.
fn write(path: &Path, value: &impl Serialize) -> Result<(), TargetError> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = File::create(&draft)?;
        file.write_all(&serde_json::to_vec_pretty(value)?)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    written().map_err(failed(path))
}

fn remove(path: &Path) -> Result<(), TargetError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dissent_core::history::fault::{Fault, FaultKind};

    fn folder(dir: &tempfile::TempDir) -> LockFolder {
        LockFolder(dir.path().join("mine.dissent"))
    }

    fn cure(step: &str) -> Cure {
        let replica = "r1".to_owned();
        let fault = Fault { kind: FaultKind::Pause, replica, partition: None, seq: None };
        Cure { step: step.to_owned(), fault, mark: "r@1".to_owned(), undo: serde_json::json!({ "a": 1 }) }
    }

    #[tokio::test]
    async fn a_second_run_is_refused_until_the_first_releases_the_lock() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        assert_eq!(folder.holder().expect("it reads"), None);
        folder.take("r@1").await.expect("free");
        folder.take("r@1").await.expect("renewed");
        let refused = folder.take("r@2").await.expect_err("in use").to_string();
        assert!(refused.contains("is in use by run r@1 of "), "{refused}");
        folder.release("r@2").await.expect("it is not its own");
        let holder = folder.holder().expect("it reads").expect("it is held");
        assert!(holder.run == "r@1" && (29..=30).contains(&holder.left), "{holder:?}");
        folder.release("r@1").await.expect("released");
        folder.take("r@2").await.expect("free");
    }

    #[tokio::test]
    async fn a_lock_that_was_not_renewed_is_taken_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        folder.take("r@1").await.expect("free");
        let mut lock = folder.read_lock().expect("it reads").expect("it is held");
        lock.expires = now_ms() - 1;
        write(&folder.lock_file(), &lock).expect("written");
        assert_eq!(folder.holder().expect("it reads"), None);
        folder.take("r@2").await.expect("expired");
        assert_eq!(folder.holder().expect("it reads").expect("it is held").run, "r@2");
    }

    /// A process that is killed drops nothing: what it wrote is all that another one finds, with the draft of
    /// a mark that it did not finish.
    #[test]
    fn marks_outlive_the_process_that_wrote_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = folder(&dir).0;
        folder(&dir).put_mark(&cure("a")).expect("written");
        folder(&dir).put_mark(&cure("b")).expect("written");
        fs::write(path.join("marks/0.7.tmp"), "{\"step\": \"c").expect("written");
        let found = folder(&dir);
        let mut marks = found.marks().expect("they read");
        marks.sort_by(|one, other| one.step.cmp(&other.step));
        assert_eq!(marks, [cure("a"), cure("b")]);
        found.remove_mark(&cure("a")).expect("removed");
        found.remove_mark(&cure("a")).expect("removed before");
        assert!(!found.is_marked(&cure("a")) && found.is_marked(&cure("b")));
    }

    #[tokio::test]
    async fn a_corrupt_file_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = folder(&dir);
        folder.put_mark(&cure("a")).expect("written");
        fs::write(folder.mark_file(&cure("a")), "{").expect("written");
        fs::write(folder.lock_file(), "[]").expect("written");
        let marks = folder.marks().expect_err("corrupt").to_string();
        assert!(marks.contains("mine.dissent/marks/") && marks.contains("remove the file"), "{marks}");
        let lock = folder.take("r@1").await.expect_err("corrupt").to_string();
        assert!(lock.contains("mine.dissent/lock.json"), "{lock}");
    }
}
