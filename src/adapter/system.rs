//! What one system is to the rest of the program. `registry.rs` lists the systems; nothing else names one.

use super::capabilities::{Cluster, Defaults, Refusal};
use super::containment::{Affected, Containment};
use super::contents::Contents;
use super::diagnosis::Diagnosis;
use super::discovery::{Discovery, DiscoveryError, DiscoveryRequest, OwnText};
use super::state::StateSystem;
use crate::config::error::InvalidValue;
use crate::config::target::{TargetFile, check_url};
use crate::target_error::{Holder, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::{Need, Permission};
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_store::cure::Cure;
use std::sync::Arc;

/// Reads the log of one node of a table, and returns the events that it tells in program order. The arguments
/// are the release, the table, the node and the lines.
pub type LogReader = fn(&str, &str, &str, &mut dyn Iterator<Item = Vec<u8>>) -> Vec<LifecycleRecord>;

/// A line that a target file lacks, and that a run needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingLine {
    /// What it gives, for the user.
    pub what: &'static str,
    /// The line.
    pub line: &'static str,
}

/// A supported system.
#[async_trait]
pub trait System: Send + Sync {
    /// Its name in target files.
    fn name(&self) -> &'static str;
    /// What its target files are for, for `dissent list targets`.
    fn about(&self) -> &'static str;
    /// Targets that need no target file, each with a description.
    fn built_in(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// The key of a target file with the address that `dissent init` is given.
    fn address_key(&self) -> &'static str {
        "url"
    }
    /// Refuses an address that cannot be one of this system.
    fn check_address(&self, address: &str) -> Result<(), InvalidValue> {
        check_url(self.address_key(), address)
    }
    /// Refuses a target file of this system that lacks something, or says what makes no sense there.
    fn check(&self, file: &TargetFile) -> Result<(), InvalidValue>;
    /// The line that a run needs and this target file lacks. Reading may be possible without it.
    fn missing_line(&self, _file: &TargetFile) -> Option<MissingLine> {
        None
    }
    /// Whether it supports a kind of fault, as far as known without asking the cluster.
    fn can(&self, file: &TargetFile, kind: FaultKind) -> Result<(), Refusal>;
    /// What a target file must allow for a kind of fault.
    fn needs(&self, kind: FaultKind) -> Vec<Need> {
        kind.spec().needs.to_vec()
    }
    /// Whether it keeps no log that can be read back. The log of a run is then that of our own sessions, in
    /// one partition.
    fn has_no_log(&self) -> bool {
        false
    }
    /// The defaults for a run on a cluster of a target file.
    fn defaults(&self) -> Defaults {
        Defaults::SHARED
    }
    /// The lines of `[allow]` that matter there, each with what it permits.
    fn permissions(&self) -> &'static [(Permission, &'static str)];
    /// What the user of a target file needs there for an audit, and nothing else.
    fn audit_needs(&self) -> &'static [&'static str];
    /// The workload to recommend for a first run.
    fn workload(&self) -> &'static str {
        "partial-upsert"
    }
    /// How to contain a wrong copy, with the system's own commands.
    fn containment(&self, _affected: &Affected<'_>) -> Containment {
        Containment::default()
    }
    /// The system as one whose stores show rows by key. None for any other.
    fn state_system(&self) -> Option<&'static dyn StateSystem> {
        None
    }
    /// How to read the logs of its nodes. None if they cannot be read.
    fn log_reader(&self) -> Option<LogReader> {
        None
    }
    /// The texts of a generated target file that are its own.
    fn own_text(&self, discovery: &Discovery) -> OwnText;
    /// The state of the cluster of a target file, as far as it answers.
    async fn diagnose(&self, file: &TargetFile) -> Diagnosis;
    /// Discovers the cluster at an address for a target file.
    async fn discover(&self, wanted: &DiscoveryRequest) -> Result<Discovery, DiscoveryError>;
    /// Reaches the cluster of a target file. Fails if it does not answer.
    async fn reach(&self, file: &TargetFile) -> Result<Arc<dyn Cluster>, TargetError>;
    /// Reaches a table of the cluster of a target file, to read what each replica holds of it.
    async fn contents(&self, file: &TargetFile, _table: &str) -> Result<Arc<dyn Contents>, TargetError> {
        let cause = format!("{} cannot be audited yet", self.name());
        Err(TargetError::Refused { at: file.name.clone(), cause })
    }
    /// The marks that runs have left at the cluster of a target file.
    async fn marks(&self, file: &TargetFile) -> Result<Vec<Cure>, TargetError>;
    /// Whether a cure is for this system. Only then are the functions below called with it.
    fn is_of(&self, cure: &Cure) -> bool;
    /// Marks a fault at its target and begins it, given only its cure. Returns once the fault is in force.
    async fn begin(&self, cure: &Cure) -> Result<(), TargetError>;
    /// The evidence that a fault has already ended. None if it is still in force.
    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// Undoes a fault, given only its cure, verifies that, and removes its mark. Healing twice is harmless.
    async fn heal(&self, cure: &Cure) -> Result<(), TargetError>;
    /// The run that holds the lock of a fault's target, given only the fault's cure.
    async fn holder(&self, cure: &Cure) -> Result<Option<Holder>, TargetError>;
}
