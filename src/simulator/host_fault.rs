//! Faults on the machine of a replica, as the embedded clusters know them, as processes and simulated.

use dissent_core::history::fault::{FaultKind, NetworkMode};
use specimen::HostFault;

/// What is wrong with the machine of the replica under this kind of fault. None if it does not concern the
/// machine. Either cluster has one peer, so the fault says nothing of it.
pub fn host_fault(kind: FaultKind) -> Option<HostFault> {
    match kind {
        FaultKind::Network { mode, .. } => Some(match mode {
            NetworkMode::Partition => HostFault::Partition,
            NetworkMode::CutIncoming => HostFault::CutIncoming,
            NetworkMode::CutOutgoing => HostFault::CutOutgoing,
            NetworkMode::DelayMs(ms) => HostFault::DelayMs(ms),
            NetworkMode::DropPercent(percent) => HostFault::DropPercent(percent),
            NetworkMode::ThrottlePerSecond(messages) => HostFault::ThrottlePerSecond(messages),
        }),
        FaultKind::SlowNode { times } => Some(HostFault::Slow(times)),
        FaultKind::ClockJump { ms } => Some(HostFault::ClockMs(ms)),
        FaultKind::DiskFull => Some(HostFault::DiskFull),
        _ => None,
    }
}
