//! One Pinot cluster: its controller, broker and servers, its lock, and the marks of faults.
//!
//! The lock and the marks are kept in the cluster's own configuration, under names that begin with
//! `dissent.`. Every controller has it, it outlives processes, and Pinot itself ignores these names.

use super::foreign_table::{self, ForeignTable};
use super::inventory::{Inventory, Server};
use super::kafka::Kafka;
use super::table;
use super::table::TABLE_PREFIX;
use super::wire::{self, invalid_response};
use crate::adapter::capabilities::Leftover;
use crate::adapter::clock;
use crate::adapter::http::{HttpClient, parse, send};
use crate::adapter::lock_folder::LOCK_EXPIRY;
use crate::config::access::Access;
use crate::config::target::TargetFile;
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::schema::Schema;
use dissent_core::seed::number_of;
use dissent_store::cure::Cure;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// The timeout for a server. A paused server must not delay the others.
pub(super) const SERVER_TIMEOUT: Duration = Duration::from_secs(2);

/// The timeout for a query or a change.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait after locking before checking that no other run locked at the same moment.
const LOCK_SETTLE_TIME: Duration = Duration::from_millis(300);

const LOCK: &str = "dissent.lock";
const MARK: &str = "dissent.mark.";

/// The lock as stored in the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct LockRecord {
    run: String,
    owner: String,
    since_ms: u64,
    renewed_ms: u64,
}

impl LockRecord {
    /// Whether the lock has not expired at `now` (milliseconds).
    fn holds(&self, now: u64) -> bool {
        now < self.renewed_ms + LOCK_EXPIRY.as_millis() as u64
    }
}

async fn held_lock(http: &HttpClient, url: &str) -> Result<Option<LockRecord>, TargetError> {
    let all = configs(http, url).await?;
    Ok(all.get(LOCK).and_then(|text| serde_json::from_str(text).ok()))
}

/// The run that holds the lock.
pub(super) async fn holder(http: &HttpClient, url: &str) -> Result<Option<Holder>, TargetError> {
    let lock = held_lock(http, url).await?.filter(|lock| lock.holds(clock::now_ms()));
    Ok(lock.map(Holder::from))
}

impl From<LockRecord> for Holder {
    fn from(LockRecord { run, owner, since_ms, renewed_ms }: LockRecord) -> Holder {
        let (now, until) = (clock::now_ms(), renewed_ms + LOCK_EXPIRY.as_millis() as u64);
        let seconds = now.saturating_sub(since_ms) / 1_000;
        Holder { run, owner, seconds, left: until.saturating_sub(now).div_ceil(1_000) }
    }
}

/// A Pinot cluster that was reached through its controller.
pub struct PinotCluster {
    pub(super) inventory: Inventory,
    pub(super) http: HttpClient,
    /// For servers, with a short timeout: a paused server must not delay the others.
    quick_http: HttpClient,
    pub(super) file: TargetFile,
    roster: Mutex<Vec<String>>,
    silent: Mutex<BTreeSet<String>>,
    since: OnceCell<u64>,
    /// The table that the target file names. Set once it has been read.
    pub(super) named: OnceCell<NamedTable>,
}

/// What is known of a table that a target file names, besides its columns.
#[derive(Debug)]
pub(super) struct NamedTable {
    pub(super) topic: Option<String>,
    /// How to read the table. None for a table that the model folds.
    pub(super) foreign: Option<ForeignTable>,
}

