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

    type Undo = Undo;

    async fn undo(&self, fault: &Fault) -> Result<Undo, TargetError> {
        let overview = self.refresh().await?;
        Ok(Undo {
            at: self.url().to_owned(),
            supervisor: overview.supervisor()?,
            controller: overview.controller()?,
            process: process(&fault.replica, overview.seat(&fault.replica)?.pid)?,
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
