//! Parses Pinot's answers from bytes. A server can send anything, so this module is independent of sockets.

use crate::adapter::http::parse;
use crate::target_error::TargetError;
use dissent_core::history::canonical;
use dissent_core::history::schema::{Schema, Type, Value};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The value that a server reports as the checksum of a segment that it still consumes.
const NO_CRC: &str = "-9223372036854775808";

/// `GET /version`: the versions of Pinot's components, which are all the same.
pub(super) fn version(url: &str, body: &[u8]) -> Result<String, TargetError> {
    let parts: BTreeMap<String, String> = parse(url, body)?;
    let version = parts.values().filter_map(|version| version.split('-').next());
    // A component that was built without a version reports a text instead.
    let version =
        version.into_iter().find(|version| version.starts_with(|first: char| first.is_ascii_digit()));
    version.map(str::to_owned).ok_or_else(|| invalid_response(url, "no version at all"))
}

/// The first two numbers of a version.
pub(super) fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// `POST /tables/{t}/forceCommit`: empty on 0.11.0, a result on later releases.
pub(super) fn force_committed(url: &str, body: &[u8]) -> Result<(), TargetError> {
    if body.is_empty() {
        return Ok(());
    }
    let answer: BTreeMap<String, Json> = parse(url, body)?;
    match answer.get("forceCommitStatus").and_then(Json::as_str) {
        Some("SUCCESS") => Ok(()),
        status => {
            let cause = format!("the commit of its consuming segments: {}", status.unwrap_or("no word"));
            Err(TargetError::Refused { at: url.to_owned(), cause })
        }
    }
}

/// The first release that may refuse to commit the consuming segments of such a table.
const RESTRICTS_COMMITS: (u32, u32) = (1, 5);

/// The setting that decides about it.
const CONSISTENCY_MODE: &str = "pinot.server.consuming.segment.consistency.mode";

/// The value that forbids it, which is also the default.
const RESTRICTED: &str = "RESTRICTED";

/// Why consuming segments of partial upsert cannot be committed on request, by `GET /cluster/configs`. None
/// if they can be.
pub(super) fn refuses_commits(release: (u32, u32), configs: &BTreeMap<String, String>) -> Option<String> {
    let mode = configs.get(CONSISTENCY_MODE).map_or(RESTRICTED, String::as_str);
    (release >= RESTRICTS_COMMITS && mode.eq_ignore_ascii_case(RESTRICTED)).then(|| {
        format!(
            "its cluster config `{CONSISTENCY_MODE}` is {mode}, and so it does not commit segments of \
             partial upsert on request: leave `boundaries` out, and a run's segments end at a number of \
             rows; or set the config to PROTECTED or UNSAFE"
        )
    })
}

/// The error for a refused `POST /tables/{t}/forceCommit`, with advice.
pub(super) fn not_committed(release: (u32, u32), error: TargetError) -> TargetError {
    match error {
        TargetError::Refused { at, cause } if release >= RESTRICTS_COMMITS => {
            let cause = format!(
                "{cause} (from Pinot 1.5 on the cluster config `{CONSISTENCY_MODE}` decides whether \
                 consuming segments of partial upsert can be committed at will: RESTRICTED forbids it, \
                 PROTECTED and UNSAFE allow it)"
            );
            TargetError::Refused { at, cause }
        }
        error => error,
    }
}

