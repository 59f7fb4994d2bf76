//! One fault on Pinot, begun and undone from its cure alone: in a keeper, by `dissent heal`, wherever the
//! run's folder may be. Undoing twice does no harm, and undoes nothing but what was begun.
//!
//! A message is held by what a participant of the coordination service takes for granted: one that is marked
//! as read is being worked on by somebody, so it is neither taken up nor sent again. The victim is stopped
//! while its next segment opens, for a few seconds and well under its session's time-out, so that the message
//! can be marked before it sees it. The release deletes the record and puts it there once more as new.
//!
//! Pinot registers a segment inside the transition that begins it. So a hold of the later transition, to
//! online, has nothing to hold: it keeps the earlier message from being released until it is cured itself.

use super::answers::{self, Message};
use super::cluster::{mark, marks, unmark};
use super::table::{place, realtime};
use crate::config::access::Access;
use crate::config::target::{Commands, PINOT};
use crate::plan::schedule::{FaultKind, Transition};
use crate::record::cure::Cure;
use crate::target::leased::undo_of;
use crate::target::web::{Web, answer};
use crate::target::{Refusal, TargetError};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// An answer that takes longer counts as none.
const PATIENCE: Duration = Duration::from_secs(5);

/// A replica may take so long to start.
const START: Duration = Duration::from_secs(120);

/// A victim is stopped no longer than this: its session with the coordination store ends after 30 s.
const STOPPED_MAX: Duration = Duration::from_secs(20);

/// Between two looks at the coordination store.
const LOOK: Duration = Duration::from_millis(50);

/// The field by which a message is known that we marked as read.
const HELD: &str = "DISSENT_HELD";

/// What is needed to undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in crate::target) struct Undo {
    /// The system: a keeper does not read target files.
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
}

/// Whether a cure is of this system.
pub fn is_of(cure: &Cure) -> bool {
    cure.undo["system"] == PINOT
}

/// Whether the target file says how to do this.
pub(super) fn can(commands: &Commands, kind: FaultKind) -> Result<(), Refusal> {
    let refused =
        |reason: &str| Err(Refusal { target: PINOT.to_owned(), fault: kind, reason: reason.to_owned() });
    let Commands { pause, resume, kill, start } = commands;
    let can_stop = pause.is_some() && resume.is_some();
    match kind {
        FaultKind::HoldMessage(_) | FaultKind::Pause if !can_stop => {
            refused("its target file has no commands `pause` and `resume`")
        }
        FaultKind::Restart if kill.is_none() || start.is_none() => {
            refused("its target file has no commands `kill` and `start`")
        }
        FaultKind::CommitWinner => refused("dissent cannot choose who wins a commit there yet"),
        _ => Ok(()),
    }
}

/// One fault at one cluster.
struct Deed<'c> {
    cure: &'c Cure,
    undo: Undo,
    web: Web,
}

/// Leaves the mark, then begins the fault; returns once it is in force.
pub async fn begin(cure: &Cure) -> Result<(), TargetError> {
    let deed = Deed::of(cure)?;
    mark(&deed.web, &deed.undo.at, cure).await?;
    let commands = &deed.undo.commands;
    match cure.fault.kind {
        FaultKind::HoldMessage(Transition::OfflineToConsuming) => {
            deed.run("pause", commands.pause.as_deref(), PATIENCE).await?;
            let cure = cure.clone();
            tokio::spawn(async move {
                if let Ok(deed) = Deed::of(&cure) {
                    deed.hold_next().await;
                }
            });
            Ok(())
        }
        FaultKind::HoldMessage(Transition::ConsumingToOnline) => Ok(()),
        FaultKind::Pause => deed.run("pause", commands.pause.as_deref(), PATIENCE).await,
        FaultKind::Restart => deed.run("kill", commands.kill.as_deref(), PATIENCE).await,
        FaultKind::CommitWinner => Err(deed.refused("it cannot be done here")),
    }
}

