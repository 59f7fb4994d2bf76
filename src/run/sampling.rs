//! Samples of a whole target: what it reports, and which of its processes have ended.

use crate::adapter::Capabilities;
use crate::target_error::TargetError;
use dissent_core::conductor::Snapshot;
use dissent_core::history::event::ProcessExit;

/// The processes of the target that have ended.
pub(super) async fn deaths(target: &Capabilities) -> Vec<ProcessExit> {
    match &target.processes {
        Some(census) => census.deaths().await,
        None => Vec::new(),
    }
}

/// Samples the whole cluster. If a replica does not answer, the sample includes the processes that have
/// ended.
pub(super) async fn snapshot(target: &Capabilities) -> Result<Snapshot, TargetError> {
    let mut snapshot = match &target.frontiers {
        Some(frontiers) => frontiers.sample().await?,
        None => sample_segments(target).await?,
    };
    if snapshot.replicas.iter().any(|(_, answer)| answer.is_err()) {
        snapshot.deaths = deaths(target).await;
    }
    Ok(snapshot)
}

/// Reads the log ends, then every replica concurrently, then the log ends. The order matters (`RULES.md` 7).
async fn sample_segments(target: &Capabilities) -> Result<Snapshot, TargetError> {
    let log = target.log.clone().ok_or_else(|| absent("log"))?;
    let catalogue = target.segments.clone().ok_or_else(|| absent("authority"))?;
    let log_ends_before = log.ends().await?;
    let mut asked = Vec::new();
    for replica in &target.roster {
        let (target, replica) = (target.clone(), replica.clone());
        asked.push(tokio::spawn(async move {
            let covered = match &target.raw_reads {
                Some(raw) => raw.coverage(&replica).await.map_err(|error| error.to_string()),
                None => Err(absent("raw reads").to_string()),
            };
            let lived = match &target.lifecycle {
                Some(lifecycle) => lifecycle.poll(&replica).await.unwrap_or_default(),
                None => Vec::new(),
            };
            (replica, covered, lived)
        }));
    }
    let (mut replicas, mut lifecycle) = (Vec::new(), Vec::new());
    for answer in asked {
        let (replica, covered, lived) = answer.await.map_err(|error| TargetError::InvalidResponse {
            at: "sampling".to_owned(),
            cause: error.to_string(),
        })?;
        replicas.push((replica, covered));
        lifecycle.extend(lived);
    }
    if let Some(target) = &target.lifecycle {
        lifecycle.extend(target.poll_authority().await.unwrap_or_default());
    }
    let segments = catalogue.segments().await?;
    let log_ends_after = log.ends().await?;
    Ok(Snapshot { log_ends_before, replicas, segments, log_ends_after, lifecycle, ..Snapshot::default() })
}

/// The error for a capability that the target lacks.
pub(super) fn absent(part: &str) -> TargetError {
    TargetError::Refused { at: "the target".to_owned(), cause: format!("it has no {part}") }
}
