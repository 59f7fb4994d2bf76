//! Holds back one message of the coordination service (Helix).
//!
//! A message that is marked as read counts as being processed, so it is neither picked up nor sent again. To
//! mark the message before the replica sees it, the replica is paused while its next segment opens. The pause
//! lasts a few seconds, well below its session timeout. The release deletes the record and writes it again as
//! new.
//!
//! Pinot registers a segment inside the transition that begins it. So a hold of the later transition, to
//! online, has nothing to hold back. Instead it prevents the release of the earlier message until it is
//! healed itself.

use super::{POLL_INTERVAL, PinotInjection, STOPPED_MAX};
use crate::adapter::http::send;
use crate::adapter::pinot::table::{parse_segment_name, realtime};
use crate::adapter::pinot::wire::{self, Message};
use crate::target_error::TargetError;
use dissent_core::history::fault::FaultKind;
use dissent_store::cure::Cure;
use tokio::time::{Instant, sleep};

/// The field that identifies a message marked by a fault.
const HELD: &str = "DISSENT_HELD";

impl PinotInjection<'_> {
    /// Whether another fault holds the same message.
    pub(super) fn is_held_by(&self, mark: &Cure) -> bool {
        let (own, other) = (&self.cure.fault, &mark.fault);
        !self.is_own(mark)
            && matches!(other.kind, FaultKind::HoldMessage(_))
            && (&own.replica, own.partition, own.seq) == (&other.replica, other.partition, other.seq)
    }

    /// Marks the message that announces the segment to the replica as read, and resumes the replica. The
    /// replica is also resumed if the message does not come or the fault is healed meanwhile.
    pub(super) async fn hold_next(&self) {
        let until = Instant::now() + STOPPED_MAX;
        while Instant::now() < until {
            match self.try_hold().await {
                Ok(true) => break,
                Ok(false) | Err(_) => sleep(POLL_INTERVAL).await,
            }
        }
        // If this fails, the watchdog resumes the replica when it heals.
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

    /// Writes a message's record with another state, and with or without the field [`HELD`].
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

    /// Sends the held message again, if it was held and its transition has not run meanwhile.
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

    /// Whether the replica has left the message's source state.
    async fn has_run(&self, message: &Message) -> Result<bool, TargetError> {
        let field = |name: &str| message.field(name);
        let rest = format!("CURRENTSTATES/{}/{}", field("TGT_SESSION_ID"), field("RESOURCE_NAME"));
        let url = format!("{}/zk/get?path={}", self.undo.at, self.path(&rest));
        let states = wire::current_states(&url, &send(&url, self.http.get(&url)).await?)?;
        Ok(states.get(field("PARTITION_NAME")).is_some_and(|now| now.current_state != "OFFLINE"))
    }
}