impl PinotCluster {
    /// Reaches the cluster of a target file and reads its version and servers.
    pub async fn reach(file: &TargetFile) -> Result<PinotCluster, TargetError> {
        let access = file.access();
        let quick_http = HttpClient::with_access(SERVER_TIMEOUT, &access)?;
        let inventory = Inventory::read(HttpClient::with_access(REQUEST_TIMEOUT, &access)?, file).await?;
        Ok(PinotCluster {
            http: inventory.http.clone(),
            quick_http,
            file: TargetFile { url: inventory.url.clone(), ..file.clone() },
            inventory,
            roster: Mutex::default(),
            silent: Mutex::default(),
            since: OnceCell::new(),
            named: OnceCell::new(),
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.file.url
    }

    pub(super) fn version(&self) -> &str {
        &self.inventory.version
    }

    /// The Kafka cluster with the tables' topics.
    pub(super) fn kafka(&self) -> Result<Kafka, TargetError> {
        Kafka::of(&self.file).ok_or_else(|| TargetError::Refused {
            at: self.url().to_owned(),
            cause: "its target file does not give the address of Kafka: add `kafka = \"HOST:PORT\"`"
                .to_owned(),
        })
    }

    /// The cluster's name in the coordination store.
    pub(super) fn name(&self) -> &str {
        &self.inventory.name
    }

    /// The URL for queries.
    pub(super) fn sql(&self) -> String {
        let broker = self.file.broker.as_deref().unwrap_or_default();
        format!("{}/query/sql", broker.trim_end_matches('/'))
    }

    /// The servers that hold the table.
    pub(super) fn roster(&self) -> Vec<String> {
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn get(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.url());
        let body = send(&url, self.http.get(&url)).await?;
        Ok((url, body))
    }

    /// Asks the controller with a short timeout, for data that is not essential.
    pub(super) async fn get_quick(&self, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        let url = format!("{}/{path}", self.url());
        let body = send(&url, self.quick_http.get(&url)).await?;
        Ok((url, body))
    }

    pub(super) async fn post(&self, path: &str, body: &Json) -> Result<Vec<u8>, TargetError> {
        let url = format!("{}/{path}", self.url());
        send(&url, self.http.post(&url, body)).await
    }

    fn server_entry(&self, replica: &str) -> Result<&Server, TargetError> {
        let cause = || format!("no server {replica} is registered there");
        let servers = &self.inventory.servers;
        servers.get(replica).ok_or_else(|| TargetError::Refused { at: self.url().to_owned(), cause: cause() })
    }

    /// The host name in a server's rows. Fails if the server is silenced or was not alive.
    pub(super) fn host(&self, replica: &str) -> Result<String, TargetError> {
        if self.silent.lock().unwrap_or_else(PoisonError::into_inner).contains(replica) {
            let cause = "a fault of this run keeps it silent".to_owned();
            return Err(TargetError::Unreachable { at: replica.to_owned(), cause });
        }
        let dead = || TargetError::Unreachable {
            at: replica.to_owned(),
            cause: "it was not alive when the cluster was reached".to_owned(),
        };
        self.server_entry(replica)?.host.clone().ok_or_else(dead)
    }

    /// Asks a server directly.
    pub(super) async fn server(&self, replica: &str, path: &str) -> Result<(String, Vec<u8>), TargetError> {
        self.host(replica)?;
        let url = format!("{}/{path}", self.server_entry(replica)?.url);
        let body = send(&url, self.quick_http.get(&url)).await?;
        Ok((url, body))
    }

    pub(super) fn mute(&self, replica: &str) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).insert(replica.to_owned());
    }

    pub(super) fn unmute(&self, replica: &str) {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner).remove(replica);
    }

    /// The server's session, which serves as its incarnation.
    pub(super) async fn session(&self, replica: &str) -> Result<u64, TargetError> {
        let (url, body) = self.get(&format!("zk/get?path=/{}/LIVEINSTANCES/{replica}", self.name())).await?;
        wire::session(&url, &body)
    }

    /// The table that the target file names. Also sets the roster to its replicas.
    pub(super) async fn named_table(&self) -> Result<Option<Schema>, TargetError> {
        let Some(table) = self.file.table.name.as_deref() else { return Ok(None) };
        let (url, body) = self.get(&format!("tables/{table}")).await?;
        let config: Json = parse(&url, &body)?;
        let (url, document) = self.get(&format!("schemas/{table}")).await?;
        let (schema, foreign) = match foreign_table::foreign_table(table, &document, &config) {
            Some((schema, foreign)) => (schema, Some(foreign)),
            None => {
                let none = || invalid_response(&url, "not the schema of a table with a primary key");
                (table::read(table, &document, &config).ok_or_else(none)?, None)
            }
        };
        let topic = table::stream(&config)["stream.kafka.topic.name"].as_str().map(str::to_owned);
        self.named.get_or_init(|| async { NamedTable { topic, foreign } }).await;
        self.take_roster(&schema).await?;
        Ok(Some(schema))
    }

    pub(super) async fn take_roster(&self, schema: &Schema) -> Result<Vec<String>, TargetError> {
        let holders: Vec<String> = self.holders(&schema.table).await?.into_iter().collect();
        self.require_distinct_hosts(&holders)?;
        self.roster.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&holders);
        Ok(holders)
    }

    /// The servers that are assigned a part of a table.
    pub(super) async fn holders(&self, table: &str) -> Result<BTreeSet<String>, TargetError> {
        let (url, body) = self.get(&format!("tables/{table}/idealstate")).await?;
        let assignment = wire::ideal_state(&url, &body)?;
        Ok(assignment.into_values().flat_map(BTreeMap::into_keys).collect())
    }

    pub(super) fn has(&self, server: &str) -> bool {
        self.inventory.servers.contains_key(server)
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &String> {
        self.inventory.servers.keys()
    }

    /// Refuses servers that share a host name: only the host name shows which server answered.
    fn require_distinct_hosts(&self, servers: &[String]) -> Result<(), TargetError> {
        let mut hosts: BTreeMap<&str, &str> = BTreeMap::new();
        for server in servers {
            let Some(host) = self.server_entry(server)?.host.as_deref() else {
                let cause = format!("{server} has a part of the table and is not alive");
                return Err(TargetError::Refused { at: self.url().to_owned(), cause });
            };
            if let Some(other) = hosts.insert(host, server) {
                let cause = format!(
                    "{other} and {server} both call their host {host}: what they answer to a query cannot be \
                     told apart"
                );
                return Err(TargetError::Refused { at: self.url().to_owned(), cause });
            }
        }
        Ok(())
    }

    pub(super) async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError> {
        self.inventory.leftovers().await
    }

    /// Drops a run's topic, table and schema. The table goes after the topic, because it names the run and so
    /// permits the removal.
    pub(super) async fn drop_table(&self, leftover: &Leftover) -> Result<(), TargetError> {
        let table = &leftover.table;
        let made = table::made_by(&self.inventory.table(table).await?);
        if made.is_none() || made != leftover.run || !table.starts_with(TABLE_PREFIX) {
            let cause = format!("the table {table} does not name a run that created it");
            return Err(TargetError::Refused { at: self.url().to_owned(), cause });
        }
        self.kafka()?.drop_topic(table).await?;
        for path in [format!("tables/{table}?type=realtime"), format!("schemas/{table}")] {
            let url = format!("{}/{path}", self.url());
            send(&url, self.http.delete(&url)).await?;
        }
        Ok(())
    }

    async fn held_lock(&self) -> Result<Option<LockRecord>, TargetError> {
        held_lock(&self.http, self.url()).await
    }

    /// Locks the target for one run. Fails with the holder if another run has the lock.
    pub(super) async fn take_lock(&self, run: &str) -> Result<(), TargetError> {
        let now = clock::now_ms();
        if let Some(lock) = self.held_lock().await?
            && lock.run != run
            && lock.holds(now)
        {
            return Err(self.in_use(lock));
        }
        let since_ms = *self.since.get_or_init(|| async { now }).await;
        let own = LockRecord {
            run: run.to_owned(),
            owner: crate::adapter::capabilities::owner(),
            since_ms,
            renewed_ms: now,
        };
        set_config(&self.http, self.url(), LOCK, &serde_json::to_string(&own).unwrap_or_default()).await?;
        if since_ms == now {
            sleep(LOCK_SETTLE_TIME).await;
        }
        match self.held_lock().await? {
            Some(lock) if lock.run != run => Err(self.in_use(lock)),
            _ => Ok(()),
        }
    }

    fn in_use(&self, lock: LockRecord) -> TargetError {
        TargetError::InUse { at: self.url().to_owned(), holder: lock.into() }
    }

    /// Releases the lock if this run holds it.
    pub(super) async fn drop_lock(&self, run: &str) {
        if let Ok(Some(lock)) = self.held_lock().await
            && lock.run == run
        {
            drop(drop_config(&self.http, self.url(), LOCK).await);
        }
    }
}

