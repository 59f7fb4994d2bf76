//! Parses the lifecycle lines in a server's log with a table of templates. The sources are logs of 0.11.0 and
//! 1.5.1. For the releases between them, they are the sources of Apache Pinot (`ConsumerCoordinator`,
//! `RealtimeTableDataManager`, `BasePartitionUpsertMetadataManager`).
//!
//! A server's lines are in its program order, which is why they are read. Their times come from the server's
//! own clock and give no order.

use super::table::{parse_segment_name, realtime};
use serde_json::{Map, Value as Json};

/// A kind of line: the first release with it, the kind of its event, and its template. In a template `{name}`
/// stands for text without a blank and `{name*}` for any text; `{_}` is dropped. `segment`, `table`, `from`
/// and `to` have a meaning; other names become the event's detail.
type LineTemplate = ((u32, u32), &'static str, &'static str);

/// The server begins a session. The lines after this one belong to it.
pub(super) const SESSION: &str = "session";

/// A message was read, with its latency.
pub(super) const LATENCY: &str = "latency";

/// A transition is queued for execution.
pub(super) const SCHEDULED: &str = "transition-scheduled";

/// Keys of a consuming segment that its committed copy did not take over. The server dropped their metadata,
/// even though one of its segments holds their rows.
pub(super) const KEYS_NOT_REPLACED: &str = "keys-not-replaced";

const ANY_RELEASE: (u32, u32) = (0, 11);

const TEMPLATES: &[LineTemplate] = &[
    (ANY_RELEASE, SESSION, "Handle new session, instance: {_}, type: PARTICIPANT, session id: {session}."),
    (ANY_RELEASE, LATENCY, "The latency of message {message} is {latency_ms} ms"),
    (ANY_RELEASE, SCHEDULED, "Scheduling message {message}: {table}:{segment}, {from}->{to}"),
    (
        ANY_RELEASE,
        "transition-started",
        "handling message: {message} transit {table}.{segment}|{_} from:{from} to:{to}, relayedFrom: {_}",
    ),
    (
        ANY_RELEASE,
        "transition-finished",
        "Message: {message} (parent: {_}) handling task for {table}:{segment} completed at: {_}, \
         results: {result}. FrameworkTime: {framework_ms} ms; HandlerTime: {took_ms} ms",
    ),
    (
        ANY_RELEASE,
        "consume-start",
        "SegmentDataManager_{segment}] [{_*}] Starting consumption loop start offset {start}, \
         finalOffset {final}",
    ),
    (
        ANY_RELEASE,
        "consume-end",
        "SegmentDataManager_{segment}] [{_*}] Stopping consumption due to {reason*} - \
         numRowsConsumed={consumed} numRowsIndexed={rows}",
    ),
    (
        ANY_RELEASE,
        "consume-end",
        "SegmentDataManager_{segment}] [{_*}] Stopping consumption due to {reason*} nRows={limit} \
         numRowsIndexed={rows}, numRowsConsumed={consumed}",
    ),
    (ANY_RELEASE, "consume-end", "SegmentDataManager_{segment}] [{_*}] Caught up to offset {end}"),
    (
        ANY_RELEASE,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Downloading to replace segment while in state {state}",
    ),
    (
        ANY_RELEASE,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Could not catch up to offset (current = {position}). \
         Downloading to replace",
    ),
    (
        ANY_RELEASE,
        "downloading",
        "SegmentDataManager_{segment}] [{_*}] Current offset {position} ahead of the offset in zk {end}. \
         Downloading to replace",
    ),
    (
        (1, 0),
        "sealing",
        "SegmentDataManager_{segment}] [{_*}] Current offset {position} matches offset in zk {end}. \
         Replacing segment",
    ),
    ((1, 0), "sealing", "Replacing CONSUMING segment: {segment} with the one sealed locally"),
    ((1, 0), "downloading", "Downloading and replacing CONSUMING segment: {segment} with committed one"),
    ((1, 0), "downloading", "Downloading and loading segment: {segment}"),
    ((1, 0), "downloaded", "Downloaded and loaded segment: {segment} with CRC: {crc} on tier"),
    ((1, 0), "crc-same", "Segment: {segment} has CRC: {crc} same as before, not replacing it"),
    (
        ANY_RELEASE,
        "crc-changed",
        "segment:{segment} of table: {table} as crc changes from: {old_crc} to: {crc}",
    ),
    (
        ANY_RELEASE,
        "crc-changed",
        "Segment: {segment} of table: {table} has crc change from: {old_crc} to: {crc}",
    ),
    ((1, 0), "crc-changed", "Segment: {segment} has CRC changed from: {old_crc} to: {crc}"),
    (ANY_RELEASE, "registering", "Adding segment: {segment}, current primary key count: {keys}"),
    (ANY_RELEASE, "registered", "Finished adding segment: {segment}, current primary key count: {keys}"),
    (
        (1, 0),
        "registered",
        "Finished adding segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    ),
    (ANY_RELEASE, "replacing", "Replacing {old} segment: {segment}, current primary key count: {keys}"),
    (ANY_RELEASE, "replaced", "Finished replacing segment: {segment}, current primary key count: {keys}"),
    (
        (1, 0),
        "replaced",
        "Finished replacing segment: {segment} in {took_ms}ms, current primary key count: {keys}",
    ),
    (
        ANY_RELEASE,
        KEYS_NOT_REPLACED,
        "Found {keys} primary keys not replaced when replacing segment: {segment}",
    ),
    ((1, 5), KEYS_NOT_REPLACED, "Found {keys} primary keys not replaced for segment: {segment}. {_*}state"),
    ((1, 5), KEYS_NOT_REPLACED, "Found {keys} primary keys not replaced for segment: {segment}"),
    // The same in mode PROTECTED: the metadata is reset to its state before the segment.
    (
        (1, 5),
        "keys-reverting",
        "Inconsistencies noticed for the segment: {segment} across {_}, reverting the metadata",
    ),
    ((1, 5), "keys-reverted", "Successfully resolved inconsistency for segment: {segment} across servers"),
    (ANY_RELEASE, "removing", "Removing {old} segment: {segment}, current primary key count: {keys}"),
    ((1, 0), "removing", "Removing {removed} primary keys for segment: {segment}"),
    (
        (1, 1),
        "snapshot",
        "[{table}-{partition}-{_}] [{_*}] Taking snapshot for {registered_segments} segments",
    ),
    // The guard of 0.11.0. It is tested until it has opened once, and never again.
    (
        ANY_RELEASE,
        "gate",
        "Find unloaded segment: {segment}, table: {table}, expected: {expected}, actual: {actual}",
    ),
    (ANY_RELEASE, "gate", "All {seen*} for table: {table}"),
    ((1, 3), "skipped", "Segment: {segment} is already {state}, skipping adding it as CONSUMING segment"),
    (
        (1, 3),
        "skipped",
        "Segment: {segment} ({state}) already exists, skipping adding it as CONSUMING segment",
    ),
    // The guard since 1.4, for tables that enable it.
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
    ((1, 0), "gate", "SegmentDataManager_{segment}] [{_*}] {did} consumer semaphore"),
    ((1, 4), "gate", "Failed to acquire consumer semaphore for segment: {segment} in: {waited_ms}ms"),
];

/// A line that a template matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogEvent {
    pub(super) kind: &'static str,
    /// The server's clock in milliseconds, or 0 if the line has no time. A log has no time zone, so UTC is
    /// assumed.
    pub(super) node_ms: u64,
    pub(super) segment: Option<String>,
    pub(super) detail: Map<String, Json>,
}

