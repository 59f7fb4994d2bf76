//! Calls from one process to another, repeated until they are answered.

use super::host_file::HostFile;
use super::process::{client, clock};
use crate::error::Error;
use crate::host::{Direction, RESEND};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for an answer before repeating the call.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) struct CallRelay {
    client: reqwest::Client,
    url: String,
    poll: Duration,
    host: Arc<HostFile>,
}

impl CallRelay {
    /// Calls the process at `url` from this machine, and pauses `poll_ms` milliseconds between polls.
    pub(super) fn at(url: &str, poll_ms: u64, host: Arc<HostFile>) -> Result<Self, Error> {
        let client = client().timeout(ANSWER_WITHIN).build();
        let client = client.map_err(|error| Error::Config(format!("make an http client: {error}")))?;
        let url = format!("{}/call", url.trim_end_matches('/'));
        Ok(CallRelay { client, url, poll: Duration::from_millis(poll_ms), host })
    }

    /// Repeats the call until there is an answer. The other process may be paused or slow, but it never loses
    /// state.
    pub(super) async fn ask<Call: Serialize, Reply: DeserializeOwned>(&self, call: &Call) -> Reply {
        loop {
            match self.ask_once(call).await {
                Ok(Some(reply)) => return reply,
                Ok(None) => tokio::time::sleep(Duration::from_nanos(RESEND)).await,
                Err(error) => {
                    complain(&error);
                    self.pause().await;
                }
            }
        }
    }

    /// None if the network lost the call or its answer.
    async fn ask_once<Call: Serialize, Reply: DeserializeOwned>(
        &self,
        call: &Call,
    ) -> Result<Option<Reply>, reqwest::Error> {
        if !self.host.passes(Direction::Outgoing).await {
            return Ok(None);
        }
        let sent = self.client.post(&self.url).json(call).send().await?;
        let reply = sent.error_for_status()?.json().await?;
        Ok(self.host.passes(Direction::Incoming).await.then_some(reply))
    }

    /// Waits until the next poll.
    pub(super) async fn pause(&self) {
        tokio::time::sleep(self.poll).await;
        self.fall_behind().await;
    }

    /// On a slow machine, waits until the process gets to something. It asks again after each slice, so that
    /// it is quick as soon as the machine is.
    ///
    /// The process sleeps by itself, rather than being stopped and resumed from outside: a resume would also
    /// end a pause that another fault holds, and a restart would be at full speed.
    pub(super) async fn fall_behind(&self) {
        let mut slices = 1;
        while slices < self.host.times() {
            tokio::time::sleep(self.poll).await;
            slices += 1;
        }
    }
}

#[expect(clippy::print_stderr, reason = "the log of this process")]
pub(super) fn complain(error: &dyn std::error::Error) {
    eprintln!("{}: {error}", clock() / 1_000_000);
}
