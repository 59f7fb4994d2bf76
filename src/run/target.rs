//! The target of a run.

use crate::adapter::specimen::SpecimenKind;
use crate::adapter::{self, Defaults, Refusal};
use crate::config::target::TargetFile;
use dissent_core::history::fault::{FaultKind, VictimRole};
use dissent_core::history::schema::Merge;

/// A cluster that is independent of any run.
#[derive(Clone, Debug)]
pub struct ExternalTarget {
    /// The path of the target file, as given.
    pub path: String,
    /// The parsed target file.
    pub file: TargetFile,
}

/// Where a run takes place.
#[derive(Clone, Debug)]
pub enum RunTarget {
    /// A built-in cluster in virtual time.
    Simulated(SpecimenKind),
    /// A built-in cluster of processes that start and end with the run.
    Private(SpecimenKind),
    /// A cluster that is independent of any run.
    External(Box<ExternalTarget>),
}

impl RunTarget {
    /// The name of the target, as on the command line.
    pub fn name(&self) -> &str {
        match self {
            RunTarget::Simulated(kind) => kind.simulated(),
            RunTarget::Private(kind) => kind.processes(),
            RunTarget::External(external) => &external.file.system,
        }
    }

    /// The external cluster. None for a built-in one.
    pub fn external(&self) -> Option<&ExternalTarget> {
        match self {
            RunTarget::External(external) => Some(external),
            RunTarget::Simulated(_) | RunTarget::Private(_) => None,
        }
    }

    /// The kind of built-in cluster, wherever it runs. None for any other system.
    pub fn specimen(&self) -> Option<SpecimenKind> {
        match self {
            RunTarget::Simulated(kind) | RunTarget::Private(kind) => Some(*kind),
            RunTarget::External(external) => SpecimenKind::named(&external.file.system),
        }
    }

    /// Whether the run is in virtual time.
    pub fn is_simulated(&self) -> bool {
        matches!(self, RunTarget::Simulated(_))
    }

    /// Whether its rows are in one shard instead of segments.
    pub fn has_shard(&self) -> bool {
        self.specimen() == Some(SpecimenKind::Shard)
    }

    /// Whether it keeps no log that can be read back, so that the log is that of our sessions.
    pub fn has_no_log(&self) -> bool {
        self.external().is_some_and(|external| adapter::has_no_log(&external.file))
    }

    /// Whether a replica may have this role there, as far as known without asking it. A state store may have
    /// a leader. Replicas that consume one log have none, and are assigned segments, unless they share a
    /// shard.
    pub fn may_have(&self, role: &VictimRole) -> bool {
        match role {
            VictimRole::Leader => self.has_no_log(),
            VictimRole::HolderOf(_) => !self.has_no_log() && !self.has_shard(),
            VictimRole::VictimOf(_) => true,
        }
    }

    /// The merge functions that it lacks, as far as known without asking it.
    pub fn lacks(&self) -> &'static [Merge] {
        self.specimen().map_or(&[], SpecimenKind::lacks)
    }

    /// The defaults for a run on it.
    pub fn defaults(&self) -> Defaults {
        match self {
            RunTarget::Simulated(kind) | RunTarget::Private(kind) => kind.defaults(),
            RunTarget::External(external) => adapter::defaults(&external.file),
        }
    }

    /// Whether it supports a kind of fault, as far as known without asking it.
    pub fn can(&self, kind: FaultKind) -> Result<(), Refusal> {
        match self {
            RunTarget::Simulated(specimen) | RunTarget::Private(specimen) => specimen.can(kind),
            RunTarget::External(external) => adapter::can(&external.file, kind),
        }
    }
}
