//! The options of commands that tell what there is: schemas, completions and manual pages.

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;

/// `dissent schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Which format
    #[arg(value_enum)]
    pub of: SchemaOf,
}

/// Formats with a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// verdict.json, and what `run` and `check` print with --format json
    Verdict,
    /// campaign.json, and what `sweep` prints with --format json
    Campaign,
    /// The lines between dissent and an adapter of your own (system `exec`)
    Exec,
    /// A workload file
    Workload,
    /// A nemesis plan
    Nemesis,
    /// A plan of a sweep
    Sweep,
    /// A target file
    Target,
    /// A file of known issues
    Known,
}

/// `dissent completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// `dissent man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Command to describe [default: dissent itself]
    pub command: Option<String>,
    /// Write the pages of dissent and of all its commands into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub out: Option<PathBuf>,
}
