//! Turns the lines of one node's log into its events, in its program order. Several lines together tell what
//! none of them tells alone: how a transition ended, whose copy replaced a segment, how far consumption was.

use super::log_lines::{LogEvent, parse_line};
use super::log_templates::{
    CONSUMED, CONTROLLER, FETCH, LATENCY, LineTemplate, PREVIOUS_REGISTERED, PinotRelease, REPLACING,
    SCHEDULED, SEMAPHORE_ACQUIRED, SERVER, SESSION, logged_kinds,
};
use super::table::parse_segment_name;
use super::wire;
use crate::adapter::capabilities::AUTHORITY;
use dissent_core::history::lifecycle::LifecycleRecord;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

/// A message for a server was created.
pub(super) const CREATED: &str = "transition-created";

/// An event of a node without its place in the program order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NodeEvent {
    /// The session in which it happened; 0 if the log does not show where that began.
    pub(super) incarnation: u64,
    pub(super) kind: &'static str,
    pub(super) node_ms: u64,
    pub(super) segment: Option<String>,
    pub(super) detail: Map<String, Json>,
}

impl NodeEvent {
    /// The event at its place in the program order of a node.
    pub(super) fn into_record(self, node: &str, incarnation: u64, seq: u64) -> LifecycleRecord {
        LifecycleRecord {
            replica: node.to_owned(),
            incarnation,
            seq,
            node_ms: self.node_ms,
            segment: self.segment,
            kind: self.kind.to_owned(),
            detail: self.detail.into(),
        }
    }
}

/// What the lines so far have told, as far as later ones depend on it.
pub(super) struct NodeLog {
    templates: &'static [LineTemplate],
    release: PinotRelease,
    table: String,
    incarnation: u64,
    /// Whether this session's events began with `boot`.
    has_booted: bool,
    /// When messages were created that have not been scheduled yet, in milliseconds of the creator's clock.
    created: BTreeMap<String, u64>,
    /// The transitions of messages that are being executed.
    transitions: BTreeMap<String, Json>,
    /// Messages that ask for something else than a transition.
    others: BTreeSet<String>,
    /// The segment whose transition a thread executes.
    threads: BTreeMap<String, String>,
    /// The segments whose transition to consuming was found not to be needed, by the state that they were in.
    skipped: BTreeMap<String, String>,
    /// The segments that are to be replaced by a copy of another server.
    fetched: BTreeSet<String>,
    /// The segments whose committed copy is loaded again as it is.
    reloaded: BTreeSet<String>,
    /// The segments of which the consumer has not counted anything yet.
    uncounted: BTreeSet<String>,
    /// By partition: the segment that is being consumed, and up to where it has been merged at least.
    reached: BTreeMap<u32, (String, u64)>,
    /// The partitions in which a segment became visible since that was last logged.
    changed: BTreeSet<u32>,
    /// The segments whose consumers wait for an earlier one, by what they wait for.
    waiting: BTreeMap<String, Json>,
}

impl NodeLog {
    pub(super) fn of_server(release: PinotRelease, table: &str) -> NodeLog {
        NodeLog {
            templates: SERVER,
            release,
            table: table.to_owned(),
            incarnation: 0,
            has_booted: false,
            created: BTreeMap::new(),
            transitions: BTreeMap::new(),
            others: BTreeSet::new(),
            threads: BTreeMap::new(),
            skipped: BTreeMap::new(),
            fetched: BTreeSet::new(),
            reloaded: BTreeSet::new(),
            uncounted: BTreeSet::new(),
            reached: BTreeMap::new(),
            changed: BTreeSet::new(),
            waiting: BTreeMap::new(),
        }
    }

    pub(super) fn of_controller(release: PinotRelease, table: &str) -> NodeLog {
        NodeLog { templates: CONTROLLER, ..NodeLog::of_server(release, table) }
    }

