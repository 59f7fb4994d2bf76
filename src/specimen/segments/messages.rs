//! What controller and servers say to each other, and nothing more: two closed enums that the world of
//! virtual time delivers as they are and the processes post as JSON.

use crate::value::{Entry, shared};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Names a segment within the table. Ordered by partition, then sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SegmentId {
    /// The partition.
    pub(crate) partition: u32,
    /// The sequence number within the partition, from 0.
    pub(crate) seq: u32,
}

impl SegmentId {
    /// The segment's full name.
    pub(crate) fn name(self, table: &str) -> String {
        format!("{table}__{}__{}", self.partition, self.seq)
    }

    /// The segment of this full name.
    pub(crate) fn parse(table: &str, name: &str) -> Option<Self> {
        let (partition, seq) = name.strip_prefix(table)?.strip_prefix("__")?.split_once("__")?;
        Some(SegmentId { partition: partition.parse().ok()?, seq: seq.parse().ok()? })
    }

    /// The segment that follows it in its partition.
    pub(crate) fn next(self) -> Self {
        SegmentId { seq: self.seq + 1, ..self }
    }
}

/// The state of a segment on one server, as the controller knows it. No report means offline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Not there.
    #[default]
    Offline,
    /// Being consumed; also what a server reports that came too late to consume it.
    Consuming,
    /// Registered in its committed form.
    Online,
}

/// A change of a segment's state that the controller orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Begin to consume.
    OfflineToConsuming,
    /// Take the committed form: keep one's own rows if they are the same, else fetch.
    ConsumingToOnline,
    /// Load what was committed before this process came up.
    OfflineToOnline,
}

impl Transition {
    /// The state it leads to.
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
    /// One past its last offset.
    pub(crate) end: u64,
    /// The checksum of the stored copy.
    pub(crate) crc: u64,
}

/// An order to one server. Delivered with every answer until the server reports the new state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Ascending in order of creation, unique in the cluster.
    pub(crate) id: u64,
    /// The segment.
    pub(crate) segment: SegmentId,
    /// What to do.
    pub(crate) transition: Transition,
    /// When it was created, by the controller's clock, in nanoseconds.
    pub(crate) created: u64,
    /// The first offset of the segment.
    pub(crate) start: u64,
    /// How the segment is committed *now*, at delivery.
    pub(crate) committed: Option<Committed>,
}

/// A committed segment as it lies in the store and on disks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// The segment.
    pub(crate) segment: SegmentId,
    /// Its first offset.
    pub(crate) start: u64,
    /// The checksum of `rows`.
    pub(crate) crc: u64,
    /// One row an offset, from `start`.
    #[serde(with = "shared")]
    pub(crate) rows: Vec<Arc<Entry>>,
}

/// A server's periodic report, and its request for work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Poll {
    /// Whether the server knows already which segments were committed when it joined.
    pub(crate) joined: bool,
    /// The position in each segment that it consumes: a report at a sealed segment's end, else a wish.
    pub(crate) positions: Vec<(SegmentId, u64)>,
    /// The messages carried out since the last poll.
    pub(crate) finished: Vec<u64>,
}

/// What a server asks of the controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Report and get work.
    Poll(Poll),
    /// The winner of a commit hands in its copy.
    Upload(Stored),
    /// Fetch the stored copy.
    Download(SegmentId),
}

/// A server's call, with who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// The server's position in the list of servers.
    pub(crate) server: usize,
    /// Which life of the server this is.
    pub(crate) incarnation: u64,
    /// What it asks.
    pub(crate) ask: Ask,
}

/// Log entries for one consuming segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The segment.
    pub(crate) segment: SegmentId,
    /// One past the segment's last offset, once it is sealed.
    pub(crate) end: Option<u64>,
    /// Entries from the position that was reported.
    #[serde(with = "shared")]
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// The answer to a poll.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Work {
    /// The segments that are committed now; only for a server that has not joined yet.
    pub(crate) boot: Option<Vec<SegmentId>>,
    /// All orders to this server that are neither held nor reported as done, oldest first.
    pub(crate) messages: Vec<Message>,
    /// Entries.
    pub(crate) batches: Vec<Batch>,
    /// The segments whose commit this server has won and has yet to upload.
    pub(crate) commit: Vec<SegmentId>,
}

/// The controller's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// To a poll.
    Work(Work),
    /// To a download.
    Copy(Stored),
    /// To all else: heard, nothing to say.
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