/// Parses a line of a server of this release. None if it is irrelevant or about another table.
pub(super) fn parse_line(release: (u32, u32), table: &str, line: &str) -> Option<LogEvent> {
    let of_release = TEMPLATES.iter().filter(|(since, ..)| *since <= release);
    let mut read = of_release.filter_map(|(_, kind, template)| Some((*kind, captured(template, line)?)));
    let (kind, captures) = read.find(|(_, captures)| is_about(table, captures))?;
    let mut event = LogEvent { kind, node_ms: node_ms(line), segment: None, detail: Map::new() };
    let mut states = (None, None);
    for (name, text) in captures {
        match name {
            "_" | "table" => {}
            "segment" => event.segment = Some(text.to_owned()),
            "from" => states.0 = Some(text),
            "to" => states.1 = Some(text),
            name => drop(event.detail.insert(name.to_owned(), value(text))),
        }
    }
    if let Some(logger) = captured("[{logger}]", line) {
        event.detail.extend(logger.into_iter().map(|(name, text)| (name.to_owned(), value(text))));
    }
    if let (Some(from), Some(to)) = states {
        event.detail.insert("transition".to_owned(), transition(from, to).into());
    }
    Some(event)
}

/// Whether the table or segment that the line names, if any, belongs to this table.
fn is_about(table: &str, captures: &[(&str, &str)]) -> bool {
    captures.iter().all(|(name, text)| match *name {
        "table" => *text == realtime(table),
        "segment" => parse_segment_name(table, text).is_some(),
        _ => true,
    })
}

