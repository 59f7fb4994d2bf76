//! Where a run takes place.

use crate::adapter::specimen::SpecimenKind;
use crate::adapter::{self, Defaults, Refusal};
use crate::config::target::TargetFile;
use dissent_core::history::fault::FaultKind;
use dissent_core::history::schema::Merge;

/// A cluster that lives outside of any run.
#[derive(Clone, Debug)]
pub struct ExternalTarget {
    /// The target file, as given.
    pub path: String,
    /// What it says.
    pub file: TargetFile,
}

/// Where a run takes place.
#[derive(Clone, Debug)]
pub enum RunTarget {
    /// An embedded cluster in virtual time.
    Simulated(SpecimenKind),
    /// An embedded cluster of processes that begin and end with the run.
    Private(SpecimenKind),
    /// A cluster that lives outside of any run.
    External(ExternalTarget),
}

impl RunTarget {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            RunTarget::Simulated(kind) => kind.simulated(),
            RunTarget::Private(kind) => kind.processes(),
            RunTarget::External(external) => &external.file.system,
        }
    }

    /// The cluster outside of any run, if it is one.
    pub fn external(&self) -> Option<&ExternalTarget> {
        match self {
            RunTarget::External(external) => Some(external),
            RunTarget::Simulated(_) | RunTarget::Private(_) => None,
        }
    }

    /// Which embedded cluster it is, wherever that runs; none of a system that is not ours.
    pub fn specimen(&self) -> Option<SpecimenKind> {
        match self {
            RunTarget::Simulated(kind) | RunTarget::Private(kind) => Some(*kind),
            RunTarget::External(external) => SpecimenKind::named(&external.file.system),
        }
    }

    /// Whether its time is virtual.
    pub fn is_simulated(&self) -> bool {
        matches!(self, RunTarget::Simulated(_))
    }

    /// Whether its rows lie in one shard, not in segments.
    pub fn has_shard(&self) -> bool {
        self.specimen() == Some(SpecimenKind::Shard)
    }

    /// The merge functions that it does not have, as far as that is known without asking it.
    pub fn lacks(&self) -> &'static [Merge] {
        self.specimen().map_or(&[], SpecimenKind::lacks)
    }

    /// What a run on it uses where nothing else is asked for.
    pub fn defaults(&self) -> Defaults {
        match self {
            RunTarget::Simulated(kind) | RunTarget::Private(kind) => kind.defaults(),
            RunTarget::External(external) => adapter::defaults(&external.file),
        }
    }

    /// Whether it has what a fault needs, as far as that is known without asking it.
    pub fn can(&self, kind: FaultKind) -> Result<(), Refusal> {
        match self {
            RunTarget::Simulated(specimen) | RunTarget::Private(specimen) => specimen.can(kind),
            RunTarget::External(external) => adapter::can(&external.file, kind),
        }
    }
}
