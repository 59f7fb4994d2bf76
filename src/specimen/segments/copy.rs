//! A server's copy of a segment: in memory, on its disk, and as it is shown.

use super::messages::{SegmentId, Stored};
use crate::value::{Entry, checksum};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// How a server came by the rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// It reads them from the log now.
    Consuming,
    /// It read them from the log itself, and they are the committed ones.
    CommittedLocal,
    /// It fetched the committed copy.
    Downloaded,
}

/// A committed copy as a server keeps it on its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCopy {
    /// How the server came by it.
    pub(crate) state: CopyState,
    /// The rows.
    pub(crate) stored: Stored,
}

/// An answer that other systems could not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The answer.
    pub known: bool,
}

/// What a server holds of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cover {
    /// The segment's full name.
    pub segment: String,
    /// Its partition.
    pub partition: u32,
    /// Its sequence number.
    pub seq: u32,
    /// The first offset held.
    pub start: u64,
    /// One past the last offset held.
    pub end: u64,
    /// How the rows came.
    pub state: CopyState,
    /// Whether merges and reads can see them.
    pub registered: Observed,
    /// Names this copy, on this server, for ever.
    pub copy: u64,
    /// The number of rows.
    pub rows: u64,
}

/// All that a server holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Which life of the server this is.
    pub incarnation: u64,
    /// Always `running`, as in the incident.
    pub status: String,
    /// By partition, then sequence.
    pub covers: Vec<Cover>,
}

/// A segment on this server. It is here only when it is registered.
pub(crate) struct SegmentCopy {
    pub(crate) id: u64,
    pub(crate) state: CopyState,
    pub(crate) start: u64,
    pub(crate) rows: Vec<Arc<Entry>>,
    /// Whether consumption has reached the sealed end.
    pub(crate) complete: bool,
    /// Whether the winner's upload is on its way.
    pub(crate) uploading: bool,
}

impl SegmentCopy {
    pub(crate) fn new(id: u64, state: CopyState, start: u64, rows: Vec<Arc<Entry>>) -> Self {
        SegmentCopy { id, state, start, rows, complete: state != CopyState::Consuming, uploading: false }
    }

    /// One past the last offset held.
    pub(crate) fn position(&self) -> u64 {
        self.start + self.rows.len() as u64
    }

    /// The rows with offsets in `from..to`, and the document number of the first.
    pub(crate) fn slice(&self, from: u64, to: u64) -> (u64, &[Arc<Entry>]) {
        let from = from.clamp(self.start, self.position());
        let to = to.clamp(from, self.position());
        let first = from - self.start;
        (first, &self.rows[first as usize..(to - self.start) as usize])
    }

    pub(crate) fn cover(&self, id: SegmentId, table: &str) -> Cover {
        Cover {
            segment: id.name(table),
            partition: id.partition,
            seq: id.seq,
            start: self.start,
            end: self.position(),
            state: self.state,
            registered: Observed { known: true },
            copy: self.id,
            rows: self.rows.len() as u64,
        }
    }

    /// How far it goes, for the log.
    pub(crate) fn extent(&self) -> Json {
        json!({"end": self.position(), "rows": self.rows.len(), "complete": self.complete})
    }

    /// The same rows, to be uploaded or kept.
    pub(crate) fn stored(&self, segment: SegmentId) -> Stored {
        let (start, crc, rows) = (self.start, checksum(&self.rows), self.rows.clone());
        Stored { segment, start, crc, rows }
    }
}
