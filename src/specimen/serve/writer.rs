//! A writer as an HTTP process: one polling loop per queue, and the routes it serves. It keeps nothing on
//! disk.

use super::call_relay::CallRelay;
use super::controller::Range;
use super::host_file::HostFile;
use super::process::answer;
use crate::error::Error;
use crate::shard::{Config, Mode, Queue, Writer};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

pub(super) struct WriterProcess {
    writer: Mutex<Writer>,
    host: Arc<HostFile>,
    service: CallRelay,
}

type SharedWriter = State<Arc<WriterProcess>>;

/// Runs a writer until standard input closes. The parent counts its starts in `incarnation`. The file `host`
/// says what is wrong with its machine. Fails if `name` is not in the settings or the port cannot be bound.
pub async fn writer(
    name: &str,
    (incarnation, mode): (u64, Mode),
    service_url: &str,
    config: Config,
    host: &Path,
) -> Result<(), Error> {
    config.check()?;
    let process = WriterProcess::new(name, (incarnation, mode), service_url, &config, host)?;
    let _polls = Arc::clone(&process).poll();
    answer(process.router(), |_| Ok(())).await
}

impl WriterProcess {
    pub(super) fn new(
        name: &str,
        (incarnation, mode): (u64, Mode),
        url: &str,
        config: &Config,
        host: &Path,
    ) -> Result<Arc<Self>, Error> {
        let writer = Writer::new(config.rule, (config.writer(name)?, name), incarnation, mode);
        let host = Arc::new(HostFile::at(host));
        let service = CallRelay::at(url, config.poll_ms, Arc::clone(&host))?;
        Ok(Arc::new(WriterProcess { writer: Mutex::new(writer), host, service }))
    }

    pub(super) fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/progress", get(async |State(it): SharedWriter| Json(it.writer.lock().await.progress())))
            .route("/events", get(events))
            .route("/admin/promote", post(async |State(it): SharedWriter| it.writer.lock().await.promote()))
            .with_state(self)
    }

    /// Polls all queues concurrently, until the returned set is dropped.
    pub(super) fn poll(self: Arc<Self>) -> JoinSet<()> {
        Queue::ALL.into_iter().map(|queue| Arc::clone(&self).poll_one(queue)).collect()
    }

    async fn poll_one(self: Arc<Self>, queue: Queue) {
        loop {
            let call = self.writer.lock().await.poll(queue);
            if let Some(call) = call {
                let reply = self.service.ask(&call).await;
                self.writer.lock().await.receive(reply, self.host.clock());
            }
            self.service.pause().await;
        }
    }
}

async fn events(State(it): SharedWriter, Query(Range { from, .. }): Query<Range>) -> Response {
    Json(it.writer.lock().await.events(from)).into_response()
}
