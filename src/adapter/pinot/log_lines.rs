//! Parses the lifecycle lines in a node's log with a table of templates.
//!
//! A node's lines are in its program order, which is why they are read. Their times come from the node's own
//! clock and give no order.

use super::log_templates::{LineTemplate, PinotRelease};
use super::table::{parse_segment_name, realtime};
use serde_json::{Map, Value as Json};

/// A line that a template matches.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LogEvent {
    pub(super) kind: &'static str,
    /// The node's clock in milliseconds, or 0 if the line has no time. A log has no time zone, so UTC is
    /// assumed.
    pub(super) node_ms: u64,
    /// The thread that logged it, if the line has one in Pinot's own layout.
    pub(super) thread: Option<String>,
    pub(super) segment: Option<String>,
    pub(super) detail: Map<String, Json>,
}

/// Parses a line of a node of this release. None if it is irrelevant or about another table.
pub(super) fn parse_line(
    templates: &[LineTemplate],
    release: PinotRelease,
    table: &str,
    line: &str,
) -> Option<LogEvent> {
    let of_release = templates.iter().filter(|template| template.is_of(release));
    let mut read = of_release.filter_map(|template| Some((template, captured(template.text, line)?)));
    let (template, captures) = read.find(|(_, captures)| is_about(table, captures))?;
    let thread = captured("[{logger}] [{thread}]", line);
    let thread = thread.and_then(|named| named.into_iter().find(|(name, _)| *name == "thread"));
    let mut event = LogEvent {
        kind: template.kind,
        node_ms: node_ms(line),
        thread: thread.map(|(_, thread)| thread.to_owned()),
        segment: None,
        detail: Map::new(),
    };
    let mut states = (None, None);
    for (name, text) in captures.into_iter().chain(template.facts.iter().copied()) {
        match name {
            "_" | "table" => {}
            "segment" => event.segment = Some(text.to_owned()),
            "from" => states.0 = Some(text),
            "to" => states.1 = Some(text),
            name => insert(&mut event.detail, name, value(text)),
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

/// Inserts a field. `a.b` is the field `b` of the object `a`.
fn insert(fields: &mut Map<String, Json>, name: &str, value: Json) {
    match name.split_once('.') {
        Some((outer, inner)) => fields.entry(outer).or_insert_with(|| Map::new().into())[inner] = value,
        None => drop(fields.insert(name.to_owned(), value)),
    }
}

/// Whether the table or segment that the line names, if any, belongs to this table.
fn is_about(table: &str, captures: &[(&str, &str)]) -> bool {
    captures.iter().all(|(name, text)| match *name {
        "table" => *text == realtime(table),
        "segment" | "unloaded" => parse_segment_name(table, text).is_some(),
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
    use crate::adapter::pinot::log_templates::{CONTROLLER, LATENCY, SERVER, SESSION};

    /// Lines of a 0.11.0 server that was paused while two messages came, and was killed later.
    const LOG: &str = include_str!("answers/0.11.0/server.log");

    /// A line of each form that 1.5.1 writes. They are composed by hand with invented names and times.
    const LATER: &str = include_str!("answers/1.5.1/server.log");

    fn shown(release: PinotRelease, table: &str, line: &str) -> Option<String> {
        let LogEvent { kind, segment, mut detail, .. } = parse_line(SERVER, release, table, line)?;
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
gate   {name:all-segments-loaded,released_by:predicate}
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
gate   {actual:OFFLINE,expected:ONLINE,name:all-segments-loaded,unloaded:acct__0__0__20261122T0208Z}
registering  acct__0__0 {keys:0}
registered  acct__0__0 {keys:8}
gate   {name:all-segments-loaded,released_by:predicate}
consume-start  acct__0__1 {final:null,start:16}";
        assert_eq!(lines.join("\n"), expected);
        let first = LOG.lines().next().expect("a line");
        let event = parse_line(SERVER, (0, 11), "acct", first).expect("understood");
        assert_eq!(
            (event.node_ms, node_ms("2026/11/22 02:08:35.093 INFO [a]")),
            (1_795_313_315_093, 1_795_313_315_093)
        );
    }

    #[test]
    fn a_log_of_today_is_understood() {
        let lines: Vec<Option<String>> = LATER.lines().map(|line| shown((1, 5), "acct", line)).collect();
        let expected = "\
semaphore-acquired  acct__0__1 {}
consume-end  acct__0__1 {consumed:500,limit:500,reason:row limit,rows:500}
semaphore-released  acct__0__1 {}
sealing  acct__0__1 {end:500,position:500}
sealing  acct__0__1 {}
replacing  acct__0__1 {keys:42,old:mutable}
position-ahead  acct__0__2 {end:56,position:66}
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
        let of = |table| {
            LOG.lines().filter_map(|line| parse_line(SERVER, (0, 11), table, line)).collect::<Vec<_>>()
        };
        assert!(of("acc").iter().all(|event| [SESSION, LATENCY].contains(&event.kind)), "{:?}", of("acc"));
        let line = "[acct_REALTIME-0-X] [main] Taking snapshot for 3 segments";
        assert_eq!(shown((0, 11), "acct", line), None);
    }

    /// A release, a line, and its meaning. The lines of 0.11.0 are real, except the one with checksums. The
    /// others follow the formats in the sources of 1.3 to 1.5.
    const OF_RELEASES: [(PinotRelease, &str, &str); 14] = [
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
            (0, 11),
            "I [KafkaConsumer] [acct__0__1__20261122T0208Z] [Consumer clientId=consumer-null-28, \
             groupId=null] Seeking to offset 1073 for partition acct-0",
            "fetch  acct__0__1 {reached:1073}",
        ),
        (
            (0, 11),
            "I [LLRealtimeSegmentDataManager_acct__0__1__20261122T0208Z] [acct__0__1__20261122T0208Z] \
             Consumed 486 events from (rate:7.6878057/s), currentOffset=1153, numRowsConsumedSoFar=486, \
             numRowsIndexedSoFar=486",
            "consumed  acct__0__1 {reached:1153,rows:486}",
        ),
        (
            (0, 11),
            "I [BaseTableDataManager] [t] Download segment: acct__0__1__20261122T0208Z of table: \
             acct_REALTIME as it doesn't exist",
            "downloading  acct__0__1 {}",
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
            "gate-signal  acct__0__1 {highest:-1,seq:1}",
        ),
        (
            (1, 4),
            "W [ConsumerCoordinator] [t] Waited on previous segment with sequence number: 0 for: \
             180000ms. Refreshing the previous segment sequence number for current segment: \
             acct__0__1__20261122T0208Z",
            "gate  acct__0__1 {name:previous-segment-registered,subject:{seq:0},waited_ms:180000}",
        ),
        (
            (1, 4),
            "I [RealtimeSegmentDataManager_acct__0__1__20261122T0208Z] [t] Current offset 66 ahead of \
             the offset in zk 56. Downloading to replace",
            "position-ahead  acct__0__1 {end:56,position:66}",
        ),
        (
            (1, 4),
            "W [acct_REALTIME-0-M] [t] Found 5 primary keys not replaced when replacing segment: \
             acct__0__1__20261122T0208Z for partial-upsert table. This can potentially cause",
            "keys-not-replaced  acct__0__1 {keys:5}",
        ),
    ];

    /// Lines of a 0.11.0 controller: one replica wins, another has read as far and keeps its own copy.
    const CONTROLLERS: &str = include_str!("answers/0.11.0/controller.log");

    #[test]
    fn a_controller_s_log_tells_who_reported_who_won_and_who_keeps_its_copy() {
        let shown = CONTROLLERS.lines().filter_map(|line| {
            let LogEvent { kind, segment, detail, .. } = parse_line(CONTROLLER, (0, 11), "acct", line)?;
            let of = |name: &str| detail.get(name).map(Json::to_string).unwrap_or_default().replace('"', "");
            let segment = segment.unwrap_or_default().replace("__20261122T0208Z", "");
            Some(format!("{kind} {segment} {} {} {}", of("server"), of("offset"), of("answer")))
        });
        let expected = "\
session    
segment-reported acct__0__1 Server_pinot-s4_8101 637 
commit-winner acct__0__1 Server_pinot-s4_8101 637 
segment-answered acct__0__1 Server_pinot-s4_8101 637 commit
segment-committing acct__0__1 Server_pinot-s4_8101 637 
segment-committed acct__0__1 Server_pinot-s4_8101 637 
segment-reported acct__0__1 Server_pinot-s1_8098 637 
segment-answered acct__0__1 Server_pinot-s1_8098 637 keep";
        let shown: Vec<String> = shown.collect();
        assert_eq!(shown.join("\n"), expected);
    }

    #[test]
    fn lines_of_each_release_are_understood() {
        for (release, line, expected) in OF_RELEASES {
            assert_eq!(shown(release, "acct", line).as_deref(), Some(expected), "{line}");
        }
    }
}
