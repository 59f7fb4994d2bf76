//! One fault on Pinot, begun and undone from its cure alone: in a watchdog, by `dissent heal`, wherever the
//! run's folder may be. Undoing twice does no harm, and undoes nothing but what was begun.

mod message;
mod table;

use super::cluster::{self, mark, marks, unmark};
use super::wire;
use crate::adapter::api::Refusal;
use crate::adapter::http::{HttpClient, send};
use crate::adapter::leased::undo_of;
use crate::config::access::Access;
use crate::config::target::{Commands, PINOT, TargetFile};
use crate::faults::hook::{Hook, HookError};
use crate::target_error::Holder;
use crate::target_error::TargetError;
use dissent_core::history::fault::{FaultKind, Transition};
use dissent_store::cure::Cure;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A replica may take so long to start.
const START: Duration = Duration::from_secs(120);

/// No replica is stopped for longer while something is done that needs it stopped: its session with the
/// coordination store ends after 30 s.
const STOPPED_MAX: Duration = Duration::from_secs(20);

/// Between two looks at the coordination store.
const LOOK: Duration = Duration::from_millis(50);

/// What is needed to undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::adapter) struct PinotUndo {
    /// The system: a watchdog does not read target files.
    pub(super) system: String,
    /// The controller's URL.
    pub(super) at: String,
    /// The cluster's name in the coordination store.
    pub(super) cluster: String,
    /// The table.
    pub(super) table: String,
    /// The victim's session with the coordination store: it has another one once it was started again.
    pub(super) session: u64,
    /// How to do something to a replica's process.
    pub(super) commands: Commands,
    /// How the controller's HTTP is entered: it names secrets and holds none.
    #[serde(default)]
    pub(super) access: Access,
    /// Where downloads can be held: the control URL of the proxy before them.
    pub(super) proxy: Option<String>,
    /// The replicas beside the fault's own that have a part in it: those that are stopped while it wins a
    /// commit, or the one that takes over from it.
    pub(super) others: Vec<String>,
}

/// Whether a cure is of this system.
pub fn is_of(cure: &Cure) -> bool {
    cure.undo["system"] == PINOT
}

/// The run that has the target of a fault now.
pub async fn holder(cure: &Cure) -> Result<Option<Holder>, TargetError> {
    let undo = undo_of::<PinotUndo>(cure)?;
    cluster::holder(&HttpClient::with_access(PATIENCE, &undo.access)?, &undo.at).await
}

/// Whether the target file says how to do this.
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
        kind if kind.is_of_writers() => refused("it has no writers that share a shard"),
        _ => Ok(()),
    }
}

/// One fault at one cluster.
struct PinotInjection<'c> {
    cure: &'c Cure,
    undo: PinotUndo,
    http: HttpClient,
}

/// Leaves the mark, then begins the fault; returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    let deed = PinotInjection::of(cure)?;
    mark(&deed.http, &deed.undo.at, cure).await?;
    let victim = &cure.fault.replica;
    match cure.fault.kind {
        FaultKind::HoldMessage(Transition::OfflineToConsuming) => {
            deed.pause(victim).await?;
            go_on(cure);
            Ok(())
        }
        FaultKind::HoldMessage(Transition::ConsumingToOnline) => Ok(()),
        FaultKind::Pause => deed.pause(victim).await,
        FaultKind::Restart => deed.run("kill", deed.undo.commands.kill.as_deref(), victim, PATIENCE).await,
        FaultKind::CommitWinner => {
            deed.pause_others().await?;
            go_on(cure);
            Ok(())
        }
        FaultKind::SlowDownload => deed.hold_downloads().await,
        FaultKind::Rebalance => deed.rebalance().await,
        FaultKind::PauseConsumption => deed.consumption("pauseConsumption").await,
        FaultKind::Reload => deed.reload().await,
        kind => Err(deed.refused(format!("{} cannot be done here", kind.name()))),
    }
}

