//! The answers of etcd's gateway. It leaves out what is zero, false or empty, so only what is never empty is
//! required: an answer of somebody else must not pass for an empty table.

use crate::target_error::TargetError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::Value as Json;

/// Bytes are base64.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let bytes = STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    String::from_utf8(bytes).map_err(D::Error::custom)
}

/// 64-bit numbers are strings.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    String::deserialize(from)?.parse().map_err(D::Error::custom)
}

/// What precedes the answers of a member. The revision counts the writes that it has kept.
#[derive(Deserialize)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub(super) revision: u64,
    #[serde(deserialize_with = "number")]
    pub(super) member_id: u64,
}

/// One key, which is one cell of a row.
#[derive(Clone, Deserialize)]
pub(super) struct Cell {
    #[serde(deserialize_with = "text")]
    pub(super) key: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) value: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) create_revision: u64,
    #[serde(deserialize_with = "number")]
    pub(super) mod_revision: u64,
    /// How often it was put. 0 in the event of a delete.
    #[serde(default, deserialize_with = "number")]
    pub(super) version: u64,
}

/// Reads keys.
pub(super) const RANGE: &str = "/v3/kv/range";

/// The answer of [`RANGE`]. The count is that of the whole range, whatever the limit.
#[derive(Deserialize)]
pub(super) struct Range {
    pub(super) header: Header,
    #[serde(default)]
    pub(super) kvs: Vec<Cell>,
    #[serde(default, deserialize_with = "number")]
    pub(super) count: u64,
}

/// `/v3/maintenance/status`.
#[derive(Deserialize)]
pub(super) struct MemberStatus {
    pub(super) header: Header,
    pub(super) version: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) leader: u64,
    #[serde(rename = "raftAppliedIndex", deserialize_with = "number")]
    pub(super) applied: u64,
    /// Its alarms, and whether it knows no leader.
    #[serde(default)]
    pub(super) errors: Vec<String>,
}

impl MemberStatus {
    /// Whether this member is the leader, as far as it knows.
    pub(super) fn leads(&self) -> bool {
        self.leader == self.header.member_id
    }
}

/// `/v3/cluster/member/list`.
#[derive(Deserialize)]
pub(super) struct MemberList {
    pub(super) members: Vec<ListedMember>,
}

/// A member, as the cluster lists it. One that has not started yet has neither name nor URLs.
#[derive(Deserialize)]
pub(super) struct ListedMember {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) name: String,
    #[serde(default, rename = "clientURLs")]
    pub(super) urls: Vec<String>,
    #[serde(default, rename = "isLearner")]
    pub(super) is_learner: bool,
}

/// A line of `/v3/watch`.
#[derive(Deserialize)]
pub(super) struct Watched {
    result: Option<WatchResult>,
    error: Option<Json>,
}

#[derive(Deserialize)]
struct WatchResult {
    #[serde(default)]
    events: Vec<WatchEvent>,
    #[serde(default)]
    canceled: bool,
    #[serde(default)]
    cancel_reason: String,
    #[serde(default, deserialize_with = "number")]
    compact_revision: u64,
}

#[derive(Deserialize)]
struct WatchEvent {
    kv: Cell,
}

impl Watched {
    /// The cells that its events put, in their order. Fails if the watch is over, with the reason.
    pub(super) fn cells(self, at: &str) -> Result<Vec<Cell>, TargetError> {
        let cause = match (self.result, self.error) {
            (Some(WatchResult { compact_revision: revision @ 1.., .. }), _) => format!(
                "what it kept before revision {revision} has been compacted and is gone; let no \
                 compaction happen during a run (`--auto-compaction-retention 0`)"
            ),
            (Some(WatchResult { canceled: true, cancel_reason, .. }), _) => cancel_reason,
            (Some(result), None) => return Ok(result.events.into_iter().map(|event| event.kv).collect()),
            (_, error) => error.unwrap_or_default().to_string(),
        };
        Err(TargetError::Refused { at: at.to_owned(), cause })
    }
}
