//! Creates the table of a run: its topic, schema and configuration, which are then read back and waited for.

use super::cluster::{PinotCluster, configs};
use super::kafka::Topic;
use super::query_result;
use super::table::{self, realtime};
use super::wire;
use crate::adapter::http::send;
use crate::target_error::TargetError;
use dissent_core::history::schema::Schema;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The maximum time until all replicas of a table consume.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(90);

/// The time between two checks.
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// The number of replicas of a run's table, if there are enough servers.
const REPLICAS: usize = 4;

impl PinotCluster {
    /// Creates topic, schema and table, and waits until every replica consumes every partition.
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
        // Pinot divides the table's rows among the partitions of a server.
        let rows = full_rows.map(|rows| rows * u64::from(partitions));
        let config = table::config(run, schema, &address, replicas, rows);
        if let Err(error) = self.configure(schema, &config).await {
            self.remove_partial(&schema.table).await;
            return Err(error);
        }
        let until = Instant::now() + SET_UP_TIMEOUT;
        loop {
            let ready = self.is_ready(schema, partitions as usize * replicas).await;
            match ready {
                Ok(true) => {
                    self.check_full_rows(schema, full_rows).await?;
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

    /// Creates schema and table, with the changes from the target file and `--set`. Refuses a table for which
    /// Pinot ignored a change.
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

    /// Removes the parts of a table that could not be created.
    async fn remove_partial(&self, table: &str) {
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
        // The broker must know the table too.
        let sql = json!({ "sql": format!("SELECT count(*) FROM {}", realtime(&schema.table)) });
        let url = self.sql();
        let counted = send(&url, self.http.post(&url, &sql)).await?;
        query_result::rows(&url, &counted, assignment.len()).map(|rows| !rows.is_empty())
    }

    /// Refuses a table whose segments do not end at the planned number of rows.
    async fn check_full_rows(&self, schema: &Schema, full_rows: Option<u64>) -> Result<(), TargetError> {
        let Some(wanted) = full_rows else { return Ok(()) };
        let (url, body) = self.get(&format!("tables/{}/idealstate", schema.table)).await?;
        for segment in wire::ideal_state(&url, &body)?.into_keys() {
            let path = format!("segments/{}/{segment}/metadata", realtime(&schema.table));
            let (url, body) = self.get(&path).await?;
            let reported = wire::full_rows(&url, &body)?;
            if reported != Some(wanted) {
                let reported =
                    reported.map_or("no number of rows".to_owned(), |reported| format!("{reported} rows"));
                let cause = format!("{segment} ends at {reported}, but {wanted} were requested");
                return Err(TargetError::Refused { at: url, cause });
            }
        }
        Ok(())
    }

    /// Why segments of partial upsert cannot be ended on request. None if they can be.
    pub(super) async fn refuses_commits(&self) -> Result<Option<TargetError>, TargetError> {
        let configs = configs(&self.http, self.url()).await?;
        let why = wire::refuses_commits(wire::release(self.version()), &configs);
        Ok(why.map(|cause| TargetError::Refused { at: self.url().to_owned(), cause }))
    }
}
