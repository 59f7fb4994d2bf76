//! Which faults Pinot can do, given its target file.

use crate::adapter::capabilities::Refusal;
use crate::config::target::{Commands, PINOT, TargetFile};
use dissent_core::history::fault::FaultKind;

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