/// The key of a fault's mark in the cluster's configuration.
fn mark_key(cure: &Cure) -> String {
    let id = number_of(&[&cure.mark, &cure.step]);
    format!("{MARK}{id:016x}")
}

pub(super) async fn configs(http: &HttpClient, url: &str) -> Result<BTreeMap<String, String>, TargetError> {
    let url = format!("{}/cluster/configs", url.trim_end_matches('/'));
    parse(&url, &send(&url, http.get(&url)).await?)
}

async fn set_config(http: &HttpClient, url: &str, key: &str, value: &str) -> Result<(), TargetError> {
    let url = format!("{url}/cluster/configs");
    send(&url, http.post(&url, &json!({ key: value }))).await.map(drop)
}

async fn drop_config(http: &HttpClient, url: &str, key: &str) -> Result<(), TargetError> {
    let url = format!("{url}/cluster/configs/{key}");
    send(&url, http.delete(&url)).await.map(drop)
}

/// The marks that runs have left at a cluster. Each mark is a cure. It is returned with the reader's access,
/// because the reader will apply it.
pub async fn marks(url: &str, access: &Access) -> Result<Vec<Cure>, TargetError> {
    let all = configs(&HttpClient::with_access(REQUEST_TIMEOUT, access)?, url).await?;
    let marks = all.into_iter().filter(|(key, _)| key.starts_with(MARK));
    let marks = marks.map(|(key, text)| {
        let broken =
            |error: serde_json::Error| invalid_response(&format!("{url}, {key}"), &error.to_string());
        let mut cure: Cure = serde_json::from_str(&text).map_err(broken)?;
        cure.undo["access"] = serde_json::to_value(access).map_err(broken)?;
        Ok(cure)
    });
    marks.collect()
}

pub(super) async fn mark(http: &HttpClient, url: &str, cure: &Cure) -> Result<(), TargetError> {
    let text = serde_json::to_string(cure).map_err(|error| invalid_response("a cure", &error.to_string()))?;
    set_config(http, url, &mark_key(cure), &text).await
}

pub(super) async fn unmark(http: &HttpClient, url: &str, cure: &Cure) -> Result<(), TargetError> {
    drop_config(http, url, &mark_key(cure)).await
}
