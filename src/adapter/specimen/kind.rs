//! The clusters that are built into this program.

use super::{segments_settings, shard_settings, supported_faults};
use crate::adapter::capabilities::{Defaults, Refusal};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::frontier::Frontier;
use dissent_core::history::schema::Merge;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;

/// The defaults for a built-in cluster, which nobody else uses.
pub(in crate::adapter) const DEFAULTS: Defaults = Defaults {
    sample_every: Nanos(50_000_000),
    no_answer: Nanos(10_000_000_000),
    quiesce: Nanos(10_000_000_000),
    deadline: Nanos(120_000_000_000),
    settings: &[],
    has_table_options: false,
};

/// The clusters that are built into this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecimenKind {
    /// Servers that hold segments.
    Segments,
    /// Writers that share a shard.
    Shard,
}

impl SpecimenKind {
    /// Every built-in cluster.
    pub const ALL: [SpecimenKind; 2] = [SpecimenKind::Segments, SpecimenKind::Shard];

    /// The name of the target that runs as processes.
    pub fn processes(self) -> &'static str {
        match self {
            SpecimenKind::Segments => segments_settings::PROCESSES,
            SpecimenKind::Shard => shard_settings::PROCESSES,
        }
    }

    /// The name of the target in virtual time.
    pub fn simulated(self) -> &'static str {
        match self {
            SpecimenKind::Segments => segments_settings::SIMULATED,
            SpecimenKind::Shard => shard_settings::SIMULATED,
        }
    }

    /// The cluster that runs as processes under this name. None for another system.
    pub fn named(name: &str) -> Option<SpecimenKind> {
        SpecimenKind::ALL.into_iter().find(|kind| kind.processes() == name)
    }

    /// The settings that `--set` can change.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            SpecimenKind::Segments => segments_settings::SETTINGS,
            SpecimenKind::Shard => shard_settings::SETTINGS,
        }
    }

    /// What a setting may be, for people.
    pub fn values(self, setting: &str) -> String {
        match self {
            SpecimenKind::Segments => segments_settings::values(setting),
            SpecimenKind::Shard => shard_settings::values(setting),
        }
    }

    /// The defaults for a run on it.
    pub fn defaults(self) -> Defaults {
        Defaults { settings: self.settings(), ..DEFAULTS }
    }

    /// The merge functions that it lacks.
    pub fn lacks(self) -> &'static [Merge] {
        match self {
            SpecimenKind::Segments => &[],
            SpecimenKind::Shard => shard_settings::LACKS,
        }
    }

    /// The frontiers that it declares, besides the consuming positions of its replicas.
    pub fn frontiers(self, roster: &[String], settings: &BTreeMap<String, String>) -> Vec<Frontier> {
        match self {
            SpecimenKind::Segments => Vec::new(),
            SpecimenKind::Shard => shard_settings::frontiers(roster, shard_settings::active(settings)),
        }
    }

    /// Whether it supports a kind of fault, both as processes and simulated.
    pub(crate) fn can(self, kind: FaultKind) -> Result<(), Refusal> {
        match self {
            SpecimenKind::Segments => supported_faults::by_segments(kind),
            SpecimenKind::Shard => supported_faults::by_shard(kind),
        }
    }

    /// The command-line role of the supervisor.
    pub(super) fn role(self) -> &'static str {
        match self {
            SpecimenKind::Segments => "segments",
            SpecimenKind::Shard => "shard",
        }
    }
}