/// The number of rows at which a consuming segment ends: `GET /segments/{t}/{s}/metadata`.
pub(super) fn full_rows(url: &str, body: &[u8]) -> Result<Option<u64>, TargetError> {
    let fields: BTreeMap<String, Json> = parse(url, body)?;
    let text = fields.get("segment.flush.threshold.size").and_then(Json::as_str);
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The bytes of a table on all servers: `GET /tables/{t}/size`. None if a server did not answer, which Pinot
/// reports as -1.
pub(super) fn table_size(body: &[u8]) -> Option<u64> {
    let told: Json = serde_json::from_slice(body).ok()?;
    told["reportedSizeInBytes"].as_u64()
}

/// The servers of each segment, with the state that each must reach: `GET /tables/{t}/idealstate`.
pub(super) type Assignment = BTreeMap<String, BTreeMap<String, String>>;

pub(super) fn ideal_state(url: &str, body: &[u8]) -> Result<Assignment, TargetError> {
    #[derive(Deserialize)]
    struct Halves {
        #[serde(rename = "REALTIME")]
        realtime: Option<Assignment>,
    }
    Ok(parse::<Halves>(url, body)?.realtime.unwrap_or_default())
}

/// What the coordination store knows of a segment: `GET /segments/{t}/{s}/metadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentMetadata {
    pub(super) start: u64,
    /// None while the segment is being consumed.
    pub(super) end: Option<u64>,
    pub(super) crc: Option<u64>,
    /// When the controller created the segment, in milliseconds of its clock; 0 if that is not shown.
    pub(super) created_ms: u64,
    /// The number of its documents. None while it is being consumed.
    pub(super) docs: Option<u64>,
}

pub(super) fn segment_metadata(url: &str, body: &[u8]) -> Result<SegmentMetadata, TargetError> {
    let fields: BTreeMap<String, Json> = parse(url, body)?;
    let number = |name: &str| match fields.get(name) {
        Some(Json::String(text)) => text.parse::<u64>().ok(),
        Some(Json::Number(number)) => number.as_u64(),
        _ => None,
    };
    let start =
        number("segment.realtime.startOffset").ok_or_else(|| invalid_response(url, "no start offset"))?;
    let done = fields.get("segment.realtime.status").and_then(Json::as_str) == Some("DONE");
    let end = number("segment.realtime.endOffset").filter(|_| done);
    let created_ms = number("segment.creation.time").unwrap_or(0);
    let of_done = |name: &str| number(name).filter(|_| done);
    Ok(SegmentMetadata {
        start,
        end,
        crc: of_done("segment.crc"),
        created_ms,
        docs: of_done("segment.total.docs"),
    })
}

/// A server's checksums by segment, from its `GET /tables/{t}/segments/crc`. None for a segment that is being
/// consumed.
pub(super) fn crcs(url: &str, body: &[u8]) -> Result<BTreeMap<String, Option<u64>>, TargetError> {
    let all: BTreeMap<String, String> = parse(url, body)?;
    let crc = |text: String| match text.as_str() {
        NO_CRC => Ok(None),
        text => {
            text.parse().map(Some).map_err(|_| invalid_response(url, &format!("`{text}` is not a checksum")))
        }
    };
    all.into_iter().map(|(segment, text)| Ok((segment, crc(text)?))).collect()
}

/// How far a server has consumed a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConsumingInfo {
    /// The next offset.
    pub(super) position: u64,
    /// The server's own name for its state.
    pub(super) state: String,
}

/// A server's consuming segments, from its `GET /tables/{t}/consumingSegmentsInfo`.
pub(super) fn consuming(url: &str, body: &[u8]) -> Result<BTreeMap<String, ConsumingInfo>, TargetError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Info {
        segment_name: String,
        consumer_state: String,
        partition_to_offset_map: BTreeMap<String, Json>,
    }
    let infos: Vec<Info> = parse(url, body)?;
    let told = infos.into_iter().map(|info| {
        let position = info.partition_to_offset_map.values().next().and_then(|offset| match offset {
            Json::String(text) => text.parse().ok(),
            offset => offset.as_u64(),
        });
        let position =
            position.ok_or_else(|| invalid_response(url, "a consuming segment without an offset"))?;
        Ok((info.segment_name, ConsumingInfo { position, state: info.consumer_state }))
    });
    told.collect()
}

/// The `simpleFields` of a record in the coordination store: `GET /zk/get`.
pub(super) fn simple_fields(url: &str, body: &[u8]) -> Result<BTreeMap<String, String>, TargetError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Record {
        #[serde(default)]
        simple_fields: BTreeMap<String, String>,
    }
    Ok(parse::<Record>(url, body)?.simple_fields)
}

