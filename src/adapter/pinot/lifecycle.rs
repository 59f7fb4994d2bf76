//! What Pinot's servers live through: the messages that the coordination service has for them and what it
//! knows they did, both read at the controller, so that a server that is stopped holds up nobody; and their
//! logs, where the target file says where those lie.
//!
//! What the controller shows is a picture of one moment. A message that was worked on between two looks is
//! never seen, and of several transitions of one segment only the last. Records of one look that come from
//! `current-states` have no order among each other; `look` in their detail tells which belong together.
//! A log has the server's own order, so where it can be read, it alone tells of transitions.
//!
//! The external view is not read: it says CONSUMING before a server consumes.

use super::cluster::PinotCluster;
use super::log::Tail;
use super::log_lines::{LATENCY, LogEvent, SCHEDULED, SESSION, parse_line, transition};
use super::table::{parse_segment_name, realtime};
use super::wire::{self, Message, ReplicaState};
use crate::adapter::api::Lifecycle;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::event::LifecycleRecord;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Mutex;

const CREATED: &str = "transition-created";

/// The lives of a table's replicas.
pub(super) struct LifecyclePoller {
    cluster: Arc<PinotCluster>,
    table: String,
    lives: BTreeMap<String, Mutex<ServerLife>>,
}

/// What is known of one replica, so that everything is told once.
#[derive(Default)]
struct ServerLife {
    incarnation: u64,
    seq: u64,
    look: u64,
    log: Option<Tail>,
    /// Why the log could not be read when it was last looked at.
    log_trouble: Option<String>,
    /// The messages seen, each with the state it was in.
    messages: BTreeMap<String, String>,
    /// How long messages took until they were read, of which no more is known yet.
    latencies: BTreeMap<String, Json>,
    states: BTreeMap<String, ReplicaState>,
}

/// What the controller shows of a replica that is registered.
struct ServerLook {
    session: u64,
    messages: Vec<Message>,
    states: BTreeMap<String, ReplicaState>,
}

/// A record that has no number yet.
struct TransitionRecord {
    kind: &'static str,
    node_ms: u64,
    segment: Option<String>,
    detail: Map<String, Json>,
}

impl LifecyclePoller {
    pub(super) fn new(cluster: Arc<PinotCluster>, table: &str) -> LifecyclePoller {
        let logs = &cluster.file.logs;
        let life = |replica: &String| ServerLife {
            log: logs.get(replica).map(|path| Tail::of(path.clone())),
            ..ServerLife::default()
        };
        let lives = cluster.roster().into_iter().map(|replica| (replica.clone(), Mutex::new(life(&replica))));
        let lives = lives.collect();
        LifecyclePoller { cluster, table: table.to_owned(), lives }
    }

    /// None of a server that is not registered, as one that was killed.
    async fn look(&self, replica: &str) -> Result<Option<ServerLook>, TargetError> {
        let cluster = self.cluster.name();
        let Some((url, body)) = self.glance(&format!("/{cluster}/LIVEINSTANCES/{replica}"), "get").await?
        else {
            return Ok(None);
        };
        let session = wire::session(&url, &body)?;
        let at = format!("/{cluster}/INSTANCES/{replica}");
        let states = format!("{at}/CURRENTSTATES/{session:x}/{}", realtime(&self.table));
        let messages = format!("{at}/MESSAGES");
        let (messages, states) =
            tokio::join!(self.glance(&messages, "getChildren"), self.glance(&states, "get"));
        let messages = messages?.map(|(url, body)| wire::messages(&url, &body));
        let states = states?.map(|(url, body)| wire::current_states(&url, &body));
        Ok(Some(ServerLook {
            session,
            messages: messages.transpose()?.unwrap_or_default(),
            states: states.transpose()?.unwrap_or_default(),
        }))
    }

