//! One fault on Pinot, begun and undone from its cure alone: in a watchdog or by `dissent heal`, without the
//! run folder. Healing twice is harmless, and nothing is undone that was not begun.

mod message;
mod table;

use super::cluster::{self, mark, marks, unmark};
use super::wire;
use crate::adapter::http::{HttpClient, send};
use crate::adapter::leased_injector::parse_undo;
use crate::config::access::Access;
use crate::config::fault_commands::FaultCommands;
use crate::config::target::Commands;
use crate::faults::fault_command::FaultCommand;
use crate::faults::replica_command::{ReplicaCommand, START_TIMEOUT};
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::fault::{FaultKind, Transition};
use dissent_store::cure::Cure;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The maximum time that a replica is paused for another step. Its session with the coordination store ends
/// after 30 s.
const STOPPED_MAX: Duration = Duration::from_secs(20);

/// The time between two polls of the coordination store.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The data that undoes a fault on Pinot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::adapter) struct PinotUndo {
    /// The name of the system, because a watchdog does not read target files.
    pub(super) system: String,
    /// The controller's URL.
    pub(super) at: String,
    /// The cluster's name in the coordination store.
    pub(super) cluster: String,
    /// The name of the table.
    pub(super) table: String,
    /// The replica's session before the fault. A restarted replica has another one.
    pub(super) session: u64,
    /// The commands that act on a replica's process.
    pub(super) commands: Commands,
    /// The commands of the user's own faults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) faults: BTreeMap<String, FaultCommands>,
    /// The folder in which they run.
    #[serde(default)]
    pub(super) folder: PathBuf,
    /// The access to the controller. It names secrets and does not contain them.
    #[serde(default)]
    pub(super) access: Access,
    /// The control URL of the download proxy.
    pub(super) proxy: Option<String>,
    /// The other replicas that take part in the fault: those that are paused while the fault's own wins a
    /// commit, or the one that takes over from it.
    pub(super) others: Vec<String>,
}

/// The run that holds the lock of a fault's target.
pub(super) async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    let undo = parse_undo::<PinotUndo>(cure)?;
    cluster::holder(&HttpClient::with_access(REQUEST_TIMEOUT, &undo.access)?, &undo.at).await
}

/// One fault at one cluster.
struct PinotInjection<'c> {
    cure: &'c Cure,
    undo: PinotUndo,
    http: HttpClient,
}

/// Marks the fault at the target and begins it. Returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    let injection = PinotInjection::of(cure)?;
    mark(&injection.http, &injection.undo.at, cure).await?;
    let replica = &cure.fault.replica;
    match cure.fault.kind {
        FaultKind::HoldMessage(Transition::OfflineToConsuming) => {
            injection.pause(replica).await?;
            spawn_remaining(cure);
            Ok(())
        }
        FaultKind::HoldMessage(Transition::ConsumingToOnline) => Ok(()),
        FaultKind::Pause => injection.pause(replica).await,
        FaultKind::Restart => injection.run(ReplicaCommand::Kill, replica).await,
        FaultKind::CommitWinner => {
            injection.pause_others().await?;
            spawn_remaining(cure);
            Ok(())
        }
        FaultKind::SlowDownload => injection.hold_downloads().await,
        FaultKind::Rebalance => injection.rebalance().await,
        FaultKind::PauseConsumption => injection.consumption("pauseConsumption").await,
        FaultKind::Reload => injection.reload().await,
        FaultKind::Command(_) => injection.command()?.begin().await,
        kind => Err(injection.refused(format!("{} cannot be done here", kind.name()))),
    }
}

/// Starts the remaining work of a fault in force, next to the watchdog that waits for the cure.
fn spawn_remaining(cure: &Cure) {
    let cure = cure.clone();
    tokio::spawn(async move {
        let Ok(injection) = PinotInjection::of(&cure) else { return };
        match cure.fault.kind {
            FaultKind::CommitWinner => injection.resume_after_commit().await,
            _ => injection.hold_next().await,
        }
    });
}