    /// Appends the events that a line tells.
    pub(super) fn read(&mut self, line: &str, out: &mut Vec<NodeEvent>) {
        let Some(event) = parse_line(self.templates, self.release, &self.table, line) else { return };
        let LogEvent { kind, node_ms, thread, segment, mut detail } = event;
        match kind {
            SESSION => return self.begin_session(node_ms, &mut detail, out),
            LATENCY => return self.note_latency(node_ms, &detail),
            FETCH => return self.note_fetch(node_ms, segment, &detail, out),
            _ if self.is_of_no_transition(kind, &detail) => return,
            _ => {}
        }
        if !self.has_booted {
            self.boot(node_ms, out);
        }
        let segment = segment.or_else(|| self.segment_of(thread.as_deref()?));
        if let Some(segment) = segment.as_ref().filter(|_| ["registered", "replaced"].contains(&kind)) {
            self.tell_reached(node_ms, segment, out);
        }
        let kind = match &segment {
            Some(segment) => self.note(kind, segment, thread, &mut detail),
            None => kind,
        };
        if kind == SCHEDULED {
            out.push(self.created(node_ms, segment.clone(), &mut detail));
        }
        if kind == "gate" && node_ms > 0 {
            detail.insert("evaluated_at".to_owned(), node_ms.into());
        }
        self.push(kind, node_ms, segment.clone(), detail, out);
        if kind == SEMAPHORE_ACQUIRED {
            self.release(node_ms, segment, out);
        }
    }

    fn push(
        &self,
        kind: &'static str,
        node_ms: u64,
        segment: Option<String>,
        mut detail: Map<String, Json>,
        out: &mut Vec<NodeEvent>,
    ) {
        detail.insert("by".to_owned(), "log".into());
        out.push(NodeEvent { incarnation: self.incarnation, kind, node_ms, segment, detail });
    }

    fn begin_session(&mut self, node_ms: u64, detail: &mut Map<String, Json>, out: &mut Vec<NodeEvent>) {
        // A session of digits alone was parsed as a number.
        let session = detail.remove("session").unwrap_or_default().to_string();
        let session = u64::from_str_radix(session.trim_matches('"'), 16).unwrap_or(self.incarnation);
        *self = NodeLog {
            templates: self.templates,
            incarnation: session,
            ..NodeLog::of_server(self.release, &self.table)
        };
        self.boot(node_ms, out);
    }

    /// Says what this log tells, so that the absence of an event is evidence from here on.
    fn boot(&mut self, node_ms: u64, out: &mut Vec<NodeEvent>) {
        self.has_booted = true;
        let logs = json!(logged_kinds(self.templates, self.release));
        self.push("boot", node_ms, None, Map::from_iter([("logs".to_owned(), logs)]), out);
    }

    /// Whether the line is about a message that asks for something else, such as a reload.
    fn is_of_no_transition(&mut self, kind: &str, detail: &Map<String, Json>) -> bool {
        let Some(message) = text(detail, "message") else { return false };
        match kind {
            SCHEDULED if text(detail, "transition").as_deref() == Some("null-to-null") => {
                self.others.insert(message)
            }
            "transition-finished" => self.others.remove(&message),
            _ => false,
        }
    }

    fn note_latency(&mut self, node_ms: u64, detail: &Map<String, Json>) {
        let latency = detail.get("latency_ms").and_then(Json::as_u64);
        if let (Some(message), Some(latency)) = (text(detail, "message"), latency) {
            self.created.insert(message, node_ms.saturating_sub(latency));
        }
    }

    /// How far the open segment of a partition had been merged at least when another one became visible.
    fn tell_reached(&mut self, node_ms: u64, segment: &str, out: &mut Vec<NodeEvent>) {
        let Some((partition, _)) = parse_segment_name(&self.table, segment) else { return };
        let Some((open, reached)) = self.reached.get(&partition).filter(|(open, _)| open != segment) else {
            return;
        };
        let detail = Map::from_iter([("reached".to_owned(), (*reached).into())]);
        self.push(CONSUMED, node_ms, Some(open.clone()), detail, out);
        self.changed.insert(partition);
    }

    /// The first fetch after a segment became visible says how far the open one had been merged at most.
    fn note_fetch(
        &mut self,
        node_ms: u64,
        segment: Option<String>,
        detail: &Map<String, Json>,
        out: &mut Vec<NodeEvent>,
    ) {
        let reached = detail.get("reached").and_then(Json::as_u64);
        let Some((segment, reached)) = segment.zip(reached) else { return };
        let Some((partition, _)) = parse_segment_name(&self.table, &segment) else { return };
        self.reached.insert(partition, (segment.clone(), reached));
        if self.changed.remove(&partition) {
            let detail = Map::from_iter([("reached".to_owned(), reached.into())]);
            self.push(CONSUMED, node_ms, Some(segment), detail, out);
        }
    }

