//! One fault on a state store, begun and undone from its cure alone: in a watchdog or by `dissent heal`,
//! without the run folder. Healing twice is harmless, and nothing is undone that was not begun.
//!
//! Restarts and pauses are done by the commands of the target file, all else by the store's own means. The
//! marks are in the folder beside the target file.

use super::muted::MutedReplicas;
use super::{FaultSite, StateStore, StateSystem};
use crate::adapter::leased_injector::{InjectorBackend, parse_undo};
use crate::adapter::lock_folder::LockFolder;
use crate::config::fault_commands::FaultCommands;
use crate::config::target::TargetFile;
use crate::faults::fault_command::FaultCommand;
use crate::faults::replica_command::{ReplicaCommand, START_TIMEOUT};
use crate::target_error::{Holder, TargetError};
use async_trait::async_trait;
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::seed::number_of;
use dissent_store::cure::Cure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time between two questions whether a replica is back.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The data that undoes a fault on a state store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateUndo {
    /// The name of the system.
    pub system: String,
    /// The target file, because a watchdog does not read it. It names secrets and does not contain them.
    pub file: TargetFile,
    /// The folder of the target file, with the lock and the marks.
    pub folder: PathBuf,
    /// The table of the run.
    pub table: String,
    /// The replica's incarnation before a restart. Afterwards it has another one.
    pub incarnation: Option<u64>,
}

/// The faults of one run on the replicas of its table.
pub struct StateFaults {
    /// The system.
    pub system: &'static dyn StateSystem,
    /// The cluster.
    pub store: Arc<dyn StateStore>,
    /// The target file.
    pub file: TargetFile,
    /// The table of the run.
    pub table: String,
    /// The replicas that are not asked.
    pub muted: Arc<MutedReplicas>,
}

#[async_trait]
impl InjectorBackend for StateFaults {
    type Undo = StateUndo;

    async fn undo(&self, fault: &Fault) -> Result<StateUndo, TargetError> {
        let incarnation = match fault.kind {
            FaultKind::Restart => Some(self.store.replica(&fault.replica).await?.incarnation),
            _ => None,
        };
        Ok(StateUndo {
            system: self.system.name().to_owned(),
            file: self.file.clone(),
            folder: self.file.folder.clone(),
            table: self.table.clone(),
            incarnation,
        })
    }

    fn time_to_live(&self, fault: &Fault) -> Option<Duration> {
        self.file.fault_commands(fault.kind).map(FaultCommands::longest)
    }

    async fn heal(&self, cure: &Cure) -> Result<(), TargetError> {
        StateInjection::new(self.system, cure)?.heal().await
    }

    async fn ended_early(&self, cure: &Cure) -> Result<Option<String>, TargetError> {
        StateInjection::new(self.system, cure)?.ended_early().await
    }

    fn silence(&self, replica: &str) {
        self.muted.mute(replica);
    }

    async fn unsilence(&self, replica: &str) {
        self.muted.unmute(replica);
    }
}

/// One fault at one cluster.
pub(super) struct StateInjection<'c> {
    system: &'static dyn StateSystem,
    cure: &'c Cure,
    file: TargetFile,
    table: String,
    incarnation: Option<u64>,
    marks: LockFolder,
    /// The text that identifies the fault at the store.
    mark: String,
}

impl<'c> StateInjection<'c> {
    pub(super) fn new(
        system: &'static dyn StateSystem,
        cure: &'c Cure,
    ) -> Result<StateInjection<'c>, TargetError> {
        let StateUndo { file, folder, table, incarnation, .. } = parse_undo(cure)?;
        let file = TargetFile { folder, ..file };
        let mark = format!("dissent-{:016x}", number_of(&[&cure.mark, &cure.step]));
        Ok(StateInjection { system, cure, marks: LockFolder::beside(&file), file, table, incarnation, mark })
    }

    /// Marks the fault and begins it. Returns once it is in force.
    pub(super) async fn begin(&self) -> Result<(), TargetError> {
        self.marks.put_mark(self.cure)?;
        match self.cure.fault.kind {
            FaultKind::Restart => self.run(ReplicaCommand::Kill).await,
            FaultKind::Pause => self.run(ReplicaCommand::Pause).await,
            FaultKind::Command(_) => self.command()?.begin().await,
            _ => self.system.begin(&self.site()).await,
        }
    }

    /// The evidence that the fault has already ended: its mark is gone, because healing removes the mark, or
    /// the command that looks says so.
    pub(super) async fn ended_early(&self) -> Result<Option<String>, TargetError> {
        if !self.marks.is_marked(self.cure) {
            return Ok(Some("its mark is gone, so somebody else has undone it".to_owned()));
        }
        match self.cure.fault.kind {
            FaultKind::Command(_) => Ok(self.command()?.ended_early().await),
            _ => Ok(None),
        }
    }

    /// Undoes the fault, verifies that, and removes the mark. Without a mark there is nothing to undo.
    pub(super) async fn heal(&self) -> Result<(), TargetError> {
        if !self.marks.is_marked(self.cure) {
            return Ok(());
        }
        match self.cure.fault.kind {
            FaultKind::Restart => {
                self.run(ReplicaCommand::Start).await?;
                self.wait_until_back().await?;
            }
            FaultKind::Pause => self.run(ReplicaCommand::Resume).await?,
            FaultKind::Command(_) => self.command()?.cure().await?,
            _ => self.system.heal(&self.site()).await?,
        }
        self.marks.remove_mark(self.cure)
    }

    /// The run that holds the lock of the target.
    pub(super) fn holder(&self) -> Result<Option<Holder>, TargetError> {
        self.marks.holder()
    }

    fn site(&self) -> FaultSite<'_> {
        FaultSite { file: &self.file, table: &self.table, fault: &self.cure.fault, mark: &self.mark }
    }

    fn command(&self) -> Result<FaultCommand<'_>, TargetError> {
        FaultCommand::of(&self.file.faults, &self.file.folder, &self.cure.fault)
    }

    async fn run(&self, command: ReplicaCommand) -> Result<(), TargetError> {
        command.run(&self.file.commands, &self.file.folder, &self.cure.fault.replica).await
    }

    /// Waits until a restarted replica answers as another incarnation.
    async fn wait_until_back(&self) -> Result<(), TargetError> {
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if self.now_lives().await.is_ok_and(|now| Some(now) != self.incarnation) {
                return Ok(());
            }
            sleep(POLL_INTERVAL).await;
        }
        let cause = format!("it was started, but did not answer within {START_TIMEOUT:?}");
        Err(TargetError::Refused { at: self.cure.fault.replica.clone(), cause })
    }

    /// The replica's incarnation now.
    async fn now_lives(&self) -> Result<u64, TargetError> {
        let store = self.system.connect(&self.file).await?;
        Ok(store.replica(&self.cure.fault.replica).await?.incarnation)
    }
}
