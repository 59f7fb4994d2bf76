//! One specimen as its supervisor reports it: the addresses and processes of its service and replicas, and
//! its lock. It may be private to a run or independent of any.

use super::kind::SpecimenKind;
use super::wire;
use crate::adapter::capabilities::{ProcessMonitor, owner};
use crate::adapter::http::{self, HttpClient, parse, send};
use crate::faults::process::ProcessId;
use crate::target_error::Holder;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::generator::table::{KEY, OP};
use dissent_core::history::event::ProcessExit;
use dissent_core::history::schema::{Column, Schema};
use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::json;
use specimen::serve::{Child, Group};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use tokio::sync::Mutex;

/// The maximum time for the processes of a private cluster to end by themselves.
const END: Duration = Duration::from_secs(5);

/// The timeout for requests that start processes.
const START: Duration = Duration::from_secs(60);

/// A lock expires this long after its last renewal.
const LOCK_EXPIRY: Duration = Duration::from_secs(15);

/// The time between two renewals.
pub(super) const LOCK_RENEWAL: Duration = Duration::from_secs(4);

/// The state that the supervisor reports.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Overview {
    pub(super) version: String,
    pub(super) pid: u32,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) roster: Vec<String>,
    table: Option<TableRequest>,
    service: Option<String>,
    /// The replicas of the roster. None for a replica that was never started or was dropped.
    pub(super) replicas: BTreeMap<String, Option<ReplicaProcess>>,
    /// Processes that have ended, with their last words.
    #[serde(default)]
    ended: BTreeMap<String, String>,
}

/// A lock as the supervisor reports it.
#[derive(Deserialize)]
struct LockHeld {
    owner: String,
    run: String,
    held_ms: u64,
    left_ms: u64,
}

impl From<LockHeld> for Holder {
    fn from(LockHeld { owner, run, held_ms, left_ms }: LockHeld) -> Holder {
        Holder { run, owner, seconds: held_ms / 1000, left: left_ms.div_ceil(1000) }
    }
}

/// The run that holds the lock at the supervisor with this URL.
pub(super) async fn holder(http: &HttpClient, url: &str) -> Result<Option<Holder>, TargetError> {
    let url = format!("{url}/lock");
    let held: Option<LockHeld> = parse(&url, &send(&url, http.get(&url)).await?)?;
    Ok(held.map(Holder::from))
}

/// The table that the cluster has now.
#[derive(Clone, Debug, Deserialize)]
struct TableRequest {
    table: String,
    columns: Vec<Column>,
}

/// The latest process of a replica. Without a pid it has ended.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ReplicaProcess {
    pub(super) address: String,
    pub(super) pid: Option<u32>,
}

impl Overview {
    /// Asks the supervisor at this URL.
    pub(super) async fn ask(http: &HttpClient, url: &str) -> Result<Overview, TargetError> {
        let url = format!("{url}/cluster");
        parse(&url, &send(&url, http.get(&url)).await?)
    }

    pub(super) fn supervisor(&self) -> Result<ProcessId, TargetError> {
        process("the supervisor", self.pid)
    }

    /// The URL of the service, which takes writes and has the log.
    pub(super) fn service(&self) -> Result<String, TargetError> {
        let address = self.service.as_ref().ok_or_else(|| down("the service"))?;
        Ok(format!("http://{address}"))
    }

    /// The URL and the pid of a replica. Fails if it is down.
    pub(super) fn replica_process(&self, name: &str) -> Result<(String, u32), TargetError> {
        let process = self.replicas.get(name).ok_or_else(|| TargetError::Refused {
            at: "the specimen".to_owned(),
            cause: format!("it has no replica {name}"),
        })?;
        let up =
            process.as_ref().and_then(|process| Some((format!("http://{}", process.address), process.pid?)));
        up.ok_or_else(|| down(name))
    }
}

#[async_trait]
impl ProcessMonitor for SpecimenCluster {
    async fn deaths(&self) -> Vec<ProcessExit> {
        let ended = self.refresh().await.map(|overview| overview.ended).unwrap_or_default();
        ended.into_iter().map(|(server, words)| ProcessExit { server, words }).collect()
    }
}

/// Identifies the process behind a pid that was just reported.
pub(super) fn process(name: &str, pid: u32) -> Result<ProcessId, TargetError> {
    let lost = |error: std::io::Error| TargetError::Unreachable {
        at: name.to_owned(),
        cause: format!("process {pid} is not on this machine: {error}"),
    };
    ProcessId::of(pid).map_err(lost)
}

fn down(name: &str) -> TargetError {
    TargetError::Unreachable { at: name.to_owned(), cause: "it is down".to_owned() }
}

/// A specimen that was reached through its supervisor.
pub struct SpecimenCluster {
    pub(super) system: SpecimenKind,
    url: String,
    http: HttpClient,
    /// The supervisor, if the cluster is private to this process.
    private: Mutex<Option<Child>>,
    overview: std::sync::Mutex<Overview>,
    /// Replicas that a fault of this run silences. Asking them would only cost the timeout.
    silent: std::sync::Mutex<BTreeSet<String>>,
}

