//! One writer as a pure state machine: it sends requests on three queues, each at its own pace, and handles
//! the answers. It keeps nothing on disk: after a restart it reads the log from the beginning and the
//! contents from the shard.

use super::messages::{Ask, Call, Mode, Queue, Reply};
use super::node_log::{NodeEvent, NodeEventKind, NodeLog, OF_WRITERS};
use super::operator::{DrainCounts, Drained, Operator, Staged};
use super::rule::Rule;
use super::sink::Sink;
use serde::Serialize;
use serde_json::json;

/// A writer's own report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Always `running`, as in the incident.
    pub status: String,
    /// Counts the writer's starts, from 1.
    pub incarnation: u64,
    /// Whether the writer appends.
    pub mode: Mode,
    /// Whether it has caught up with the shard's upper at its start.
    pub hydrated: bool,
    /// The lowest time at which it can still emit an update: its own output frontier, not the shard's.
    pub frontier: u64,
    /// The next offset to read.
    pub offset: u64,
    /// The number of entries that were staged.
    pub updates_staged: u64,
    /// The number of entries that wait in the stash.
    pub updates_stashed: u64,
    /// The number of updates that it has appended to the shard.
    pub updates_appended: u64,
}

/// The state of a writer that knows the shard's upper.
struct Open {
    operator: Operator,
    sink: Sink,
    /// The next offset to read.
    offset: u64,
    /// The number of the shard's updates received.
    received: usize,
    staged: u64,
    appended: u64,
    last_drain: DrainCounts,
}

pub(crate) struct Writer {
    number: usize,
    incarnation: u64,
    rule: Rule,
    mode: Mode,
    open: Option<Open>,
    events: NodeLog,
}

impl Writer {
    /// `number` is the index of `name` in the list of writers.
    pub(crate) fn new(rule: Rule, (number, name): (usize, &str), incarnation: u64, mode: Mode) -> Self {
        Writer { number, incarnation, rule, mode, open: None, events: NodeLog::new(name, incarnation) }
    }

    /// The writer's events with numbers from `since` on.
    pub(crate) fn events(&self, since: u64) -> &[NodeEvent] {
        self.events.since(since)
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    pub(crate) fn promote(&mut self) {
        self.mode = Mode::ReadWrite;
    }

    /// The next request on a queue, if any. An append is repeated only after an answer.
    pub(crate) fn poll(&self, queue: Queue) -> Option<Call> {
        let ask = match (&self.open, queue) {
            (None, Queue::Feedback) => Ask::Open,
            (None, _) => return None,
            (Some(open), Queue::Input) => Ask::Input(open.offset),
            (Some(open), Queue::Feedback) => Ask::Feedback(open.received),
            (Some(_), Queue::Append) if self.mode == Mode::ReadOnly => return None,
            (Some(open), Queue::Append) => Ask::Append(open.sink.next()?.clone()),
        };
        Some(Call { writer: self.number, incarnation: self.incarnation, ask })
    }

    /// Takes an answer at this time of the writer's clock, in nanoseconds.
    pub(crate) fn receive(&mut self, reply: Reply, now: u64) {
        match (&mut self.open, reply) {
            (none @ None, Reply::Opened(upper)) => {
                let (operator, sink) = (Operator::new(self.rule, upper), Sink::new(upper));
                let last_drain = DrainCounts::default();
                *none =
                    Some(Open { operator, sink, offset: 0, received: 0, staged: 0, appended: 0, last_drain });
                let detail = json!({"logs": OF_WRITERS, "shard": upper});
                self.events.log(now, NodeEventKind::Boot, detail);
            }
            (Some(open), reply) => open.receive(reply, &mut self.events, now),
            (None, _) => {}
        }
    }

    /// The time that it will never get past. It does not report this itself.
    pub(crate) fn stranded(&self) -> Option<u64> {
        self.open.as_ref().and_then(|open| open.operator.stranded())
    }

    pub(crate) fn progress(&self) -> Progress {
        let open = self.open.as_ref();
        Progress {
            status: "running".to_owned(),
            incarnation: self.incarnation,
            mode: self.mode,
            hydrated: open.is_some_and(|open| open.operator.hydrated()),
            frontier: open.map_or(0, |open| open.operator.output_frontier()),
            offset: open.map_or(0, |open| open.offset),
            updates_staged: open.map_or(0, |open| open.staged),
            updates_stashed: open.map_or(0, |open| open.operator.stashed() as u64),
            updates_appended: open.map_or(0, |open| open.appended),
        }
    }
}

impl Open {
    fn receive(&mut self, reply: Reply, events: &mut NodeLog, now: u64) {
        match reply {
            Reply::Input { entries, frontier } => {
                self.offset += entries.len() as u64;
                let entries = entries.into_iter().map(|timed| (timed.ts, timed.entry));
                let Staged { entries, first, last } = self.operator.input(entries, frontier);
                self.staged += entries;
                if entries > 0 {
                    let shard = self.operator.feedback_frontier();
                    let detail = json!({"first": first, "last": last, "entries": entries, "shard": shard});
                    events.log(now, NodeEventKind::Buffered, detail);
                }
            }
            Reply::Feedback { updates, upper } => {
                self.received += updates.len();
                self.operator.feedback(&updates, upper);
                self.sink.passed(upper);
            }
            Reply::Appended { upper, updates } => {
                self.appended += updates as u64;
                self.sink.passed(upper);
            }
            Reply::Mismatch { lower, upper } => {
                self.sink.passed(upper);
                events.log(now, NodeEventKind::AppendLost, json!({"from": lower, "found": upper}));
            }
            Reply::Opened(_) => {}
        }
        let Drained { output, counts } = self.operator.drain();
        self.log_drain(counts, events, now);
        self.sink.take(output, self.operator.output_frontier());
    }

    fn log_drain(&mut self, counts: DrainCounts, events: &mut NodeLog, now: u64) {
        let DrainCounts { emitted, later, passed, dropped } = counts;
        if emitted > 0 || passed > self.last_drain.passed || dropped > 0 {
            let detail = json!({
                "shard": self.operator.feedback_frontier(),
                "input": self.operator.input_frontier(),
                "emitted": emitted,
                "later": later,
                "passed": passed,
                "dropped": dropped,
                "earliest": self.operator.earliest(),
            });
            events.log(now, NodeEventKind::Drain, detail);
            self.last_drain = counts;
        }
    }
}
