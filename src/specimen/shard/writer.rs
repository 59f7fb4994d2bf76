//! One writer as a pure state machine: it asks along three queues, each at its own pace, and takes in the
//! answers. It keeps nothing: after a restart the log is read from its beginning and the contents come from
//! the shard.

use super::messages::{Ask, Call, Mode, Queue, Reply};
use super::operator::Operator;
use super::rule::Rule;
use super::sink::Sink;
use serde::Serialize;

/// What a writer shows of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Always `running`, as in the incident.
    pub status: String,
    /// Which life of the writer this is.
    pub incarnation: u64,
    /// Whether it appends.
    pub mode: Mode,
    /// Whether it has read the shard up to where that stood at its start.
    pub hydrated: bool,
    /// The first time at which it may still give an update: its own output frontier, not the shard's.
    pub frontier: u64,
    /// The next offset to read.
    pub offset: u64,
    /// The entries that were taken in.
    pub updates_staged: u64,
    /// The entries that wait.
    pub updates_stashed: u64,
    /// The updates that it has brought into the shard.
    pub updates_appended: u64,
}

/// What it has once it knows where the shard stands.
struct Open {
    operator: Operator,
    sink: Sink,
    /// The next offset to read.
    offset: u64,
    /// The shard's updates that it has heard of.
    heard: usize,
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

    /// From now on it appends.
    pub(crate) fn promote(&mut self) {
        self.mode = Mode::ReadWrite;
    }

    /// What it asks along a queue now, if anything. Append is asked again only after an answer.
    pub(crate) fn poll(&self, queue: Queue) -> Option<Call> {
        let ask = match (&self.open, queue) {
            (None, Queue::Feedback) => Ask::Open,
            (None, _) => return None,
            (Some(open), Queue::Input) => Ask::Input(open.offset),
            (Some(open), Queue::Feedback) => Ask::Feedback(open.heard),
            (Some(_), Queue::Append) if self.mode == Mode::ReadOnly => return None,
            (Some(open), Queue::Append) => Ask::Append(open.sink.next()?.clone()),
        };
        Some(Call { writer: self.number, ask })
    }

    /// Takes in an answer.
    pub(crate) fn receive(&mut self, reply: Reply) {
        match (&mut self.open, reply) {
            (none @ None, Reply::Opened(upper)) => {
                let (operator, sink) = (Operator::new(self.rule, upper), Sink::new(upper));
                *none = Some(Open { operator, sink, offset: 0, heard: 0, staged: 0, appended: 0 });
            }
            (Some(open), reply) => open.receive(reply),
            (None, _) => {}
        }
    }

    /// Whether it will never append again, which it does not show.
    pub(crate) fn stranded(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.operator.stranded())
    }

    /// What it shows.
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
                self.heard += updates.len();
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
