//! `specimen-segments`: a controller and servers that merge keyed partial updates, each with all segments.

use super::cluster::Cluster;
use super::front::Front;
use super::{answers, column, unknown};
use crate::adapter::web::{Web, answer, parse};
use crate::adapter::{Authority, Lifecycle, RawReads, Refusal, Sink, TargetError};
use ::specimen::GUARDS;
use async_trait::async_trait;
use dissent_core::conductor::FlagsRead;
use dissent_core::history::event::LifecycleRecord;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::row::{Coverage, Current, Row, Segment};
use dissent_core::history::schema::Schema;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The name of the target as processes.
pub const PROCESSES: &str = "specimen-segments";
/// The name of the same cluster in virtual time.
pub const SIMULATED: &str = "sim-segments";

/// The settings that `--set` may change.
pub const SETTINGS: &[&str] = &["guard", "pool", "servers"];

/// The most servers of a cluster: each is a process.
const SERVERS_MAX: usize = 64;
/// The most transitions that a server runs side by side.
const POOL_MAX: usize = 100_000;

/// The configuration of a specimen for this table. `settings` holds the target's own keys only.
pub fn config(
    schema: &Schema,
    partitions: u32,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::Config, String> {
    let columns = schema.columns.iter().map(column).collect();
    settled(::specimen::Config::new(&schema.table, columns, partitions), settings)
}

/// A configuration with settings applied, and checked.
pub fn settled(
    mut config: ::specimen::Config,
    settings: &BTreeMap<String, String>,
) -> Result<::specimen::Config, String> {
    for (key, value) in settings {
        let number = |most: usize| match value.parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(format!("--set {key}={value}: write a whole number from 1 to {most}")),
        };
        match key.as_str() {
            "guard" => {
                config.guard =
                    value.parse().map_err(|_| unknown("guard", value, &GUARDS.map(|(name, _)| name)))?;
            }
            "pool" => config.pool = number(POOL_MAX)?,
            "servers" => config.servers = (0..number(SERVERS_MAX)?).map(|n| format!("server-{n}")).collect(),
            _ => {}
        }
    }
    config.check().map_err(|error| error.to_string())?;
    Ok(config)
}

/// Whether it has what this needs, as processes or simulated.
pub(super) fn can(kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::HoldMessage(_) | FaultKind::Restart | FaultKind::Pause | FaultKind::CommitWinner => {
            return Ok(());
        }
        FaultKind::SlowDownload => "its servers download directly from the controller, not through a proxy",
        FaultKind::Rebalance => "every server already has every partition",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
        FaultKind::Reload => "a server with a losing copy replaces it by itself",
        FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => "it has no writers that share a shard; use `specimen-shard`",
    };
    Err(Refusal {
        target: "the built-in cluster of servers".to_owned(),
        fault: kind,
        reason: reason.to_owned(),
    })
}

/// A client of the servers, and of what the controller knows of segments.
pub(super) struct Servers {
    cluster: Arc<Cluster>,
    front: Arc<Front>,
    schema: Schema,
    web: Web,
    /// The next event of each server: their numbers ascend over restarts too.
    heard: Mutex<BTreeMap<String, u64>>,
}

impl Servers {
    pub(super) fn new(
        cluster: Arc<Cluster>,
        front: Arc<Front>,
        schema: Schema,
    ) -> Result<Servers, TargetError> {
        Ok(Servers { cluster, front, schema, web: Web::new()?, heard: Mutex::default() })
    }

    async fn server(&self, replica: &str, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.cluster.replica(replica)?);
        match answer(&url, self.web.get(&url)).await {
            Ok(body) => Ok((url, body)),
            Err(error) => {
                // Somebody may have started it again, elsewhere: then the next request finds it.
                drop(self.cluster.refresh().await);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Authority for Servers {
    async fn segments(&self) -> Result<Vec<Segment>, TargetError> {
        self.front.ask("segments").await
    }

    async fn boundary(&self) -> Result<(), TargetError> {
        self.front.post("admin/force-commit", &serde_json::json!({})).await.map(drop)
    }
}

#[async_trait]
impl RawReads for Servers {
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError> {
        let (url, body) = self.server(replica, "coverage").await?;
        parse(&url, &body)
    }

    async fn rows(
        &self,
        replica: &str,
        segment: &str,
        from: u64,
        to: u64,
        out: Sink<'_, Row>,
    ) -> Result<(), TargetError> {
        let path = format!("rows?segment={segment}&from={from}&to={to}");
        let (url, body) = self.server(replica, &path).await?;
        answers::rows(&self.schema, &url, &body, out).map(drop)
    }

    async fn flags(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: Sink<'_, Current>,
    ) -> Result<FlagsRead, TargetError> {
        let path = format!("current?partition={partition}&since={since}");
        let (url, body) = self.server(replica, &path).await?;
        answers::flags(&url, &body, out)
    }
}

#[async_trait]
impl Lifecycle for Servers {
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError> {
        let next = self.heard.lock().await.get(replica).copied().unwrap_or_default();
        let (url, body) = self.server(replica, &format!("events?since={next}")).await?;
        let events: Vec<LifecycleRecord> = parse(&url, &body)?;
        if let Some(last) = events.last() {
            self.heard.lock().await.insert(replica.to_owned(), last.seq.saturating_add(1));
        }
        Ok(events)
    }
}