    /// The segment that a thread works for: consumers are named after theirs.
    fn segment_of(&self, thread: &str) -> Option<String> {
        let is_consumer = parse_segment_name(&self.table, thread).is_some();
        let executed = self.threads.get(thread).cloned();
        if is_consumer { Some(thread.to_owned()) } else { executed }
    }

    /// Adds what earlier lines have told of an event, and returns its kind in their light.
    fn note(
        &mut self,
        kind: &'static str,
        segment: &String,
        thread: Option<String>,
        detail: &mut Map<String, Json>,
    ) -> &'static str {
        match kind {
            "transition-started" => self.note_started(segment, thread, detail),
            "transition-finished" => self.note_finished(segment, thread, detail),
            "skipped" => {
                let state = text(detail, "state").unwrap_or_default();
                self.skipped.insert(segment.clone(), state);
            }
            "consume-start" => {
                self.fetched.remove(segment);
                self.uncounted.insert(segment.clone());
            }
            CONSUMED if self.uncounted.remove(segment) => return "caught-up",
            "downloading" | "downloaded" | "position-ahead" | "crc-changed" => {
                self.fetched.insert(segment.clone());
            }
            REPLACING if text(detail, "old").as_deref() == Some("immutable") => {
                self.reloaded.insert(segment.clone());
            }
            "registered" | "replaced" => return self.note_visible(kind, segment, detail),
            "gate" => self.note_gate(segment, detail),
            _ => {}
        }
        kind
    }

    fn note_started(&mut self, segment: &str, thread: Option<String>, detail: &Map<String, Json>) {
        if let Some(thread) = thread {
            self.threads.insert(thread, segment.to_owned());
        }
        if let (Some(message), Some(transition)) = (text(detail, "message"), detail.get("transition")) {
            self.transitions.insert(message, transition.clone());
        }
    }

    fn note_finished(&mut self, segment: &str, thread: Option<String>, detail: &mut Map<String, Json>) {
        if let Some(thread) = thread {
            self.threads.remove(&thread);
        }
        if let Some(transition) = text(detail, "message").and_then(|it| self.transitions.remove(&it)) {
            detail.insert("transition".to_owned(), transition);
        }
        let is_done = detail.remove("result").is_none_or(|result| result == "true");
        let skipped = self.skipped.remove(segment).filter(|_| is_done);
        let outcome = match (is_done, &skipped) {
            (false, _) => "failed",
            (true, None) => "done",
            (true, Some(_)) => "skipped",
        };
        detail.insert("outcome".to_owned(), outcome.into());
        if let Some(state) = skipped {
            detail.insert("result".to_owned(), format!("already {}", state.to_lowercase()).into());
        }
    }

    /// A server says `replaced` also when it seals the rows that it consumed itself, and when it loads its
    /// own copy again.
    fn note_visible(
        &mut self,
        kind: &'static str,
        segment: &String,
        detail: &mut Map<String, Json>,
    ) -> &'static str {
        let (is_fetched, is_reloaded) = (self.fetched.remove(segment), self.reloaded.remove(segment));
        match (kind, is_fetched) {
            ("registered", true) => {
                detail.insert("from".to_owned(), "download".into());
            }
            ("replaced", false) if is_reloaded => return "reloaded",
            ("replaced", false) => {
                detail.insert("from".to_owned(), "own rows".into());
                return "registered";
            }
            _ => {}
        }
        kind
    }

    /// What a gate of tables that are consumed in order waits for is in the same partition. That it has
    /// opened is not logged, but the consumer goes on to the next lock.
    fn note_gate(&mut self, segment: &str, detail: &mut Map<String, Json>) {
        let partition = parse_segment_name(&self.table, segment).map(|(partition, _)| partition);
        if let (Some(Json::Object(subject)), Some(partition)) = (detail.get_mut("subject"), partition) {
            subject.insert("partition".to_owned(), partition.into());
            self.waiting.insert(segment.to_owned(), subject.clone().into());
        }
    }

    /// A consumer that was seen to wait for an earlier segment has got past that.
    fn release(&mut self, node_ms: u64, segment: Option<String>, out: &mut Vec<NodeEvent>) {
        let Some(subject) = segment.as_ref().and_then(|segment| self.waiting.remove(segment)) else { return };
        let mut detail = Map::from_iter([
            ("name".to_owned(), PREVIOUS_REGISTERED.into()),
            ("subject".to_owned(), subject),
            ("released_by".to_owned(), "predicate".into()),
        ]);
        if node_ms > 0 {
            detail.insert("evaluated_at".to_owned(), node_ms.into());
        }
        self.push("gate", node_ms, segment, detail, out);
    }

    /// The creation of a message that is scheduled now.
    fn created(
        &mut self,
        node_ms: u64,
        segment: Option<String>,
        detail: &mut Map<String, Json>,
    ) -> NodeEvent {
        let message = text(detail, "message").unwrap_or_default();
        let mut detail = detail.clone();
        if let Some(created_ms) = self.created.remove(&message) {
            detail.insert("created_ms".to_owned(), created_ms.into());
        }
        detail.insert("by".to_owned(), "log".into());
        NodeEvent { incarnation: self.incarnation, kind: CREATED, node_ms, segment, detail }
    }
}

