//! The replicas that are not asked, because a fault of this run keeps them silent and every question would
//! only cost its timeout.

use crate::target_error::TargetError;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a cluster may need after a replica is back, to elect a leader for example.
const GRACE: Duration = Duration::from_secs(10);

/// The muted replicas. The injector mutes and unmutes; whoever asks a replica looks here first.
#[derive(Debug, Default)]
pub struct MutedReplicas(Mutex<Muted>);

#[derive(Debug, Default)]
struct Muted {
    replicas: BTreeSet<String>,
    /// When a replica was last unmuted.
    changed: Option<Instant>,
}

impl MutedReplicas {
    fn lock(&self) -> MutexGuard<'_, Muted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops asking a replica.
    pub fn mute(&self, replica: &str) {
        self.lock().replicas.insert(replica.to_owned());
    }

    /// Asks it again.
    pub fn unmute(&self, replica: &str) {
        let mut muted = self.lock();
        if muted.replicas.remove(replica) {
            muted.changed = Some(Instant::now());
        }
    }

    /// Fails for a muted replica.
    pub fn check(&self, replica: &str) -> Result<(), TargetError> {
        match self.lock().replicas.contains(replica) {
            false => Ok(()),
            true => {
                let cause = "a fault of this run keeps it silent".to_owned();
                Err(TargetError::Unreachable { at: replica.to_owned(), cause })
            }
        }
    }

    /// Whether a fault of this run keeps a replica silent, or did so until just now: the cluster as a
    /// whole may then be unable to answer, and that is no news.
    pub fn is_disturbed(&self) -> bool {
        let muted = self.lock();
        !muted.replicas.is_empty() || muted.changed.is_some_and(|changed| changed.elapsed() < GRACE)
    }
}