/// A server's session with the coordination store, a hexadecimal number. It serves as the incarnation.
pub(super) fn session(url: &str, body: &[u8]) -> Result<u64, TargetError> {
    let fields = simple_fields(url, body)?;
    let session = fields.get("SESSION_ID").and_then(|id| u64::from_str_radix(id, 16).ok());
    session.ok_or_else(|| invalid_response(url, "no session"))
}

/// The host name in a server's rows. It registers as `process@host`.
pub(super) fn live_host(url: &str, body: &[u8]) -> Result<String, TargetError> {
    let fields = simple_fields(url, body)?;
    let host = fields.get("LIVE_INSTANCE").and_then(|live| live.rsplit_once('@')).map(|(_, host)| host);
    host.map(str::to_owned).ok_or_else(|| invalid_response(url, "a server without a host"))
}

/// A message of the coordination service to a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Message {
    pub(super) id: String,
    /// The whole record, for writing it back.
    #[serde(skip)]
    pub(super) record: Json,
    #[serde(rename = "simpleFields")]
    pub(super) fields: BTreeMap<String, String>,
}

impl Message {
    /// A field of the record; empty if it is missing.
    pub(super) fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// A server's messages: `GET /zk/getChildren`.
pub(super) fn messages(url: &str, body: &[u8]) -> Result<Vec<Message>, TargetError> {
    let records: Vec<Json> = parse(url, body)?;
    let messages = records.into_iter().map(|record| {
        let message =
            Message::deserialize(&record).map_err(|error| invalid_response(url, &error.to_string()))?;
        Ok(Message { record, ..message })
    });
    messages.collect()
}

/// The latest transition that a server finished for a segment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct LastTransition {
    #[serde(default)]
    pub(super) previous_state: String,
    pub(super) current_state: String,
    /// In milliseconds of the server's own clock.
    #[serde(default)]
    pub(super) start_time: String,
    #[serde(default)]
    pub(super) end_time: String,
}

/// The states that a server reports for its segments: `mapFields` of its `CURRENTSTATES`. A segment without a
/// state is left out.
pub(super) fn current_states(
    url: &str,
    body: &[u8],
) -> Result<BTreeMap<String, LastTransition>, TargetError> {
    #[derive(Deserialize)]
    struct Record {
        #[serde(rename = "mapFields", default)]
        fields: BTreeMap<String, Json>,
    }
    let record: Record = parse(url, body)?;
    let states = record.fields.into_iter();
    Ok(states
        .filter_map(|(segment, fields)| Some((segment, LastTransition::deserialize(fields).ok()?)))
        .collect())
}

/// The job that reloads a segment, parsed from the message of `POST /segments/{t}/{s}/reload`.
pub(super) fn reload_job(url: &str, body: &[u8]) -> Result<String, TargetError> {
    #[derive(Deserialize)]
    struct Answer {
        status: String,
    }
    let Answer { status } = parse(url, body)?;
    let job = status.split_once("job id: ").and_then(|(_, rest)| rest.split([',', '"', ' ']).next());
    job.map(str::to_owned).ok_or_else(|| invalid_response(url, &format!("no job in `{status}`")))
}

/// Whether every replica has reloaded: `GET /segments/segmentReloadStatus/{job}`.
pub(super) fn is_reloaded(url: &str, body: &[u8]) -> Result<bool, TargetError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        total_segment_count: u32,
        success_count: u32,
    }
    let Status { total_segment_count, success_count } = parse(url, body)?;
    Ok(success_count >= total_segment_count)
}

/// A message in the topic: an entry's content as the workload's table expects it, without nulls.
pub(super) fn message(schema: &Schema, key: &str, op: u64, cmp: i64, cols: &[Value]) -> Json {
    let named = schema.columns.iter().zip(cols).filter(|(_, value)| **value != Value::Null);
    let mut fields: serde_json::Map<String, Json> = named
        .map(|(column, value)| {
            let value = serde_json::to_value(value).unwrap_or_default();
            let instant = value.as_str().filter(|_| column.ty == Type::Timestamp).map(java_instant);
            (column.name.clone(), instant.map_or(value, Json::String))
        })
        .collect();
    fields.insert(schema.key.clone(), key.into());
    fields.insert(schema.op.clone(), op.cast_signed().into());
    fields.insert(schema.comparison.clone(), cmp.into());
    Json::Object(fields)
}