/// The events that the log of one node tells, in its program order.
pub fn log_records(
    version: &str,
    table: &str,
    node: &str,
    lines: &mut dyn Iterator<Item = Vec<u8>>,
) -> Vec<LifecycleRecord> {
    let release = wire::release(version);
    let mut log = match node {
        AUTHORITY => NodeLog::of_controller(release, table),
        _ => NodeLog::of_server(release, table),
    };
    let mut events = Vec::new();
    lines.for_each(|line| log.read(String::from_utf8_lossy(&line).trim_end(), &mut events));
    let record = |(seq, event): (u64, NodeEvent)| {
        let incarnation = event.incarnation;
        event.into_record(node, incarnation, seq)
    };
    (1..).zip(events).map(record).collect()
}

/// A text of an event's detail. Digits alone were parsed as a number.
fn text(detail: &Map<String, Json>, name: &str) -> Option<String> {
    match detail.get(name)? {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server of 0.11.0 that gets a held message: it consumes a segment, and only then loads the one before
    /// it. It commits the wrong rows, and is asked to load them again.
    const LATE: &str = include_str!("answers/0.11.0/late.log");

    fn events(release: PinotRelease, lines: &str) -> Vec<NodeEvent> {
        let (mut log, mut events) = (NodeLog::of_server(release, "acct"), Vec::new());
        lines.lines().for_each(|line| log.read(line, &mut events));
        events
    }

    /// Each event with these fields of its detail.
    fn shown(events: &[NodeEvent], fields: &[&str]) -> Vec<String> {
        let line = |event: &NodeEvent| {
            let segment = event.segment.as_deref().unwrap_or("-").replace("__20261122T0208Z", "");
            let named = fields.iter().filter_map(|name| Some((name, event.detail.get(*name)?)));
            let fields: String = named.map(|(name, value)| format!(" {name}={value}")).collect();
            format!("{} {segment}{fields}", event.kind).replace('"', "")
        };
        events.iter().map(line).collect()
    }

    #[test]
    fn lines_of_a_real_log_together_tell_what_none_tells_alone() {
        let events = events((0, 11), LATE);
        let fields = ["transition", "outcome", "from", "reached", "start", "released_by", "evaluated_at"];
        let expected = "\
boot -
gate - released_by=predicate evaluated_at=1795380569978
transition-created acct__0__2 transition=offline-to-consuming
transition-scheduled acct__0__2 transition=offline-to-consuming
transition-started acct__0__2 transition=offline-to-consuming
consume-start acct__0__2 start=649
transition-finished acct__0__2 transition=offline-to-consuming outcome=done
transition-created acct__0__1 transition=offline-to-consuming
transition-scheduled acct__0__1 transition=offline-to-consuming
transition-started acct__0__1 transition=offline-to-consuming
downloaded acct__0__1
registering acct__0__1
consumed acct__0__2 reached=1073
registered acct__0__1 from=download
consumed acct__0__2 reached=1075
transition-finished acct__0__1 transition=offline-to-consuming outcome=done
transition-created acct__0__1 transition=consuming-to-online
transition-scheduled acct__0__1 transition=consuming-to-online
transition-started acct__0__1 transition=consuming-to-online
transition-finished acct__0__1 transition=consuming-to-online outcome=done
consume-end acct__0__2
replacing acct__0__2
registered acct__0__2 from=own rows
removing acct__0__2
transition-created acct__0__2 transition=consuming-to-online
transition-scheduled acct__0__2 transition=consuming-to-online
transition-started acct__0__2 transition=consuming-to-online
transition-finished acct__0__2 transition=consuming-to-online outcome=done
replacing acct__0__2
reloaded acct__0__2
removing acct__0__2";
        assert_eq!(shown(&events, &fields).join("\n"), expected);
        let created = events.iter().filter(|event| event.kind == CREATED).nth(1).expect("the held message");
        assert_eq!(created.detail["created_ms"], created.node_ms - 14 - 8_560, "14 ms after it was read");
        let logs = events[0].detail["logs"].as_array().expect("kinds");
        assert!(logs.contains(&json!("gate")) && logs.contains(&json!("registered")), "{logs:?}");
        assert!(!logs.contains(&json!("skipped")) && !logs.contains(&json!("snapshot")), "{logs:?}");
    }

    #[test]
    fn a_transition_that_was_not_needed_is_told_and_counts_belong_to_the_consumer() {
        let segment = "acct__0__1__20261122T0208Z";
        let next = "acct__0__2__20261122T0208Z";
        let lines = format!(
            "2026-11-22 02:00:00.000 INFO [H] [t1] handling message: m1 transit acct_REALTIME.{segment}|[] \
             from:OFFLINE to:CONSUMING, relayedFrom: null\n\
             2026-11-22 02:00:00.100 WARN [T] [t1] Segment: {segment} is already completed, skipping adding \
             it as CONSUMING segment\n\
             2026-11-22 02:00:00.200 INFO [H] [t1] Message: m1 (parent: null) handling task for \
             acct_REALTIME:{segment} completed at: 1, results: true. FrameworkTime: 1 ms; HandlerTime: 9 \
             ms.\n\
             2026-11-22 02:00:01.000 INFO [ConsumerCoordinator] [{next}] Waited on previous segment with \
             sequence number: 1 for: 180000ms. Refreshing the previous segment sequence number for current \
             segment: {next}\n\
             2026-11-22 02:00:02.000 INFO [RealtimeSegmentDataManager_{next}] [{next}] Acquired consumer \
             semaphore.\n\
             2026-11-22 02:00:03.000 INFO [acct_REALTIME-0-M] [{next}] Taking snapshot for 40 segments\n\
             2026-11-22 02:00:03.100 INFO [RealtimeSegmentDataManager_{next}] [{next}] Starting consumption \
             loop start offset 7, finalOffset null\n\
             2026-11-22 02:01:03.100 INFO [RealtimeSegmentDataManager_{next}] [{next}] Consumed 32000 \
             events from (rate:533.3/s), currentOffset=32007, numRowsConsumedSoFar=32000, \
             numRowsIndexedSoFar=32000\n\
             2026-11-22 02:02:03.100 INFO [RealtimeSegmentDataManager_{next}] [{next}] Consumed 10 events \
             from (rate:0.2/s), currentOffset=32017, numRowsConsumedSoFar=32010, numRowsIndexedSoFar=32010"
        );
        let events = events((1, 4), &lines);
        let fields =
            ["outcome", "result", "registered_segments", "rows", "reached", "subject", "released_by"];
        let expected = "\
boot -
transition-started acct__0__1
skipped acct__0__1
transition-finished acct__0__1 outcome=skipped result=already completed
gate acct__0__2 subject={partition:0,seq:1}
semaphore-acquired acct__0__2
gate acct__0__2 subject={partition:0,seq:1} released_by=predicate
snapshot acct__0__2 registered_segments=40
consume-start acct__0__2
caught-up acct__0__2 rows=32000 reached=32007
consumed acct__0__2 rows=10 reached=32017";
        assert_eq!(shown(&events, &fields).join("\n"), expected);
    }
}
