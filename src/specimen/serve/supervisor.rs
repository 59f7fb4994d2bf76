//! The supervisor process. It starts a cluster's service and replicas as children, restarts a replica on
//! request, and ends them all when its own standard input closes.
//!
//! It takes the place of a real cluster's environment: the process manager (systemd, Kubernetes), the
//! interface to scale replicas up and down, and storage that outlives tables (`lease.rs`).

use super::child::{Child, Group};
use super::host_file;
use super::lock::lease;
use super::process::answer;
use super::topology::{Replica, Table, Topology};
use crate::error::Error;
use crate::host::{Host, HostFault};
use crate::shard::Mode;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of a supervisor. The table comes later, with the first request.
#[derive(Clone, Debug)]
pub struct Setup<C> {
    /// The program that runs any of the processes, by its arguments.
    pub program: PathBuf,
    /// The folder for configuration, logs and replicas' data.
    pub dir: PathBuf,
    /// The configuration of the cluster. Its table is a placeholder.
    pub config: C,
    /// The settings by name, as `/cluster` reports them.
    pub settings: BTreeMap<String, String>,
}

/// The processes of the current table. Empty before the first table.
#[derive(Default)]
struct RunningCluster {
    table: Option<Table>,
    service: Option<Child>,
    replicas: BTreeMap<String, ReplicaProcess>,
}

/// The latest incarnation of a replica, alive or dead. A replica that was dropped has no process.
struct ReplicaProcess {
    incarnation: u64,
    process: Option<Child>,
}

struct Supervisor<C> {
    setup: Setup<C>,
    running: Mutex<RunningCluster>,
    /// What is wrong with the machines of the replicas. It outlives tables, as the marks do.
    hosts: Mutex<BTreeMap<String, Host>>,
}

type SharedSupervisor<C> = State<Arc<Supervisor<C>>>;

/// Runs the supervisor until standard input closes. `ready` receives its address first. Fails if the settings
/// are unusable, or the folder or the port cannot be used.
pub async fn supervisor<C: Topology>(
    setup: Setup<C>,
    ready: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    setup.config.check()?;
    std::fs::create_dir_all(&setup.dir)
        .map_err(|source| Error::Io { what: format!("create {}", setup.dir.display()), source })?;
    // What an earlier supervisor may have left is over.
    setup.config.roster().iter().try_for_each(|name| setup.write_host(name, &Host::default()))?;
    let supervisor = Arc::new(Supervisor { setup, running: Mutex::default(), hosts: Mutex::default() });
    let router = Router::new()
        .route("/cluster", get(cluster))
        .route("/table", post(table))
        .route("/start", post(start))
        .route("/drop", post(leave))
        .route("/host", post(set_host))
        .route("/hosts", get(hosts))
        .with_state(Arc::clone(&supervisor))
        .merge(lease());
    let served = answer(router, ready).await;
    supervisor.end(&mut *supervisor.running.lock().await).await;
    served
}

impl<C: Topology> Setup<C> {
    /// Writes the configuration for the processes that start from now on.
    fn write(&self, config: &C) -> Result<(), Error> {
        let file = self.dir.join("config.json");
        let text = serde_json::to_vec(config).map_err(|error| Error::Request(error.to_string()))?;
        std::fs::write(&file, text)
            .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })
    }

    fn host_file(&self, replica: &str) -> PathBuf {
        self.dir.join(format!("{replica}.host.json"))
    }

    fn write_host(&self, replica: &str, host: &Host) -> Result<(), Error> {
        host_file::write(&self.host_file(replica), host)
    }

    async fn start(&self, role: &str, log: &str, rest: Vec<OsString>) -> Result<Child, Error> {
        let config = self.dir.join("config.json").into_os_string();
        let head: [OsString; 4] = ["specimen".into(), role.into(), "--config".into(), config];
        let arguments: Vec<OsString> = head.into_iter().chain(rest).collect();
        let log = self.dir.join(format!("{log}.log"));
        Child::start(role, &self.program, &arguments, &log, Group::Same).await
    }

    fn refuse_unknown(&self, replica: &str) -> Result<(), Error> {
        match self.config.roster().iter().any(|name| name == replica) {
            true => Ok(()),
            false => Err(Error::Request(format!("no replica is called {replica}"))),
        }
    }
}

impl<C: Topology> Supervisor<C> {
    /// Ends all processes concurrently. Their logs stay; the replicas' data is removed.
    async fn end(&self, running: &mut RunningCluster) {
        let RunningCluster { service, replicas, .. } = std::mem::take(running);
        let mut ending = tokio::task::JoinSet::new();
        for mut child in replicas.into_values().filter_map(|replica| replica.process).chain(service) {
            ending.spawn(async move { child.end(PATIENCE).await });
        }
        ending.join_all().await;
        for replica in self.setup.config.roster() {
            // The folder may never have been created.
            drop(std::fs::remove_dir_all(self.setup.dir.join(replica)));
        }
    }

