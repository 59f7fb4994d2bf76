//! The supervisor's process: it starts a cluster's controller and servers as children, starts a server again
//! when it is told to, and takes them all along when its own standard input closes.
//!
//! It stands for what surrounds a real cluster: whoever starts processes again (systemd, Kubernetes), and a
//! place that outlives tables (`lease.rs`).

use super::answer;
use super::child::{Child, Group};
use super::lease::lease;
use crate::config::{Config, Error};
use crate::value::Column;
use axum::Json;
use axum::extract::State;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a cluster is started with; a table comes later.
#[derive(Clone, Debug)]
pub struct Setup<C = Config> {
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
struct Running {
    table: Option<Table>,
    controller: Option<Child>,
    servers: BTreeMap<String, Child>,
}

struct Supervisor {
    setup: Setup,
    running: Mutex<Running>,
}

type Shared = State<Arc<Supervisor>>;

/// Runs the supervisor until the standard input closes; `ready` is told its address first.
pub async fn supervisor(setup: Setup, ready: impl FnOnce(&str) -> Result<(), Error>) -> Result<(), Error> {
    setup.config.check()?;
    setup.make_dir()?;
    let supervisor = Arc::new(Supervisor { setup, running: Mutex::default() });
    let router = axum::Router::new()
        .route("/cluster", get(cluster))
        .route("/table", post(table))
        .route("/start", post(start))
        .with_state(Arc::clone(&supervisor))
        .merge(lease());
    let served = answer(router, ready).await;
    supervisor.end(&mut *supervisor.running.lock().await).await;
    served
}

impl<C: Serialize> Setup<C> {
    pub(super) fn make_dir(&self) -> Result<(), Error> {
        std::fs::create_dir_all(&self.dir)
            .map_err(|source| Error::Io { what: format!("create {}", self.dir.display()), source })
    }

    /// Writes down what the processes that start from now on are made of.
    pub(super) fn write(&self, config: &C) -> Result<(), Error> {
        let file = self.dir.join("config.json");
        let text = serde_json::to_vec(config).map_err(|error| Error::Request(error.to_string()))?;
        std::fs::write(&file, text)
            .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })
    }

    pub(super) async fn start(&self, role: &str, log: &str, rest: &[&OsStr]) -> Result<Child, Error> {
        let config = self.dir.join("config.json");
        let head = ["specimen".as_ref(), role.as_ref(), "--config".as_ref(), config.as_os_str()];
        let log = self.dir.join(format!("{log}.log"));
        Child::start(role, &self.program, &[&head, rest].concat(), &log, Group::Same).await
    }
}

/// Ends processes side by side.
pub(super) async fn end_all(children: impl Iterator<Item = Child>) {
    let mut ending = tokio::task::JoinSet::new();
    for mut child in children {
        ending.spawn(async move { child.end(PATIENCE).await });
    }
    ending.join_all().await;
}

impl Supervisor {
    /// Ends every process, side by side. Their logs stay; the data that the servers kept goes.
    async fn end(&self, running: &mut Running) {
        let Running { controller, servers, .. } = std::mem::take(running);
        end_all(servers.into_values().chain(controller)).await;
        for server in &self.setup.config.servers {
            // It may never have been made.
            drop(std::fs::remove_dir_all(self.setup.dir.join(server)));
        }
    }

    async fn start_server(&self, controller: &str, name: &str) -> Result<Child, Error> {
        let (url, dir) = (format!("http://{controller}"), self.setup.dir.join(name));
        let rest = ["--name".as_ref(), name.as_ref(), "--controller".as_ref(), url.as_ref()];
        let rest: [&[&OsStr]; 2] = [&rest, &["--dir".as_ref(), dir.as_os_str()]];
        self.setup.start("server", name, &rest.concat()).await
    }
}

#[derive(Serialize)]
struct Shown {
    version: &'static str,
    pid: u32,
    settings: BTreeMap<String, String>,
    roster: Vec<String>,
    table: Option<Table>,
    controller: Option<String>,
    servers: BTreeMap<String, Option<Server>>,
}

#[derive(Serialize)]
struct Server {
    address: String,
    pid: u32,
}

/// All there is to know from outside. A server without a process is null.
async fn cluster(State(it): Shared) -> Json<Shown> {
    let running = &mut *it.running.lock().await;
    let roster = it.setup.config.servers.clone();
    let shown = |name: &String| {
        let child = running.servers.get_mut(name);
        let server =
            child.and_then(|child| Some(Server { pid: child.pid()?, address: child.address.clone() }));
        (name.clone(), server)
    };
    let servers = roster.iter().map(shown).collect();
    Json(Shown {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        settings: it.setup.settings.clone(),
        table: running.table.clone(),
        controller: running.controller.as_ref().map(|controller| controller.address.clone()),
        servers,
        roster,
    })
}

#[derive(Clone, Serialize, Deserialize)]
struct Table {
    table: String,
    columns: Vec<Column>,
    partitions: u32,
}

/// A new, empty table takes the place of the old one: all processes end, and begin again.
async fn table(State(it): Shared, Json(wanted): Json<Table>) -> Result<(), Error> {
    let Table { table, columns, partitions } = wanted.clone();
    let config = Config { table, columns, partitions, ..it.setup.config.clone() };
    config.check()?;
    let running = &mut *it.running.lock().await;
    it.end(running).await;
    it.setup.write(&config)?;
    let controller = it.setup.start("controller", "controller", &[]).await?;
    for name in &config.servers {
        let server = it.start_server(&controller.address, name).await?;
        running.servers.insert(name.clone(), server);
    }
    running.controller = Some(controller);
    running.table = Some(wanted);
    Ok(())
}

#[derive(Deserialize)]
struct Start {
    server: String,
}

/// Starts a server that is down; one that runs is left as it is.
async fn start(State(it): Shared, Json(Start { server }): Json<Start>) -> Result<(), Error> {
    it.setup.config.server(&server)?;
    let running = &mut *it.running.lock().await;
    if running.servers.get_mut(&server).is_some_and(|child| child.pid().is_some()) {
        return Ok(());
    }
    let Some(controller) = running.controller.as_ref().map(|controller| controller.address.clone()) else {
        return Err(Error::Request("there is no table, so no server runs".to_owned()));
    };
    let child = it.start_server(&controller, &server).await?;
    running.servers.insert(server, child);
    Ok(())
}
