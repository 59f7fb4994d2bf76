//! Lifecycle events of Pinot's servers. There are two sources. The controller has the coordination service's
//! messages to a server and the states that the server has reached; reading them there means that a paused
//! server delays nobody. The servers' logs are read too, if the target file gives their paths.
//!
//! The controller shows a single moment. A message that was processed between two polls is never seen, and of
//! several transitions of one segment only the last is seen. Events of one poll from `current-states` have no
//! order among each other; `look` in their detail groups them. A log has the server's own order. So if it can
//! be read, transitions are taken from it alone.
//!
//! The external view is not used, because it says CONSUMING before a server consumes.

use super::authority::Authority;
use super::cluster::PinotCluster;
use super::log_lines::transition;
use super::node_log::{CREATED, NodeEvent, NodeLog};
use super::reads::Reads;
use super::server_log::FollowedLog;
use super::table::{parse_segment_name, realtime};
use super::wire::{self, LastTransition, Message};
use crate::adapter::capabilities::Lifecycle;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::lifecycle::LifecycleRecord;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Polls the lifecycle of a table's replicas.
pub(super) struct LifecyclePoller {
    cluster: Arc<PinotCluster>,
    table: String,
    servers: BTreeMap<String, Mutex<ServerState>>,
    authority: Mutex<Authority>,
}

/// The known state of one replica, so that every event is reported once.
#[derive(Default)]
struct ServerState {
    incarnation: u64,
    seq: u64,
    polls: u64,
    log: Option<FollowedLog>,
    /// The messages seen, each with its last state.
    messages: BTreeMap<String, String>,
    states: BTreeMap<String, LastTransition>,
}

/// The controller's view of a registered replica.
struct RegisteredServer {
    session: u64,
    messages: Vec<Message>,
    states: BTreeMap<String, LastTransition>,
}

impl LifecyclePoller {
    pub(super) fn new(cluster: Arc<PinotCluster>, reads: Arc<Reads>, table: &str) -> LifecyclePoller {
        let (logs, release) = (&cluster.file.logs, wire::release(cluster.version()));
        let log = |path: &PathBuf| FollowedLog::of(path.clone(), NodeLog::of_server(release, table));
        let server =
            |replica: &String| ServerState { log: logs.get(replica).map(log), ..ServerState::default() };
        let servers =
            cluster.roster().into_iter().map(|replica| (replica.clone(), Mutex::new(server(&replica))));
        let servers = servers.collect();
        let authority = Mutex::new(Authority::new(&cluster, reads, table));
        LifecyclePoller { cluster, table: table.to_owned(), servers, authority }
    }

    /// None if the server is not registered, for example because it was killed.
    async fn read_server(&self, replica: &str) -> Result<Option<RegisteredServer>, TargetError> {
        let cluster = self.cluster.name();
        let Some((url, body)) = self.read_node(&format!("/{cluster}/LIVEINSTANCES/{replica}"), "get").await?
        else {
            return Ok(None);
        };
        let session = wire::session(&url, &body)?;
        let at = format!("/{cluster}/INSTANCES/{replica}");
        let states = format!("{at}/CURRENTSTATES/{session:x}/{}", realtime(&self.table));
        let messages = format!("{at}/MESSAGES");
        let (messages, states) =
            tokio::join!(self.read_node(&messages, "getChildren"), self.read_node(&states, "get"));
        let messages = messages?.map(|(url, body)| wire::messages(&url, &body));
        let states = states?.map(|(url, body)| wire::current_states(&url, &body));
        Ok(Some(RegisteredServer {
            session,
            messages: messages.transpose()?.unwrap_or_default(),
            states: states.transpose()?.unwrap_or_default(),
        }))
    }

    /// A node of the coordination store. None if it does not exist.
    async fn read_node(&self, path: &str, verb: &str) -> Result<Option<(String, Vec<u8>)>, TargetError> {
        match self.cluster.get_quick(&format!("zk/{verb}?path={path}")).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if wire::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Lifecycle for LifecyclePoller {
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError> {
        let Some(server) = self.servers.get(replica) else {
            let cause = format!("{replica} has no part of {}", self.table);
            return Err(TargetError::Refused { at: self.cluster.url().to_owned(), cause });
        };
        let read = self.read_server(replica).await;
        let mut server = server.lock().await;
        server.polls += 1;
        let (events, has_log) = server.log_events().await;
        let mut builder =
            LifecycleBuilder { replica, table: &self.table, server: &mut server, records: Vec::new() };
        let (view, failed) = match read {
            Ok(view) => (view, None),
            Err(error) => (None, Some(error)),
        };
        // A message exists before the server picks it up, and a state appears once it is reached.
        if let Some(view) = &view {
            builder.begin(view.session, has_log);
            builder.messages(&view.messages);
        }
        events.into_iter().for_each(|event| builder.log_event(event));
        if let Some(view) = view {
            builder.states(view.states, !has_log);
        }
        match (failed, builder.records) {
            (Some(error), records) if records.is_empty() => Err(error),
            (_, records) => Ok(records),
        }
    }

    async fn poll_authority(&self) -> Result<Vec<LifecycleRecord>, TargetError> {
        Ok(self.authority.lock().await.poll().await)
    }
}

impl ServerState {
    /// The events that the log has told since the last poll, and whether there is a readable log.
    async fn log_events(&mut self) -> (Vec<NodeEvent>, bool) {
        match &mut self.log {
            Some(log) => (log.events().await, log.is_readable()),
            None => (Vec::new(), false),
        }
    }
}

/// Builds the events of one replica, each of them once.
struct LifecycleBuilder<'l> {
    replica: &'l str,
    table: &'l str,
    server: &'l mut ServerState,
    records: Vec<LifecycleRecord>,
}

impl LifecycleBuilder<'_> {
    fn push(&mut self, mut event: NodeEvent) {
        if event.incarnation > 0 {
            self.server.incarnation = event.incarnation;
        }
        event.detail.insert("look".to_owned(), self.server.polls.into());
        self.records.push(event.into_record(self.replica, self.server.incarnation, self.server.seq));
        self.server.seq += 1;
    }

