//! The supported systems, and which of them a target file or a cure is for.

use super::capabilities::{Cluster, Defaults, Refusal};
use super::containment::{Affected, Containment};
use super::diagnosis::Diagnosis;
use super::discovery::{Discovery, DiscoveryError, DiscoveryRequest};
use super::leased_injector::ended_early_or_unknown;
#[cfg(feature = "pinot")]
use super::pinot;
use super::specimen;
use crate::config::error::ConfigError;
#[cfg(feature = "pinot")]
use crate::config::target::PINOT;
use crate::config::target::TargetFile;
use crate::target_error::{Holder, TargetError};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_store::cure::Cure;
use std::sync::Arc;

/// Whether the cluster of a target file supports a kind of fault, as far as known without asking the
/// cluster.
pub fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::can(file, kind),
        system => specimen::SpecimenKind::named(system)
            .map_or_else(|| Err(unknown(system, kind)), |it| it.can(kind)),
    }
}

fn unknown(system: &str, fault: FaultKind) -> Refusal {
    Refusal { target: system.to_owned(), fault, reason: "there is no such system".to_owned() }
}

/// Refuses a run with these faults unless the target file allows and contains what the run needs. `path` is
/// the file as given.
pub fn check_run(
    file: &TargetFile,
    path: &str,
    faults: impl Iterator<Item = FaultKind>,
) -> Result<(), ConfigError> {
    let needs = |kind: FaultKind| match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::needs(kind),
        _ => kind.spec().needs.to_vec(),
    };
    file.check_allowed(path, faults.flat_map(needs))?;
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT if file.kafka.is_none() => Err(ConfigError::NoKafka { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// The defaults for a run on the cluster of a target file.
pub fn defaults(file: &TargetFile) -> Defaults {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::DEFAULTS,
        // Whoever started the cluster chose its settings.
        _ => Defaults { settings: &[], ..specimen::DEFAULTS },
    }
}

/// How to contain a wrong copy on the system of a run's target, with that system's own commands. Nothing
/// for one that dissent does not know.
pub fn containment(system: &str, affected: &Affected<'_>) -> Containment {
    match system {
        #[cfg(feature = "pinot")]
        PINOT => pinot::containment(affected),
        specimen::segments_settings::PROCESSES => specimen::containment(affected),
        _ => Containment::default(),
    }
}

/// The state of the cluster of a target file, as far as it answers.
pub async fn diagnose(file: &TargetFile) -> Diagnosis {
    match file.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::diagnosis(file).await,
        _ => specimen::diagnosis(file).await,
    }
}

/// Refuses a run that cannot begin there. `dissent doctor` reports the same obstacles.
pub async fn refuse_obstacles(file: &TargetFile, path: &str) -> Result<(), TargetError> {
    match diagnose(file).await.obstacles(path).as_slice() {
        [] => Ok(()),
        some => Err(TargetError::NotReady(some.join("; "))),
    }
}

/// Discovers the cluster at a URL for a target file.
pub async fn discover(wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError> {
    match wanted.system.as_str() {
        #[cfg(feature = "pinot")]
        PINOT => pinot::discover(wanted).await,
        _ => specimen::discover(wanted).await,
    }
}

/// The systems whose logs can be read.
#[cfg(feature = "pinot")]
pub const LOGS_OF: &[&str] = &[PINOT];
/// The systems whose logs can be read.
#[cfg(not(feature = "pinot"))]
pub const LOGS_OF: &[&str] = &[];

/// The events that the log of one node of a table tells, in its program order. `of` are system and release.
/// None if the logs of this system cannot be read.
pub fn log_records(
    of: (&str, &str),
    table: &str,
    node: &str,
    lines: &mut dyn Iterator<Item = Vec<u8>>,
) -> Option<Vec<LifecycleRecord>> {
    match of {
        #[cfg(feature = "pinot")]
        (PINOT, release) => Some(pinot::log_records(release, table, node, lines)),
        _ => None,
    }
}

/// Reaches the cluster of a target file. Fails if it does not answer.
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

/// Marks a fault at its target and begins it, given only its cure. Returns once the fault is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::begin(cure).await;
    }
    specimen::begin(cure).await
}

/// The evidence that a fault has already ended: another process has undone it, or its object no longer
/// exists. None if it is still in force.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::ended_early(cure).await;
    }
    specimen::ended_early(cure).await
}

/// Undoes a fault, given only its cure, verifies that, and removes its mark. Healing twice is harmless.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::heal(cure).await;
    }
    specimen::heal(cure).await
}

/// The run that holds the lock of a fault's target, given only the fault's cure.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    #[cfg(feature = "pinot")]
    if pinot::is_of(cure) {
        return pinot::holder(cure).await;
    }
    specimen::holder(cure).await
}

/// Like [`ended_early`], within a time limit. Errors and timeouts count as evidence too, because the fault
/// is not known to be in force.
pub async fn ended_early_within(cure: &Cure) -> Option<String> {
    ended_early_or_unknown(ended_early(cure)).await
}
