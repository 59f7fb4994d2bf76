//! The specimen's HTTP as parts of a target: produce, log, segments, coverage, raw rows, flags, events.

use super::answers;
use super::cluster::Cluster;
use crate::record::event::{LifecycleRecord, Op, Outcome};
use crate::record::row::{Coverage, Current, Entry, Row, Segment};
use crate::run::conductor::FlagsRead;
use crate::schema::{Schema, Value};
use crate::target::web::{Web, answer, parse};
use crate::target::{Authority, Completion, Lifecycle, Log, RawReads, Sink, TargetError, Writes};
use async_trait::async_trait;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The most log entries asked for at once.
const PAGE: u64 = 10_000;

/// A client of one specimen.
pub(super) struct Http {
    cluster: Arc<Cluster>,
    schema: Schema,
    web: Web,
    /// The next event of each server: their numbers ascend over restarts too.
    heard: Mutex<BTreeMap<String, u64>>,
}

impl Http {
    pub(super) fn new(cluster: Arc<Cluster>, schema: Schema) -> Result<Http, TargetError> {
        Ok(Http { cluster, schema, web: Web::new()?, heard: Mutex::default() })
    }

    /// Posts JSON to the controller.
    async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Vec<u8>, TargetError> {
        let url = format!("{}/{path}", self.cluster.overview().controller()?);
        answer(&url, self.web.post(&url, body)).await
    }

    async fn controller<T: DeserializeOwned>(&self, path: &str) -> Result<T, TargetError> {
        let url = format!("{}/{path}", self.cluster.overview().controller()?);
        parse(&url, &answer(&url, self.web.get(&url)).await?)
    }

    async fn server(&self, replica: &str, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("http://{}/{path}", self.cluster.server(replica)?);
        match answer(&url, self.web.get(&url)).await {
            Ok(body) => Ok((url, body)),
            Err(error) => {
                // Somebody may have started it again, elsewhere: then the next request finds it.
                drop(self.cluster.refresh().await);
                Err(error)
            }
        }
    }

    fn wire(&self, op: &Op) -> serde_json::Value {
        let columns = self.schema.columns.iter().zip(&op.cols);
        let given = columns.filter(|(_, value)| **value != Value::Null);
        let cols: BTreeMap<&str, &Value> =
            given.map(|(column, value)| (column.name.as_str(), value)).collect();
        serde_json::json!({
            "partition": op.partition, "key": op.key, "op": op.id, "cmp": op.cmp, "cols": cols,
        })
    }
}

#[async_trait]
impl Writes for Http {
    /// A refusal is certain; silence is not: the entry may lie in the log.
    async fn write(&self, ops: &[Op]) -> Vec<Completion> {
        let body = ops.iter().map(|op| self.wire(op)).collect();
        let produced = self.post("produce", &body).await.and_then(|body| answers::produced("produce", &body));
        let all = |outcome| vec![Completion { outcome, off: None }; ops.len()];
        match produced {
            Ok(offs) if offs.len() == ops.len() => {
                offs.into_iter().map(|off| Completion { outcome: Outcome::Ok, off: Some(off) }).collect()
            }
            Err(TargetError::Refused { .. }) => all(Outcome::Failed),
            Ok(_) | Err(_) => all(Outcome::Unknown),
        }
    }
}

#[async_trait]
impl Log for Http {
    async fn ends(&self) -> Result<Vec<u64>, TargetError> {
        self.controller("log-ends").await
    }

    async fn read(
        &self,
        partition: u32,
        mut from: u64,
        end: u64,
        out: Sink<'_, Entry>,
    ) -> Result<(), TargetError> {
        while from < end {
            let limit = PAGE.min(end - from);
            let url = format!(
                "{}/log/{partition}?from={from}&limit={limit}",
                self.cluster.overview().controller()?
            );
            let body = answer(&url, self.web.get(&url)).await?;
            let came = answers::entries(&self.schema, &url, &body, out)?;
            if came == 0 {
                let cause = format!("the log ends at {end}, and nothing came from {from} on");
                return Err(TargetError::Nonsense { at: url, cause });
            }
            from += came;
        }
        Ok(())
    }
}

#[async_trait]
impl Authority for Http {
    async fn segments(&self) -> Result<Vec<Segment>, TargetError> {
        self.controller("segments").await
    }

    async fn boundary(&self) -> Result<(), TargetError> {
        self.post("admin/force-commit", &serde_json::json!({})).await.map(drop)
    }
}

#[async_trait]
impl RawReads for Http {
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
impl Lifecycle for Http {
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
