//! Files that users write: workloads, nemesis plans and target files, from the built-in catalogue or from a
//! path, with `--set key=value` on top. Files are data only, and an error names its place in the text.

pub mod access;
pub mod catalogue;
mod document;
pub mod error;
pub mod fault_commands;
pub mod file_schema;
mod file_text;
mod given_load;
pub mod known_issues;
pub mod limits;
pub mod load;
pub mod nemesis;
pub mod settings;
mod structure;
pub mod sweep_plan;
pub mod table;
pub mod target;
pub mod workload;

pub use document::ConfigFile;