    /// A place in the coordination store; none if there is nothing.
    async fn glance(&self, path: &str, verb: &str) -> Result<Option<(String, Vec<u8>)>, TargetError> {
        match self.cluster.get_quick(&format!("zk/{verb}?path={path}")).await {
            Ok(came) => Ok(Some(came)),
            Err(error) if wire::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Lifecycle for LifecyclePoller {
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError> {
        let Some(life) = self.lives.get(replica) else {
            let cause = format!("{replica} has no part of {}", self.table);
            return Err(TargetError::Refused { at: self.cluster.url().to_owned(), cause });
        };
        let looked = self.look(replica).await;
        let mut life = life.lock().await;
        life.look += 1;
        let (lines, has_log) = life.lines().await;
        let mut teller =
            LifecycleBuilder { replica, table: &self.table, life: &mut life, records: Vec::new() };
        let (look, failed) = match looked {
            Ok(look) => (look, None),
            Err(error) => (None, Some(error)),
        };
        if let Some(trouble) = lines.as_ref().err() {
            teller.log_trouble(trouble);
        }
        // A message lies there before the server takes it up, and a state is shown when it is reached.
        if let Some(look) = &look {
            teller.begin(look.session, has_log);
            teller.messages(&look.messages);
        }
        let release = wire::release(self.cluster.version());
        let said = lines.unwrap_or_default();
        said.iter()
            .filter_map(|line| parse_line(release, &self.table, line))
            .for_each(|said| teller.said(said));
        if let Some(look) = look {
            teller.states(look.states, !has_log);
        }
        match (failed, teller.records) {
            (Some(error), records) if records.is_empty() => Err(error),
            (_, records) => Ok(records),
        }
    }
}

impl ServerLife {
    /// The log's new lines, and whether there is a log that can be read.
    async fn lines(&mut self) -> (Result<Vec<String>, String>, bool) {
        let Some(log) = &mut self.log else { return (Ok(Vec::new()), false) };
        let lines = log.lines().await.map_err(|error| error.to_string());
        let readable = lines.is_ok();
        (lines, readable)
    }
}

/// Tells of one replica, once each.
struct LifecycleBuilder<'l> {
    replica: &'l str,
    table: &'l str,
    life: &'l mut ServerLife,
    records: Vec<LifecycleRecord>,
}

impl LifecycleBuilder<'_> {
    fn tell(&mut self, told: TransitionRecord) {
        let TransitionRecord { kind, node_ms, segment, mut detail } = told;
        detail.insert("look".to_owned(), self.life.look.into());
        self.records.push(LifecycleRecord {
            replica: self.replica.to_owned(),
            incarnation: self.life.incarnation,
            seq: self.life.seq,
            node_ms,
            segment,
            kind: kind.to_owned(),
            detail: detail.into(),
        });
        self.life.seq += 1;
    }

    /// The life in which the server is. A log tells itself where a new one begins.
    fn begin(&mut self, session: u64, has_log: bool) {
        if self.life.incarnation == 0 || !has_log {
            self.life.incarnation = session;
        }
    }

    fn log_trouble(&mut self, trouble: &str) {
        if self.life.log_trouble.as_deref() == Some(trouble) {
            return;
        }
        self.life.log_trouble = Some(trouble.to_owned());
        let detail = object(json!({ "by": "log", "error": trouble }));
        self.tell(TransitionRecord { kind: "log-lost", node_ms: 0, segment: None, detail });
    }

    /// Messages that wait for the server, or that it is working on. One that was sent before and has another
    /// state now is told again: somebody may hold it.
    fn messages(&mut self, messages: &[Message]) {
        let mut ours: Vec<&Message> = messages.iter().filter(|message| self.is_ours(message)).collect();
        ours.sort_by_key(|message| (message.field("CREATE_TIMESTAMP"), &message.id));
        for message in ours {
            let state = message.field("MSG_STATE");
            let before = self.life.messages.insert(message.id.clone(), state.to_owned());
            let kind = match before {
                None => CREATED,
                Some(before) if before != state => "message-state",
                Some(_) => continue,
            };
            let created_ms = number(message.field("CREATE_TIMESTAMP"));
            let detail = object(json!({
                "by": "messages",
                "message": message.id,
                "transition": transition(message.field("FROM_STATE"), message.field("TO_STATE")),
                "state": state,
                "created_ms": created_ms,
            }));
            let segment = Some(message.field("PARTITION_NAME").to_owned());
            self.tell(TransitionRecord { kind, node_ms: created_ms, segment, detail });
        }
    }

    fn is_ours(&self, message: &Message) -> bool {
        message.field("MSG_TYPE") == "STATE_TRANSITION"
            && message.field("RESOURCE_NAME") == realtime(self.table)
            && parse_segment_name(self.table, message.field("PARTITION_NAME")).is_some()
    }

    /// What the server wrote into its log.
    fn said(&mut self, said: LogEvent) {
        let LogEvent { kind, node_ms, segment, mut detail } = said;
        detail.insert("by".to_owned(), "log".into());
        let message = detail.get("message").and_then(Json::as_str).unwrap_or_default().to_owned();
        match kind {
            SESSION => {
                // One of digits alone came as a number.
                let session = detail.remove("session").unwrap_or_default().to_string();
                let session = u64::from_str_radix(session.trim_matches('"'), 16);
                self.life.incarnation = session.unwrap_or(self.life.incarnation);
                return;
            }
            LATENCY => {
                let latency = detail.remove("latency_ms").unwrap_or_default();
                self.life.latencies.insert(message, latency);
                return;
            }
            SCHEDULED => {
                if let Some(latency) = self.life.latencies.remove(&message) {
                    detail.insert("latency_ms".to_owned(), latency);
                }
                // Messages that came and went between two looks are known from here alone.
                if self.life.messages.insert(message, "read".to_owned()).is_none() {
                    let (segment, detail) = (segment.clone(), detail.clone());
                    self.tell(TransitionRecord { kind: CREATED, node_ms, segment, detail });
                }
            }
            _ => {}
        }
        self.tell(TransitionRecord { kind, node_ms, segment, detail });
    }

    /// What the server has done by its own account. Where `is_told` is not, its log has told already.
    fn states(&mut self, states: BTreeMap<String, ReplicaState>, is_told: bool) {
        let mut new: Vec<(String, ReplicaState)> = states
            .into_iter()
            .filter(|(segment, now)| self.life.states.get(segment) != Some(now))
            .filter(|(segment, _)| parse_segment_name(self.table, segment).is_some())
            .collect();
        new.sort_by_key(|(segment, _)| parse_segment_name(self.table, segment));
        for (segment, now) in new {
            self.life.states.insert(segment.clone(), now.clone());
            if !is_told || now.end_time.is_empty() {
                continue;
            }
            let (began, ended) = (number(&now.start_time), number(&now.end_time));
            let transition = transition(&now.previous_state, &now.current_state);
            let detail = object(json!({ "by": "current-states", "transition": transition }));
            let segment = Some(segment);
            let (kind, of, started) = ("transition-started", segment.clone(), detail.clone());
            self.tell(TransitionRecord { kind, node_ms: began, segment: of, detail: started });
            let took_ms = ended.saturating_sub(began).into();
            let detail = detail.into_iter().chain([("took_ms".to_owned(), took_ms)]).collect();
            self.tell(TransitionRecord { kind: "transition-finished", node_ms: ended, segment, detail });
        }
    }
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = include_str!("answers/0.11.0/server.log");
    const SESSION: u64 = 0x0100_00fb_98a1_001c;

    fn teller(life: &mut ServerLife) -> LifecycleBuilder<'_> {
        LifecycleBuilder { replica: "Server_pinot-s1_8098", table: "acct", life, records: Vec::new() }
    }