fn value(text: &str) -> Json {
    text.parse::<i64>().map_or_else(|_| text.into(), Json::from)
}

/// The text for each name of a template. None if the line does not match.
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

/// The time at the start of a line: `2026-11-22 02:09:10.209` or `2026/11/22 02:09:10.209`.
fn node_ms(line: &str) -> u64 {
    let time = line.get(..23).map(|time| time.replace('/', "-").replacen(' ', "T", 1));
    let time = time.and_then(|time| format!("{time}Z").parse::<jiff::Timestamp>().ok());
    time.and_then(|time| u64::try_from(time.as_millisecond()).ok()).unwrap_or(0)
}

/// The name of a transition as in plans, for example `offline-to-consuming`.
pub(super) fn transition(from: &str, to: &str) -> String {
    format!("{from}-to-{to}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a 0.11.0 server that was paused while two messages came, and was killed later.
    const LOG: &str = include_str!("answers/0.11.0/server.log");

    /// A line of each form that 1.5.1 writes. They are composed by hand with invented names and times.
    const LATER: &str = include_str!("answers/1.5.1/server.log");

    fn shown(release: (u32, u32), table: &str, line: &str) -> Option<String> {
        let LogEvent { kind, segment, mut detail, .. } = parse_line(release, table, line)?;
        let (logger, message) = (detail.remove("logger"), detail.remove("message"));
        assert!(logger.is_some(), "{line}");
        let about = segment.unwrap_or_default().replace("__20261122T0208Z", "");
        let message = message.as_ref().and_then(Json::as_str).map_or("", |message| &message[..4]);
        let detail = Json::Object(detail).to_string().replace('"', "");
        Some([kind, message, &about, &detail].join(" "))
    }

    #[test]
    fn a_real_log_is_understood() {
        let lines: Vec<String> = LOG.lines().filter_map(|line| shown((0, 11), "acct", line)).collect();
        let expected = "\
session   {session:10000fb98a1001c}
latency 82a3  {latency_ms:90}
transition-scheduled 82a3 acct__0__0 {transition:offline-to-consuming}
transition-started 82a3 acct__0__0 {transition:offline-to-consuming}
gate   {seen:segments loaded}
consume-start  acct__0__0 {final:null,start:0}
transition-finished 82a3 acct__0__0 {framework_ms:32,result:true,took_ms:3700}
latency e2e6  {latency_ms:13138}
transition-scheduled e2e6 acct__0__0 {transition:consuming-to-online}
transition-started e2e6 acct__0__0 {transition:consuming-to-online}
replacing  acct__0__0 {keys:8,old:mutable}
replaced  acct__0__0 {keys:8}
removing  acct__0__0 {keys:8,old:mutable}
transition-finished e2e6 acct__0__0 {framework_ms:14,result:true,took_ms:410}
latency 23cd  {latency_ms:16}
transition-scheduled 23cd acct__0__1 {transition:offline-to-consuming}
transition-started 23cd acct__0__1 {transition:offline-to-consuming}
consume-start  acct__0__1 {final:null,start:16}
transition-finished 23cd acct__0__1 {framework_ms:7,result:true,took_ms:221}
session   {session:10000fb98a10025}
gate  acct__0__0 {actual:OFFLINE,expected:ONLINE}
registering  acct__0__0 {keys:0}
registered  acct__0__0 {keys:8}
gate   {seen:segments loaded}
consume-start  acct__0__1 {final:null,start:16}";
        assert_eq!(lines.join("\n"), expected);
        let first = LOG.lines().next().expect("a line");
        let event = parse_line((0, 11), "acct", first).expect("understood");
        assert_eq!(
            (event.node_ms, node_ms("2026/11/22 02:08:35.093 INFO [a]")),
            (1_795_313_315_093, 1_795_313_315_093)
        );
    }

    #[test]
    fn a_log_of_today_is_understood() {
        let lines: Vec<Option<String>> = LATER.lines().map(|line| shown((1, 5), "acct", line)).collect();
        let expected = "\
gate  acct__0__1 {did:Acquired}
consume-end  acct__0__1 {consumed:500,limit:500,reason:row limit,rows:500}
gate  acct__0__1 {did:Releasing}
sealing  acct__0__1 {end:500,position:500}
sealing  acct__0__1 {}
replacing  acct__0__1 {keys:42,old:mutable}
downloading  acct__0__2 {end:56,position:66}
downloading  acct__0__2 {}
keys-not-replaced  acct__0__2 {keys:78}
keys-not-replaced  acct__0__2 {keys:5}
keys-reverting  acct__0__2 {}
removing  acct__0__2 {keys:25,old:mutable}
removing  acct__0__2 {removed:5}
keys-reverted  acct__0__2 {}
downloading  acct__0__0 {}
downloaded  acct__0__0 {crc:672309571}
crc-same  acct__0__0 {crc:672309571}
skipped  acct__0__0 {state:completed}";
        let lines: Vec<&str> = lines.iter().map(|line| line.as_deref().unwrap_or("not understood")).collect();
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn another_table_and_an_older_release_have_nothing_to_say() {
        let of = |table| LOG.lines().filter_map(|line| parse_line((0, 11), table, line)).collect::<Vec<_>>();
        assert!(of("acc").iter().all(|event| [SESSION, LATENCY].contains(&event.kind)), "{:?}", of("acc"));
        let line = "[acct_REALTIME-0-X] [main] Taking snapshot for 3 segments";
        assert_eq!(shown((0, 11), "acct", line), None);
    }

    /// A release, a line, and its meaning. The lines of 0.11.0 are real, except the one with checksums. The
    /// others follow the formats in the sources of 1.3 to 1.5.
    const OF_RELEASES: [((u32, u32), &str, &str); 11] = [
        (
            (0, 11),
            "2026-11-22 02:08:56.233 INFO [LLRealtimeSegmentDataManager_acct__0__0__20261122T0208Z] \
             [acct__0__0__20261122T0208Z] Stopping consumption due to force commit - \
             numRowsConsumed=16 numRowsIndexed=16",
            "consume-end  acct__0__0 {consumed:16,reason:force commit,rows:16}",
        ),
        (
            (0, 11),
            "2026-11-22 04:08:31.779 INFO [acct_REALTIME-0-ConcurrentMapPartitionUpsertMetadataManager] \
             [HelixTaskExecutor-message_handle_thread_12] Replacing immutable segment: \
             acct__0__0__20261122T0208Z, current primary key count: 42",
            "replacing  acct__0__0 {keys:42,old:immutable}",
        ),
        (
            (0, 11),
            "I [L] [t] Download segment:acct__0__1__20261122T0208Z of table: acct_REALTIME as crc \
             changes from: 672309571 to: 3546678190",
            "crc-changed  acct__0__1 {crc:3546678190,old_crc:672309571}",
        ),
        (
            (1, 3),
            "I [acct_REALTIME-R] [t] Segment: acct__0__1__20261122T0208Z is already committed, skipping \
             adding it as CONSUMING segment",
            "skipped  acct__0__1 {state:committed}",
        ),
        (
            (1, 4),
            "I [acct_REALTIME-R] [t] Segment: acct__0__1__20261122T0208Z is already completed, skipping \
             adding it as CONSUMING segment",
            "skipped  acct__0__1 {state:completed}",
        ),
        (
            (1, 3),
            "I [acct_REALTIME-0-M] [t] Taking snapshot for 3 segments",
            "snapshot   {partition:0,registered_segments:3}",
        ),
        (
            (1, 4),
            "I [acct_REALTIME-0-M] [t] Finished adding segment: acct__0__1__20261122T0208Z in 12ms, \
             current primary key count: 8",
            "registered  acct__0__1 {keys:8,took_ms:12}",
        ),
        (
            (1, 5),
            "I [ConsumerCoordinator] [t] Registering segment: acct__0__1__20261122T0208Z with sequence \
             number: 1. maxSequenceNumberRegistered: -1, firstTransitionProcessed: true, Difference in \
             sequence more than one: true",
            "gate  acct__0__1 {registered:-1,seq:1}",
        ),
        (
            (1, 4),
            "W [ConsumerCoordinator] [t] Waited on previous segment with sequence number: 0 for: \
             180000ms. Refreshing the previous segment sequence number for current segment: \
             acct__0__1__20261122T0208Z",
            "gate  acct__0__1 {waited_ms:180000,wanted:0}",
        ),
        (
            (1, 4),
            "I [RealtimeSegmentDataManager_acct__0__1__20261122T0208Z] [t] Current offset 66 ahead of \
             the offset in zk 56. Downloading to replace",
            "downloading  acct__0__1 {end:56,position:66}",
        ),
        (
            (1, 4),
            "W [acct_REALTIME-0-M] [t] Found 5 primary keys not replaced when replacing segment: \
             acct__0__1__20261122T0208Z for partial-upsert table. This can potentially cause",
            "keys-not-replaced  acct__0__1 {keys:5}",
        ),
    ];

    #[test]
    fn lines_of_each_release_are_understood() {
        for (release, line, expected) in OF_RELEASES {
            assert_eq!(shown(release, "acct", line).as_deref(), Some(expected), "{line}");
        }
    }
}