    /// Sets the incarnation from the session. A log marks itself where a new one begins.
    fn begin(&mut self, session: u64, has_log: bool) {
        if self.server.incarnation == 0 || !has_log {
            self.server.incarnation = session;
        }
    }

    /// Messages that wait for the server or are being processed. A known message whose state has changed is
    /// reported again, because a fault may hold it.
    fn messages(&mut self, messages: &[Message]) {
        let mut ours: Vec<&Message> = messages.iter().filter(|message| self.is_ours(message)).collect();
        ours.sort_by_key(|message| (message.field("CREATE_TIMESTAMP"), &message.id));
        for message in ours {
            let state = message.field("MSG_STATE");
            let before = self.server.messages.insert(message.id.clone(), state.to_owned());
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
            self.push(NodeEvent { incarnation: 0, kind, node_ms: created_ms, segment, detail });
        }
    }

    fn is_ours(&self, message: &Message) -> bool {
        message.field("MSG_TYPE") == "STATE_TRANSITION"
            && message.field("RESOURCE_NAME") == realtime(self.table)
            && parse_segment_name(self.table, message.field("PARTITION_NAME")).is_some()
    }

    /// An event from the server's log. Messages that came and went between two polls are known only from it.
    fn log_event(&mut self, event: NodeEvent) {
        if event.kind == CREATED {
            let message = event.detail.get("message").and_then(Json::as_str).unwrap_or_default();
            if self.server.messages.insert(message.to_owned(), "read".to_owned()).is_some() {
                return;
            }
        }
        self.push(event);
    }

    /// The transitions that the server reports as done. They are added only if `is_reported`: otherwise
    /// the log has reported them already.
    fn states(&mut self, states: BTreeMap<String, LastTransition>, is_reported: bool) {
        let mut new: Vec<(String, LastTransition)> = states
            .into_iter()
            .filter(|(segment, now)| self.server.states.get(segment) != Some(now))
            .filter(|(segment, _)| parse_segment_name(self.table, segment).is_some())
            .collect();
        new.sort_by_key(|(segment, _)| parse_segment_name(self.table, segment));
        for (segment, now) in new {
            self.server.states.insert(segment.clone(), now.clone());
            if !is_reported || now.end_time.is_empty() {
                continue;
            }
            let (began, ended) = (number(&now.start_time), number(&now.end_time));
            let transition = transition(&now.previous_state, &now.current_state);
            let detail = object(json!({ "by": "current-states", "transition": transition }));
            let outcome = if now.current_state == "ERROR" { "failed" } else { "done" };
            let finished = [
                ("took_ms".to_owned(), ended.saturating_sub(began).into()),
                ("outcome".to_owned(), outcome.into()),
            ];
            let event = NodeEvent {
                incarnation: 0,
                kind: "transition-started",
                node_ms: began,
                segment: Some(segment),
                detail,
            };
            self.push(event.clone());
            let detail = event.detail.into_iter().chain(finished).collect();
            self.push(NodeEvent { kind: "transition-finished", node_ms: ended, detail, ..event });
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

    fn builder(server: &mut ServerState) -> LifecycleBuilder<'_> {
        LifecycleBuilder { replica: "Server_pinot-s1_8098", table: "acct", server, records: Vec::new() }
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
        let mut server = ServerState::default();
        let mut builder = builder(&mut server);
        builder.begin(SESSION, false);
        builder.messages(&messages);
        builder.states(states.clone(), true);
        let first = builder.records.len();
        assert_eq!(
            lines(&builder.records),
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
        assert!(builder.records.iter().all(|record| record.incarnation == SESSION && record.node_ms > 0));
        builder.messages(&messages);
        builder.states(states, true);
        assert_eq!(builder.records.len(), first, "{:?}", lines(&builder.records[first..]));
        for message in &mut messages {
            message.fields.insert("MSG_STATE".to_owned(), "read".to_owned());
        }
        builder.messages(&messages);
        assert!(lines(&builder.records[first..]).iter().all(|line| line.contains(" message-state ")));
        assert_eq!(builder.records.len(), first + 4);
    }

    #[test]
    fn a_log_tells_the_server_s_own_order_and_where_a_new_life_begins() {
        let mut server = ServerState::default();
        let mut builder = builder(&mut server);
        builder.begin(7, true);
        let (mut log, mut events) = (NodeLog::of_server((0, 11), "acct"), Vec::new());
        LOG.lines().for_each(|line| log.read(line, &mut events));
        events.into_iter().for_each(|event| builder.log_event(event));
        let shown = lines(&builder.records);
        assert_eq!(shown[0], "0 boot  ");
        assert_eq!(shown[1], "1 transition-created acct__0__0 offline-to-consuming");
        assert_eq!(shown[2], "2 transition-scheduled acct__0__0 offline-to-consuming");
        let is_gate =
            |record: &&LifecycleRecord| record.kind == "gate" && record.detail["unloaded"].is_string();
        let gate = builder.records.iter().find(is_gate).expect("a gate that was shut");
        assert_eq!(gate.incarnation, 0x0100_00fb_98a1_0025);
        assert_eq!(builder.records[0].incarnation, SESSION);
        // The controller's view must not repeat what the log has reported.
        let states = wire::current_states("", include_bytes!("answers/0.11.0/currentstates.json"));
        let before = builder.records.len();
        builder.states(states.expect("states"), false);
        assert_eq!(builder.records.len(), before);
    }
}