/// What is left to do of a fault in force, beside its watchdog's waiting for the cure.
fn go_on(cure: &Cure) {
    let cure = cure.clone();
    tokio::spawn(async move {
        let Ok(deed) = PinotInjection::of(&cure) else { return };
        match cure.fault.kind {
            FaultKind::CommitWinner => deed.resume_after_commit().await,
            _ => deed.hold_next().await,
        }
    });
}

/// What shows that the fault is over already, if anything does: whoever undoes it takes its mark away.
pub async fn ended_early(cure: &Cure) -> Result<Option<String>, TargetError> {
    let deed = PinotInjection::of(cure)?;
    let is_marked = deed.marks().await?.iter().any(|mark| deed.is_own(mark));
    Ok((!is_marked).then(|| "its mark is gone, so somebody else has undone it".to_owned()))
}

/// Undoes the fault, verifies that, and takes the mark away. Without a mark there is nothing to undo.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    let deed = PinotInjection::of(cure)?;
    let all = deed.marks().await?;
    if !all.iter().any(|mark| deed.is_own(mark)) {
        return Ok(());
    }
    let victim = &cure.fault.replica;
    match cure.fault.kind {
        FaultKind::HoldMessage(transition) => {
            if transition == Transition::OfflineToConsuming {
                deed.resume(victim).await?;
            }
            if all.iter().any(|mark| deed.is_kept_by(mark)) {
                unmark(&deed.http, &deed.undo.at, cure).await?;
                // The other one may be undone at this very moment: then it saw our mark, and left it to us.
                let left = deed.marks().await?;
                return match left.iter().any(|mark| deed.is_kept_by(mark)) {
                    true => Ok(()),
                    false => deed.release().await,
                };
            }
            deed.release().await?;
        }
        FaultKind::Pause => deed.resume(victim).await?,
        FaultKind::Restart => {
            deed.run("start", deed.undo.commands.start.as_deref(), victim, START).await?;
            deed.lives_again().await?;
        }
        FaultKind::CommitWinner => deed.resume_others().await?,
        FaultKind::SlowDownload => deed.let_downloads_through().await?,
        FaultKind::PauseConsumption => deed.consumption("resumeConsumption").await?,
        // The table is the run's own, and stays as it is now.
        FaultKind::Rebalance | FaultKind::Reload => {}
        // Nothing of it was begun.
        FaultKind::SecondWriter
        | FaultKind::DropWriter
        | FaultKind::Cutover
        | FaultKind::Lag { .. }
        | FaultKind::DelayQueue { .. } => {}
    }
    unmark(&deed.http, &deed.undo.at, cure).await
}

impl PinotInjection<'_> {
    fn of(cure: &Cure) -> Result<PinotInjection<'_>, TargetError> {
        let undo: PinotUndo = undo_of(cure)?;
        let http = HttpClient::with_access(PATIENCE, &undo.access)?;
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
        self.run("pause", self.undo.commands.pause.as_deref(), replica, PATIENCE).await
    }

    async fn resume(&self, replica: &str) -> Result<(), TargetError> {
        self.run("resume", self.undo.commands.resume.as_deref(), replica, PATIENCE).await
    }

    /// Runs a command of the target file on a replica.
    async fn run(
        &self,
        name: &'static str,
        command: Option<&str>,
        replica: &str,
        patience: Duration,
    ) -> Result<(), TargetError> {
        let Some(command) = command else {
            return Err(self.refused(format!("the target file has no command `{name}`")));
        };
        let run = Hook { name, command, timeout: patience }.run(&[("REPLICA", Path::new(replica))]).await;
        run.map_err(|HookError { name, problem }| self.refused(format!("`{name}` {problem}")))
    }

    /// Waits until a victim that was started again has registered.
    async fn lives_again(&self) -> Result<(), TargetError> {
        let PinotUndo { at, cluster, session, .. } = &self.undo;
        let url = format!("{at}/zk/get?path=/{cluster}/LIVEINSTANCES/{}", self.cure.fault.replica);
        let until = Instant::now() + START;
        while Instant::now() < until {
            if let Ok(body) = send(&url, self.http.get(&url)).await
                && wire::session(&url, &body).is_ok_and(|now| now != *session)
            {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(self.refused(format!("it was started, but did not register within {START:?}")))
    }
}
