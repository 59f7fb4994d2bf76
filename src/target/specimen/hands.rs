//! What faults on the specimen need to know of it.

use super::cluster::{Cluster, process};
use super::deed::Undo;
use crate::plan::schedule::{Fault, FaultKind};
use crate::target::leased::Victim;
use crate::target::{Refusal, TargetError};
use async_trait::async_trait;

#[async_trait]
impl Victim for Cluster {
    fn can(&self, _kind: FaultKind) -> Result<(), Refusal> {
        Ok(())
    }

    async fn undo(&self, fault: &Fault) -> Result<serde_json::Value, TargetError> {
        let overview = self.refresh().await?;
        let undo = Undo {
            at: self.url().to_owned(),
            supervisor: overview.supervisor()?,
            controller: overview.controller()?,
            process: process(&fault.replica, overview.seat(&fault.replica)?.pid)?,
        };
        serde_json::to_value(undo).map_err(|error| TargetError::Nonsense {
            at: format!("the cure of a fault on {}", fault.replica),
            cause: error.to_string(),
        })
    }

    fn silence(&self, replica: &str) {
        self.ask_no_more(replica);
    }

    async fn unsilence(&self, replica: &str) {
        self.ask_again(replica);
        // Its address may be new. Whoever asks it next finds out if this fails.
        drop(self.refresh().await);
    }
}
