//! What faults on the specimen need to know of it.

use super::cluster::{Cluster, process};
use super::injection::Undo;
use super::{Embedded, writers};
use crate::adapter::TargetError;
use crate::adapter::leased::Victim;
use crate::adapter::web::Web;
use async_trait::async_trait;
use dissent_core::history::fault::{Fault, FaultKind};
use serde_json::{Value, json};

impl Cluster {
    /// What starts a writer again in the mode that it is in.
    async fn start_of_writer(&self, writer: &str) -> Result<Value, TargetError> {
        let mode = writers::mode(&Web::new()?, &self.overview().seat(writer)?.0).await?;
        Ok(json!({ "replica": writer, "mode": mode }))
    }
}

#[async_trait]
impl Victim for Cluster {
    type Undo = Undo;

    async fn undo(&self, fault: &Fault) -> Result<Undo, TargetError> {
        let overview = self.refresh().await?;
        let process = match fault.kind.silences() {
            true => Some(process(&fault.replica, overview.seat(&fault.replica)?.1)?),
            false => None,
        };
        Ok(Undo {
            at: self.url().to_owned(),
            supervisor: overview.supervisor()?,
            service: overview.service()?,
            process,
            start: match (self.system, fault.kind) {
                (Embedded::Shard, FaultKind::Restart) => self.start_of_writer(&fault.replica).await?,
                _ => json!({ "replica": fault.replica }),
            },
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
