//! `specimen-segments`: a controller and servers that merge keyed partial updates. Each server has all
//! segments.

use super::cluster::SpecimenCluster;
use super::service::ServiceClient;
use super::wire;
use crate::adapter::capabilities::{Lifecycle, RawReads, RowSink, SegmentCatalogue};
use crate::adapter::http::{HttpClient, parse, send};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::conductor::CurrentRowsAnswer;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{Coverage, CurrentRow, Row, Segment};
use dissent_core::history::schema::Schema;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// A node that logs events: a server, or the controller.
type Node = Option<String>;

/// A client of the servers, and of the controller's segments.
pub(super) struct Servers {
    cluster: Arc<SpecimenCluster>,
    service: Arc<ServiceClient>,
    schema: Schema,
    http: HttpClient,
    /// The next event of each node. Event numbers ascend across restarts.
    next_event: Mutex<BTreeMap<Node, u64>>,
}

impl Servers {
    pub(super) fn new(
        cluster: Arc<SpecimenCluster>,
        service: Arc<ServiceClient>,
        schema: Schema,
    ) -> Result<Servers, TargetError> {
        Ok(Servers { cluster, service, schema, http: HttpClient::new()?, next_event: Mutex::default() })
    }

    async fn new_events(&self, node: Node) -> Result<Vec<LifecycleRecord>, TargetError> {
        let next = self.next_event.lock().await.get(&node).copied().unwrap_or_default();
        let path = format!("events?since={next}");
        let (url, body) = match &node {
            Some(replica) => self.server(replica, &path).await?,
            None => self.service.get(&path).await?,
        };
        let events: Vec<LifecycleRecord> = parse(&url, &body)?;
        if let Some(last) = events.last() {
            self.next_event.lock().await.insert(node, last.seq.saturating_add(1));
        }
        Ok(events)
    }

    async fn server(&self, replica: &str, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.cluster.replica(replica)?);
        match send(&url, self.http.get(&url)).await {
            Ok(body) => Ok((url, body)),
            Err(error) => {
                // The server may have been restarted with a new address. The next request uses it.
                drop(self.cluster.refresh().await);
                Err(error)
            }
        }
    }
}

#[async_trait]
impl SegmentCatalogue for Servers {
    async fn segments(&self) -> Result<Vec<Segment>, TargetError> {
        self.service.ask("segments").await
    }

    async fn force_commit(&self) -> Result<(), TargetError> {
        self.service.post("admin/force-commit", &serde_json::json!({})).await.map(drop)
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
        out: RowSink<'_, Row>,
    ) -> Result<(), TargetError> {
        let path = format!("rows?segment={segment}&from={from}&to={to}");
        let (url, body) = self.server(replica, &path).await?;
        wire::rows(&self.schema, &url, &body, out).map(drop)
    }

    async fn current_rows(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: RowSink<'_, CurrentRow>,
    ) -> Result<CurrentRowsAnswer, TargetError> {
        let path = format!("current?partition={partition}&since={since}");
        let (url, body) = self.server(replica, &path).await?;
        wire::flags(&url, &body, out)
    }
}

#[async_trait]
impl Lifecycle for Servers {
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError> {
        self.new_events(Some(replica.to_owned())).await
    }

    async fn poll_authority(&self) -> Result<Vec<LifecycleRecord>, TargetError> {
        self.new_events(None).await
    }
}
