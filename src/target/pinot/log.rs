//! What a server writes about its own life in its log, if the target file says where that lies: followed from
//! where it was left, and understood by a table of templates. Sources: logs of 0.11.0; for later releases the
//! sources of Apache Pinot (`ConsumerCoordinator`, `RealtimeTableDataManager`,
//! `BasePartitionUpsertMetadataManager`).
//!
//! A server's lines lie in its program order, which is what they are read for. Their times are its own
//! clock's, and order nothing.

use super::table::{place, realtime};
use serde_json::{Map, Value as Json};
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use tokio::fs::{File, metadata};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

/// The most that one look reads; what is left comes with the next one.
const LOOK_BYTES_MAX: u64 = 4 << 20;

/// A longer line is none of ours.
const LINE_BYTES_MAX: usize = 64 << 10;

/// A log that is followed.
pub(super) struct Tail {
    path: PathBuf,
    /// The open file and its number: what was renamed is read to its end.
    file: Option<(File, u64)>,
    /// How far it is read.
    at: u64,
    /// The beginning of a line that is not yet written to its end.
    rest: Vec<u8>,
    /// Whether the line that is being read began before what we saw.
    in_mid_line: bool,
}

impl Tail {
    pub(super) fn of(path: PathBuf) -> Tail {
        Tail { path, file: None, at: 0, rest: Vec::new(), in_mid_line: false }
    }

    /// The lines that came since the last look; the first one looks back a bounded way.
    pub(super) async fn lines(&mut self) -> std::io::Result<Vec<String>> {
        let mut lines = Vec::new();
        if self.file.is_none() {
            let length = self.open().await?;
            self.at = length.saturating_sub(LOOK_BYTES_MAX);
            self.in_mid_line = self.at > 0;
        }
        let is_read = self.read(&mut lines).await?;
        if is_read && self.is_another().await {
            self.open().await?;
            self.read(&mut lines).await?;
        }
        Ok(lines)
    }

    /// Opens what lies at the path now, from its beginning; its length.
    async fn open(&mut self) -> std::io::Result<u64> {
        let file = File::open(&self.path).await?;
        let known = file.metadata().await?;
        self.file = Some((file, known.ino()));
        (self.at, self.in_mid_line) = (0, false);
        self.rest.clear();
        Ok(known.len())
    }

    /// Whether the path leads to another file by now, or ours was cut short: a log that is rotated.
    async fn is_another(&self) -> bool {
        let Ok(known) = metadata(&self.path).await else { return false };
        let ours = self.file.as_ref().map(|(_, number)| *number);
        ours != Some(known.ino()) || known.len() < self.at
    }

    /// Reads on; whether the end was reached.
    async fn read(&mut self, lines: &mut Vec<String>) -> std::io::Result<bool> {
        let Some((file, _)) = &mut self.file else { return Ok(true) };
        file.seek(SeekFrom::Start(self.at)).await?;
        let mut bytes = Vec::new();
        file.take(LOOK_BYTES_MAX).read_to_end(&mut bytes).await?;
        self.at += bytes.len() as u64;
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            if !self.in_mid_line {
                self.rest.extend_from_slice(piece);
            }
            if whole && !self.in_mid_line {
                lines.push(String::from_utf8_lossy(&self.rest).trim_end().to_owned());
            }
            if whole || self.rest.len() > LINE_BYTES_MAX {
                self.rest.clear();
                self.in_mid_line = !whole;
            }
        }
        Ok((bytes.len() as u64) < LOOK_BYTES_MAX)
    }
}

/// A kind of line: from which release on, what it is called, and how it reads. In a template `{name}` stands
/// for text without a blank, `{name*}` for any; `{_}` is not kept. `segment`, `table`, `from` and `to` are
/// understood, the rest becomes the record's detail.
type Line = ((u32, u32), &'static str, &'static str);

