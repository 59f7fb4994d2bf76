//! Which faults Pinot can do, given its target file.

use crate::adapter::capabilities::Refusal;
use crate::config::target::{Commands, TargetFile};
use dissent_core::history::fault::FaultKind;
use dissent_core::history::fault_catalogue::{Need, Permission};

/// The name of the system in target files.
pub(super) const PINOT: &str = "pinot";

/// Whether the target file has what this kind of fault needs.
pub fn can(file: &TargetFile, kind: FaultKind) -> Result<(), Refusal> {
    let refused =
        |reason: &str| Err(Refusal { target: PINOT.to_owned(), fault: kind, reason: reason.to_owned() });
    let Commands { pause, resume, kill, start } = &file.commands;
    let can_stop = pause.is_some() && resume.is_some();
    match kind {
        FaultKind::HoldMessage(_) | FaultKind::Pause | FaultKind::CommitWinner if !can_stop => {
            refused("its target file has no commands `pause` and `resume`")
        }
        FaultKind::Restart if kill.is_none() || start.is_none() => {
            refused("its target file has no commands `kill` and `start`")
        }
        FaultKind::SlowDownload if file.proxy.is_none() => {
            refused("its target file names no `proxy` for segment downloads: see `dissent proxy --help`")
        }
        FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => refused("it has no writers that share a shard"),
        FaultKind::Command(_) => match file.missing_fault(kind) {
            Some(reason) => refused(&reason),
            None => Ok(()),
        },
        FaultKind::LockTable => refused("it has no locks on tables"),
        FaultKind::LongSnapshot => refused("it has no snapshots that readers keep open"),
        FaultKind::SkipTransaction => refused("it has no transactions to skip"),
        FaultKind::Network { .. } => refused("its network is out of reach"),
        FaultKind::SlowNode { .. } | FaultKind::ClockJump { .. } | FaultKind::DiskFull => {
            refused("its machines are out of reach")
        }
        FaultKind::HoldMessage(_)
        | FaultKind::Restart
        | FaultKind::Pause
        | FaultKind::CommitWinner
        | FaultKind::SlowDownload
        | FaultKind::Rebalance
        | FaultKind::PauseConsumption
        | FaultKind::Reload => Ok(()),
    }
}

/// A replica is paused while something else is done to the cluster.
const STOP: Need = Need { to: "stop a replica", permission: Permission::Pause };

/// What the target file must allow for this kind of fault.
pub(super) fn needs(kind: FaultKind) -> Vec<Need> {
    let usual = kind.spec().needs;
    match kind {
        // Pinot handles messages at once, so the receiver must be stopped while one is held back.
        FaultKind::HoldMessage(_) => usual.iter().copied().chain([STOP]).collect(),
        // The others are stopped until the chosen one has won.
        FaultKind::CommitWinner => vec![STOP],
        _ => usual.to_vec(),
    }
}
