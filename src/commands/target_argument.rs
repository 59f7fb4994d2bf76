//! A cluster that outlives runs is named by the path of its target file.

use crate::adapter::load_target;
use crate::adapter::specimen::SpecimenKind;
use crate::config::error::ConfigError;
use crate::config::load::is_path;
use crate::config::target::TargetFile;

/// Whether an argument names a built-in cluster.
pub(super) fn is_built_in(argument: &str) -> bool {
    SpecimenKind::ALL.iter().any(|it| [it.processes(), it.simulated()].contains(&argument))
}

/// Reads the target file named by an argument.
pub(super) fn target_file(argument: &str) -> Result<TargetFile, ConfigError> {
    refuse_built_in(argument)?;
    match is_path(argument) {
        true => load_target(argument),
        false => Err(ConfigError::NoPath { name: argument.to_owned() }),
    }
}

/// Refuses the name of a built-in cluster, which exists only during a run.
pub(super) fn refuse_built_in(argument: &str) -> Result<(), ConfigError> {
    match is_built_in(argument) {
        true => Err(ConfigError::BuiltIn { name: argument.to_owned() }),
        false => Ok(()),
    }
}
