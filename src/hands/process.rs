//! A child process that tells its address in its first line and ends when its standard input closes, so
//! that it cannot outlive us, not even after kill -9.

use crate::target::TargetError;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How long a process may take to tell its address.
const START: Duration = Duration::from_secs(20);

/// What a process prints before its address.
const GREETING: &str = "listening on ";

/// A running child and where it listens.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// `host:port`.
    pub address: String,
}

impl Process {
    /// Starts `program` with `arguments`; its standard error goes to the file `log`, appended.
    pub async fn start<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        arguments: &[A],
        log: &Path,
    ) -> Result<Process, TargetError> {
        let failed = |cause: String| TargetError::Start { process: name.to_owned(), cause };
        let told = |error: std::io::Error| failed(format!("{}: {error}", program.display()));
        let log_file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        let log_file = log_file.map_err(|error| failed(format!("{}: {error}", log.display())))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .map_err(told)?;
        let Some(stdout) = child.stdout.take() else {
            return Err(failed("it has no standard output".to_owned()));
        };
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let read = timeout(START, stdout.read_line(&mut line)).await;
        let seen = match read {
            Ok(Ok(_)) => line.trim().strip_prefix(GREETING),
            Ok(Err(_)) | Err(_) => None,
        };
        let Some(address) = seen.map(str::to_owned) else {
            return Err(failed(format!("it told no address; see {}", log.display())));
        };
        Ok(Process { child, address })
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(&mut self) -> std::io::Result<()> {
        self.child.kill().await
    }

    /// Closes its standard input and waits until it has ended by itself, or kills it after `patience`.
    pub async fn end(&mut self, patience: Duration) -> std::io::Result<()> {
        drop(self.child.stdin.take());
        match timeout(patience, self.child.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.child.kill().await,
        }
    }
}