impl SpecimenCluster {
    /// Starts a private cluster, which ends with this process. Its files are in `dir`.
    pub async fn start(
        system: SpecimenKind,
        program: &Path,
        dir: &Path,
        settings: &BTreeMap<String, String>,
    ) -> Result<SpecimenCluster, TargetError> {
        let failed = |cause: String| TargetError::SpawnFailed { process: "the specimen".to_owned(), cause };
        std::fs::create_dir_all(dir).map_err(|error| failed(format!("{}: {error}", dir.display())))?;
        let mut arguments = vec!["specimen".into(), system.role().into(), "--dir".into(), dir.into()];
        for (key, value) in settings.iter().filter(|(key, _)| system.settings().contains(&key.as_str())) {
            arguments.extend(["--set".into(), std::ffi::OsString::from(format!("{key}={value}"))]);
        }
        let log = dir.join("supervisor.log");
        let supervisor = Child::start("the supervisor", program, &arguments, &log, Group::Own)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let url = format!("http://{}", supervisor.address);
        SpecimenCluster::at(system, &url, Some(supervisor)).await
    }

    /// Reaches a cluster that is independent of any run.
    pub async fn reach(system: SpecimenKind, url: &str) -> Result<SpecimenCluster, TargetError> {
        SpecimenCluster::at(system, url.trim_end_matches('/'), None).await
    }

    async fn at(
        system: SpecimenKind,
        url: &str,
        private: Option<Child>,
    ) -> Result<SpecimenCluster, TargetError> {
        let http = HttpClient::new()?;
        let overview = Overview::ask(&http, url).await?;
        let (overview, silent) = (std::sync::Mutex::new(overview), std::sync::Mutex::default());
        Ok(SpecimenCluster {
            system,
            url: url.to_owned(),
            http,
            private: Mutex::new(private),
            overview,
            silent,
        })
    }

    /// The supervisor's URL, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The table that the cluster has now, if any. The cluster does not know the role of its columns.
    pub fn schema(&self) -> Option<Schema> {
        let TableRequest { table, columns } = self.overview().table?;
        Some(Schema {
            key: KEY.to_owned(),
            comparison: "cmp".to_owned(),
            op: OP.to_owned(),
            ..Schema::plain(&table, columns)
        })
    }

    pub(super) fn overview(&self) -> Overview {
        self.overview.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Updates the overview. A restarted replica has a new address.
    pub(super) async fn refresh(&self) -> Result<Overview, TargetError> {
        let overview = Overview::ask(&self.http, &self.url).await?;
        *self.overview.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = overview.clone();
        Ok(overview)
    }

    /// Fails for a replica that a fault of this run silences.
    pub(super) fn not_silent(&self, name: &str) -> Result<(), TargetError> {
        match self.silent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).contains(name) {
            true => {
                let cause = "a fault of this run keeps it silent".to_owned();
                Err(TargetError::Unreachable { at: name.to_owned(), cause })
            }
            false => Ok(()),
        }
    }

    /// The replica's URL. Fails if it is silenced or down.
    pub(super) fn replica(&self, name: &str) -> Result<String, TargetError> {
        self.not_silent(name)?;
        Ok(self.overview().replica_process(name)?.0)
    }

    pub(super) fn mute(&self, name: &str) {
        self.silent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(name.to_owned());
    }

    pub(super) fn unmute(&self, name: &str) {
        self.silent.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(name);
    }

    /// Replaces the cluster's table by a new, empty one.
    pub(super) async fn put_table(&self, schema: &Schema, partitions: u32) -> Result<(), TargetError> {
        let columns: Vec<_> = schema.columns.iter().map(wire::column).collect();
        let table = json!({ "table": schema.table, "columns": columns, "partitions": partitions });
        let url = format!("{}/table", self.url);
        send(&url, self.http.post(&url, &table).timeout(START)).await?;
        self.refresh().await.map(drop)
    }

    pub(super) async fn holder(&self) -> Result<Option<Holder>, TargetError> {
        holder(&self.http, &self.url).await
    }

    /// Locks the target for one run. Fails with the holder if another run has the lock.
    pub(super) async fn take_lock(&self, run: &str) -> Result<(), TargetError> {
        let url = format!("{}/lock", self.url);
        let request = json!({ "owner": owner(), "run": run, "for_ms": LOCK_EXPIRY.as_millis() as u64 });
        let sent = self.http.post(&url, &request).send().await;
        let response = sent.map_err(|error| http::unreachable(&url, error))?;
        if response.status() != StatusCode::CONFLICT {
            return http::body(&url, response).await.map(drop);
        }
        let body = response.bytes().await.map_err(|error| http::unreachable(&url, error))?;
        let holder = parse::<LockHeld>(&url, &body)?.into();
        Err(TargetError::InUse { at: self.url.clone(), holder })
    }

    /// Releases the lock. If the supervisor cannot be reached, the lock expires.
    pub(super) async fn drop_lock(&self, run: &str) {
        let url = format!("{}/unlock", self.url);
        drop(send(&url, self.http.post(&url, &json!({ "run": run }))).await);
    }

    /// Ends the cluster if it is private.
    pub(super) async fn stop(&self) {
        if let Some(mut supervisor) = self.private.lock().await.take() {
            supervisor.end(END).await;
        }
    }
}