/// Undoes the fault, verifies that, and takes the mark away. Without a mark there is nothing to undo.
pub async fn heal(cure: &Cure) -> Result<(), TargetError> {
    let deed = Deed::of(cure)?;
    let all = deed.marks().await?;
    if !all.iter().any(|mark| deed.is_own(mark)) {
        return Ok(());
    }
    let commands = &deed.undo.commands;
    match cure.fault.kind {
        FaultKind::HoldMessage(transition) => {
            if transition == Transition::OfflineToConsuming {
                deed.run("resume", commands.resume.as_deref(), PATIENCE).await?;
            }
            if all.iter().any(|mark| deed.is_kept_by(mark)) {
                unmark(&deed.web, &deed.undo.at, cure).await?;
                // The other one may be undone at this very moment: then it saw our mark, and left it to us.
                let left = deed.marks().await?;
                return match left.iter().any(|mark| deed.is_kept_by(mark)) {
                    true => Ok(()),
                    false => deed.release().await,
                };
            }
            deed.release().await?;
        }
        FaultKind::Pause => deed.run("resume", commands.resume.as_deref(), PATIENCE).await?,
        FaultKind::Restart => {
            deed.run("start", commands.start.as_deref(), START).await?;
            deed.lives_again().await?;
        }
        FaultKind::CommitWinner => {}
    }
    unmark(&deed.web, &deed.undo.at, cure).await
}

