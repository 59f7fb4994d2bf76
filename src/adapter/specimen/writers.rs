//! `specimen-shard`: writers that keep the latest row of every key in one shared shard.
//!
//! It has no segments, and no replica holds rows. Samples take the writers' own frontiers and the shard's
//! frontier, and reads take the shard.

use super::cluster::{Overview, ReplicaProcess, SpecimenCluster};
use super::service::ServiceClient;
use super::wire;
use crate::adapter::capabilities::Frontiers;
use crate::adapter::http::{HttpClient, parse, send};
use crate::target_error::TargetError;
use ::specimen::shard::SERVICE;
use async_trait::async_trait;
use dissent_core::conductor::Snapshot;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::schema::Schema;
use dissent_core::history::shard_snapshot::ShardSnapshot;
use dissent_simulator::shard_frontiers::{SHARD, WriterProgress, shard_seen};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// Upstream and shard, read at one moment.
#[derive(Deserialize)]
struct WriterStatus {
    upstream: Upstream,
    shard_upper: u64,
}

#[derive(Deserialize)]
struct Upstream {
    /// The log's end.
    offset: u64,
    /// The lowest timestamp that is not assigned yet.
    timestamp: u64,
}

/// A client of the writers and of the shard.
pub(super) struct Writers {
    cluster: Arc<SpecimenCluster>,
    service: Arc<ServiceClient>,
    schema: Schema,
    http: HttpClient,
    /// The next event of each writer and of the service. Event numbers ascend across restarts.
    next_event: Mutex<BTreeMap<String, u64>>,
}

impl Writers {
    pub(super) fn new(
        cluster: Arc<SpecimenCluster>,
        service: Arc<ServiceClient>,
        schema: Schema,
    ) -> Result<Writers, TargetError> {
        Ok(Writers { cluster, service, schema, http: HttpClient::new()?, next_event: Mutex::default() })
    }

    /// The report of every existing writer, or why it does not answer. A writer that was dropped meanwhile
    /// does not have to answer.
    async fn progress_of_all(
        &self,
    ) -> Result<Vec<(String, Result<WriterProgress, TargetError>)>, TargetError> {
        let mut answers = self.asks(&self.cluster.refresh().await?).await;
        if answers.iter().any(|(_, answer)| answer.is_err()) {
            let there = self.cluster.refresh().await?.replicas;
            answers.retain(|(name, answer)| answer.is_ok() || there.get(name).is_some_and(Option::is_some));
        }
        Ok(answers)
    }

    /// Asks all writers that have a process, concurrently.
    async fn asks(&self, overview: &Overview) -> Vec<(String, Result<WriterProgress, TargetError>)> {
        let mut asks = JoinSet::new();
        for (name, process) in &overview.replicas {
            let Some(ReplicaProcess { address, .. }) = process else { continue };
            let (name, url) = (name.clone(), format!("http://{address}/progress"));
            let (http, audible) = (self.http.clone(), self.cluster.not_silent(&name));
            asks.spawn(async move {
                let answer = async {
                    audible?;
                    parse(&url, &send(&url, http.get(&url)).await?)
                };
                (name, answer.await)
            });
        }
        let mut answers = asks.join_all().await;
        answers.sort_by(|one, other| one.0.cmp(&other.0));
        answers
    }
}

impl Writers {
    /// What the writers and the service have logged since the last sample. A log that cannot be read is left
    /// out: what it says limits what can be explained, and not what is found.
    async fn events(&self) -> Vec<LifecycleRecord> {
        let overview = self.cluster.overview();
        let writers = overview.replicas.iter().filter_map(|(name, process)| {
            let ReplicaProcess { address, .. } = process.as_ref()?;
            self.cluster.not_silent(name).ok()?;
            Some((name.clone(), format!("http://{address}")))
        });
        let service = overview.service().ok().map(|url| (SERVICE.to_owned(), url));
        let mut next_event = self.next_event.lock().await;
        let mut asks = JoinSet::new();
        for (node, url) in writers.chain(service) {
            let next = next_event.get(&node).copied().unwrap_or_default();
            let (http, url) = (self.http.clone(), format!("{url}/events?from={next}"));
            asks.spawn(async move {
                let body = send(&url, http.get(&url)).await.unwrap_or_default();
                (node, parse::<Vec<LifecycleRecord>>(&url, &body).unwrap_or_default())
            });
        }
        let mut answers = asks.join_all().await;
        answers.sort_by(|one, other| one.0.cmp(&other.0));
        for (node, new) in &answers {
            if let Some(last) = new.last() {
                next_event.insert(node.clone(), last.seq.saturating_add(1));
            }
        }
        answers.into_iter().flat_map(|(_, new)| new).collect()
    }
}

#[async_trait]
impl Frontiers for Writers {
    /// Reads the upstream, then every writer concurrently, then the upstream with the shard. The order
    /// matters (`RULES.md` 7). A writer that was never started or was dropped is not sampled.
    async fn sample(&self) -> Result<Snapshot, TargetError> {
        let before: WriterStatus = self.service.ask("frontiers").await?;
        let answers = self.progress_of_all().await?;
        let after: WriterStatus = self.service.ask("frontiers").await?;
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
        snapshot.lifecycle = self.events().await;
        Ok(snapshot)
    }

    /// The rows as of the newest complete time. They do not change any more.
    async fn shard_snapshot(&self, capture: u32) -> Result<ShardSnapshot, TargetError> {
        let WriterStatus { shard_upper: upper, .. } = self.service.ask("frontiers").await?;
        let object = SHARD.to_owned();
        let Some(as_of) = upper.checked_sub(1) else {
            return Ok(ShardSnapshot { capture, object, upper, log_end: 0, rows: Vec::new() });
        };
        let bindings: Vec<u64> = self.service.ask(&format!("bindings?from={as_of}&limit=1")).await?;
        let log_end = bindings.first().copied().unwrap_or(0);
        let (url, body) = self.service.get(&format!("contents?as_of={as_of}")).await?;
        let rows = wire::held(&self.schema, &url, &body)?;
        Ok(ShardSnapshot { capture, object, upper, log_end, rows })
    }
}
