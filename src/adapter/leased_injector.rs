//! The injector of one run on one cluster. A separate watchdog begins, holds and undoes each fault.

use super::capabilities::{InjectionContext, Injector};
use crate::faults::watchdog_handle::WatchdogHandle;
use crate::target_error::{CHECK_TIMEOUT, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::Fault;
use dissent_store::cure::Cure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The operations of a system that the injector needs.
#[async_trait]
pub(super) trait InjectorBackend: Send + Sync {
    /// The data that undoes a fault.
    type Undo: Serialize + Send;
    /// Collects this data from the current state.
    async fn undo(&self, fault: &Fault) -> Result<Self::Undo, TargetError>;
    /// How long the fault may be in force at most. None: as long as the run.
    fn time_to_live(&self, _fault: &Fault) -> Option<Duration> {
        None
    }
    /// Undoes a fault, given only its cure.
    async fn heal(&self, cure: &Cure) -> Result<(), TargetError>;
    /// The evidence that a fault has already ended. None if it is still in force.
    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// Stops asking a replica, because that would only cost the timeout.
    fn silence(&self, replica: &str);
    /// Asks the replica again. Its address may have changed.
    async fn unsilence(&self, replica: &str);
}

/// The undo data in a cure.
pub(super) fn parse_undo<U: DeserializeOwned>(cure: &Cure) -> Result<U, TargetError> {
    U::deserialize(&cure.undo).map_err(|error| not_understood(&cure.step, &error))
}

fn not_understood(step: &str, error: &serde_json::Error) -> TargetError {
    TargetError::InvalidResponse { at: format!("the cure of step {step}"), cause: error.to_string() }
}

/// The evidence that a fault has ended, within a time limit. Errors and timeouts count as evidence too,
/// because the fault is not known to be in force.
pub(super) async fn ended_early_or_unknown(
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
pub(super) struct LeasedInjector<B> {
    backend: Arc<B>,
    context: InjectionContext,
    /// The active faults by step.
    leases: Mutex<BTreeMap<String, ActiveFault>>,
}

impl<B> LeasedInjector<B> {
    pub(super) fn new(backend: Arc<B>, context: InjectionContext) -> LeasedInjector<B> {
        LeasedInjector { backend, context, leases: Mutex::default() }
    }
}

/// A fault that may be in force. Its lease is locked while it begins, and absent once healing has begun.
#[derive(Clone)]
struct ActiveFault {
    cure: Cure,
    lease: Arc<Mutex<Option<WatchdogHandle>>>,
}

#[async_trait]
impl<B: InjectorBackend> Injector for LeasedInjector<B> {
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError> {
        let undo = serde_json::to_value(self.backend.undo(fault).await?);
        let undo = undo.map_err(|error| not_understood(step, &error))?;
        let mark = self.context.mark.clone();
        Ok(Cure { step: step.to_owned(), fault: fault.clone(), mark, undo })
    }

    async fn begin(&self, cure: &Cure) -> Result<(), TargetError> {
        let fault = ActiveFault { cure: cure.clone(), lease: Arc::default() };
        let mut lease_guard = fault.lease.clone().lock_owned().await;
        // The entry stays even if beginning fails: only healing shows that everything is undone.
        self.leases.lock().await.insert(cure.step.clone(), fault);
        let longest = self.backend.time_to_live(&cure.fault).unwrap_or(Duration::MAX);
        let longest = longest.min(self.context.lease);
        let lease =
            lease_guard.insert(WatchdogHandle::take(&self.context.program, cure.clone(), longest).await?);
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
        let fault = self.leases.lock().await.get(&cure.step).cloned();
        let lease = match fault {
            Some(fault) => fault.lease.lock().await.take(),
            None => None,
        };
        let healed = match lease {
            // If the watchdog was killed, this process heals the fault.
            Some(lease) => match lease.cure().await {
                Ok(seen) => Ok(seen),
                Err(error) => {
                    let seen = ended_early_or_unknown(self.backend.ended_early(cure)).await;
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
        self.leases.lock().await.values().map(|fault| fault.cure.clone()).collect()
    }
}
