//! Faults on the specimen: messages held at the controller, servers stopped or killed, winners chosen. Each
//! is begun, held and undone by a keeper of its own.

use super::cluster::{Cluster, process};
use super::deed::{self, Undo};
use crate::hands::lease::Lease;
use crate::plan::schedule::{Fault, FaultKind};
use crate::record::cure::Cure;
use crate::target::{Hands, Refusal, TargetError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The hands of one run on one specimen.
pub(super) struct SpecimenHands {
    pub(super) cluster: Arc<Cluster>,
    /// This program: a keeper is another process of it.
    pub(super) program: PathBuf,
    /// What a fault is marked with: the run's name and when it began.
    pub(super) mark: String,
    /// The longest that a fault may last.
    pub(super) lease: Duration,
    /// By step.
    pub(super) leases: Mutex<BTreeMap<String, Slot>>,
}

/// A fault that may be in force: locked while it begins; without a lease once it is being undone.
#[derive(Clone)]
pub(super) struct Slot {
    cure: Cure,
    lease: Arc<Mutex<Option<Lease>>>,
}

#[async_trait]
impl Hands for SpecimenHands {
    fn can(&self, _kind: FaultKind) -> Result<(), Refusal> {
        Ok(())
    }

    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError> {
        let overview = self.cluster.refresh().await?;
        let undo = Undo {
            at: self.cluster.url().to_owned(),
            supervisor: overview.supervisor()?,
            controller: overview.controller()?,
            process: process(&fault.replica, overview.seat(&fault.replica)?.pid)?,
        };
        let undo = serde_json::to_value(undo).map_err(|error| TargetError::Nonsense {
            at: format!("the cure of step {step}"),
            cause: error.to_string(),
        })?;
        Ok(Cure { step: step.to_owned(), fault: fault.clone(), mark: self.mark.clone(), undo })
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        let slot = Slot { cure: cure.clone(), lease: Arc::default() };
        let mut held = slot.lease.clone().lock_owned().await;
        // It stays there whatever happens: whether all is undone is only known by healing it.
        self.leases.lock().await.insert(cure.step.clone(), slot);
        let lease = held.insert(Lease::take(&self.program, cure.clone(), self.lease).await?);
        let silences = cure.fault.kind.silences();
        if silences {
            self.cluster.silence(&cure.fault.replica);
        }
        let begun = lease.begin().await;
        if begun.is_err() && silences {
            self.cluster.unsilence(&cure.fault.replica);
        }
        begun
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        let slot = self.leases.lock().await.get(&cure.step).cloned();
        let lease = match slot {
            Some(slot) => slot.lease.lock().await.take(),
            None => None,
        };
        let healed = match lease {
            // A keeper that was killed: then it is done here.
            Some(lease) => match lease.cure().await {
                Ok(()) => Ok(()),
                Err(error) => deed::heal(cure).await.map_err(|_| error),
            },
            None => deed::heal(cure).await,
        };
        self.cluster.unsilence(&cure.fault.replica);
        if healed.is_ok() {
            self.leases.lock().await.remove(&cure.step);
            // Its address may be new. Whoever asks it next finds out if this fails.
            drop(self.cluster.refresh().await);
        }
        healed
    }

    async fn in_force(&self) -> Vec<Cure> {
        self.leases.lock().await.values().map(|slot| slot.cure.clone()).collect()
    }
}
