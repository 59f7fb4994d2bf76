//! The messages between controller and servers: two closed enums. The simulation delivers them as they are,
//! and the processes post them as JSON.

use crate::value::Entry;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Identifies a segment of the table. Ordered by partition, then by sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SegmentId {
    pub(crate) partition: u32,
    /// The sequence number within the partition, from 0.
    pub(crate) seq: u32,
}

impl SegmentId {
    pub(crate) fn name(self, table: &str) -> String {
        format!("{table}__{}__{}", self.partition, self.seq)
    }

    pub(crate) fn parse(table: &str, name: &str) -> Option<Self> {
        let (partition, seq) = name.strip_prefix(table)?.strip_prefix("__")?.split_once("__")?;
        Some(SegmentId { partition: partition.parse().ok()?, seq: seq.parse().ok()? })
    }

    pub(crate) fn next(self) -> Self {
        SegmentId { seq: self.seq + 1, ..self }
    }

    pub(crate) fn previous(self) -> Option<Self> {
        Some(SegmentId { seq: self.seq.checked_sub(1)?, ..self })
    }
}

/// The state of a segment on one server, as the controller knows it. Offline until a report says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    #[default]
    Offline,
    /// Being consumed. Also reported by a server that was too late to consume it.
    Consuming,
    /// Registered in its committed form.
    Online,
}

/// A change of a segment's state that the controller asks of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Start to consume the segment.
    OfflineToConsuming,
    /// Switch to the committed form: keep the server's own rows if they are equal, else download.
    ConsumingToOnline,
    /// Load a segment that was committed before this process started.
    OfflineToOnline,
}

impl Transition {
    /// The state after the transition.
    pub(crate) fn target(self) -> State {
        match self {
            Transition::OfflineToConsuming => State::Consuming,
            Transition::ConsumingToOnline | Transition::OfflineToOnline => State::Online,
        }
    }
}

/// How a segment was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Committed {
    /// One past the last offset.
    pub(crate) end: u64,
    /// The checksum of the stored copy.
    pub(crate) crc: u64,
}

/// A transition message to one server. Every answer repeats it until the server reports the new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Unique in the cluster and ascending in order of creation.
    pub(crate) id: u64,
    pub(crate) segment: SegmentId,
    pub(crate) transition: Transition,
    /// When the message was created, in nanoseconds of the controller's clock.
    pub(crate) created: u64,
    /// The first offset of the segment.
    pub(crate) start: u64,
    /// The segment's commit as known *now*, at delivery.
    pub(crate) committed: Option<Committed>,
}

/// A committed segment as it is kept in the store and on disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) segment: SegmentId,
    /// The first offset.
    pub(crate) start: u64,
    /// The checksum of `rows`.
    pub(crate) crc: u64,
    /// One row per offset, from `start`.
    pub(crate) rows: Vec<Arc<Entry>>,
}

/// A server's periodic report, which also asks for work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poll {
    /// Whether the server already knows which segments were committed when it joined.
    pub(crate) joined: bool,
    /// The position in each segment that the server consumes. At the end of a sealed segment it is a report,
    /// anywhere else a request for entries.
    pub(crate) positions: Vec<(SegmentId, u64)>,
    /// The ids of the messages carried out since the last poll.
    pub(crate) finished: Vec<u64>,
}

/// A server's request to the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Report progress and get work.
    Poll(Poll),
    /// The winner of a commit uploads its copy.
    Upload(Stored),
    /// Download the stored copy.
    Download(SegmentId),
}

/// A request with its sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The server's index in the list of servers.
    pub(crate) server: usize,
    /// Counts the server's starts, from 1.
    pub(crate) incarnation: u64,
    pub(crate) ask: Ask,
}

/// Log entries for one consuming segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    pub(crate) segment: SegmentId,
    /// One past the segment's last offset. None until it is sealed.
    pub(crate) end: Option<u64>,
    /// Whether the entries reach that end, or that of the log.
    pub(crate) is_last: bool,
    /// Entries from the reported position on.
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// The answer to a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// The segments that are committed now. Only for a server that has not joined yet.
    pub(crate) boot: Option<Vec<SegmentId>>,
    /// All messages to this server that are neither held nor reported as done, oldest first.
    pub(crate) messages: Vec<Message>,
    pub(crate) batches: Vec<Batch>,
    /// The segments that this server has to upload as the winner of their commit.
    pub(crate) commit: Vec<SegmentId>,
}

/// The controller's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// Answers a poll.
    Work(Work),
    /// Answers a download.
    Copy(Stored),
    /// Answers any other request: received, with nothing to return.
    Noted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_nothing_else_does() {
        let id = SegmentId { partition: 3, seq: 14 };
        assert_eq!(id.name("my__acct"), "my__acct__3__14");
        assert_eq!(SegmentId::parse("my__acct", "my__acct__3__14"), Some(id));
        for other in ["acct__3__14", "my__acct__3", "my__acct__3__14__1", "my__acct__3__x", ""] {
            assert_eq!(SegmentId::parse("my__acct", other), None, "{other}");
        }
    }
}