    /// Starts a replica unless it is running.
    async fn start(&self, running: &mut RunningCluster, name: &str, mode: Mode) -> Result<(), Error> {
        let Some(service) = &running.service else {
            return Err(Error::Request("there is no table, so no replica runs".to_owned()));
        };
        let last = running.replicas.get_mut(name);
        let incarnation = last.as_ref().map_or(1, |last| last.incarnation + 1);
        if last.and_then(|last| last.process.as_mut()?.pid()).is_some() {
            return Ok(());
        }
        let (dir, service) = (self.setup.dir.join(name), format!("http://{}", service.address));
        let host = self.setup.host_file(name);
        let arguments = C::arguments(Replica { dir, host, service, incarnation, mode });
        let rest = ["--name".into(), name.into()].into_iter().chain(arguments).collect();
        let process = Some(self.setup.start(C::REPLICA, name, rest).await?);
        running.replicas.insert(name.to_owned(), ReplicaProcess { incarnation, process });
        Ok(())
    }
}

#[derive(Serialize)]
struct ClusterStatus {
    version: &'static str,
    pid: u32,
    settings: BTreeMap<String, String>,
    roster: Vec<String>,
    table: Option<Table>,
    service: Option<String>,
    replicas: BTreeMap<String, Option<ReplicaStatus>>,
    /// Processes that have ended, with their last words.
    ended: BTreeMap<String, String>,
}

/// The process of a replica. Without a pid it has ended.
#[derive(Serialize)]
struct ReplicaStatus {
    address: String,
    pid: Option<u32>,
}

/// The whole state of the cluster. A replica that was never started or was dropped is null.
async fn cluster<C: Topology>(State(it): SharedSupervisor<C>) -> Json<ClusterStatus> {
    let running = &mut *it.running.lock().await;
    let roster = it.setup.config.roster().to_vec();
    let status = |replica: &mut ReplicaProcess| {
        let process = replica.process.as_mut()?;
        Some(ReplicaStatus { pid: process.pid(), address: process.address.clone() })
    };
    let shown = |name: &String| (name.clone(), running.replicas.get_mut(name).and_then(status));
    let replicas = roster.iter().map(shown).collect();
    let service = running.service.as_mut().map(|service| (C::SERVICE, service));
    let processes = running
        .replicas
        .iter_mut()
        .filter_map(|(name, replica)| Some((name.as_str(), replica.process.as_mut()?)));
    let last = |(name, process): (&str, &mut Child)| Some((name.to_owned(), process.last_words()?));
    let ended = processes.chain(service).filter_map(last).collect();
    Json(ClusterStatus {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        settings: it.setup.settings.clone(),
        table: running.table.clone(),
        service: running.service.as_ref().map(|service| service.address.clone()),
        replicas,
        roster,
        ended,
    })
}

/// Replaces the table by a new, empty one: all processes end and start again.
async fn table<C: Topology>(State(it): SharedSupervisor<C>, Json(wanted): Json<Table>) -> Result<(), Error> {
    let config = it.setup.config.with_table(wanted.clone())?;
    config.check()?;
    let running = &mut *it.running.lock().await;
    it.end(running).await;
    it.setup.write(&config)?;
    running.service = Some(it.setup.start(C::SERVICE, C::SERVICE, Vec::new()).await?);
    for name in config.roster().iter().take(config.active()) {
        it.start(running, name, Mode::ReadWrite).await?;
    }
    running.table = Some(wanted);
    Ok(())
}

#[derive(Deserialize)]
struct Start {
    replica: String,
    #[serde(default)]
    mode: Mode,
}

async fn start<C: Topology>(State(it): SharedSupervisor<C>, Json(wanted): Json<Start>) -> Result<(), Error> {
    let Start { replica, mode } = wanted;
    it.setup.refuse_unknown(&replica)?;
    it.start(&mut *it.running.lock().await, &replica, mode).await
}

#[derive(Deserialize)]
struct Leave {
    replica: String,
}

/// Removes a replica as kill -9 would: what it has sent still arrives. Does nothing if the replica is gone
/// already.
async fn leave<C: Topology>(State(it): SharedSupervisor<C>, Json(wanted): Json<Leave>) -> Result<(), Error> {
    let Leave { replica } = wanted;
    it.setup.refuse_unknown(&replica)?;
    let mut running = it.running.lock().await;
    if let Some(mut process) = running.replicas.get_mut(&replica).and_then(|replica| replica.process.take()) {
        process.end(Duration::ZERO).await;
    }
    Ok(())
}

#[derive(Deserialize)]
struct HostChange {
    replica: String,
    id: String,
    /// None: what is wrong under this id is over.
    fault: Option<HostFault>,
}

/// Changes what is wrong with a replica's machine. Nothing can go wrong on one that was never started.
async fn set_host<C: Topology>(
    State(it): SharedSupervisor<C>,
    Json(wanted): Json<HostChange>,
) -> Result<(), Error> {
    let HostChange { replica, id, fault } = wanted;
    it.setup.refuse_unknown(&replica)?;
    if fault.is_some() && !it.running.lock().await.replicas.contains_key(&replica) {
        return Err(Error::Request(format!("{replica} was never started")));
    }
    let mut hosts = it.hosts.lock().await;
    let host = hosts.entry(replica.clone()).or_default();
    host.set(&id, fault);
    it.setup.write_host(&replica, host)
}

/// What is wrong with each machine, by id.
async fn hosts<C: Topology>(State(it): SharedSupervisor<C>) -> Json<BTreeMap<String, Host>> {
    Json(it.hosts.lock().await.clone())
}