    fn lines(records: &[LifecycleRecord]) -> Vec<String> {
        let line = |record: &LifecycleRecord| {
            let LifecycleRecord { seq, segment, kind, detail, .. } = record;
            let segment = segment.clone().unwrap_or_default().replace("__20261122T0208Z", "");
            let transition = detail["transition"].as_str().unwrap_or_default();
            format!("{seq} {kind} {segment} {transition}")
        };
        records.iter().map(line).collect()
    }

    #[test]
    fn what_the_controller_shows_is_told_once() {
        let messages = wire::messages("", include_bytes!("answers/0.11.0/messages.json"));
        let mut messages = messages.expect("messages");
        let states = wire::current_states("", include_bytes!("answers/0.11.0/currentstates.json"));
        let states = states.expect("states");
        let mut life = ServerLife::default();
        let mut teller = teller(&mut life);
        teller.begin(SESSION, false);
        teller.messages(&messages);
        teller.states(states.clone(), true);
        let first = teller.records.len();
        assert_eq!(
            lines(&teller.records),
            [
                "0 transition-created acct__0__0 consuming-to-online",
                "1 transition-created acct__1__1 offline-to-consuming",
                "2 transition-created acct__1__0 consuming-to-online",
                "3 transition-created acct__0__1 offline-to-consuming",
                "4 transition-started acct__0__0 offline-to-consuming",
                "5 transition-finished acct__0__0 offline-to-consuming",
                "6 transition-started acct__1__0 offline-to-consuming",
                "7 transition-finished acct__1__0 offline-to-consuming",
            ]
        );
        assert!(teller.records.iter().all(|record| record.incarnation == SESSION && record.node_ms > 0));
        teller.messages(&messages);
        teller.states(states, true);
        assert_eq!(teller.records.len(), first, "{:?}", lines(&teller.records[first..]));
        for message in &mut messages {
            message.fields.insert("MSG_STATE".to_owned(), "read".to_owned());
        }
        teller.messages(&messages);
        assert!(lines(&teller.records[first..]).iter().all(|line| line.contains(" message-state ")));
        assert_eq!(teller.records.len(), first + 4);
    }

    #[test]
    fn a_log_tells_the_server_s_own_order_and_where_a_new_life_begins() {
        let mut life = ServerLife::default();
        let mut teller = teller(&mut life);
        teller.begin(7, true);
        LOG.lines().filter_map(|line| parse_line((0, 11), "acct", line)).for_each(|said| teller.said(said));
        let told = lines(&teller.records);
        assert_eq!(told[0], "0 transition-created acct__0__0 offline-to-consuming");
        assert_eq!(told[1], "1 transition-scheduled acct__0__0 offline-to-consuming");
        assert_eq!(teller.records[6].detail["latency_ms"], 13_138);
        let is_gate = |record: &&LifecycleRecord| record.kind == "gate" && record.segment.is_some();
        let gate = teller.records.iter().find(is_gate).expect("a gate that was shut");
        assert_eq!(gate.incarnation, 0x0100_00fb_98a1_0025);
        assert_eq!(teller.records[0].incarnation, SESSION);
        // What the log has told, the controller's picture does not tell again.
        let states = wire::current_states("", include_bytes!("answers/0.11.0/currentstates.json"));
        let before = teller.records.len();
        teller.states(states.expect("states"), false);
        assert_eq!(teller.records.len(), before);
    }
}
