//! The cluster lock, which one run at a time holds, and the marks of what a run broke. Both outlive tables.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// The run that currently uses the cluster.
#[derive(Clone, Debug)]
struct Lock {
    owner: String,
    run: String,
    since: Instant,
    until: Instant,
}

impl Lock {
    /// The owner, how long it has held the lock, and when the lock expires unless renewed.
    fn to_json(&self, now: Instant) -> Value {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        serde_json::json!({
            "owner": self.owner, "run": self.run,
            "held_ms": ms(now - self.since), "left_ms": ms(self.until - now),
        })
    }
}

#[derive(Default)]
struct Leases {
    lock: Option<Lock>,
    marks: BTreeMap<String, Value>,
}

type SharedLeases = State<Arc<Mutex<Leases>>>;

/// The routes of the supervisor for the lock and the marks.
pub(super) fn lease() -> Router {
    Router::new()
        .route("/lock", post(lock).get(holder))
        .route("/unlock", post(unlock))
        .route("/marks", get(async |State(it): SharedLeases| Json(it.lock().await.marks.clone())))
        .route("/mark", post(mark))
        .route("/unmark", post(unmark))
        .with_state(Arc::default())
}

#[derive(Deserialize)]
struct LockRequest {
    owner: String,
    run: String,
    for_ms: u64,
}

/// Acquires or renews the lock. If another run holds it, answers 409 with that run.
async fn lock(
    State(it): SharedLeases,
    Json(LockRequest { owner, run, for_ms }): Json<LockRequest>,
) -> Response {
    let leases = &mut it.lock().await;
    let now = Instant::now();
    let held = leases.lock.take().filter(|lock| lock.until > now);
    if let Some(other) = held.clone().filter(|lock| lock.run != run) {
        let answer = other.to_json(now);
        leases.lock = Some(other);
        return (StatusCode::CONFLICT, Json(answer)).into_response();
    }
    let since = held.map_or(now, |lock| lock.since);
    leases.lock = Some(Lock { owner, run, since, until: now + Duration::from_millis(for_ms) });
    ().into_response()
}

/// The current holder, or null.
async fn holder(State(it): SharedLeases) -> Json<Option<Value>> {
    let now = Instant::now();
    let leases = it.lock().await;
    Json(leases.lock.as_ref().filter(|lock| lock.until > now).map(|lock| lock.to_json(now)))
}

#[derive(Deserialize)]
struct Unlock {
    run: String,
}

async fn unlock(State(it): SharedLeases, Json(Unlock { run }): Json<Unlock>) {
    it.lock().await.lock.take_if(|lock| lock.run == run);
}

#[derive(Deserialize)]
struct Mark {
    id: String,
    #[serde(default)]
    mark: Value,
}

async fn mark(State(it): SharedLeases, Json(Mark { id, mark }): Json<Mark>) {
    it.lock().await.marks.insert(id, mark);
}

async fn unmark(State(it): SharedLeases, Json(Mark { id, .. }): Json<Mark>) {
    it.lock().await.marks.remove(&id);
}
