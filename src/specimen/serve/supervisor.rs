//! The supervisor's process: it starts a cluster's controller and servers as children, starts a server again
//! when it is told to, and takes them all along when its own standard input closes.
//!
//! It stands for what surrounds a real cluster: whoever starts processes again (systemd, Kubernetes), and a
//! place that outlives tables, where one run at a time takes a lock and leaves marks of what it broke.

use super::answer;
use super::child::{Child, Group};
use crate::config::{Config, Error};
use crate::value::Column;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a cluster is started with; a table comes later.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program that can be told to be a controller or a server.
    pub program: PathBuf,
    /// Where everything lies.
    pub dir: PathBuf,
    /// The cluster, with any table.
    pub config: Config,
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

/// Who uses the cluster now.
#[derive(Clone, Debug)]
struct Lock {
    owner: String,
    run: String,
    since: Instant,
    until: Instant,
}

#[derive(Default)]
struct Kept {
    running: Running,
    lock: Option<Lock>,
    marks: BTreeMap<String, Value>,
}

struct Supervisor {
    setup: Setup,
    kept: Mutex<Kept>,
}

type Shared = State<Arc<Supervisor>>;

/// Runs the supervisor until the standard input closes; `ready` is told its address first.
pub async fn supervisor(setup: Setup, ready: impl FnOnce(&str) -> Result<(), Error>) -> Result<(), Error> {
    setup.config.check()?;
    std::fs::create_dir_all(&setup.dir)
        .map_err(|source| Error::Io { what: format!("create {}", setup.dir.display()), source })?;
    let supervisor = Arc::new(Supervisor { setup, kept: Mutex::default() });
    let router = axum::Router::new()
        .route("/cluster", get(cluster))
        .route("/table", post(table))
        .route("/start", post(start))
        .route("/lock", post(lock))
        .route("/unlock", post(unlock))
        .route("/marks", get(async |State(it): Shared| Json(it.kept.lock().await.marks.clone())))
        .route("/mark", post(mark))
        .route("/unmark", post(unmark))
        .with_state(Arc::clone(&supervisor));
    let served = answer(router, ready).await;
    supervisor.end(&mut supervisor.kept.lock().await.running).await;
    served
}

impl Supervisor {
    /// Ends every process, side by side. Their logs stay; the data that the servers kept goes.
    async fn end(&self, running: &mut Running) {
        let mut ending = tokio::task::JoinSet::new();
        let Running { controller, servers, .. } = std::mem::take(running);
        for mut child in servers.into_values().chain(controller) {
            ending.spawn(async move { child.end(PATIENCE).await });
        }
        ending.join_all().await;
        for server in &self.setup.config.servers {
            // It may never have been made.
            drop(std::fs::remove_dir_all(self.setup.dir.join(server)));
        }
    }

    async fn start(&self, role: &str, log: &str, rest: &[&OsStr]) -> Result<Child, Error> {
        let Setup { program, dir, .. } = &self.setup;
        let config = dir.join("config.json");
        let head = ["specimen".as_ref(), role.as_ref(), "--config".as_ref(), config.as_os_str()];
        let log = dir.join(format!("{log}.log"));
        Child::start(role, program, &[&head, rest].concat(), &log, Group::Same).await
    }

    async fn start_server(&self, controller: &str, name: &str) -> Result<Child, Error> {
        let (url, dir) = (format!("http://{controller}"), self.setup.dir.join(name));
        let rest = ["--name".as_ref(), name.as_ref(), "--controller".as_ref(), url.as_ref()];
        let rest: [&[&OsStr]; 2] = [&rest, &["--dir".as_ref(), dir.as_os_str()]];
        self.start("server", name, &rest.concat()).await
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
    let running = &mut it.kept.lock().await.running;
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
    let running = &mut it.kept.lock().await.running;
    it.end(running).await;
    let file = it.setup.dir.join("config.json");
    let text = serde_json::to_vec(&config).map_err(|error| Error::Request(error.to_string()))?;
    std::fs::write(&file, text)
        .map_err(|source| Error::Io { what: format!("write {}", file.display()), source })?;
    let controller = it.start("controller", "controller", &[]).await?;
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
    let running = &mut it.kept.lock().await.running;
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

#[derive(Deserialize)]
struct Wish {
    owner: String,
    run: String,
    for_ms: u64,
}

/// Takes the lock or renews it; refuses with who has it and since when.
async fn lock(State(it): Shared, Json(Wish { owner, run, for_ms }): Json<Wish>) -> Response {
    let kept = &mut it.kept.lock().await;
    let now = Instant::now();
    let held = kept.lock.take().filter(|lock| lock.until > now);
    if let Some(other) = held.clone().filter(|lock| lock.run != run) {
        let held_ms = u64::try_from((now - other.since).as_millis()).unwrap_or(u64::MAX);
        let answer = serde_json::json!({ "owner": other.owner, "run": other.run, "held_ms": held_ms });
        kept.lock = Some(other);
        return (StatusCode::CONFLICT, Json(answer)).into_response();
    }
    let since = held.map_or(now, |lock| lock.since);
    kept.lock = Some(Lock { owner, run, since, until: now + Duration::from_millis(for_ms) });
    ().into_response()
}

#[derive(Deserialize)]
struct Unlock {
    run: String,
}

async fn unlock(State(it): Shared, Json(Unlock { run }): Json<Unlock>) {
    it.kept.lock().await.lock.take_if(|lock| lock.run == run);
}

#[derive(Deserialize)]
struct Mark {
    id: String,
    #[serde(default)]
    mark: Value,
}

async fn mark(State(it): Shared, Json(Mark { id, mark }): Json<Mark>) {
    it.kept.lock().await.marks.insert(id, mark);
}

async fn unmark(State(it): Shared, Json(Mark { id, .. }): Json<Mark>) {
    it.kept.lock().await.marks.remove(&id);
}
