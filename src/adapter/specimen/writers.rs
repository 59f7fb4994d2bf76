//! What is done to writers that share a shard: their ways made slow at the service, and some of them asked to
//! come or to leave.

use super::cluster::Overview;
use super::injection::{START, Undo, post};
use crate::adapter::TargetError;
use crate::adapter::web::{Web, answer, parse};
use ::specimen::shard::Mode;
use dissent_core::history::fault::{Fault, FaultKind};
use serde::Deserialize;
use serde_json::json;

/// Begins it.
pub(super) async fn begin(web: &Web, undo: &Undo, fault: &Fault) -> Result<(), TargetError> {
    let writer = &fault.replica;
    match fault.kind {
        FaultKind::SecondWriter => {
            start(web, undo, writer, Mode::ReadWrite).await?;
            promote(web, &Overview::ask(web, &undo.at).await?, writer).await
        }
        FaultKind::DropWriter => leave(web, undo, writer).await,
        FaultKind::Cutover => {
            leave(web, undo, writer).await?;
            start(web, undo, writer, Mode::ReadOnly).await
        }
        kind => slow(web, undo, writer, kind, true).await,
    }
}

/// Ends it. What came stays, and what left stays away.
pub(super) async fn heal(
    web: &Web,
    undo: &Undo,
    fault: &Fault,
    overview: &Overview,
) -> Result<(), TargetError> {
    let writer = &fault.replica;
    if fault.kind != FaultKind::Cutover {
        return slow(web, undo, writer, fault.kind, false).await;
    }
    promote(web, overview, writer).await?;
    for other in overview.roster.iter().filter(|other| *other != writer) {
        leave(web, undo, other).await?;
    }
    Ok(())
}

async fn start(web: &Web, undo: &Undo, writer: &str, mode: Mode) -> Result<(), TargetError> {
    let url = format!("{}/start", undo.at);
    let wish = json!({ "replica": writer, "mode": mode });
    answer(&url, web.post(&url, &wish).timeout(START)).await.map(drop)
}

async fn leave(web: &Web, undo: &Undo, writer: &str) -> Result<(), TargetError> {
    post(web, &format!("{}/drop", undo.at), json!({ "replica": writer })).await
}

/// From now on the writer appends.
async fn promote(web: &Web, overview: &Overview, writer: &str) -> Result<(), TargetError> {
    let (url, _) = overview.seat(writer)?;
    post(web, &format!("{url}/admin/promote"), json!({})).await?;
    match mode(web, &url).await? {
        Mode::ReadWrite => Ok(()),
        Mode::ReadOnly => {
            let cause = "it was promoted, and is still read-only".to_owned();
            Err(TargetError::Refused { at: writer.to_owned(), cause })
        }
    }
}

/// The mode of the writer at a URL.
pub(super) async fn mode(web: &Web, url: &str) -> Result<Mode, TargetError> {
    #[derive(Deserialize)]
    struct Progress {
        mode: Mode,
    }
    let url = format!("{url}/progress");
    parse(&url, &answer(&url, web.get(&url)).await?).map(|Progress { mode }| mode)
}

/// Makes one of the writer's ways slow, or lets it be as it was.
async fn slow(
    web: &Web,
    undo: &Undo,
    writer: &str,
    kind: FaultKind,
    in_force: bool,
) -> Result<(), TargetError> {
    let unless_over = |much: u64| if in_force { much } else { 0 };
    let (path, wish) = match kind {
        FaultKind::Lag { timestamps } => {
            ("lag", json!({ "writer": writer, "timestamps": unless_over(timestamps) }))
        }
        FaultKind::DelayQueue { queue, ms } => {
            ("delay", json!({ "writer": writer, "queue": queue, "ms": unless_over(ms) }))
        }
        _ => return Ok(()),
    };
    post(web, &format!("{}/admin/{path}", undo.service), wish).await
}
