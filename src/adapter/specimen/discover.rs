//! Diagnosis and discovery of a built-in cluster that outlives its runs. Both only read.

use super::cluster::SpecimenCluster;
use super::injection::marks;
use super::kind::SpecimenKind;
use crate::adapter::diagnosis::{Diagnosis, ReplicaStatus};
use crate::adapter::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use crate::config::target::TargetFile;

/// The state of the cluster of a target file.
pub(super) async fn diagnosis(kind: SpecimenKind, file: &TargetFile) -> Diagnosis {
    let mut diagnosis = Diagnosis { system: file.system.clone(), starts_anew: true, ..Diagnosis::default() };
    let supervisor = ("supervisor", file.url.as_str(), true);
    let reached = diagnosis.ask(supervisor, SpecimenCluster::reach(kind, &file.url)).await;
    if let Some(cluster) = reached {
        let overview = cluster.overview();
        let alive = |name: &String| overview.replica_process(name).ok().map(|(url, _)| url);
        let standing = |name: &String| ReplicaStatus { name: name.clone(), host: alive(name) };
        diagnosis.replicas = overview.roster.iter().map(standing).collect();
        diagnosis.version = Some(overview.version.clone());
        match cluster.holder().await {
            Ok(holder) => (diagnosis.free, diagnosis.holder) = (holder.is_none(), holder),
            Err(error) => diagnosis.unknown.push(format!("the run that uses it: {error}")),
        }
    }
    match marks(&file.url).await {
        Ok(marks) => diagnosis.marks = marks,
        Err(error) => diagnosis.unknown.push(format!("faults of earlier runs: {error}")),
    }
    diagnosis
}

/// Discovers the cluster of this supervisor for a target file.
pub(super) async fn discover(
    kind: SpecimenKind,
    wanted: &DiscoveryRequest,
) -> Result<Discovery, DiscoveryError> {
    let overview = SpecimenCluster::reach(kind, &wanted.url).await?.overview();
    let found = vec![format!("{} {}, {} replicas", wanted.system, overview.version, overview.roster.len())];
    Ok(Discovery { found, version: overview.version, ..Discovery::default() })
}
