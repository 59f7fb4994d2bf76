//! A server as an HTTP process: one polling loop, one task for every other call, and the routes it serves.

use super::call_relay::{CallRelay, complain};
use super::host_file::HostFile;
use super::process::{answer, lines};
use super::wire::NamedEntry;
use crate::error::Error;
use crate::segments::Config;
use crate::segments::Disk;
use crate::segments::{Action, Server, SharedWork};
use crate::segments::{Call, Reply, SegmentId};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Json, routing::get};
use serde::Deserialize;
use serde_json::json;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

pub(super) struct ServerProcess {
    config: Arc<Config>,
    server: Mutex<Server>,
    disk: Disk,
    /// Copies that could not be stored. Each poll tries again.
    unkept: Mutex<VecDeque<Action>>,
    host: Arc<HostFile>,
    controller: CallRelay,
}

/// Runs a server until standard input closes. Its state is in `dir` and survives a restart. The file `host`
/// says what is wrong with its machine. Fails if `name` is not in the settings, or the folder or the port is
/// unusable.
pub async fn server(
    name: &str,
    controller_url: &str,
    config: Config,
    dir: &Path,
    host: &Path,
) -> Result<(), Error> {
    config.check()?;
    let process = ServerProcess::new(name, controller_url, Arc::new(config), dir, host)?;
    let polls = tokio::spawn(Arc::clone(&process).poll());
    let served = answer(process.router(), |_| Ok(())).await;
    polls.abort();
    served
}

type SharedServer = State<Arc<ServerProcess>>;

impl ServerProcess {
    pub(super) fn new(
        name: &str,
        url: &str,
        config: Arc<Config>,
        dir: &Path,
        host: &Path,
    ) -> Result<Arc<Self>, Error> {
        let (number, disk) = (config.server(name)?, Disk::open(dir)?);
        let (node, host) = ((number, disk.next_incarnation()?), Arc::new(HostFile::at(host)));
        let of_all = (Arc::clone(&config), SharedWork::default());
        let server = Mutex::new(Server::new(of_all, node, host.clock(), disk.load()?));
        let controller = CallRelay::at(url, config.poll_ms, Arc::clone(&host))?;
        Ok(Arc::new(ServerProcess { config, server, disk, unkept: Mutex::default(), host, controller }))
    }

    pub(super) fn router(self: Arc<Self>) -> axum::Router {
        axum::Router::new()
            .route("/status", get(status))
            .route("/coverage", get(coverage))
            .route("/rows", get(rows))
            .route("/current", get(current))
            .route("/events", get(events))
            .route("/truth", get(truth))
            .with_state(self)
    }

    pub(super) async fn poll(self: Arc<Self>) {
        loop {
            self.keep_again().await;
            let call = self.server.lock().await.poll();
            let reply = self.controller.ask(&call).await;
            self.receive(reply).await;
            self.controller.pause().await;
        }
    }

    async fn receive(self: &Arc<Self>, reply: Reply) {
        let mut actions = Vec::new();
        let mut server = self.server.lock().await;
        server.receive(self.host.clock(), reply, &mut actions);
        let unkept = self.carry_out(&mut server, actions.into());
        for error in unkept.iter().map(|(_, error)| error) {
            complain(error);
        }
        self.unkept.lock().await.extend(unkept.into_iter().map(|(copy, _)| copy));
    }

    /// Stores what could not be stored before.
    async fn keep_again(self: &Arc<Self>) {
        let mut unkept = self.unkept.lock().await;
        if !unkept.is_empty() {
            let again = std::mem::take(&mut *unkept);
            let left = self.carry_out(&mut *self.server.lock().await, again);
            unkept.extend(left.into_iter().map(|(copy, _)| copy));
        }
    }

    /// Carries out the effects of a step, and what follows once a copy is stored. Returns those that failed,
    /// and why.
    fn carry_out(
        self: &Arc<Self>,
        server: &mut Server,
        mut actions: VecDeque<Action>,
    ) -> Vec<(Action, Error)> {
        let (host, mut failed) = (self.host.host(), Vec::new());
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Call(call) => Self::spawn_call(Arc::clone(self), call),
                Action::Keep(copy) => match self.disk.keep(&copy, &host) {
                    Ok(()) => {
                        let mut then = Vec::new();
                        server.kept(self.host.clock(), &copy, &mut then);
                        actions.extend(then);
                    }
                    Err(error) => failed.push((Action::Keep(copy), error)),
                },
            }
        }
        failed
    }

    /// Calls the controller without blocking the polls.
    fn spawn_call(process: Arc<Self>, call: Call) {
        tokio::spawn(async move {
            process.controller.fall_behind().await;
            let reply = process.controller.ask(&call).await;
            process.receive(reply).await;
        });
    }
}

async fn status(State(it): SharedServer) -> Response {
    Json(json!({"status": "running", "incarnation": it.server.lock().await.incarnation()})).into_response()
}

async fn coverage(State(it): SharedServer) -> Response {
    Json(it.server.lock().await.coverage()).into_response()
}

#[derive(Deserialize)]
struct Rows {
    segment: String,
    #[serde(default)]
    from: u64,
    to: Option<u64>,
}

async fn rows(State(it): SharedServer, Query(Rows { segment, from, to }): Query<Rows>) -> Response {
    let server = it.server.lock().await;
    let id = SegmentId::parse(&it.config.table, &segment);
    let Some(rows) = id.and_then(|id| server.rows(id, from, to.unwrap_or(u64::MAX))) else {
        return (StatusCode::NOT_FOUND, format!("no segment `{segment}` here")).into_response();
    };
    let defaults = it.config.defaults();
    lines(rows.map(|(doc, row)| NamedEntry::row(row, &it.config.columns, &defaults, doc)))
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    partition: u32,
    #[serde(default)]
    since: u64,
}

async fn current(State(it): SharedServer, Query(Since { partition, since }): Query<Since>) -> Response {
    let server = it.server.lock().await;
    let (version, keys) = server.current(partition, since);
    Json(json!({"version": version, "incarnation": server.incarnation(), "keys": keys})).into_response()
}

/// For tests: what really happened here.
async fn truth(State(it): SharedServer) -> Response {
    Json(it.server.lock().await.truth()).into_response()
}

async fn events(State(it): SharedServer, Query(Since { since, .. }): Query<Since>) -> Response {
    Json(it.server.lock().await.events(since)).into_response()
}
