//! The controller as an HTTP process.

use super::process::{answer, clock, lines};
use super::wire::NamedEntry;
use crate::error::Error;
use crate::segments::Call;
use crate::segments::Config;
use crate::segments::{Controller, Hold};
use crate::value::{Column, Entry, Value};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

#[derive(Clone)]
struct SharedController {
    config: Arc<Config>,
    controller: Arc<Mutex<Controller>>,
}

/// Runs the controller until standard input closes. Fails if the settings are unusable or the port cannot be
/// bound.
pub async fn controller(config: Config) -> Result<(), Error> {
    config.check()?;
    answer(router(Arc::new(config)), |_| Ok(())).await
}

pub(super) fn router(config: Arc<Config>) -> axum::Router {
    let controller = Arc::new(Mutex::new(Controller::new(Arc::clone(&config), clock())));
    axum::Router::new()
        .route("/produce", post(produce))
        .route("/log/{partition}", get(log))
        .route(
            "/log-ends",
            get(async |State(it): State<SharedController>| Json(it.controller.lock().await.log_ends())),
        )
        .route(
            "/segments",
            get(async |State(it): State<SharedController>| Json(it.controller.lock().await.segments())),
        )
        .route("/events", get(events))
        .route("/call", post(call))
        .route("/admin/hold", post(hold))
        .route("/admin/release", post(release))
        .route("/admin/holds", get(holds))
        .route("/admin/force-commit", post(force_commit))
        .route("/admin/commit-winner", post(commit_winner))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(SharedController { config, controller })
}

#[derive(Deserialize)]
pub(super) struct Write {
    pub(super) partition: u32,
    key: Arc<str>,
    op: u64,
    cmp: i64,
    #[serde(default)]
    tombstone: bool,
    cols: BTreeMap<String, Value>,
}

#[derive(Serialize)]
pub(super) struct Written {
    pub(super) off: u64,
}

impl Write {
    pub(super) fn entry(mut self, columns: &[Column]) -> Result<Entry, Error> {
        let mut cols = Vec::with_capacity(columns.len());
        for column in columns {
            let value = self.cols.remove(&column.name).unwrap_or_default();
            if !column.ty.admits(&value) {
                let (name, ty) = (&column.name, column.ty);
                return Err(Error::Request(format!("column `{name}` is a {ty:?} and was given {value:?}")));
            }
            cols.push(value);
        }
        if let Some(name) = self.cols.keys().next() {
            return Err(Error::Request(format!("the table has no column `{name}`")));
        }
        let Write { key, op, cmp, tombstone, .. } = self;
        Ok(Entry { off: 0, key, op, cmp, tombstone, cols })
    }
}

/// All or nothing: the batch is checked before the first entry is appended.
async fn produce(
    State(it): State<SharedController>,
    Json(batch): Json<Vec<Write>>,
) -> Result<Json<Vec<Written>>, Error> {
    let mut controller = it.controller.lock().await;
    let entry = |write: Write| {
        let partition = write.partition;
        controller.log(partition, 0)?;
        Ok((partition, write.entry(&it.config.columns)?))
    };
    let entries: Vec<(u32, Entry)> = batch.into_iter().map(entry).collect::<Result<_, Error>>()?;
    let append = |(partition, entry)| Ok(Written { off: controller.produce(partition, entry)? });
    entries.into_iter().map(append).collect::<Result<_, Error>>().map(Json)
}

#[derive(Deserialize)]
struct NewEvents {
    #[serde(default)]
    since: u64,
}

async fn events(
    State(it): State<SharedController>,
    Query(NewEvents { since }): Query<NewEvents>,
) -> Response {
    Json(it.controller.lock().await.events(since)).into_response()
}

#[derive(Deserialize)]
pub(super) struct Range {
    #[serde(default)]
    pub(super) from: u64,
    pub(super) limit: Option<usize>,
}

async fn log(
    State(it): State<SharedController>,
    Path(partition): Path<u32>,
    Query(Range { from, limit }): Query<Range>,
) -> Result<Response, Error> {
    let controller = it.controller.lock().await;
    let entries = controller.log(partition, from)?.iter().take(limit.unwrap_or(usize::MAX));
    Ok(lines(entries.map(|entry| NamedEntry::entry(entry, &it.config.columns))))
}

async fn call(State(it): State<SharedController>, Json(call): Json<Call>) -> Response {
    Json(it.controller.lock().await.call(clock(), call)).into_response()
}

async fn hold(State(it): State<SharedController>, Json(hold): Json<Hold>) -> Result<(), Error> {
    it.controller.lock().await.hold(hold)
}

#[derive(Deserialize)]
struct Release {
    id: String,
}

async fn release(State(it): State<SharedController>, Json(Release { id }): Json<Release>) {
    it.controller.lock().await.release(&id);
}

async fn holds(State(it): State<SharedController>) -> Json<Vec<Hold>> {
    Json(it.controller.lock().await.holds().cloned().collect())
}

async fn force_commit(State(it): State<SharedController>) -> Json<Vec<String>> {
    Json(it.controller.lock().await.force_commit())
}

#[derive(Deserialize)]
struct Winner {
    partition: u32,
    server: Option<String>,
}

async fn commit_winner(State(it): State<SharedController>, Json(winner): Json<Winner>) -> Result<(), Error> {
    it.controller.lock().await.commit_winner(winner.partition, winner.server.as_deref())
}
