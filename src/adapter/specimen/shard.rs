//! `specimen-shard`: writers that keep the latest row of every key in one shared shard.
//!
//! It has no segments, and rows lie on no replica: what is looked at are the writers' own frontiers and the
//! shard's, and what is read is the shard.

use super::cluster::{Overview, ReplicaProcess, SpecimenCluster};
use super::service::ServiceClient;
use super::shard_settings::{HYDRATING, RUNNING, SHARD};
use super::wire;
use crate::adapter::api::Frontiers;
use crate::adapter::http::{HttpClient, parse, send};
use crate::target_error::TargetError;
use ::specimen::shard::Mode;
use async_trait::async_trait;
use dissent_core::conductor::{FrontierSeen, Snapshot};
use dissent_core::history::frontier::FrontierReading;
use dissent_core::history::schema::Schema;
use dissent_core::history::shard_snapshot::ShardSnapshot;
use serde::Deserialize;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What a writer shows of itself.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Progress {
    /// Which of its lives this is.
    pub incarnation: u64,
    /// Whether it appends.
    pub mode: Mode,
    /// Whether it has read the shard up to where that stood when it came up.
    pub hydrated: bool,
    /// Its own output frontier.
    pub frontier: u64,
}

impl Progress {
    /// One look at it, between two at its upstream.
    pub fn seen(self, writer: &str, u1: u64, u2: u64) -> FrontierSeen {
        let Progress { incarnation, mode, hydrated, frontier } = self;
        let status = if hydrated { RUNNING } else { HYDRATING };
        let (object, status) = (writer.to_owned(), status.to_owned());
        let look = FrontierReading { object, u1, f: Some(frontier), u2, status, incarnation };
        FrontierSeen { look, is_awaited: mode == Mode::ReadWrite }
    }
}

/// One look at the shard's upper.
pub fn shard_seen(upper: u64, u1: u64, u2: u64) -> FrontierSeen {
    let (object, status) = (SHARD.to_owned(), RUNNING.to_owned());
    FrontierSeen {
        look: FrontierReading { object, u1, f: Some(upper), u2, status, incarnation: 0 },
        is_awaited: true,
    }
}

/// Upstream and the shard, read at one moment.
#[derive(Deserialize)]
struct WriterStatus {
    upstream: Upstream,
    shard_upper: u64,
}

#[derive(Deserialize)]
struct Upstream {
    /// The log's end.
    offset: u64,
    /// The first timestamp that no offset has yet.
    timestamp: u64,
}

/// A client of the writers and of the shard.
pub(super) struct Writers {
    cluster: Arc<SpecimenCluster>,
    front: Arc<ServiceClient>,
    schema: Schema,
    http: HttpClient,
}

impl Writers {
    pub(super) fn new(
        cluster: Arc<SpecimenCluster>,
        front: Arc<ServiceClient>,
        schema: Schema,
    ) -> Result<Writers, TargetError> {
        Ok(Writers { cluster, front, schema, http: HttpClient::new()? })
    }

    /// What every writer shows that is there, or why it does not answer. One that was asked to leave
    /// meanwhile owes no answer.
    async fn of_all(&self) -> Result<Vec<(String, Result<Progress, TargetError>)>, TargetError> {
        let mut answers = self.asked(&self.cluster.refresh().await?).await;
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            let there = self.cluster.refresh().await?.replicas;
            answers.retain(|(name, answer)| answer.is_ok() || there.get(name).is_some_and(Option::is_some));
        }
        Ok(answers)
    }

    /// Asks every writer that has a seat, side by side.
    async fn asked(&self, overview: &Overview) -> Vec<(String, Result<Progress, TargetError>)> {
        let mut asked = JoinSet::new();
        for (name, seat) in &overview.replicas {
            let Some(ReplicaProcess { address, .. }) = seat else { continue };
            let (name, url) = (name.clone(), format!("http://{address}/progress"));
            let (http, audible) = (self.http.clone(), self.cluster.not_silent(&name));
            asked.spawn(async move {
                let answer = async {
                    audible?;
                    parse(&url, &send(&url, http.get(&url)).await?)
                };
                (name, answer.await)
            });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by(|one, other| one.0.cmp(&other.0));
        answers
    }
}

#[async_trait]
impl Frontiers for Writers {
    /// The upstream, every writer side by side, the upstream with the shard: in this order (`RULES.md` 7).
    /// A writer that nobody has asked for, or that was asked to leave, is not looked at.
    async fn sample(&self) -> Result<Snapshot, TargetError> {
        let before: WriterStatus = self.front.ask("frontiers").await?;
        let answers = self.of_all().await?;
        let after: WriterStatus = self.front.ask("frontiers").await?;
        let (u1, u2) = (before.upstream.timestamp, after.upstream.timestamp);
        let mut snapshot = Snapshot {
            log_ends_before: vec![before.upstream.offset],
            log_ends_after: vec![after.upstream.offset],
            ..Snapshot::default()
        };
        for (name, answer) in answers {
            match answer {
                Ok(progress) => snapshot.frontiers.push(progress.seen(&name, u1, u2)),
                Err(error) => snapshot.replicas.push((name, Err(error.to_string()))),
            }
        }
        snapshot.frontiers.push(shard_seen(after.shard_upper, u1, u2));
        Ok(snapshot)
    }

    /// The rows as of the newest time that is complete: those do not change any more.
    async fn shard_snapshot(&self, capture: u32) -> Result<ShardSnapshot, TargetError> {
        let WriterStatus { shard_upper: upper, .. } = self.front.ask("frontiers").await?;
        let object = SHARD.to_owned();
        let Some(as_of) = upper.checked_sub(1) else {
            return Ok(ShardSnapshot { capture, object, upper, log_end: 0, rows: Vec::new() });
        };
        let bindings: Vec<u64> = self.front.ask(&format!("bindings?from={as_of}&limit=1")).await?;
        let log_end = bindings.first().copied().unwrap_or(0);
        let (url, body) = self.front.get(&format!("contents?as_of={as_of}")).await?;
        let rows = wire::held(&self.schema, &url, &body)?;
        Ok(ShardSnapshot { capture, object, upper, log_end, rows })
    }
}
