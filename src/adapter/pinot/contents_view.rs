//! The parts of a table that an audit compares, and what one server says that it holds of them.

use super::contents_shape::Shape;
use super::wire::{ConsumingInfo, SegmentMetadata};
use crate::adapter::contents::ChunkExtent;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A part of a table in one of its views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "view", rename_all = "kebab-case")]
pub(super) enum View {
    /// The documents of a segment.
    Raw {
        segment: String,
        /// How many there are; of one that was being consumed, how many every server had at the time of
        /// the plan.
        documents: u64,
        /// Whether it was being consumed then. What came in later is not read.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        consuming: bool,
    },
    /// The current rows of a partition, or of a range of its keys.
    Current {
        partition: u32,
        /// About how many there are.
        rows: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<KeyRange>,
    },
}

impl View {
    /// How much there is of it. Servers have a digest of a committed segment alone.
    pub(super) fn extent(&self) -> ChunkExtent {
        match self {
            View::Raw { documents, consuming, .. } => {
                ChunkExtent { rows: *documents, has_digest: !consuming }
            }
            View::Current { rows, .. } => ChunkExtent { rows: *rows, has_digest: false },
        }
    }
}

/// A range of one column of the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeyRange {
    pub(super) column: String,
    /// The lowest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// The lowest value above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) below: Option<String>,
}

impl KeyRange {
    pub(super) fn condition(&self, shape: &Shape) -> Option<String> {
        let at = shape.table.key.iter().position(|name| *name == self.column)?;
        let (cell, _) = &shape.key_cells[at];
        let bound = |value: &Option<String>, sign: &str| {
            Some(format!("\"{}\" {sign} {}", self.column, cell.constant(value.as_deref()?)?))
        };
        let bounds: Vec<String> =
            [bound(&self.from, ">="), bound(&self.below, "<")].into_iter().flatten().collect();
        (!bounds.is_empty()).then(|| bounds.join(" AND "))
    }
}

/// What one server says that it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// The checksum of each segment. None for one that it is consuming.
    pub(super) crcs: BTreeMap<String, Option<u64>>,
    pub(super) consuming: BTreeMap<String, ConsumingInfo>,
}

impl Held {
    /// How far it has consumed a segment. None if it has not got it.
    pub(super) fn copy(&self, segment: &str) -> Option<CopyHeld> {
        match self.crcs.get(segment)? {
            Some(_) => Some(CopyHeld::Committed),
            None => self.consuming.get(segment).map(|info| CopyHeld::Consuming(info.position)),
        }
    }
}

/// A server's copy of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CopyHeld {
    Committed,
    /// Up to this offset.
    Consuming(u64),
}

/// The offset up to which a server holds a partition without a gap, given its segments in order.
///
/// What lies behind a gap does not count. A server that consumes the third segment while it lacks the
/// second one has not consumed what the second one holds.
pub(super) fn covered(segments: &[(SegmentMetadata, Option<CopyHeld>)]) -> u64 {
    let mut at = 0;
    for (metadata, copy) in segments {
        match (copy, metadata.end) {
            (Some(CopyHeld::Committed), Some(end)) => at = end,
            (Some(CopyHeld::Consuming(position)), end) => {
                let end = end.unwrap_or(u64::MAX);
                at = (*position).min(end);
                if at < end {
                    break;
                }
            }
            // It is between two states, or the server has not got it.
            (Some(CopyHeld::Committed), None) | (None, _) => break,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(start: u64, end: Option<u64>) -> SegmentMetadata {
        SegmentMetadata { start, end, crc: None, created_ms: 0, docs: None }
    }

    #[test]
    fn a_position_ends_at_the_first_gap() {
        let (committed, at) = (Some(CopyHeld::Committed), |offset| Some(CopyHeld::Consuming(offset)));
        let of = |first, second, third| {
            covered(&[
                (metadata(0, Some(10)), first),
                (metadata(10, Some(20)), second),
                (metadata(20, None), third),
            ])
        };
        assert_eq!(of(committed, committed, at(27)), 27);
        assert_eq!(of(committed, None, at(27)), 10, "what it consumed behind the gap does not count");
        assert_eq!(of(committed, at(17), at(27)), 17);
        assert_eq!(of(committed, at(25), at(27)), 27, "it holds no more of a segment than the segment has");
        assert_eq!((of(None, None, None), of(committed, committed, None)), (0, 20));
        assert_eq!(covered(&[(metadata(5, None), committed)]), 0, "its end is not known yet");
    }

    #[test]
    fn bounds_say_which_view_they_are_of() {
        let raw = View::Raw { segment: "t__0__1__x".to_owned(), documents: 7, consuming: false };
        let text = serde_json::to_string(&raw).expect("JSON");
        assert_eq!(text, r#"{"view":"raw","segment":"t__0__1__x","documents":7}"#);
        let range = KeyRange { column: "k".to_owned(), from: None, below: Some("m".to_owned()) };
        let current = View::Current { partition: 0, rows: 5, range: Some(range) };
        let text = serde_json::to_string(&current).expect("JSON");
        assert_eq!(text, r#"{"view":"current","partition":0,"rows":5,"range":{"column":"k","below":"m"}}"#);
        for view in [raw, current] {
            let bounds = serde_json::to_value(&view).expect("JSON");
            assert_eq!(serde_json::from_value::<View>(bounds).ok(), Some(view));
        }
    }

    #[test]
    fn only_committed_segments_have_digests() {
        let raw = |consuming| View::Raw { segment: "t__0__1__x".to_owned(), documents: 7, consuming };
        assert_eq!(raw(false).extent(), ChunkExtent { rows: 7, has_digest: true });
        assert_eq!(raw(true).extent(), ChunkExtent { rows: 7, has_digest: false });
        let current = View::Current { partition: 0, rows: 5, range: None };
        assert_eq!(current.extent(), ChunkExtent { rows: 5, has_digest: false });
    }
}
