//! A child process that prints its address on its first line and ends when its standard input closes. So it
//! cannot outlive its parent, even after kill -9.

use crate::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a process may take to print its address.
const START: Duration = Duration::from_secs(20);

/// The prefix of the line with the address.
pub(super) const GREETING: &str = "listening on ";

/// The maximum length of a child's last words.
const WORDS_BYTES: usize = 400;

/// A running child process.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    log: PathBuf,
    /// The length of the log file before this child's own lines.
    log_start: u64,
    /// The address that the child serves, as `host:port`.
    pub address: String,
}

impl Child {
    /// Starts `program` with `arguments`. Its standard error is appended to the file `log`. Fails if the
    /// child prints no address in time.
    pub async fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: &[A],
        log: &Path,
        group: Group,
    ) -> Result<Child, Error> {
        let failed = |what: String| move |source| Error::Io { what, source };
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let log_file = log_file.map_err(failed(format!("open {}", log.display())))?;
        let log_start = log_file.metadata().map_or(0, |data| data.len());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
        if group == Group::Own {
            command.process_group(0);
        }
        let spawned = command.kill_on_drop(true).spawn();
        let mut process = spawned.map_err(failed(format!("start {name} ({})", program.display())))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            // A child that prints nothing readable has no address; the error below says so.
            drop(timeout(START, BufReader::new(stdout).read_line(&mut line)).await);
        }
        let Some(address) = line.trim().strip_prefix(GREETING).map(str::to_owned) else {
            let log = log.display();
            return Err(Error::Config(format!("start {name}: it told no address; see {log}")));
        };
        Ok(Child { process, log: log.to_owned(), log_start, address })
    }

    /// The process id. None once the child has ended.
    pub fn pid(&mut self) -> Option<u32> {
        match self.process.try_wait() {
            Ok(None) => self.process.id(),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// The exit status and the last lines of the child's log. None while it runs.
    pub fn last_words(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        // An unreadable log counts as empty.
        let log = std::fs::read(&self.log).unwrap_or_default();
        let own = log.get(usize::try_from(self.log_start).unwrap_or(usize::MAX)..).unwrap_or_default();
        let tail = String::from_utf8_lossy(&own[own.len().saturating_sub(WORDS_BYTES)..]);
        let lines: Vec<&str> = tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Some(match lines.is_empty() {
            true => format!("it ended ({status}) and said nothing"),
            false => format!("it ended ({status}), its last words: {}", lines.join(" | ")),
        })
    }

    /// Closes the child's standard input and waits until it ends, or kills it after `patience`. A stopped
    /// process does not notice that its input closed.
    pub async fn end(&mut self, patience: Duration) {
        drop(self.process.stdin.take());
        if timeout(patience, self.process.wait()).await.is_err() {
            // If it cannot be killed it is gone already, and kill_on_drop is the last resort.
            drop(self.process.kill().await);
        }
    }
}

/// Which terminal signals a child receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The parent's: the child is in its process group.
    Same,
    /// None: the child leads its own process group.
    Own,
}
