//! The supervisor's process: it starts a cluster's service and replicas as children, starts a replica again
//! when it is told to, and takes them all along when its own standard input closes.
//!
//! It stands for what surrounds a real cluster: whoever starts processes again (systemd, Kubernetes), whoever
//! is asked for one more or one less of them, and a place that outlives tables (`lease.rs`).

use super::child::{Child, Group};
use super::lease::lease;
use super::process::answer;
use super::topology::{Replica, Table, Topology};
use crate::error::Error;
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

/// What a cluster is started with; a table comes later.
#[derive(Clone, Debug)]
pub struct Setup<C> {
    /// The program that can be told which process to be.
    pub program: PathBuf,
    /// Where everything lies.
    pub dir: PathBuf,
    /// The cluster, with any table.
    pub config: C,
    /// What was set, as it is shown to whoever asks.
    pub settings: BTreeMap<String, String>,
}

/// The processes of the present table; none before the first.
#[derive(Default)]
struct RunningCluster {
    table: Option<Table>,
    service: Option<Child>,
    replicas: BTreeMap<String, Life>,
}

/// A replica's latest life, over or not; one that was asked to leave has no process.
struct Life {
    number: u64,
    process: Option<Child>,
}

struct Supervisor<C> {
    setup: Setup<C>,
    running: Mutex<RunningCluster>,
}

type SharedSupervisor<C> = State<Arc<Supervisor<C>>>;

/// Runs the supervisor until the standard input closes; `ready` is told its address first.
pub async fn supervisor<C: Topology>(
    setup: Setup<C>,
    ready: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    setup.config.check()?;
    std::fs::create_dir_all(&setup.dir)
        .map_err(|source| Error::Io { what: format!("create {}", setup.dir.display()), source })?;
    let supervisor = Arc::new(Supervisor { setup, running: Mutex::default() });
    let router = Router::new()
        .route("/cluster", get(cluster))
        .route("/table", post(table))
        .route("/start", post(start))
        .route("/drop", post(leave))
        .with_state(Arc::clone(&supervisor))
        .merge(lease());
    let served = answer(router, ready).await;
    supervisor.end(&mut *supervisor.running.lock().await).await;
    served
}

impl<C: Topology> Setup<C> {
    /// Writes down what the processes that start from now on are made of.
    fn write(&self, config: &C) -> Result<(), Error> {
        let file = self.dir.join("config.json");
        let text = serde_json::to_vec(config).map_err(|error| Error::Request(error.to_string()))?;
        std::fs::write(&file, text)
            .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })
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
    /// Ends every process, side by side. Their logs stay; the data that the replicas kept goes.
    async fn end(&self, running: &mut RunningCluster) {
        let RunningCluster { service, replicas, .. } = std::mem::take(running);
        let mut ending = tokio::task::JoinSet::new();
        for mut child in replicas.into_values().filter_map(|life| life.process).chain(service) {
            ending.spawn(async move { child.end(PATIENCE).await });
        }
        ending.join_all().await;
        for replica in self.setup.config.roster() {
            // It may never have been made.
            drop(std::fs::remove_dir_all(self.setup.dir.join(replica)));
        }
    }

    /// Starts a replica that is down; one that runs is left as it is.
    async fn start(&self, running: &mut RunningCluster, name: &str, mode: Mode) -> Result<(), Error> {
        let Some(service) = &running.service else {
            return Err(Error::Request("there is no table, so no replica runs".to_owned()));
        };
        let last = running.replicas.get_mut(name);
        let life = last.as_ref().map_or(1, |last| last.number + 1);
        if last.and_then(|last| last.process.as_mut()?.pid()).is_some() {
            return Ok(());
        }
        let (dir, service) = (self.setup.dir.join(name), format!("http://{}", service.address));
        let arguments = C::arguments(Replica { dir, service, life, mode });
        let rest = ["--name".into(), name.into()].into_iter().chain(arguments).collect();
        let process = Some(self.setup.start(C::REPLICA, name, rest).await?);
        running.replicas.insert(name.to_owned(), Life { number: life, process });
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

/// Where a replica's latest life is lived; without a process it is over.
#[derive(Serialize)]
struct ReplicaStatus {
    address: String,
    pid: Option<u32>,
}

/// All there is to know from outside. A replica that nobody has asked for is null.
async fn cluster<C: Topology>(State(it): SharedSupervisor<C>) -> Json<ClusterStatus> {
    let running = &mut *it.running.lock().await;
    let roster = it.setup.config.roster().to_vec();
    let seat = |life: &mut Life| {
        let process = life.process.as_mut()?;
        Some(ReplicaStatus { pid: process.pid(), address: process.address.clone() })
    };
    let shown = |name: &String| (name.clone(), running.replicas.get_mut(name).and_then(seat));
    let replicas = roster.iter().map(shown).collect();
    let service = running.service.as_mut().map(|service| (C::SERVICE, service));
    let lives =
        running.replicas.iter_mut().filter_map(|(name, life)| Some((name.as_str(), life.process.as_mut()?)));
    let last = |(name, process): (&str, &mut Child)| Some((name.to_owned(), process.last_words()?));
    let ended = lives.chain(service).filter_map(last).collect();
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

/// A new, empty table takes the place of the old one: all processes end, and begin again.
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

/// A replica leaves for good, as after kill -9: what it has sent still arrives. One that is not there has
/// left already.
async fn leave<C: Topology>(State(it): SharedSupervisor<C>, Json(wanted): Json<Leave>) -> Result<(), Error> {
    let Leave { replica } = wanted;
    it.setup.refuse_unknown(&replica)?;
    let mut running = it.running.lock().await;
    if let Some(mut process) = running.replicas.get_mut(&replica).and_then(|life| life.process.take()) {
        process.end(Duration::ZERO).await;
    }
    Ok(())
}
