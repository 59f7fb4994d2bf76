//! Faults on the specimen: how its injector collects cures.

use super::cluster::{SpecimenCluster, process};
use super::kind::SpecimenKind;
use super::undo::SpecimenUndo;
use super::{injection, writer_faults};
use crate::adapter::http::HttpClient;
use crate::adapter::leased_injector::InjectorBackend;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_store::cure::Cure;
use serde_json::{Value, json};

impl SpecimenCluster {
    /// The request that restarts a writer in its current mode.
    async fn start_of_writer(&self, writer: &str) -> Result<Value, TargetError> {
        let mode =
            writer_faults::mode(&HttpClient::new()?, &self.overview().replica_process(writer)?.0).await?;
        Ok(json!({ "replica": writer, "mode": mode }))
    }
}

#[async_trait]
impl InjectorBackend for SpecimenCluster {
    type Undo = SpecimenUndo;

    async fn undo(&self, fault: &Fault) -> Result<SpecimenUndo, TargetError> {
        let overview = self.refresh().await?;
        let process = match fault.kind.silences() {
            true => Some(process(&fault.replica, overview.replica_process(&fault.replica)?.1)?),
            false => None,
        };
        Ok(SpecimenUndo {
            at: self.url().to_owned(),
            supervisor: overview.supervisor()?,
            service: overview.service()?,
            process,
            start: match (self.system, fault.kind) {
                (SpecimenKind::Shard, FaultKind::Restart) => self.start_of_writer(&fault.replica).await?,
                _ => json!({ "replica": fault.replica }),
            },
        })
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        injection::heal(cure).await
    }

    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        injection::ended_early(cure).await
    }

    fn silence(&self, replica: &str) {
        self.mute(replica);
    }

    async fn unsilence(&self, replica: &str) {
        self.unmute(replica);
        // The address may be new. If this fails, the next request to the replica reports it.
        drop(self.refresh().await);
    }
}