/// Parses what [`message`] made: key, op, comparison value, and one value per column.
pub(super) fn entry(
    schema: &Schema,
    at: &str,
    value: &[u8],
) -> Result<(String, u64, i64, Vec<Value>), TargetError> {
    let mut fields: BTreeMap<String, Value> = parse(at, value)?;
    let mut own = |name: &str| fields.remove(name).ok_or_else(|| invalid_response(at, &format!("no {name}")));
    let (key, op, cmp) = (own(&schema.key)?, own(&schema.op)?, own(&schema.comparison)?);
    let (Value::String(key), Value::Long(op), Value::Long(cmp)) = (key, op, cmp) else {
        return Err(invalid_response(at, "not a message of this run"));
    };
    let columns = schema.columns.iter();
    let cols = columns.map(|column| match fields.remove(&column.name).unwrap_or_default() {
        Value::String(text) if column.ty == Type::Timestamp => {
            let instant = canonical::value(Type::Timestamp, &format!("{text}Z"));
            instant.unwrap_or(Value::String(text))
        }
        value => value,
    });
    Ok((key.to_string(), op.cast_unsigned(), cmp, cols.collect()))
}

/// An instant as Java reads it: without a zone. Pinot drops an event with any other text.
fn java_instant(instant: &str) -> String {
    instant.trim_end_matches('Z').replace('T', " ")
}

/// Whether an error says that the thing does not exist, rather than that something failed.
pub(super) fn is_absent(error: &TargetError) -> bool {
    matches!(error, TargetError::Refused { cause, .. } if cause.starts_with("404"))
}

pub(super) fn invalid_response(at: &str, cause: &str) -> TargetError {
    TargetError::InvalidResponse { at: at.to_owned(), cause: cause.to_owned() }
}

