//! Writing and the input log of either built-in cluster, over its service's HTTP interface.

use super::cluster::SpecimenCluster;
use super::wire;
use crate::adapter::capabilities::{Client, Completion, InputLog, RowSink};
use crate::adapter::http::{HttpClient, parse, send};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::row::Entry;
use dissent_core::history::schema::{Schema, Value};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The maximum number of log entries per request.
const PAGE: u64 = 10_000;

/// A client of one specimen's service.
pub(super) struct ServiceClient {
    cluster: Arc<SpecimenCluster>,
    schema: Schema,
    http: HttpClient,
}

impl ServiceClient {
    pub(super) fn new(cluster: Arc<SpecimenCluster>, schema: Schema) -> Result<ServiceClient, TargetError> {
        Ok(ServiceClient { cluster, schema, http: HttpClient::new()? })
    }

    pub(super) async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Vec<u8>, TargetError> {
        let url = format!("{}/{path}", self.cluster.overview().service()?);
        send(&url, self.http.post(&url, body)).await
    }

    /// Asks the service and returns the URL with the body of the answer.
    pub(super) async fn get(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.cluster.overview().service()?);
        let body = send(&url, self.http.get(&url)).await?;
        Ok((url, body))
    }

    /// Asks the service for one JSON document.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, TargetError> {
        let (url, body) = self.get(path).await?;
        parse(&url, &body)
    }

    fn wire(&self, op: &Op) -> serde_json::Value {
        let columns = self.schema.columns.iter().zip(&op.cols);
        let given = columns.filter(|(_, value)| **value != Value::Null);
        let cols: BTreeMap<&str, &Value> =
            given.map(|(column, value)| (column.name.as_str(), value)).collect();
        serde_json::json!({
            "partition": op.partition, "key": op.key, "op": op.id, "cmp": op.cmp,
            "tombstone": op.delete, "cols": cols,
        })
    }
}

#[async_trait]
impl Client for ServiceClient {
    /// A refusal is certain. An op without an answer is not, because its entry may be in the log.
    async fn write(&self, ops: &[Op]) -> Vec<Completion> {
        let body = ops.iter().map(|op| self.wire(op)).collect();
        let produced = self.post("produce", &body).await.and_then(|body| wire::produced("produce", &body));
        let all = |outcome| vec![Completion { outcome, off: None }; ops.len()];
        match produced {
            Ok(offs) if offs.len() == ops.len() => {
                offs.into_iter().map(|off| Completion { outcome: OpOutcome::Ok, off: Some(off) }).collect()
            }
            Err(TargetError::Refused { .. }) => all(OpOutcome::Failed),
            Ok(_) | Err(_) => all(OpOutcome::Unknown),
        }
    }
}

#[async_trait]
impl InputLog for ServiceClient {
    async fn ends(&self) -> Result<Vec<u64>, TargetError> {
        self.ask("log-ends").await
    }

    async fn read(
        &self,
        partition: u32,
        mut from: u64,
        end: u64,
        out: RowSink<'_, Entry>,
    ) -> Result<(), TargetError> {
        while from < end {
            let limit = PAGE.min(end - from);
            let (url, body) = self.get(&format!("log/{partition}?from={from}&limit={limit}")).await?;
            let came = wire::entries(&self.schema, &url, &body, out)?;
            if came == 0 {
                let cause = format!("the log ends at {end}, and nothing came from {from} on");
                return Err(TargetError::InvalidResponse { at: url, cause });
            }
            from += came;
        }
        Ok(())
    }
}
