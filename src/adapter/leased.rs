//! The injector of one run on one cluster: every fault is begun, held and undone by a watchdog of its own.

use super::api::{InjectionContext, Injector};
use crate::faults::lease::Lease;
use crate::target_error::{CHECK_TIMEOUT, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::Fault;
use dissent_store::cure::Cure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What the injector must know of a cluster.
#[async_trait]
pub(super) trait InjectorBackend: Send + Sync {
    /// What is needed to undo a fault.
    type Undo: Serialize + Send;
    /// The same, from what is read now.
    async fn undo(&self, fault: &Fault) -> Result<Self::Undo, TargetError>;
    /// Undoes a fault, from its cure alone.
    async fn heal(&self, cure: &Cure) -> Result<(), TargetError>;
    /// What shows that a fault is over already, if anything does.
    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// From now on a replica is not asked: that would only be waiting.
    fn silence(&self, replica: &str);
    /// From now on it is asked again; it may have another address.
    async fn unsilence(&self, replica: &str);
}

/// What a hand wrote down to undo this fault.
pub(super) fn undo_of<U: DeserializeOwned>(cure: &Cure) -> Result<U, TargetError> {
    U::deserialize(&cure.undo).map_err(|error| not_understood(&cure.step, &error))
}

fn not_understood(step: &str, error: &serde_json::Error) -> TargetError {
    TargetError::InvalidResponse { at: format!("the cure of step {step}"), cause: error.to_string() }
}

/// What was seen of a fault, in time and never failing: one that is not seen in force is not known to be.
pub(super) async fn seen_in_time(
    ended_early: impl Future<Output = Result<Option<String>, TargetError>>,
) -> Option<String> {
    let unseen = |why: String| Some(format!("it is unknown whether it was still in force: {why}"));
    match tokio::time::timeout(CHECK_TIMEOUT, ended_early).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => unseen(error.to_string()),
        Err(_) => unseen(format!("no answer within {CHECK_TIMEOUT:?}")),
    }
}

/// The injector of one run.
pub(super) struct LeasedInjector<V> {
    backend: Arc<V>,
    context: InjectionContext,
    /// By step.
    leases: Mutex<BTreeMap<String, ActiveFault>>,
}

impl<V> LeasedInjector<V> {
    pub(super) fn new(victim: Arc<V>, context: InjectionContext) -> LeasedInjector<V> {
        LeasedInjector { backend: victim, context, leases: Mutex::default() }
    }
}

/// A fault that may be in force: locked while it begins; without a lease once it is being undone.
#[derive(Clone)]
struct ActiveFault {
    cure: Cure,
    lease: Arc<Mutex<Option<Lease>>>,
}

#[async_trait]
impl<V: InjectorBackend> Injector for LeasedInjector<V> {
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError> {
        let undo = serde_json::to_value(self.backend.undo(fault).await?);
        let undo = undo.map_err(|error| not_understood(step, &error))?;
        let mark = self.context.mark.clone();
        Ok(Cure { step: step.to_owned(), fault: fault.clone(), mark, undo })
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        let slot = ActiveFault { cure: cure.clone(), lease: Arc::default() };
        let mut held = slot.lease.clone().lock_owned().await;
        // It stays there whatever happens: whether all is undone is only known by healing it.
        self.leases.lock().await.insert(cure.step.clone(), slot);
        let lease = held.insert(Lease::take(&self.context.program, cure.clone(), self.context.lease).await?);
        let silences = cure.fault.kind.silences();
        if silences {
            self.backend.silence(&cure.fault.replica);
        }
        let begun = lease.begin().await;
        if begun.is_err() && silences {
            self.backend.unsilence(&cure.fault.replica).await;
        }
        begun
    }

    async fn heal(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        let slot = self.leases.lock().await.get(&cure.step).cloned();
        let lease = match slot {
            Some(slot) => slot.lease.lock().await.take(),
            None => None,
        };
        let healed = match lease {
            // A watchdog that was killed: then it is done here.
            Some(lease) => match lease.cure().await {
                Ok(seen) => Ok(seen),
                Err(error) => {
                    let seen = seen_in_time(self.backend.ended_early(cure)).await;
                    self.backend.heal(cure).await.map(|()| seen).map_err(|_| error)
                }
            },
            None => self.backend.heal(cure).await.map(|()| None),
        };
        self.backend.unsilence(&cure.fault.replica).await;
        if healed.is_ok() {
            self.leases.lock().await.remove(&cure.step);
        }
        healed
    }

    async fn in_force(&self) -> Vec<Cure> {
        self.leases.lock().await.values().map(|slot| slot.cure.clone()).collect()
    }
}
