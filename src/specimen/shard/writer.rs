//! One writer as a pure state machine: it sends requests on three queues, each at its own pace, and handles
//! the answers. It keeps nothing on disk: after a restart it reads the log from the beginning and the
//! contents from the shard.

use super::messages::{Ask, Call, Mode, Queue, Reply};
use super::operator::Operator;
use super::rule::Rule;
use super::sink::Sink;
use serde::Serialize;

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
}

pub(crate) struct Writer {
    number: usize,
    incarnation: u64,
    rule: Rule,
    mode: Mode,
    open: Option<Open>,
}

impl Writer {
    pub(crate) fn new(rule: Rule, number: usize, incarnation: u64, mode: Mode) -> Self {
        Writer { number, incarnation, rule, mode, open: None }
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
        Some(Call { writer: self.number, ask })
    }

    pub(crate) fn receive(&mut self, reply: Reply) {
        match (&mut self.open, reply) {
            (none @ None, Reply::Opened(upper)) => {
                let (operator, sink) = (Operator::new(self.rule, upper), Sink::new(upper));
                *none = Some(Open { operator, sink, offset: 0, received: 0, staged: 0, appended: 0 });
            }
            (Some(open), reply) => open.receive(reply),
            (None, _) => {}
        }
    }

    /// Whether it will never append again. It does not report this itself.
    pub(crate) fn stranded(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.operator.stranded())
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
    fn receive(&mut self, reply: Reply) {
        match reply {
            Reply::Input { entries, frontier } => {
                self.offset += entries.len() as u64;
                let entries = entries.into_iter().map(|timed| (timed.ts, timed.entry));
                self.staged += self.operator.input(entries, frontier);
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
            Reply::Mismatch(upper) => self.sink.passed(upper),
            Reply::Opened(_) => {}
        }
        let output = self.operator.drain();
        self.sink.take(output, self.operator.output_frontier());
    }
}
