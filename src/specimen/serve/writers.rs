//! The supervisor of a shard's service and its writers: as the one of a cluster of servers, but writers come
//! in a mode, and it counts their lives, since they keep nothing.

use super::answer;
use super::child::Child;
use super::lease::lease;
use super::supervisor::{Setup, end_all};
use crate::config::Error;
use crate::shard::{Config, Mode};
use crate::value::Column;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// The processes of the present table; none before the first.
#[derive(Default)]
struct Running {
    table: Option<Table>,
    service: Option<Child>,
    writers: BTreeMap<String, (u64, Child)>,
}

struct Supervisor {
    setup: Setup<Config>,
    running: Mutex<Running>,
}

type Shared = State<Arc<Supervisor>>;

/// Runs the supervisor until the standard input closes; `ready` is told its address first.
pub async fn writers(
    setup: Setup<Config>,
    ready: impl FnOnce(&str) -> Result<(), Error>,
) -> Result<(), Error> {
    setup.config.check()?;
    setup.make_dir()?;
    let supervisor = Arc::new(Supervisor { setup, running: Mutex::default() });
    let router = Router::new()
        .route("/cluster", get(cluster))
        .route("/table", post(table))
        .route("/start", post(start))
        .with_state(Arc::clone(&supervisor))
        .merge(lease());
    let served = answer(router, ready).await;
    supervisor.running.lock().await.end().await;
    served
}

impl Running {
    /// Ends every process, side by side.
    async fn end(&mut self) {
        let Running { service, writers, .. } = std::mem::take(self);
        end_all(writers.into_values().map(|(_, child)| child).chain(service)).await;
    }

    /// Starts a writer that is down; one that runs is left as it is.
    async fn start(&mut self, setup: &Setup<Config>, name: &str, mode: Mode) -> Result<(), Error> {
        setup.config.writer(name)?;
        let Some(service) = &self.service else {
            return Err(Error::Request("there is no table, so no writer runs".to_owned()));
        };
        let last = self.writers.get_mut(name).map(|(life, child)| (*life, child.pid()));
        let life = match last {
            Some((_, Some(_))) => return Ok(()),
            Some((life, None)) => life + 1,
            None => 1,
        };
        let (url, count) = (format!("http://{}", service.address), life.to_string());
        let mut rest = vec!["--name", name, "--incarnation", &count, "--service", &url];
        rest.extend((mode == Mode::ReadOnly).then_some("--read-only"));
        let rest: Vec<_> = rest.into_iter().map(AsRef::as_ref).collect();
        let child = setup.start("writer", name, &rest).await?;
        self.writers.insert(name.to_owned(), (life, child));
        Ok(())
    }
}

/// All there is to know from outside. A writer without a process is null.
async fn cluster(State(it): Shared) -> Json<Value> {
    let running = &mut *it.running.lock().await;
    let roster = &it.setup.config.writers;
    let seat = |(life, child): &mut (u64, Child)| {
        Some(json!({"address": child.address, "pid": child.pid()?, "incarnation": life}))
    };
    let shown = |name: &String| (name.clone(), running.writers.get_mut(name).and_then(seat));
    let writers: BTreeMap<_, _> = roster.iter().map(shown).collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "settings": it.setup.settings,
        "roster": roster,
        "table": running.table,
        "service": running.service.as_ref().map(|service| &service.address),
        "writers": writers,
    }))
}

#[derive(Clone, Serialize, Deserialize)]
struct Table {
    table: String,
    columns: Vec<Column>,
}

/// A new, empty table takes the place of the old one: all processes end, and the active writers begin again.
async fn table(State(it): Shared, Json(wanted): Json<Table>) -> Result<(), Error> {
    let Table { table, columns } = wanted.clone();
    let config = Config { table, columns, ..it.setup.config.clone() };
    let running = &mut *it.running.lock().await;
    running.end().await;
    it.setup.write(&config)?;
    running.service = Some(it.setup.start("shard-service", "shard-service", &[]).await?);
    for name in config.writers.iter().take(config.active) {
        running.start(&it.setup, name, Mode::ReadWrite).await?;
    }
    running.table = Some(wanted);
    Ok(())
}

#[derive(Deserialize)]
struct Start {
    writer: String,
    mode: Mode,
}

async fn start(State(it): Shared, Json(Start { writer, mode }): Json<Start>) -> Result<(), Error> {
    it.running.lock().await.start(&it.setup, &writer, mode).await
}
