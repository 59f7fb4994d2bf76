//! A child process that tells its address in its first line and ends when its standard input closes, so
//! that it cannot outlive the one that started it, not even after kill -9.

use crate::error::Error;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a process may take to tell its address.
const START: Duration = Duration::from_secs(20);

/// What a process prints before its address.
pub(super) const GREETING: &str = "listening on ";

/// So much of the end of what a child said are its last words.
const WORDS_BYTES: usize = 400;

/// A child and where it listens.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    log: PathBuf,
    /// Where in the log its own lines begin.
    from: u64,
    /// `host:port`.
    pub address: String,
}

impl Child {
    /// Starts `program` with `arguments`; its standard error goes to the file `log`, appended.
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
        let from = log_file.metadata().map_or(0, |data| data.len());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log_file);
        if group == Group::Own {
            command.process_group(0);
        }
        let spawned = command.kill_on_drop(true).spawn();
        let mut process = spawned.map_err(failed(format!("start {name} ({})", program.display())))?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            // What cannot be read is no address.
            drop(timeout(START, BufReader::new(stdout).read_line(&mut line)).await);
        }
        let Some(address) = line.trim().strip_prefix(GREETING).map(str::to_owned) else {
            let log = log.display();
            return Err(Error::Config(format!("start {name}: it told no address; see {log}")));
        };
        Ok(Child { process, log: log.to_owned(), from, address })
    }

    /// Its process id, while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        match self.process.try_wait() {
            Ok(None) => self.process.id(),
            Ok(Some(_)) | Err(_) => None,
        }
    }

    /// How it ended and the last that it said, if it has ended.
    pub fn last_words(&mut self) -> Option<String> {
        let status = self.process.try_wait().ok()??;
        // What cannot be read was not said.
        let said = std::fs::read(&self.log).unwrap_or_default();
        let own = said.get(usize::try_from(self.from).unwrap_or(usize::MAX)..).unwrap_or_default();
        let end = String::from_utf8_lossy(&own[own.len().saturating_sub(WORDS_BYTES)..]);
        let lines: Vec<&str> = end.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        Some(match lines.is_empty() {
            true => format!("it ended ({status}) and said nothing"),
            false => format!("it ended ({status}), its last words: {}", lines.join(" | ")),
        })
    }

    /// Closes its standard input and waits until it has ended by itself, or kills it after `patience`: one
    /// that is stopped does not notice that its input closed.
    pub async fn end(&mut self, patience: Duration) {
        drop(self.process.stdin.take());
        if timeout(patience, self.process.wait()).await.is_err() {
            // One that cannot be killed is gone already; kill_on_drop stands behind this.
            drop(self.process.kill().await);
        }
    }
}

/// Whose signals a child gets from a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Those of the process that starts it.
    Same,
    /// None: it leads a group of its own.
    Own,
}
