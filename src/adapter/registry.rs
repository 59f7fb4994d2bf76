//! The systems that there are, and which of them a target file or a cure speaks of.

use super::api::{Cluster, Defaults, Refusal};
use super::diagnosis::Diagnosis;
use super::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use super::leased::seen_in_time;
#[cfg(feature = "pinot")]
use super::pinot;
use super::specimen;
#[cfg(feature = "pinot")]
use crate::config::target::PINOT;
use crate::config::target::TargetFile;
use crate::target_error::{Holder, TargetError};
use dissent_core::history::fault::FaultKind;
use dissent_store::cure::Cure;
use std::sync::Arc;

/// Whether the cluster of a target file has what a fault needs, as far as that is known without asking it.
pub fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::can(file, kind),
        system => specimen::SpecimenKind::named(system)
            .map_or_else(|| Err(unknown(system, kind)), |it| it.can(kind)),
    }
}

fn unknown(system: &str, fault: FaultKind) -> Refusal {
    Refusal { target: system.to_owned(), fault, reason: "no system is called so".to_owned() }
}

/// What a run on the cluster of a target file uses where nothing else is asked for.
pub fn defaults(file: &TargetFile) -> Defaults {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::DEFAULTS,
        // Its settings were chosen by whoever started it.
        _ => Defaults { settings: &[], ..specimen::DEFAULTS },
    }
}

/// How the cluster of a target file stands, as far as it answers.
pub async fn diagnose(file: &TargetFile) -> Diagnosis {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::diagnosis(file).await,
        _ => specimen::diagnosis(file).await,
    }
}

/// Refuses a run that could not begin there. `dissent doctor` tells the same beforehand.
pub async fn refuse_obstacles(file: &TargetFile, path: &str) -> Result<(), TargetError> {
    match diagnose(file).await.obstacles(path).as_slice() {
        [] => Ok(()),
        some => Err(TargetError::NotReady(some.join("; "))),
    }
}

/// A target file for the cluster at a URL, from what it tells.
pub async fn discover(wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
    match wanted.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::draft(wanted).await,
        _ => specimen::draft(wanted).await,
    }
}

/// Reaches the cluster of a target file.
pub async fn reach(file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError> {
    Ok(match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => Arc::new(pinot::PinotCluster::reach(file).await?),
        _ => Arc::new(specimen::reach(file).await?),
    })
}

/// The marks that runs have left at the cluster of a target file.
pub async fn marks(file: &TargetFile) -> Result<Vec<Cure>, TargetError> {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::marks(&file.url, &file.access()).await,
        _ => specimen::marks(&file.url).await,
    }
}

/// Leaves the mark of a fault and begins it, from its cure alone; returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::begin(cure).await;
    }
    specimen::begin(cure).await
}

/// What shows that a fault that was begun is over already, if anything does: somebody else has undone it, or
/// what it was done to is not there any more.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::ended_early(cure).await;
    }
    specimen::ended_early(cure).await
}

/// Undoes a fault, from its cure alone, verifies that and takes its mark away; twice does no harm.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::heal(cure).await;
    }
    specimen::heal(cure).await
}

/// The run that has the target of a fault now, going by the fault's cure alone.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::holder(cure).await;
    }
    specimen::holder(cure).await
}

/// As [`ended_early`], in time and never failing: a fault that is not seen in force is not known to be.
pub async fn seen_over(cure: &Cure) -> Option<String> {
    seen_in_time(ended_early(cure)).await
}