/// The evidence that the fault has already ended: its mark is gone, because healing removes the mark.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    let injection = PinotInjection::of(cure)?;
    let is_marked = injection.marks().await?.iter().any(|mark| injection.is_own(mark));
    match cure.fault.kind {
        _ if !is_marked => Ok(Some("its mark is gone, so somebody else has undone it".to_owned())),
        FaultKind::Command(_) => Ok(injection.command()?.ended_early().await),
        _ => Ok(None),
    }
}

/// Heals the fault, verifies that, and removes the mark. Without a mark there is nothing to undo.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    let injection = PinotInjection::of(cure)?;
    let all = injection.marks().await?;
    if !all.iter().any(|mark| injection.is_own(mark)) {
        return Ok(());
    }
    let replica = &cure.fault.replica;
    match cure.fault.kind {
        FaultKind::HoldMessage(transition) => {
            if transition == Transition::OfflineToConsuming {
                injection.resume(replica).await?;
            }
            if all.iter().any(|mark| injection.is_held_by(mark)) {
                unmark(&injection.http, &injection.undo.at, cure).await?;
                // The other fault may be healing at the same time. If it saw this mark, it left the release
                // to this fault.
                let left = injection.marks().await?;
                return match left.iter().any(|mark| injection.is_held_by(mark)) {
                    true => Ok(()),
                    false => injection.release().await,
                };
            }
            injection.release().await?;
        }
        FaultKind::Pause => injection.resume(replica).await?,
        FaultKind::Restart => {
            injection.run(ReplicaCommand::Start, replica).await?;
            injection.wait_until_registered().await?;
        }
        FaultKind::CommitWinner => injection.resume_others().await?,
        FaultKind::SlowDownload => injection.let_downloads_through().await?,
        FaultKind::PauseConsumption => injection.consumption("resumeConsumption").await?,
        FaultKind::Command(_) => injection.command()?.cure().await?,
        // The table belongs to the run and stays as it is.
        FaultKind::Rebalance | FaultKind::Reload => {}
        // The others are refused by `begin`, so only their mark is left.
        _ => {}
    }
    unmark(&injection.http, &injection.undo.at, cure).await
}

impl PinotInjection<'_> {
    fn of(cure: &Cure) -> Result<PinotInjection<'_>, TargetError> {
        let undo: PinotUndo = parse_undo(cure)?;
        let http = HttpClient::with_access(REQUEST_TIMEOUT, &undo.access)?;
        Ok(PinotInjection { cure, undo, http })
    }

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        marks(&self.undo.at, &self.undo.access).await
    }

    fn is_own(&self, mark: &Cure) -> bool {
        (&mark.mark, &mark.step) == (&self.cure.mark, &self.cure.step)
    }

    fn refused(&self, cause: impl ToString) -> TargetError {
        TargetError::Refused { at: self.cure.fault.replica.clone(), cause: cause.to_string() }
    }

    async fn pause(&self, replica: &str) -> Result<(), TargetError> {
        self.run(ReplicaCommand::Pause, replica).await
    }

    async fn resume(&self, replica: &str) -> Result<(), TargetError> {
        self.run(ReplicaCommand::Resume, replica).await
    }

    /// Runs a command of the target file on a replica.
    async fn run(&self, command: ReplicaCommand, replica: &str) -> Result<(), TargetError> {
        command.run(&self.undo.commands, &self.undo.folder, replica).await
    }

    fn command(&self) -> Result<FaultCommand<'_>, TargetError> {
        FaultCommand::of(&self.undo.faults, &self.undo.folder, &self.cure.fault)
    }

    /// Waits until a restarted replica has registered with a new session.
    async fn wait_until_registered(&self) -> Result<(), TargetError> {
        let PinotUndo { at, cluster, session, .. } = &self.undo;
        let url = format!("{at}/zk/get?path=/{cluster}/LIVEINSTANCES/{}", self.cure.fault.replica);
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if let Ok(body) = send(&url, self.http.get(&url)).await
                && wire::session(&url, &body).is_ok_and(|now| now != *session)
            {
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
        Err(self.refused(format!("it was started, but did not register within {START_TIMEOUT:?}")))
    }
}
