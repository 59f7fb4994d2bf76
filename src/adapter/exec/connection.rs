//! Requests to an adapter that may die: each has a time limit, and the next one after a death starts the
//! adapter again.

use super::inbox::{NoAnswer, Ticket, quoted};
use super::messages::{ExecCall, HelloAnswer, PROTOCOL, RowsAnswer};
use super::process::AdapterProcess;
use crate::target_error::TargetError;
use dissent_core::history::schema::rules::Retention;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};

/// How often an adapter that has died is started again.
pub(super) const RESTARTS_MAX: u32 = 20;

/// The time between two starts.
const START_INTERVAL: Duration = Duration::from_secs(1);

/// The most requests that are sent at once, whatever an adapter says.
const CONCURRENCY_MAX: u32 = 64;

/// How an adapter is started.
#[derive(Clone, Debug)]
pub(super) struct AdapterCommand {
    /// The argument of `sh -c`.
    pub(super) command: String,
    /// Where it runs.
    pub(super) folder: PathBuf,
    /// The name of the target file, for `hello`.
    pub(super) target: String,
    /// The time limit of a request.
    pub(super) patience: Duration,
}

/// A failed request.
#[derive(Debug)]
pub(super) struct FailedRequest {
    /// Whether the adapter may have seen it.
    pub(super) sent: bool,
    /// What went wrong.
    pub(super) error: TargetError,
}

/// An adapter, over all lives of its process.
#[derive(Debug)]
pub(super) struct Connection {
    how: AdapterCommand,
    permits: Semaphore,
    /// The answer to the first `hello`. Later ones must be the same.
    hello: OnceLock<HelloAnswer>,
    lives: Mutex<Lives>,
}

/// The lives of the process.
#[derive(Debug, Default)]
struct Lives {
    now: Option<Arc<AdapterProcess>>,
    starts: u32,
    started: Option<Instant>,
}

impl Connection {
    /// Starts the adapter and asks what it can do.
    pub(super) async fn open(how: AdapterCommand) -> Result<(Connection, HelloAnswer), TargetError> {
        let (hello, lives) = (OnceLock::new(), Mutex::new(Lives::default()));
        let connection = Connection { how, permits: Semaphore::new(0), hello, lives };
        connection.process(connection.limit()).await?;
        let hello = connection.hello.get().cloned().ok_or_else(|| no_answer("no hello".to_owned()))?;
        let at_once = usize::try_from(hello.concurrency.clamp(1, CONCURRENCY_MAX)).unwrap_or(1);
        connection.permits.add_permits(at_once);
        Ok((connection, hello))
    }

    fn limit(&self) -> Instant {
        Instant::now() + self.how.patience
    }

    /// Asks for an answer of one line.
    pub(super) async fn ask<T: DeserializeOwned>(&self, call: ExecCall<'_>) -> Result<T, FailedRequest> {
        let (limit, name) = (self.limit(), call.name());
        let (_permit, process, mut ticket) = self.send(call, limit).await?;
        let answer = self.line(&process, &mut ticket, name, limit).await.and_then(|line| parsed(name, &line));
        answer.map_err(|error| FailedRequest { sent: true, error })
    }

    /// Asks for rows. Each line has the whole time limit.
    pub(super) async fn rows(
        &self,
        call: ExecCall<'_>,
        each: &mut (dyn FnMut(RowsAnswer) -> Result<(), TargetError> + Send),
    ) -> Result<(), TargetError> {
        let name = call.name();
        let sent = self.send(call, self.limit()).await;
        let (_permit, process, mut ticket) = sent.map_err(|failed| failed.error)?;
        let mut came = 0;
        loop {
            let line = self.line(&process, &mut ticket, name, self.limit()).await?;
            let mut answer: RowsAnswer = parsed(name, &line)?;
            came += answer.rows.len() as u64;
            let (end, count) = (answer.end, answer.count.take());
            each(answer)?;
            match count {
                _ if !end => {}
                Some(count) if count == came => return Ok(()),
                Some(count) => return Err(invalid(format!("{came} rows came, but it counted {count}"))),
                None => {
                    return Err(invalid(format!("the last line has no count: {}", quoted(line.as_bytes()))));
                }
            }
        }
    }

    /// Waits for its turn and sends a request.
    async fn send(
        &self,
        call: ExecCall<'_>,
        limit: Instant,
    ) -> Result<(SemaphorePermit<'_>, Arc<AdapterProcess>, Ticket), FailedRequest> {
        let unsent = |error| FailedRequest { sent: false, error };
        let turn = timeout_at(limit, self.permits.acquire()).await;
        let Ok(Ok(permit)) = turn else {
            let cause =
                format!("{} had no turn within {:?}: earlier ones hang", call.name(), self.how.patience);
            return Err(unsent(no_answer(cause)));
        };
        let process = self.process(limit).await.map_err(unsent)?;
        let name = call.name();
        let ticket = process.send(call).map_err(|why| unsent(failure(name, why)))?;
        Ok((permit, process, ticket))
    }

