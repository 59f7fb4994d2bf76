//! Holding one message of the coordination service back.
//!
//! It is held by what a participant of the service takes for granted: a message that is marked as read is
//! being worked on by somebody, so it is neither taken up nor sent again. The victim is stopped while its
//! next segment opens, for a few seconds and well under its session's time-out, so that the message can be
//! marked before it sees it. The release deletes the record and puts it there once more as new.
//!
//! Pinot registers a segment inside the transition that begins it. So a hold of the later transition, to
//! online, has nothing to hold: it keeps the earlier message from being released until it is cured itself.

use super::{LOOK, PinotInjection, STOPPED_MAX};
use crate::adapter::http::send;
use crate::adapter::pinot::table::{parse_segment_name, realtime};
use crate::adapter::pinot::wire::{self, Message};
use crate::target_error::TargetError;
use dissent_core::history::fault::FaultKind;
use dissent_store::cure::Cure;
use tokio::time::{Instant, sleep};

/// The field by which a message is known that we marked as read.
const HELD: &str = "DISSENT_HELD";

impl PinotInjection<'_> {
    /// Whether another fault wants the same message held.
    pub(super) fn is_kept_by(&self, mark: &Cure) -> bool {
        let (own, other) = (&self.cure.fault, &mark.fault);
        !self.is_own(mark)
            && matches!(other.kind, FaultKind::HoldMessage(_))
            && (&own.replica, own.partition, own.seq) == (&other.replica, other.partition, other.seq)
    }

    /// Marks the message by which the victim hears of the segment as read, and lets the victim go on. It goes
    /// on without, too, if the message does not come or the fault is undone meanwhile.
    pub(super) async fn hold_next(&self) {
        let until = Instant::now() + STOPPED_MAX;
        while Instant::now() < until {
            match self.try_hold().await {
                Ok(true) => break,
                Ok(false) | Err(_) => sleep(LOOK).await,
            }
        }
        // The watchdog's cure does it again.
        drop(self.resume(&self.cure.fault.replica).await);
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
        let field = |name: &str| message.field(name);
        let fault = &self.cure.fault;
        field("RESOURCE_NAME") == realtime(&self.undo.table)
            && field("TO_STATE") == "CONSUMING"
            && parse_segment_name(&self.undo.table, field("PARTITION_NAME"))
                .is_some_and(|(partition, seq)| Some(partition) == fault.partition && Some(seq) == fault.seq)
    }

    fn path(&self, rest: &str) -> String {
        format!("/{}/INSTANCES/{}/{rest}", self.undo.cluster, self.cure.fault.replica)
    }

    async fn messages(&self) -> Result<Vec<Message>, TargetError> {
        let url = format!("{}/zk/getChildren?path={}", self.undo.at, self.path("MESSAGES"));
        wire::messages(&url, &send(&url, self.http.get(&url)).await?)
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
        send(&url, self.http.put(&url, &record)).await.map(drop)
    }

    /// Sends the held message again, if it was held at all, and its transition did not run meanwhile.
    pub(super) async fn release(&self) -> Result<(), TargetError> {
        for message in self.messages().await? {
            if !self.is_wanted(&message) || !message.fields.contains_key(HELD) {
                continue;
            }
            let path = self.path(&format!("MESSAGES/{}", message.id));
            let url = format!("{}/zk/delete?path={path}", self.undo.at);
            send(&url, self.http.delete(&url)).await?;
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
        let field = |name: &str| message.field(name);
        let rest = format!("CURRENTSTATES/{}/{}", field("TGT_SESSION_ID"), field("RESOURCE_NAME"));
        let url = format!("{}/zk/get?path={}", self.undo.at, self.path(&rest));
        let states = wire::current_states(&url, &send(&url, self.http.get(&url)).await?)?;
        Ok(states.get(field("PARTITION_NAME")).is_some_and(|now| now.current_state != "OFFLINE"))
    }
}
