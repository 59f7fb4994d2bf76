//! The judge's conclusions on how far a wrong copy spread: who held whose copy when, and when the last
//! right one disappeared.

use super::explanation::EventPoint;
use crate::history::time::{Nanos, moment};
use serde::{Deserialize, Serialize};

/// How the wrong rows of a finding spread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Spread {
    /// Who was right and who was wrong at each capture that shows the rows, in time order.
    pub moments: Vec<SpreadMoment>,
    /// The commits of the segments with wrong rows.
    pub commits: Vec<Commit>,
    /// Copies of those segments that were replaced by another, in time order.
    pub replacements: Vec<Replacement>,
    /// The replicas that hold the last right copies; empty if no replica does, or if most do.
    pub last_right: Vec<String>,
    /// When the last right copy disappeared.
    pub last_right_gone: Option<LastRightGone>,
    /// What evidence is about to vanish.
    pub at_risk: Vec<Risk>,
    /// Which replicas show wrong rows of which key at the last capture that shows them; only the first keys.
    #[serde(default)]
    pub keys: Vec<KeyCopies>,
}

/// One key on the replicas that were compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KeyCopies {
    /// The key.
    pub key: String,
    /// The replicas with any wrong row of it, in roster order.
    pub wrong: Vec<String>,
    /// The replicas with right rows of it only.
    pub right: Vec<String>,
}

/// Who was right and who was wrong at one capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpreadMoment {
    /// The number of the capture.
    pub capture: u32,
    /// When it began.
    pub t: Nanos,
    /// The replicas with any wrong row, in roster order.
    pub wrong: Vec<String>,
    /// The replicas with right rows only.
    pub right: Vec<String>,
}

/// A commit of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Commit {
    /// The segment.
    pub segment: String,
    /// The replica whose copy became the committed one.
    pub winner: Option<String>,
    /// The offset at which it won.
    pub offset: Option<u64>,
    /// The replicas that had reported the same offset.
    pub at_equal_offset: Vec<String>,
    /// Whether the winner's copy was wrong; `None` if no capture shows it.
    pub wrong: Option<bool>,
    /// The authority's event; `None` if only the segment table shows the commit.
    pub event: Option<EventPoint>,
    /// When dissent first saw it committed, on the run's clock.
    pub t: Option<Nanos>,
}

/// A replica's copy that was replaced by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Replacement {
    /// The replica.
    pub replica: String,
    /// The segment.
    pub segment: String,
    /// When a capture first showed the new copy, on the run's clock.
    pub t: Nanos,
    /// Whether the old copy was wrong; `None` if no capture read it.
    pub wrong_before: Option<bool>,
    /// Whether the new copy is wrong.
    pub wrong_after: Option<bool>,
    /// The checksums that the replica logged: its own, and the committed copy's.
    pub checksums: Option<(String, String)>,
    /// The replica's own event, if it logged one.
    pub event: Option<EventPoint>,
}

/// The end of the last right copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastRightGone {
    /// The replicas that still showed a right copy at `last_seen`.
    pub replicas: Vec<String>,
    /// The last capture that shows a right copy, on the run's clock.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub last_seen: Nanos,
    /// The first capture that shows none.
    #[serde(with = "moment")]
    #[cfg_attr(feature = "schema", schemars(with = "moment::Moment"))]
    pub gone: Nanos,
}

/// Something that will destroy evidence or right copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum Risk {
    /// A segment with wrong rows is still open: its commit may pick a wrong copy and give it to all.
    NextCommit {
        /// The segment.
        segment: String,
    },
    /// A replica keeps a copy that differs from the committed one: a reload or a restart replaces it.
    Reload {
        /// The segment.
        segment: String,
        /// The replicas whose own copy would be replaced.
        replicas: Vec<String>,
    },
    /// The table may lack superseded rows: compaction removes them.
    Compaction,
    /// The log's retention: these entries are the only right source left.
    Retention {
        /// The lowest offset that is needed to build the right rows again.
        from: u64,
    },
}
