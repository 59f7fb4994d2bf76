//! Faults on writers that share a shard: a queue is delayed at the service, or writers are started and
//! dropped.

use super::cluster::Overview;
use super::undo::{START, SpecimenUndo, post};
use crate::adapter::http::{HttpClient, parse, send};
use crate::target_error::TargetError;
use ::specimen::shard::Mode;
use dissent_core::history::fault::{Fault, FaultKind};
use serde::Deserialize;
use serde_json::json;

pub(super) async fn begin(http: &HttpClient, undo: &SpecimenUndo, fault: &Fault) -> Result<(), TargetError> {
    let writer = &fault.replica;
    match fault.kind {
        FaultKind::SecondWriter => {
            start(http, undo, writer, Mode::ReadWrite).await?;
            promote(http, &Overview::ask(http, &undo.at).await?, writer).await
        }
        FaultKind::DropWriter => leave(http, undo, writer).await,
        FaultKind::Cutover => {
            leave(http, undo, writer).await?;
            start(http, undo, writer, Mode::ReadOnly).await
        }
        kind => set_delay(http, undo, writer, kind, true).await,
    }
}

/// Heals the fault. Writers that were started or dropped stay so.
pub(super) async fn heal(
    http: &HttpClient,
    undo: &SpecimenUndo,
    fault: &Fault,
    overview: &Overview,
) -> Result<(), TargetError> {
    let writer = &fault.replica;
    if fault.kind != FaultKind::Cutover {
        return set_delay(http, undo, writer, fault.kind, false).await;
    }
    promote(http, overview, writer).await?;
    for other in overview.roster.iter().filter(|other| *other != writer) {
        leave(http, undo, other).await?;
    }
    Ok(())
}

async fn start(http: &HttpClient, undo: &SpecimenUndo, writer: &str, mode: Mode) -> Result<(), TargetError> {
    let url = format!("{}/start", undo.at);
    let request = json!({ "replica": writer, "mode": mode });
    send(&url, http.post(&url, &request).timeout(START)).await.map(drop)
}

async fn leave(http: &HttpClient, undo: &SpecimenUndo, writer: &str) -> Result<(), TargetError> {
    post(http, &format!("{}/drop", undo.at), json!({ "replica": writer })).await
}

/// Makes the writer append and verifies that.
async fn promote(http: &HttpClient, overview: &Overview, writer: &str) -> Result<(), TargetError> {
    let (url, _) = overview.replica_process(writer)?;
    post(http, &format!("{url}/admin/promote"), json!({})).await?;
    match mode(http, &url).await? {
        Mode::ReadWrite => Ok(()),
        Mode::ReadOnly => {
            let cause = "it was promoted, and is still read-only".to_owned();
            Err(TargetError::Refused { at: writer.to_owned(), cause })
        }
    }
}

/// The mode of the writer at a URL.
pub(super) async fn mode(http: &HttpClient, url: &str) -> Result<Mode, TargetError> {
    #[derive(Deserialize)]
    struct Progress {
        mode: Mode,
    }
    let url = format!("{url}/progress");
    parse(&url, &send(&url, http.get(&url)).await?).map(|Progress { mode }| mode)
}

/// Delays one of the writer's queues, or removes the delay.
async fn set_delay(
    http: &HttpClient,
    undo: &SpecimenUndo,
    writer: &str,
    kind: FaultKind,
    in_force: bool,
) -> Result<(), TargetError> {
    let value_if_in_force = |value: u64| if in_force { value } else { 0 };
    let (path, request) = match kind {
        FaultKind::Lag { timestamps } => {
            ("lag", json!({ "writer": writer, "timestamps": value_if_in_force(timestamps) }))
        }
        FaultKind::DelayQueue { queue, ms } => {
            ("delay", json!({ "writer": writer, "queue": queue, "ms": value_if_in_force(ms) }))
        }
        _ => return Ok(()),
    };
    post(http, &format!("{}/admin/{path}", undo.service), request).await
}
