//! Which faults the built-in clusters can do, as processes or simulated.

use crate::adapter::capabilities::Refusal;
use dissent_core::history::fault::{FaultKind, Peer};

const NO_LOCKS: &str = "it has no locks on tables";
const NO_SNAPSHOTS: &str = "it has no snapshots that readers keep open";
const NO_TRANSACTIONS: &str = "it has no transactions to skip";
const NO_COMMANDS: &str = "it has no target file that describes faults by commands";

/// Whether it supports a kind of fault, both as processes and simulated.
pub(super) fn by_segments(kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::HoldMessage(_)
        | FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::CommitWinner
        | FaultKind::SlowNode { .. }
        | FaultKind::ClockJump { .. }
        | FaultKind::DiskFull
        | FaultKind::Network { peer: Peer::Controller, .. } => return Ok(()),
        FaultKind::Network { peer: Peer::Service, .. } => "its servers talk only to the `controller`",
        FaultKind::SlowDownload => "its servers download directly from the controller, not through a proxy",
        FaultKind::Rebalance => "every server already has every partition",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
        FaultKind::Reload => "a server with a losing copy replaces it by itself",
        FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => "it has no writers that share a shard; use `specimen-shard`",
        FaultKind::LockTable => NO_LOCKS,
        FaultKind::LongSnapshot => NO_SNAPSHOTS,
        FaultKind::SkipTransaction => NO_TRANSACTIONS,
        FaultKind::Command(_) => NO_COMMANDS,
    };
    Err(Refusal {
        target: "the built-in cluster of servers".to_owned(),
        fault: kind,
        reason: reason.to_owned(),
    })
}

/// Whether writers that share a shard support a kind of fault.
pub(super) fn by_shard(kind: FaultKind) -> Result<(), Refusal> {
    let reason = match kind {
        FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. }
        | FaultKind::SlowNode { .. }
        | FaultKind::ClockJump { .. }
        | FaultKind::Network { peer: Peer::Service, .. } => return Ok(()),
        FaultKind::Network { peer: Peer::Controller, .. } => "its writers talk only to the `service`",
        FaultKind::DiskFull => "its writers keep nothing on disk",
        FaultKind::HoldMessage(_) | FaultKind::CommitWinner | FaultKind::SlowDownload | FaultKind::Reload => {
            "it has no segments"
        }
        FaultKind::Rebalance => "all writers share its one shard, so there is nothing to move",
        FaultKind::PauseConsumption => "it has no switch to pause consumption",
        FaultKind::LockTable => NO_LOCKS,
        FaultKind::LongSnapshot => NO_SNAPSHOTS,
        FaultKind::SkipTransaction => NO_TRANSACTIONS,
        FaultKind::Command(_) => NO_COMMANDS,
    };
    let target = "the built-in cluster of writers".to_owned();
    Err(Refusal { target, fault: kind, reason: reason.to_owned() })
}
