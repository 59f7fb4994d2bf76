//! The replicas that are not asked, because a fault of this run keeps them silent and every question would
//! only cost its timeout.

use crate::target_error::TargetError;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The muted replicas. The injector mutes and unmutes; whoever asks a replica looks here first.
#[derive(Debug, Default)]
pub struct MutedReplicas(Mutex<BTreeSet<String>>);

impl MutedReplicas {
    /// Stops asking a replica.
    pub fn mute(&self, replica: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(replica.to_owned());
    }

    /// Asks it again.
    pub fn unmute(&self, replica: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(replica);
    }

    /// Fails for a muted replica.
    pub fn check(&self, replica: &str) -> Result<(), TargetError> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(replica) {
            false => Ok(()),
            true => {
                let cause = "a fault of this run keeps it silent".to_owned();
                Err(TargetError::Unreachable { at: replica.to_owned(), cause })
            }
        }
    }
}
