//! The options of `dissent list`.

use clap::{Args, ValueEnum};

/// `dissent list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// List only this kind
    #[arg(value_enum)]
    pub kind: Option<Kind>,
    /// Show only this one, in full
    #[arg(requires = "kind")]
    pub name: Option<String>,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// What a run writes
    Workloads,
    /// Which faults a run injects, and when
    Nemeses,
    /// Clusters to run against
    Targets,
    /// Kinds of fault
    Faults,
    /// Kinds of finding
    Findings,
    /// Settings of --set, and what they may be
    Settings,
    /// Which nemeses and workloads fit which target
    Fits,
    /// Fields of the files that you write; NAME is a field, or workload, nemesis, sweep, target or known
    Fields,
}
