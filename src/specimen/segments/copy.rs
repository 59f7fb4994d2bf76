//! A server's copy of a segment: in memory, on disk, and as the server reports it.

use super::messages::{SegmentId, Stored};
use super::shared_work::SharedWork;
use crate::value::Entry;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How a server got the rows of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyState {
    /// The server is reading them from the log.
    Consuming,
    /// The server read them from the log itself, and they equal the committed rows.
    CommittedLocal,
    /// The server downloaded the committed copy.
    Downloaded,
}

/// A committed copy as a server keeps it on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredCopy {
    pub(crate) state: CopyState,
    pub(crate) stored: Stored,
}

/// A fact that other systems may be unable to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The answer. Always true, because a server holds only registered segments.
    pub known: bool,
}

/// What a server holds of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cover {
    /// The full name of the segment.
    pub segment: Arc<str>,
    /// The partition of the segment.
    pub partition: u32,
    /// The sequence number of the segment.
    pub seq: u32,
    /// The first offset held.
    pub start: u64,
    /// One past the last offset held.
    pub end: u64,
    /// How the server got the rows.
    pub state: CopyState,
    /// Whether merges and reads see the rows.
    pub registered: Observed,
    /// Identifies this copy on this server. Never reused.
    pub copy: u64,
    /// The number of rows held.
    pub rows: u64,
    /// The checksum of the rows, if they are committed.
    pub checksum: Option<u64>,
}

/// All segments that a server holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Counts the server's starts, from 1.
    pub incarnation: u64,
    /// Always `running`, as in the incident.
    pub status: String,
    /// Ordered by partition and sequence number.
    pub covers: Vec<Cover>,
}

/// A segment on this server. It exists only while it is registered.
pub(crate) struct SegmentCopy {
    pub(crate) id: u64,
    /// The full name of the segment.
    name: Arc<str>,
    pub(crate) state: CopyState,
    pub(crate) start: u64,
    pub(crate) rows: Vec<Arc<Entry>>,
    /// The checksum of the rows. None until they are committed.
    pub(crate) crc: Option<u64>,
    /// Whether consumption is over: at the sealed end, or beyond it.
    pub(crate) ended: bool,
    /// Whether consumption has ever reached the end of the log, or of the sealed segment.
    pub(crate) caught_up: bool,
    /// Whether this server, as the winner, has started its upload.
    pub(crate) uploading: bool,
}

impl SegmentCopy {
    pub(crate) fn new(
        (id, name): (u64, Arc<str>),
        state: CopyState,
        start: u64,
        rows: Vec<Arc<Entry>>,
    ) -> Self {
        let ended = state != CopyState::Consuming;
        SegmentCopy { id, name, state, start, rows, crc: None, ended, caught_up: false, uploading: false }
    }

    pub(crate) fn position(&self) -> u64 {
        self.start + self.rows.len() as u64
    }

    /// The rows with offsets in `from..to`, and the document number of the first row.
    pub(crate) fn slice(&self, from: u64, to: u64) -> (u64, &[Arc<Entry>]) {
        let from = from.clamp(self.start, self.position());
        let to = to.clamp(from, self.position());
        let first = from - self.start;
        (first, &self.rows[first as usize..(to - self.start) as usize])
    }

    pub(crate) fn cover(&self, id: SegmentId) -> Cover {
        Cover {
            segment: Arc::clone(&self.name),
            partition: id.partition,
            seq: id.seq,
            start: self.start,
            end: self.position(),
            state: self.state,
            registered: Observed { known: true },
            copy: self.id,
            rows: self.rows.len() as u64,
            checksum: self.crc,
        }
    }

    /// The end and the row count, as details of a lifecycle event. `complete`: up to the sealed end.
    pub(crate) fn extent(&self, complete: bool) -> Json {
        json!({"end": self.position(), "rows": self.rows.len(), "complete": complete})
    }

    /// The same rows in the form that is uploaded or kept on disk.
    pub(crate) fn stored(&self, segment: SegmentId, shared: &SharedWork) -> Stored {
        let crc = shared.lock().checksum(segment, &self.rows);
        let (start, rows) = (self.start, self.rows.clone());
        Stored { segment, start, crc, rows }
    }
}

/// Whether an earlier segment of the partition is still consumed. A partition that consumes beyond an end
/// has one consumer at a time, or the surplus rows would be merged twice.
pub(crate) fn consumes_before(copies: &BTreeMap<SegmentId, SegmentCopy>, id: SegmentId) -> bool {
    let mut earlier = copies.range(SegmentId { seq: 0, ..id }..id);
    earlier.any(|(_, copy)| copy.state == CopyState::Consuming)
}

/// Takes the position in a segment that is being consumed, unless a newer segment is consumed already.
pub(crate) fn reach(reached: &mut BTreeMap<u32, (SegmentId, u64)>, id: SegmentId, position: u64) {
    let newest = reached.entry(id.partition).or_insert((id, position));
    if newest.0 <= id {
        *newest = (id, position);
    }
}