/// The server begins a life: what comes after this line belongs to it.
pub(super) const SESSION: &str = "session";

/// A message was read, so long after it was sent.
pub(super) const LATENCY: &str = "latency";

/// A transition lies in the pool of those that are to be worked on.
pub(super) const SCHEDULED: &str = "transition-scheduled";

const OLD: (u32, u32) = (0, 11);

const LINES: &[Line] = &[
    (OLD, SESSION, "Handle new session, instance: {_}, type: PARTICIPANT, session id: {session}."),
    (OLD, LATENCY, "The latency of message {message} is {latency_ms} ms"),
    (OLD, SCHEDULED, "Scheduling message {message}: {table}:{segment}, {from}->{to}"),
    (
        OLD,
        "transition-started",
        "handling message: {message} transit {table}.{segment}|{_} from:{from} to:{to}, relayedFrom: {_}",
    ),
    (
        OLD,
        "transition-finished",
        "Message: {message} (parent: {_}) handling task for {table}:{segment} completed at: {_}, \
         results: {result}. FrameworkTime: {framework_ms} ms; HandlerTime: {took_ms} ms",
    ),
    (
        OLD,
        "consume-start",
        "SegmentDataManager_{segment}] [{_*}] Starting consumption loop start offset {start}, \
         finalOffset {final}",
    ),
    (
        OLD,
        "consume-end",
        "SegmentDataManager_{segment}] [{_*}] Stopping consumption due to {reason*} - \
         numRowsConsumed={consumed} numRowsIndexed={rows}",
    ),
    (OLD, "consume-end", "SegmentDataManager_{segment}] [{_*}] Caught up to offset {end}"),
    (
        OLD,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Downloading to replace segment while in state {state}",
    ),
    (
        OLD,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Could not catch up to offset (current = {position}). \
         Downloading to replace",
    ),
    (
        OLD,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Current offset {position} ahead of the offset in zk {end}. \
         Downloading to replace",
    ),
    (OLD, "crc-changed", "segment:{segment} of table: {table} as crc changes from: {old_crc} to: {crc}"),
    (OLD, "crc-changed", "Segment: {segment} of table: {table} has crc change from: {old_crc} to: {crc}"),
    ((1, 0), "crc-changed", "Segment: {segment} has CRC changed from: {old_crc} to: {crc}"),
    (OLD, "registering", "Adding segment: {segment}, current primary key count: {keys}"),
    (OLD, "registered", "Finished adding segment: {segment}, current primary key count: {keys}"),
    (
        (1, 0),
        "registered",
        "Finished adding segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    ),
    (OLD, "replacing", "Replacing {old} segment: {segment}, current primary key count: {keys}"),
    (OLD, "replaced", "Finished replacing segment: {segment}, current primary key count: {keys}"),
    (
        (1, 0),
        "replaced",
        "Finished replacing segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    ),
    (OLD, "keys-not-replaced", "Found {keys} primary keys not replaced when replacing segment: {segment}"),
    (
        (1, 1),
        "snapshot",
        "[{table}-{partition}-{_}] [{_*}] Taking snapshot for {registered_segments} segments",
    ),
    // The guard of 0.11.0: it is asked until it is open once, and then never again.
    (OLD, "gate", "Find unloaded segment: {segment}, table: {table}, expected: {expected}, actual: {actual}"),
    (OLD, "gate", "All {released_by*} for table: {table}"),
    ((1, 3), "skipped", "Segment: {segment} is already {state}, skipping adding it as CONSUMING segment"),
    (
        (1, 3),
        "skipped",
        "Segment: {segment} ({state}) already exists, skipping adding it as CONSUMING segment",
    ),
    // The guard of 1.4 on, where a table asks for it.
    (
        (1, 4),
        "gate",
        "Registering segment: {segment} with sequence number: {seq}. \
         maxSequenceNumberRegistered: {registered}",
    ),
    (
        (1, 4),
        "gate",
        "Fetched previous segment sequence number: {wanted} to current segment: {segment} in: {took_ms}ms",
    ),
    (
        (1, 4),
        "gate",
        "Waited on previous segment with sequence number: {wanted} for: {waited_ms}ms. Refreshing the \
         previous segment sequence number for current segment: {segment}",
    ),
    ((1, 4), "gate", "Failed to acquire consumer semaphore for segment: {segment} in: {waited_ms}ms"),
];

/// A line that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    pub(super) kind: &'static str,
    /// The server's clock; 0 if the line does not begin with one. A log tells no zone, so it is taken for UTC.
    pub(super) node_ms: u64,
    pub(super) segment: Option<String>,
    pub(super) detail: Map<String, Json>,
}

/// What a line says of a table, at a server of this release; none if nothing that is of use here.
pub(super) fn understood(release: (u32, u32), table: &str, line: &str) -> Option<Said> {
    let of_release = LINES.iter().filter(|(since, ..)| *since <= release);
    let mut read = of_release.filter_map(|(_, kind, template)| Some((*kind, captured(template, line)?)));
    let (kind, captures) = read.find(|(_, captures)| is_about(table, captures))?;
    let mut said = Said { kind, node_ms: node_ms(line), segment: None, detail: Map::new() };
    let mut transition = (None, None);
    for (name, text) in captures {
        match name {
            "_" | "table" => {}
            "segment" => said.segment = Some(text.to_owned()),
            "from" => transition.0 = Some(text),
            "to" => transition.1 = Some(text),
            name => drop(said.detail.insert(name.to_owned(), value(text))),
        }
    }
    if let Some(logger) = captured("[{logger}]", line) {
        said.detail.extend(logger.into_iter().map(|(name, text)| (name.to_owned(), value(text))));
    }
    if let (Some(from), Some(to)) = transition {
        said.detail.insert("transition".to_owned(), super::lifecycle::transition(from, to).into());
    }
    Some(said)
}

/// Another table's lines, and other partitions' of none, are not ours.
fn is_about(table: &str, captures: &[(&str, &str)]) -> bool {
    captures.iter().all(|(name, text)| match *name {
        "table" => *text == realtime(table),
        "segment" => place(table, text).is_some(),
        _ => true,
    })
}

fn value(text: &str) -> Json {
    text.parse::<i64>().map_or_else(|_| text.into(), Json::from)
}

/// What stands in a line for each name of a template, if it is a line of this kind.
fn captured<'t, 'l>(template: &'t str, line: &'l str) -> Option<Vec<(&'t str, &'l str)>> {
    let (first, mut left) = template.split_once('{')?;
    let mut text = &line[line.find(first)? + first.len()..];
    let mut captures = Vec::new();
    loop {
        let (name, after) = left.split_once('}')?;
        let (literal, next) =
            after.split_once('{').map_or((after, None), |(literal, next)| (literal, Some(next)));
        let end = match literal {
            "" => text.find([' ', ',', ';']).unwrap_or(text.len()),
            literal => text.find(literal)?,
        };
        let found = &text[..end];
        let is_free = name.ends_with('*');
        if found.is_empty() || (!is_free && found.contains(' ')) {
            return None;
        }
        captures.push((name.trim_end_matches('*'), found));
        text = &text[end + literal.len()..];
        match next {
            Some(next) => left = next,
            None => return Some(captures),
        }
    }
}

/// `2026-11-22 02:09:10.209` or `2026/11/22 02:09:10.209`, with which lines begin.
fn node_ms(line: &str) -> u64 {
    let time = line.get(..23).map(|time| time.replace('/', "-").replacen(' ', "T", 1));
    let time = time.and_then(|time| format!("{time}Z").parse::<jiff::Timestamp>().ok());
    time.and_then(|time| u64::try_from(time.as_millisecond()).ok()).unwrap_or(0)
}
