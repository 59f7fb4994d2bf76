//! The tool's side of a watchdog: the fault that it holds, and the pipe that undoes the fault when it closes.

use super::watchdog::{BEGIN, CURE, CURE_TIMEOUT, CURED, ENDED_EARLY, FAILED, HOLDING, IN_FORCE};
use crate::target_error::{CHECK_TIMEOUT, TargetError};
use dissent_store::cure::Cure;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Time limit for a watchdog to start, or to begin a fault.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Time limit for a cure. The last attempt may start when the watchdog's patience ends, and take one answer.
const ANSWER_TIMEOUT: Duration =
    CURE_TIMEOUT.saturating_add(Duration::from_secs(2)).saturating_add(CHECK_TIMEOUT);

/// A fault in force, and the watchdog that holds it. If this is dropped, the watchdog undoes the fault.
#[derive(Debug)]
pub struct WatchdogHandle {
    /// How to undo the fault.
    pub cure: Cure,
    watchdog: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl WatchdogHandle {
    /// Starts a watchdog without a fault yet, for at most `lasting`.
    pub async fn take(program: &Path, cure: Cure, lasting: Duration) -> Result<WatchdogHandle, TargetError> {
        let failed = |cause: String| TargetError::SpawnFailed { process: "a watchdog".to_owned(), cause };
        let mark = serde_json::to_string(&cure).map_err(|error| failed(error.to_string()))?;
        let mut watchdog = Command::new(program)
            .args(["watchdog", "--lease-ms", &lasting.as_millis().to_string(), "--mark", &mark])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(format!("{}: {error}", program.display())))?;
        let (Some(orders), Some(answers)) = (watchdog.stdin.take(), watchdog.stdout.take()) else {
            return Err(failed("it has no standard input or output".to_owned()));
        };
        let mut lease = WatchdogHandle { cure, watchdog, orders, answers: BufReader::new(answers).lines() };
        match lease.answer(BEGIN_TIMEOUT).await.as_deref() {
            Some(HOLDING) => Ok(lease),
            other => Err(failed(format!("it answered {other:?} instead of `{HOLDING}`"))),
        }
    }

    /// Begins the fault. If that fails, the watchdog undoes the fault before it reports the error.
    pub async fn begin(&mut self) -> Result<(), TargetError> {
        match self.ask(BEGIN, BEGIN_TIMEOUT).await.as_deref() {
            Some(IN_FORCE) => Ok(()),
            other => Err(self.refused(other)),
        }
    }

    /// Undoes the fault. Returns what the watchdog saw if the fault was already over.
    pub async fn cure(mut self) -> Result<Option<String>, TargetError> {
        let answer = self.ask(CURE, ANSWER_TIMEOUT).await;
        let ended_early = answer.as_deref().and_then(|line| line.strip_prefix(ENDED_EARLY));
        if answer.as_deref() != Some(CURED) && ended_early.is_none() {
            return Err(self.refused(answer.as_deref()));
        }
        // It is done; this only removes it from the process table.
        drop(timeout(ANSWER_TIMEOUT, self.watchdog.wait()).await);
        Ok(ended_early.map(str::to_owned))
    }

    async fn ask(&mut self, order: &str, patience: Duration) -> Option<String> {
        // If the watchdog is gone, the missing answer shows it.
        drop(self.orders.write_all(format!("{order}\n").as_bytes()).await);
        self.answer(patience).await
    }

    async fn answer(&mut self, patience: Duration) -> Option<String> {
        timeout(patience, self.answers.next_line()).await.ok()?.ok()?
    }

    fn refused(&self, answer: Option<&str>) -> TargetError {
        let cause = match answer {
            Some(line) => line.strip_prefix(FAILED).unwrap_or(line).to_owned(),
            None => "it did not answer".to_owned(),
        };
        TargetError::Refused { at: format!("the watchdog of step {}", self.cure.step), cause }
    }
}
