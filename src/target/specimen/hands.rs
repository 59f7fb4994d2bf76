//! What faults on the specimen need to know of it.

use super::cluster::{Cluster, process};
use super::deed::Undo;
use crate::plan::schedule::{Fault, FaultKind};
use crate::target::leased::Victim;
use crate::target::{Refusal, TargetError};
use async_trait::async_trait;

/// Whether the embedded cluster has what this needs, as processes or simulated.
pub(crate) fn can(kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::HoldMessage(_) | FaultKind::Restart | FaultKind::Pause | FaultKind::CommitWinner => {
            return Ok(());
        }
        FaultKind::SlowDownload => "its servers fetch from the controller itself, not through a proxy",
        FaultKind::Rebalance => "every server has every partition: there is none to move one to",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
        FaultKind::Reload => "a server whose copy lost replaces it without being asked",
        FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => "it has no writers that share a shard: `sim-shard` has",
    };
    Err(Refusal { target: "the embedded cluster".to_owned(), fault: kind, reason: reason.to_owned() })
}

#[async_trait]
impl Victim for Cluster {
    fn can(&self, kind: FaultKind) -> Result<(), Refusal> {
        can(kind)
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
