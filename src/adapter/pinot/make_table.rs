//! The table of a run: its topic, schema and configuration are made, read back, and waited for.

use super::broker;
use super::cluster::{PinotCluster, configs};
use super::kafka::Topic;
use super::table::{self, realtime};
use super::wire;
use crate::adapter::http::send;
use crate::target_error::TargetError;
use dissent_core::history::schema::Schema;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A table may take so long until all its replicas consume.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(90);

/// Between two looks whether they do.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// The replicas of a table that a run makes, if there are so many servers.
const REPLICAS: usize = 4;

impl PinotCluster {
    /// Makes topic, schema and table, and waits until every replica consumes every partition.
    pub(super) async fn make(
        &self,
        run: &str,
        schema: &Schema,
        partitions: u32,
        full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError> {
        let kafka = self.kafka()?;
        let address = kafka.address.clone();
        let replicas = REPLICAS.min(self.inventory.servers.len());
        let topic = Topic::new(kafka, schema.table.clone(), schema, None);
        topic.make(partitions).await?;
        // Pinot shares the table's rows out among the partitions of a server.
        let rows = full_rows.map(|rows| rows * u64::from(partitions));
        let config = table::config(run, schema, &address, replicas, rows);
        if let Err(error) = self.configure(schema, &config).await {
            self.unmake(&schema.table).await;
            return Err(error);
        }
        let until = Instant::now() + SET_UP_TIMEOUT;
        loop {
            let ready = self.is_ready(schema, partitions as usize * replicas).await;
            match ready {
                Ok(true) => {
                    self.is_full_at(schema, full_rows).await?;
                    return self.take_roster(schema).await;
                }
                _ if Instant::now() < until => sleep(POLL_INTERVAL).await,
                Ok(false) => {
                    let cause =
                        format!("not all replicas of {} consume within {SET_UP_TIMEOUT:?}", schema.table);
                    return Err(TargetError::Refused { at: self.url().to_owned(), cause });
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes schema and table as they are to be, with what the target file and `--set` change.
    async fn configure(&self, schema: &Schema, config: &Json) -> Result<(), TargetError> {
        let choice = &self.file.table;
        self.post("schemas", &table::schema(schema)).await?;
        self.post("tables", &table::changed(config.clone(), &choice.config)).await?;
        let dropped = table::not_taken(&self.inventory.table(&schema.table).await?, &choice.leaves());
        if dropped.is_empty() {
            return Ok(());
        }
        let (version, dropped) = (self.version(), dropped.join(", "));
        let cause = format!("Pinot {version} created the table, but ignored {dropped}");
        Err(TargetError::Refused { at: self.url().to_owned(), cause })
    }

    /// Takes away what there is of a table that could not be made.
    async fn unmake(&self, table: &str) {
        if let Ok(kafka) = self.kafka() {
            drop(kafka.drop_topic(table).await);
        }
        for path in [format!("tables/{table}?type=realtime"), format!("schemas/{table}")] {
            let url = format!("{}/{path}", self.url());
            drop(send(&url, self.http.delete(&url)).await);
        }
    }

    async fn is_ready(&self, schema: &Schema, wanted: usize) -> Result<bool, TargetError> {
        let (url, body) = self.get(&format!("tables/{}/idealstate", schema.table)).await?;
        let assignment = wire::ideal_state(&url, &body)?;
        let replicas: BTreeSet<&String> = assignment.values().flat_map(BTreeMap::keys).collect();
        let mut consuming = 0;
        for server in replicas {
            let path = format!("tables/{}/consumingSegmentsInfo", realtime(&schema.table));
            let (url, body) = self.server(server, &path).await?;
            consuming += wire::consuming(&url, &body)?.len();
        }
        if consuming < wanted {
            return Ok(false);
        }
        // The broker must know the table, too.
        let sql = json!({ "sql": format!("SELECT count(*) FROM {}", realtime(&schema.table)) });
        let url = self.sql();
        let counted = send(&url, self.http.post(&url, &sql)).await?;
        broker::rows(&url, &counted, assignment.len()).map(|rows| !rows.is_empty())
    }

    /// Refuses a table whose segments do not end where the plan takes them to.
    async fn is_full_at(&self, schema: &Schema, full_rows: Option<u64>) -> Result<(), TargetError> {
        let Some(wanted) = full_rows else { return Ok(()) };
        let (url, body) = self.get(&format!("tables/{}/idealstate", schema.table)).await?;
        for segment in wire::ideal_state(&url, &body)?.into_keys() {
            let path = format!("segments/{}/{segment}/metadata", realtime(&schema.table));
            let (url, body) = self.get(&path).await?;
            let told = wire::full_rows(&url, &body)?;
            if told != Some(wanted) {
                let told = told.map_or("no number of rows".to_owned(), |told| format!("{told} rows"));
                let cause = format!("{segment} ends at {told}, but {wanted} were requested");
                return Err(TargetError::Refused { at: url, cause });
            }
        }
        Ok(())
    }

    /// Why segments of partial upsert cannot be ended on request, if they cannot.
    pub(super) async fn refuses_commits(&self) -> Result<Option<TargetError>, TargetError> {
        let configs = configs(&self.http, self.url()).await?;
        let why = wire::refuses_commits(wire::release(self.version()), &configs);
        Ok(why.map(|cause| TargetError::Refused { at: self.url().to_owned(), cause }))
    }
}
