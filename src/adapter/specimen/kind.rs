//! The clusters that are part of this program.

use super::{segments_settings, shard_settings};
use crate::adapter::api::{Defaults, Refusal};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::frontier::Frontier;
use dissent_core::history::schema::Merge;
use dissent_core::history::time::Nanos;
use std::collections::BTreeMap;

/// For a built-in cluster, which nobody else uses.
pub(in crate::adapter) const DEFAULTS: Defaults = Defaults {
    sample_every: Nanos(50_000_000),
    blind: Nanos(10_000_000_000),
    quiesce: Nanos(10_000_000_000),
    deadline: Nanos(120_000_000_000),
    settings: &[],
    has_table_options: false,
};

/// The clusters that are part of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecimenKind {
    /// Servers that hold segments.
    Segments,
    /// Writers that share a shard.
    Shard,
}

impl SpecimenKind {
    /// All of them.
    pub const ALL: [SpecimenKind; 2] = [SpecimenKind::Segments, SpecimenKind::Shard];

    /// Its name as processes.
    pub fn processes(self) -> &'static str {
        match self {
            SpecimenKind::Segments => segments_settings::PROCESSES,
            SpecimenKind::Shard => shard_settings::PROCESSES,
        }
    }

    /// Its name in virtual time.
    pub fn simulated(self) -> &'static str {
        match self {
            SpecimenKind::Segments => segments_settings::SIMULATED,
            SpecimenKind::Shard => shard_settings::SIMULATED,
        }
    }

    /// The one whose processes are a system of this name.
    pub fn named(name: &str) -> Option<SpecimenKind> {
        SpecimenKind::ALL.into_iter().find(|kind| kind.processes() == name)
    }

    /// The settings that `--set` may change.
    pub fn settings(self) -> &'static [&'static str] {
        match self {
            SpecimenKind::Segments => segments_settings::SETTINGS,
            SpecimenKind::Shard => shard_settings::SETTINGS,
        }
    }

    /// What a run on it uses where nothing else is asked for.
    pub fn defaults(self) -> Defaults {
        Defaults { settings: self.settings(), ..DEFAULTS }
    }

    /// The merge functions that it does not have.
    pub fn lacks(self) -> &'static [Merge] {
        match self {
            SpecimenKind::Segments => &[],
            SpecimenKind::Shard => shard_settings::LACKS,
        }
    }

    /// The frontiers that it declares, beside its replicas' consuming positions.
    pub fn frontiers(self, roster: &[String], settings: &BTreeMap<String, String>) -> Vec<Frontier> {
        match self {
            SpecimenKind::Segments => Vec::new(),
            SpecimenKind::Shard => shard_settings::frontiers(roster, shard_settings::active(settings)),
        }
    }

    /// Whether it has what a fault needs, as processes or simulated.
    pub(crate) fn can(self, kind: FaultKind) -> Result<(), Refusal> {
        match self {
            SpecimenKind::Segments => segments_settings::can(kind),
            SpecimenKind::Shard => shard_settings::can(kind),
        }
    }

    /// What the supervisor's process is told to be.
    pub(super) fn role(self) -> &'static str {
        match self {
            SpecimenKind::Segments => "segments",
            SpecimenKind::Shard => "shard",
        }
    }
}