    /// The next line for a ticket.
    async fn line(
        &self,
        process: &AdapterProcess,
        ticket: &mut Ticket,
        name: &str,
        limit: Instant,
    ) -> Result<String, TargetError> {
        match timeout_at(limit, ticket.lines.recv()).await {
            Ok(Some(Ok(line))) => Ok(line),
            Ok(Some(Err(why))) => Err(failure(name, why)),
            Ok(None) => Err(no_answer(format!("nothing more for {name}"))),
            Err(_) => {
                let late = match process.late() {
                    0 => String::new(),
                    late => format!("; lines that came too late so far: {late}"),
                };
                Err(no_answer(format!("nothing within {:?} for {name}{late}", self.how.patience)))
            }
        }
    }

    /// The living process, started again if it is dead.
    async fn process(&self, limit: Instant) -> Result<Arc<AdapterProcess>, TargetError> {
        let Ok(mut lives) = timeout_at(limit, self.lives.lock()).await else {
            return Err(no_answer("it is being started".to_owned()));
        };
        if let Some(process) = lives.now.as_ref().filter(|process| !process.is_dead()) {
            return Ok(Arc::clone(process));
        }
        lives.now = None;
        if lives.starts > RESTARTS_MAX {
            return Err(no_answer(format!("it was started {} times and has died each time", lives.starts)));
        }
        if let Some(next) = lives.started.map(|started| started + START_INTERVAL) {
            if next >= limit {
                let cause = "it has died, and is started again once a second at most";
                return Err(no_answer(cause.to_owned()));
            }
            sleep_until(next).await;
        }
        (lives.starts, lives.started) = (lives.starts + 1, Some(Instant::now()));
        let process = self.start(limit).await?;
        lives.now = Some(Arc::clone(&process));
        Ok(process)
    }

    /// Starts the process and greets it.
    async fn start(&self, limit: Instant) -> Result<Arc<AdapterProcess>, TargetError> {
        let started = AdapterProcess::start(&self.how.command, &self.how.folder);
        let process = started.map_err(|error| TargetError::SpawnFailed {
            process: format!("the adapter `{}` in {}", self.how.command, self.how.folder.display()),
            cause: error.to_string(),
        })?;
        let call = ExecCall::Hello { protocol: PROTOCOL, target: &self.how.target };
        let name = call.name();
        let mut ticket = process.send(call).map_err(|why| failure(name, why))?;
        let line = self.line(&process, &mut ticket, name, limit).await?;
        let hello: HelloAnswer = parsed(name, &line)?;
        check(&hello)?;
        if *self.hello.get_or_init(|| hello.clone()) != hello {
            let start = quoted(line.as_bytes());
            return Err(invalid(format!("after a restart it tells other things of the store: {start}")));
        }
        drop(ticket);
        Ok(Arc::new(process))
    }
}

/// Refuses what cannot be meant.
fn check(hello: &HelloAnswer) -> Result<(), TargetError> {
    let mut names = hello.replicas.clone();
    names.sort_unstable();
    names.dedup();
    let problem = match hello {
        _ if !(1..=PROTOCOL).contains(&hello.protocol) => {
            format!("it speaks protocol {}, and this build speaks {PROTOCOL}", hello.protocol)
        }
        _ if names.is_empty() => "it names no replicas".to_owned(),
        _ if names.len() < hello.replicas.len() => "it names a replica twice".to_owned(),
        _ if hello.retains != Retention::NewestRow => {
            "protocol 1 knows only stores that retain the `newest-row`".to_owned()
        }
        _ if hello.merges.is_some() == hello.lacks.is_some() => {
            "it must tell either `merges` or `lacks`".to_owned()
        }
        _ => return Ok(()),
    };
    Err(invalid(problem))
}

fn parsed<T: DeserializeOwned>(name: &str, line: &str) -> Result<T, TargetError> {
    serde_json::from_str(line)
        .map_err(|error| invalid(format!("no answer to {name}: {error}: {}", quoted(line.as_bytes()))))
}

/// Who is asked, in errors.
pub(super) const ADAPTER: &str = "the adapter";

fn failure(name: &str, why: NoAnswer) -> TargetError {
    match why {
        NoAnswer::Dead(cause) => no_answer(cause),
        NoAnswer::Broken(what) => invalid(format!("during {name}, {what}")),
        NoAnswer::Refused(cause) => TargetError::Refused { at: ADAPTER.to_owned(), cause },
    }
}

fn no_answer(cause: String) -> TargetError {
    TargetError::Unreachable { at: ADAPTER.to_owned(), cause }
}

pub(super) fn invalid(cause: String) -> TargetError {
    TargetError::InvalidResponse { at: ADAPTER.to_owned(), cause }
}