/// Answers recorded from a cluster of 0.11.0.
#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! recorded {
        ($name:literal) => {
            include_bytes!(concat!("answers/0.11.0/", $name, ".json"))
        };
    }

    const SEGMENT: &str = "acct__0__0__20261122T0208Z";
    const NEXT: &str = "acct__0__1__20261122T0208Z";

    #[test]
    fn the_version_decides_what_a_table_can_merge() {
        assert_eq!(version("", recorded!("version")).expect("a version"), "0.11.0");
        assert!(release("0.11.0") < release("1.1.0") && release("1.1.0") < release("1.10.2"));
        assert!(version("", b"{}").is_err() && version("", b"[").is_err());
    }

    #[test]
    fn segments_their_servers_and_positions_are_read() {
        let assignment = ideal_state("", recorded!("idealstate")).expect("segments");
        assert_eq!(assignment[SEGMENT]["Server_pinot-s4_8101"], "CONSUMING");
        assert_eq!(ideal_state("", br#"{"OFFLINE":{},"REALTIME":null}"#).expect("none").len(), 0);
        let done = segment_metadata("", recorded!("segment_metadata_done")).expect("metadata");
        let created_ms = 1_795_311_857_513;
        assert_eq!(
            done,
            SegmentMetadata { start: 0, end: Some(16), crc: Some(1_580_140_690), created_ms, docs: Some(16) }
        );
        assert_eq!(full_rows("", recorded!("segment_metadata_consuming")).expect("metadata"), Some(500_000));
        let open = segment_metadata("", recorded!("segment_metadata_consuming")).expect("metadata");
        assert_eq!(
            open,
            SegmentMetadata { start: 16, end: None, crc: None, created_ms: open.created_ms, docs: None }
        );
        assert!(open.created_ms > created_ms);
        let crcs = crcs("", recorded!("segments_crc")).expect("checksums");
        assert_eq!((crcs[SEGMENT], crcs[NEXT]), (Some(1_794_246_803), None));
        let consuming = consuming("", recorded!("consumingSegmentsInfo")).expect("positions");
        assert_eq!(consuming[SEGMENT], ConsumingInfo { position: 16, state: "CONSUMING".to_owned() });
    }

    #[test]
    fn a_server_and_its_messages_are_read() {
        let live = recorded!("live_instance");
        assert_eq!(live_host("", live).expect("a host"), "pinot-s1");
        assert_eq!(session("", live).expect("a session"), 0x0100_00fb_98a1_001c);
        let messages = messages("", recorded!("messages")).expect("messages");
        let consume = |message: &&Message| message.fields.get("TO_STATE").is_some_and(|to| to == "CONSUMING");
        let of: Vec<&String> =
            messages.iter().filter(consume).map(|it| &it.fields["PARTITION_NAME"]).collect();
        assert!(of.iter().any(|segment| *segment == NEXT), "{of:?}");
        assert_eq!(messages[0].record["simpleFields"]["MSG_STATE"], "new");
        let states = current_states("", recorded!("currentstates")).expect("states");
        let LastTransition { previous_state, current_state, start_time, end_time } = &states[SEGMENT];
        assert_eq!((previous_state.as_str(), current_state.as_str()), ("OFFLINE", "CONSUMING"));
        assert!(start_time < end_time, "{start_time} {end_time}");
    }

    #[test]
    fn a_segment_is_loaded_again_once_every_replica_says_so() {
        let job = reload_job("", recorded!("reload")).expect("a job");
        assert_eq!(job, "668c82dd-7f0c-4a5d-9754-d42293dc54bb");
        assert!(reload_job("", br#"{"status":"no such segment"}"#).is_err());
        assert!(is_reloaded("", recorded!("reload_status")).expect("a status"));
        assert!(!is_reloaded("", br#"{"totalSegmentCount":4,"successCount":3}"#).expect("a status"));
    }

    /// These releases are harder to install. Their answers follow the sources of Apache Pinot:
    /// `SegmentConsumerInfo` (pinot-common) and `PinotRealtimeTableResource.forceCommit` (pinot-controller).
    /// The text of the refusal, which comes as an internal error, is that of `PinotLLCRealtimeSegmentManager`
    /// as of pull requests 17251 and 17458.
    #[test]
    fn a_release_of_today_commits_nothing_on_request_unless_it_is_told_to() {
        let mode = |mode: &str| BTreeMap::from([(CONSISTENCY_MODE.to_owned(), mode.to_owned())]);
        for (release, configs, refuses) in [
            ((0, 11), BTreeMap::new(), false),
            ((1, 4), mode("RESTRICTED"), false),
            ((1, 5), BTreeMap::new(), true),
            ((1, 5), mode("restricted"), true),
            ((1, 5), mode("PROTECTED"), false),
            ((1, 6), mode("UNSAFE"), false),
        ] {
            assert_eq!(refuses_commits(release, &configs).is_some(), refuses, "{release:?} {configs:?}");
        }
    }

    #[test]
    fn later_releases_say_more_and_mean_the_same() {
        macro_rules! of {
            ($name:literal) => {
                include_bytes!(concat!("answers/", $name, ".json"))
            };
        }
        assert_eq!(version("", of!("1.4.0/version")).expect("a version"), "1.4.0");
        let consuming = consuming("", of!("1.4.0/consumingSegmentsInfo")).expect("positions");
        assert_eq!(consuming[NEXT], ConsumingInfo { position: 20, state: "CONSUMING".to_owned() });
        assert!(force_committed("", b"").is_ok() && force_committed("", of!("1.4.0/force_commit")).is_ok());
        assert!(force_committed("", br#"{"forceCommitStatus":"FAILED"}"#).is_err());
        assert!(force_committed("", b"<html>").is_err());
        let cause = String::from_utf8_lossy(of!("1.5.1/force_commit_refused"));
        let refused = |release| {
            let error = TargetError::Refused { at: "Pinot".to_owned(), cause: format!("500: {cause}") };
            not_committed(release, error).to_string()
        };
        let answer = refused((1, 5));
        assert!(
            answer.contains("Force commit is not allowed") && answer.contains(CONSISTENCY_MODE),
            "{answer}"
        );
        assert!(!refused((1, 4)).contains(CONSISTENCY_MODE));
    }
}