impl Deed<'_> {
    fn of(cure: &Cure) -> Result<Deed<'_>, TargetError> {
        let undo: Undo = undo_of(cure)?;
        let web = Web::entering(PATIENCE, &undo.access)?;
        Ok(Deed { cure, undo, web })
    }

    async fn marks(&self) -> Result<Vec<Cure>, TargetError> {
        marks(&self.undo.at, &self.undo.access).await
    }

    fn is_own(&self, mark: &Cure) -> bool {
        (&mark.mark, &mark.step) == (&self.cure.mark, &self.cure.step)
    }

    /// Whether another fault wants the same message held.
    fn is_kept_by(&self, mark: &Cure) -> bool {
        let (own, other) = (&self.cure.fault, &mark.fault);
        !self.is_own(mark)
            && matches!(other.kind, FaultKind::HoldMessage(_))
            && (&own.replica, own.partition, own.seq) == (&other.replica, other.partition, other.seq)
    }

    fn refused(&self, cause: impl ToString) -> TargetError {
        TargetError::Refused { at: self.cure.fault.replica.clone(), cause: cause.to_string() }
    }

    /// Runs a command of the target file on the victim.
    async fn run(&self, verb: &str, command: Option<&str>, patience: Duration) -> Result<(), TargetError> {
        let Some(command) = command else {
            return Err(self.refused(format!("the target file has no command `{verb}`")));
        };
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).env("REPLICA", &self.cure.fault.replica).kill_on_drop(true);
        let output = timeout(patience, shell.output()).await;
        let output =
            output.map_err(|_| self.refused(format!("`{verb}` has not ended after {patience:?}")))?;
        let output = output.map_err(|error| self.refused(format!("`{verb}`: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(self.refused(format!("`{verb}` failed ({}): {}", output.status, said.trim())))
    }

    /// Waits until a victim that was started again has registered.
    async fn lives_again(&self) -> Result<(), TargetError> {
        let Undo { at, cluster, session, .. } = &self.undo;
        let url = format!("{at}/zk/get?path=/{cluster}/LIVEINSTANCES/{}", self.cure.fault.replica);
        let until = Instant::now() + START;
        while Instant::now() < until {
            if let Ok(body) = answer(&url, self.web.get(&url)).await
                && answers::session(&url, &body).is_ok_and(|now| now != *session)
            {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        Err(self.refused(format!("it was started, and has not registered after {START:?}")))
    }

    /// Marks the message by which the victim hears of the segment as read, and lets the victim go on. It goes
    /// on without, too, if the message does not come or the fault is undone meanwhile.
    async fn hold_next(&self) {
        let until = Instant::now() + STOPPED_MAX;
        while Instant::now() < until {
            match self.try_hold().await {
                Ok(true) => break,
                Ok(false) | Err(_) => sleep(LOOK).await,
            }
        }
        // The keeper's cure does it again.
        drop(self.run("resume", self.undo.commands.resume.as_deref(), PATIENCE).await);
    }

    async fn try_hold(&self) -> Result<bool, TargetError> {
        for message in self.messages().await? {
            if self.is_wanted(&message) {
                return self.put(&message, "read", true).await.map(|()| true);
            }
        }
        Ok(false)
    }

    fn is_wanted(&self, message: &Message) -> bool {
        let field = |name: &str| message.fields.get(name).map_or("", String::as_str);
        let fault = &self.cure.fault;
        field("RESOURCE_NAME") == realtime(&self.undo.table)
            && field("TO_STATE") == "CONSUMING"
            && place(&self.undo.table, field("PARTITION_NAME"))
                .is_some_and(|(partition, seq)| Some(partition) == fault.partition && Some(seq) == fault.seq)
    }

    fn path(&self, rest: &str) -> String {
        format!("/{}/INSTANCES/{}/{rest}", self.undo.cluster, self.cure.fault.replica)
    }

    async fn messages(&self) -> Result<Vec<Message>, TargetError> {
        let url = format!("{}/zk/getChildren?path={}", self.undo.at, self.path("MESSAGES"));
        answers::messages(&url, &answer(&url, self.web.get(&url)).await?)
    }

    /// Writes a message's record with another state, with or without our own field.
    async fn put(&self, message: &Message, state: &str, held: bool) -> Result<(), TargetError> {
        let mut record = message.record.clone();
        record["simpleFields"]["MSG_STATE"] = state.into();
        if let Some(fields) = record["simpleFields"].as_object_mut() {
            match held {
                true => drop(fields.insert(HELD.to_owned(), self.cure.mark.clone().into())),
                false => drop(fields.remove(HELD)),
            }
        }
        let path = self.path(&format!("MESSAGES/{}", message.id));
        let url = format!("{}/zk/put?path={path}&expectedVersion=-1&accessOption=1", self.undo.at);
        answer(&url, self.web.put(&url, &record)).await.map(drop)
    }

    /// Sends the held message again, if it was held at all, and its transition did not run meanwhile.
    async fn release(&self) -> Result<(), TargetError> {
        for message in self.messages().await? {
            if !self.is_wanted(&message) || !message.fields.contains_key(HELD) {
                continue;
            }
            let path = self.path(&format!("MESSAGES/{}", message.id));
            let url = format!("{}/zk/delete?path={path}", self.undo.at);
            answer(&url, self.web.delete(&url)).await?;
            if !self.has_run(&message).await? {
                self.put(&message, "new", false).await?;
            }
        }
        let left = self.messages().await?;
        match left.iter().any(|message| self.is_wanted(message) && message.fields.contains_key(HELD)) {
            false => Ok(()),
            true => Err(self.refused("the message was released and is still held")),
        }
    }

    /// Whether the victim has left the state from which the message leads.
    async fn has_run(&self, message: &Message) -> Result<bool, TargetError> {
        let field = |name: &str| message.fields.get(name).map_or("", String::as_str);
        let rest = format!("CURRENTSTATES/{}/{}", field("TGT_SESSION_ID"), field("RESOURCE_NAME"));
        let url = format!("{}/zk/get?path={}", self.undo.at, self.path(&rest));
        let states = answers::current_states(&url, &answer(&url, self.web.get(&url)).await?)?;
        Ok(states.get(field("PARTITION_NAME")).is_some_and(|state| state != "OFFLINE"))
    }
}
