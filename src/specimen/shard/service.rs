//! The service as a pure state machine: the input log, the map from offsets to timestamps, the shard, and the
//! lag of each writer.

use super::config::Config;
use super::messages::{Ask, Batch, Call, Reply, Timed};
use super::node_log::{NodeEvent, NodeEventKind, NodeLog, SERVICE, SHARD};
use super::persist::Shard;
use super::remap::Remap;
use crate::value::Entry;
use serde_json::json;
use std::sync::Arc;

/// How much of the input a writer sees.
#[derive(Clone, Copy, Debug, Default)]
struct InputView {
    /// The upper of the timestamps that have reached the writer. A delayed queue holds it back.
    reached: u64,
    /// How many timestamps the writer's input is kept behind.
    lag: u64,
}

pub(crate) struct Service {
    log: Vec<Arc<Entry>>,
    remap: Remap,
    shard: Shard,
    inputs: Vec<InputView>,
    /// The maximum number of entries in one answer.
    batch: usize,
    /// The names of the writers, in the order of their indices.
    writers: Vec<String>,
    events: NodeLog,
}

impl Service {
    pub(crate) fn new(config: &Config) -> Self {
        Service {
            log: Vec::new(),
            remap: Remap::default(),
            shard: Shard::default(),
            inputs: vec![InputView::default(); config.writers.len()],
            batch: config.batch,
            writers: config.writers.clone(),
            events: NodeLog::new(SERVICE, 1),
        }
    }

    /// The service's events with numbers from `since` on.
    pub(crate) fn events(&self, since: u64) -> &[NodeEvent] {
        self.events.since(since)
    }

    /// Appends an entry to the log and returns its offset.
    pub(crate) fn produce(&mut self, entry: Entry) -> u64 {
        let off = self.log.len() as u64;
        self.log.push(Arc::new(Entry { off, ..entry }));
        off
    }

    /// The log from an offset on.
    pub(crate) fn log(&self, from: u64) -> &[Arc<Entry>] {
        self.log.get(usize::try_from(from).unwrap_or(usize::MAX)..).unwrap_or_default()
    }

    /// A clock tick: assigns a timestamp to the entries that have none. Returns the timestamps' upper, which
    /// has not reached the writers yet.
    pub(crate) fn tick(&mut self) -> u64 {
        self.remap.mint(self.log.len() as u64);
        self.remap.upper()
    }

    /// Records that the timestamps below `upper` have reached a writer.
    pub(crate) fn reach(&mut self, writer: usize, upper: u64) {
        let view = &mut self.inputs[writer];
        view.reached = view.reached.max(upper);
    }

    pub(crate) fn remap(&self) -> &Remap {
        &self.remap
    }

    pub(crate) fn shard(&self) -> &Shard {
        &self.shard
    }

    /// Keeps a writer's input this many timestamps behind.
    pub(crate) fn lag(&mut self, writer: usize, timestamps: u64) {
        self.inputs[writer].lag = timestamps;
    }

    /// Carries out a request at this time of the service's clock, in nanoseconds.
    pub(crate) fn call(&mut self, call: Call, now: u64) -> Reply {
        let Call { writer, incarnation, ask } = call;
        match ask {
            Ask::Open => Reply::Opened(self.shard.upper()),
            Ask::Input(from) => self.input(from, self.inputs[writer]),
            Ask::Feedback(from) => {
                Reply::Feedback { updates: self.shard.updates(from).to_vec(), upper: self.shard.upper() }
            }
            Ask::Append(batch) => {
                let (Batch { lower, upper, updates }, before) = (batch, self.shard.upper());
                let count = updates.len();
                match self.shard.compare_and_append(lower, upper, updates) {
                    Ok(()) => {
                        let name = &self.writers[writer];
                        let by = json!({"name": name, "incarnation": incarnation});
                        let detail = json!({"object": SHARD, "by": by, "from": before, "to": upper});
                        self.events.log(now, NodeEventKind::Appended, detail);
                        Reply::Appended { upper, updates: count }
                    }
                    Err(upper) => Reply::Mismatch { lower, upper },
                }
            }
        }
    }

    fn input(&self, from: u64, view: InputView) -> Reply {
        let frontier = view.reached.min(self.remap.upper().saturating_sub(view.lag));
        // A new lag can put the end before what was already read. Then nothing is returned.
        let end = self.remap.end_before(frontier).max(from);
        let most = usize::try_from(end - from).unwrap_or(usize::MAX).min(self.batch);
        let timed =
            |entry: &Arc<Entry>| Timed { ts: self.remap.timestamp(entry.off), entry: Arc::clone(entry) };
        let entries: Vec<Timed> = self.log(from).iter().take(most).map(timed).collect();
        let next = from + entries.len() as u64;
        let frontier = if next < end { self.remap.timestamp(next) } else { frontier };
        Reply::Input { entries, frontier }
    }
}
