//! Faults on the specimen: messages held at the controller, servers killed and started, winners chosen.
//! The admin endpoints stand for what a real cluster's coordination store allows.

use super::cluster::Cluster;
use super::http::Http;
use crate::plan::schedule::{Fault, FaultKind, Transition};
use crate::record::cure::Cure;
use crate::target::{Hands, Refusal, TargetError};
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;

/// The hands of one specimen.
pub(super) struct SpecimenHands {
    cluster: Arc<Cluster>,
    http: Arc<Http>,
    mark: String,
}

impl SpecimenHands {
    /// Hands that mark what they do with `mark`, the run's name.
    pub(super) fn new(cluster: Arc<Cluster>, http: Arc<Http>, mark: &str) -> SpecimenHands {
        SpecimenHands { cluster, http, mark: mark.to_owned() }
    }

    /// What a hold of this step is called at the target.
    fn hold_id(&self, step: &str) -> String {
        format!("{}/{step}", self.mark)
    }

    async fn admin(&self, what: &str, body: Value) -> Result<(), TargetError> {
        self.http.post(&format!("admin/{what}"), &body).await.map(drop)
    }
}

fn transition_name(transition: Transition) -> &'static str {
    match transition {
        Transition::OfflineToConsuming => "offline-to-consuming",
        Transition::ConsumingToOnline => "consuming-to-online",
    }
}

#[async_trait]
impl Hands for SpecimenHands {
    fn can(&self, _kind: FaultKind) -> Result<(), Refusal> {
        Ok(())
    }

    /// All cures of a specimen are known without asking it: it is private to the run.
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError> {
        let undo = match fault.kind {
            FaultKind::HoldMessage(_) => json!({ "release": self.hold_id(step) }),
            FaultKind::Restart => json!({ "start": fault.replica }),
            FaultKind::CommitWinner => json!({ "any-winner": fault.partition }),
        };
        Ok(Cure { step: step.to_owned(), fault: fault.clone(), mark: self.mark.clone(), undo })
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        let fault = &cure.fault;
        match fault.kind {
            FaultKind::HoldMessage(transition) => {
                let hold = json!({
                    "id": self.hold_id(&cure.step),
                    "server": fault.replica,
                    "partition": fault.partition,
                    "seq": fault.seq,
                    "transition": transition_name(transition),
                });
                self.admin("hold", hold).await
            }
            FaultKind::Restart => self.cluster.kill_server(&fault.replica).await,
            FaultKind::CommitWinner => {
                let winner = json!({ "partition": fault.partition, "server": fault.replica });
                self.admin("commit-winner", winner).await
            }
        }
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        match cure.fault.kind {
            FaultKind::HoldMessage(_) => {
                self.admin("release", json!({ "id": self.hold_id(&cure.step) })).await
            }
            FaultKind::Restart => self.cluster.start_server(&cure.fault.replica).await,
            FaultKind::CommitWinner => {
                let any = json!({ "partition": cure.fault.partition, "server": null });
                self.admin("commit-winner", any).await
            }
        }
    }
}
