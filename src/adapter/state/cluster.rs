//! A cluster of a state store as a cluster under test.

use super::StateSystem;
use crate::adapter::capabilities::Cluster;
use crate::config::target::TargetFile;
use crate::target_error::TargetError;
use std::sync::Arc;

/// Reaches the cluster of a target file. Fails if it does not answer.
pub async fn reach(
    system: &'static dyn StateSystem,
    file: &TargetFile,
) -> Result<Arc<dyn Cluster>, TargetError> {
    system.connect(file).await?;
    Err(TargetError::NotReady(format!("runs on {} are not supported yet", system.name())))
}
