//! A server as a pure state machine: answers of the controller go in, calls and copies to be kept come out.
//!
//! Orders of the controller run side by side in a pool. An order to consume waits inside the pool for the
//! guard; one to go online keeps the server's own rows if they are the committed ones, else fetches.

use super::config::Config;
use super::copy::{CopyState, Coverage, SegmentCopy, StoredCopy};
use super::guard::{Ended, Gate, GateView, Tested};
use super::lifecycle::{Event, Kind, Lifecycle, PER_INCARNATION};
use super::messages::{Ask, Batch, Call, Message, Poll, Reply, SegmentId, State};
use super::messages::{Stored, Transition, Work};
use super::upsert::{Flag, Upsert};
use crate::value::Entry;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the state machine wants done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Ask the controller; the answer goes to [`Server::receive`].
    Call(Call),
    /// Keep a copy on disk, instead of an older one of the segment.
    Keep(StoredCopy),
}

/// An order in the pool: one to consume waits for the guard, any other for the stored copy.
struct RunningTransition {
    message: Message,
    started: u64,
    /// Whether the log says already that the guard is shut.
    told: bool,
}

/// See the module.
pub(crate) struct Server {
    number: usize,
    incarnation: u64,
    config: Arc<Config>,
    /// What lay on disk at boot, until it is loaded.
    disk: BTreeMap<SegmentId, StoredCopy>,
    /// The segments that were committed when this process joined; none before it did.
    boot: Option<BTreeSet<SegmentId>>,
    gate: Gate,
    copies: BTreeMap<SegmentId, SegmentCopy>,
    /// The copies in their committed form.
    committed: BTreeSet<SegmentId>,
    upserts: BTreeMap<u32, Upsert>,
    /// Orders ever seen: the controller repeats them until it knows that they are done.
    seen: BTreeSet<u64>,
    queue: BTreeMap<u64, Message>,
    running: BTreeMap<u64, RunningTransition>,
    finished: Vec<u64>,
    next_copy: u64,
    log: Lifecycle,
}

impl Server {
    /// A server that has just come up: its place in the list, which life this is (from 1), its disk.
    pub(crate) fn new(
        config: Arc<Config>,
        number: usize,
        incarnation: u64,
        disk: BTreeMap<SegmentId, StoredCopy>,
    ) -> Self {
        Server {
            number,
            incarnation,
            disk,
            boot: None,
            gate: Gate::new(config.guard),
            copies: BTreeMap::new(),
            committed: BTreeSet::new(),
            upserts: BTreeMap::new(),
            seen: BTreeSet::new(),
            queue: BTreeMap::new(),
            running: BTreeMap::new(),
            finished: Vec::new(),
            next_copy: incarnation * PER_INCARNATION,
            log: Lifecycle::new(&config.servers[number], incarnation, &config.table),
            config,
        }
    }

    /// Which life of the server this is.
    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The next poll. It must reach the controller, if need be by being sent again.
    pub(crate) fn poll(&mut self) -> Call {
        let consuming = self.copies.iter().filter(|(_, copy)| copy.state == CopyState::Consuming);
        let positions = consuming.map(|(id, copy)| (*id, copy.position())).collect();
        let finished = std::mem::take(&mut self.finished);
        self.call(Ask::Poll(Poll { joined: self.boot.is_some(), positions, finished }))
    }

    /// Takes in an answer of the controller at `now` (nanoseconds).
    pub(crate) fn receive(&mut self, now: u64, reply: Reply, out: &mut Vec<Action>) {
        match reply {
            Reply::Work(work) => self.work(now, work, out),
            Reply::Copy(stored) => self.fetched(now, stored, out),
            Reply::Noted => {}
        }
        self.run(now, out);
    }

    /// What it holds.
    pub(crate) fn coverage(&self) -> Coverage {
        let table = &self.config.table;
        let covers = self.copies.iter().map(|(id, copy)| copy.cover(*id, table)).collect();
        Coverage { incarnation: self.incarnation, status: "running".to_owned(), covers }
    }

    /// The raw rows of a segment with offsets in `from..to`, and the document number of the first.
    pub(crate) fn rows(&self, id: SegmentId, from: u64, to: u64) -> Option<(u64, &[Arc<Entry>])> {
        Some(self.copies.get(&id)?.slice(from, to))
    }

    /// The version of a partition's current view, and the flags that changed after version `since`.
    pub(crate) fn current(&self, partition: u32, since: u64) -> (u64, Vec<Flag>) {
        self.upserts.get(&partition).map(|upsert| upsert.flags(since)).unwrap_or_default()
    }

    /// Its own log, from line `since` on.
    pub(crate) fn events(&self, since: u64) -> &[Event] {
        self.log.since(since)
    }

    fn call(&self, ask: Ask) -> Call {
        Call { server: self.number, incarnation: self.incarnation, ask }
    }

    fn work(&mut self, now: u64, work: Work, out: &mut Vec<Action>) {
        if let Some(boot) = work.boot {
            self.boot.get_or_insert_with(|| BTreeSet::from_iter(boot));
        }
        for message in work.messages {
            if self.seen.insert(message.id) {
                let (transition, created_ms) = (message.transition, message.created / 1_000_000);
                let detail =
                    json!({"message": message.id, "transition": transition, "created_ms": created_ms});
                self.log.log(now, message.segment, Kind::TransitionCreated, detail);
                self.queue.insert(message.id, message);
            }
        }
        work.batches.into_iter().for_each(|batch| self.consume(now, batch));
        for id in work.commit {
            if let Some(upload) = self.upload(id) {
                out.push(Action::Call(self.call(Ask::Upload(upload))));
            }
        }
    }

    fn consume(&mut self, now: u64, batch: Batch) {
        let id = batch.segment;
        let Some(copy) = self.copies.get_mut(&id) else {
            return;
        };
        if copy.state != CopyState::Consuming {
            return;
        }
        let upsert = self.upserts.entry(id.partition).or_default();
        let rows = batch.entries.iter().map(|event| upsert.merge(id.seq, event, &self.config.columns));
        copy.rows.extend(rows);
        if !copy.complete && batch.end == Some(copy.position()) {
            copy.complete = true;
            self.log.log(now, id, Kind::ConsumeEnd, copy.extent());
        }
    }

    fn upload(&mut self, id: SegmentId) -> Option<Stored> {
        let copy = self.copies.get_mut(&id)?;
        if copy.uploading || !copy.complete {
            return None;
        }
        copy.uploading = true;
        Some(copy.stored(id))
    }

    /// Lets go on whatever can: orders whose guard opens now, then orders from the queue. A registration
    /// or a skip may open a guard, so all is tried again after each that was done.
    fn run(&mut self, now: u64, out: &mut Vec<Action>) {
        loop {
            let running: Vec<u64> = self.running.keys().copied().collect();
            let opened = running.into_iter().find(|id| self.passes(now, *id));
            if let Some(RunningTransition { message, started, .. }) =
                opened.and_then(|id| self.running.remove(&id))
            {
                self.begin_consuming(now, &message);
                self.finish(now, &message, started, "consuming");
            } else if self.running.len() < self.config.pool
                && let Some((_, message)) = self.queue.pop_first()
            {
                self.start(now, message, out);
            } else {
                return;
            }
        }
    }

    /// Starts an order, and finishes it if that is all there is to do.
    fn start(&mut self, now: u64, message: Message, out: &mut Vec<Action>) {
        let detail = json!({"message": message.id, "transition": message.transition});
        self.log.log(now, message.segment, Kind::TransitionStarted, detail);
        let result = match message.transition {
            Transition::OfflineToConsuming if message.committed.is_some() => {
                Some("already completed, skipping")
            }
            Transition::OfflineToConsuming => None,
            Transition::ConsumingToOnline => self.keep_own(now, &message, out).then_some("online"),
            Transition::OfflineToOnline => self.load(now, &message).then_some("online"),
        };
        if let Some(result) = result {
            if message.transition == Transition::OfflineToConsuming {
                self.gate.ended(now, message.segment, Ended::Skipped);
            }
            return self.finish(now, &message, now, result);
        }
        if message.transition.target() == State::Online {
            out.push(Action::Call(self.call(Ask::Download(message.segment))));
        }
        self.running.insert(message.id, RunningTransition { message, started: now, told: false });
    }

    fn finish(&mut self, now: u64, message: &Message, started: u64, result: &str) {
        let took_ms = now.saturating_sub(started) / 1_000_000;
        let transition = message.transition;
        let detail =
            json!({"message": message.id, "transition": transition, "result": result, "took_ms": took_ms});
        self.log.log(now, message.segment, Kind::TransitionFinished, detail);
        self.finished.push(message.id);
    }

    /// Tests the guard of an order that waits for it.
    fn passes(&mut self, now: u64, id: u64) -> bool {
        let (Some(running), Some(boot)) = (self.running.get_mut(&id), &self.boot) else {
            return false;
        };
        if running.message.transition != Transition::OfflineToConsuming {
            return false;
        }
        let segment = running.message.segment;
        let Some(tested) = self.gate.test(now, &GateView { segment, boot, registered: &self.committed })
        else {
            return false;
        };
        let passes = tested.released_by.is_some();
        if passes || !running.told {
            self.log.log(now, segment, Kind::Gate, gate_detail(&tested, now.saturating_sub(running.started)));
        }
        running.told = true;
        passes
    }

    fn begin_consuming(&mut self, now: u64, message: &Message) {
        let id = message.segment;
        let earlier = self.copies.range(SegmentId { seq: 0, ..id }..id).count();
        self.log.log(now, id, Kind::Snapshot, json!({"registered_segments": earlier}));
        self.log.log(now, id, Kind::ConsumeStart, json!({"start": message.start}));
        let copy = self.copy(CopyState::Consuming, message.start, Vec::new());
        self.copies.insert(id, copy);
    }

    /// Keeps the rows that this server consumed itself, if they are the committed ones to the last.
    fn keep_own(&mut self, now: u64, message: &Message, out: &mut Vec<Action>) -> bool {
        let (id, Some(committed)) = (message.segment, message.committed) else {
            return false;
        };
        let Some(copy) = self.copies.get_mut(&id) else {
            return false;
        };
        let stored = copy.stored(id);
        if (copy.position(), stored.crc) != (committed.end, committed.crc) {
            return false;
        }
        copy.state = CopyState::CommittedLocal;
        out.push(Action::Keep(StoredCopy { state: copy.state, stored }));
        self.registered(now, id, "own rows");
        true
    }

    /// Loads a segment from this server's own disk, if what lies there is the committed copy.
    fn load(&mut self, now: u64, message: &Message) -> bool {
        let Some(kept) = self.disk.remove(&message.segment) else {
            return false;
        };
        if message.committed.is_none_or(|committed| committed.crc != kept.stored.crc) {
            return false;
        }
        self.add(now, kept.state, kept.stored, "disk");
        true
    }

    /// The stored copy of a segment has come: it is registered at the end of the order that waits for it.
    fn fetched(&mut self, now: u64, stored: Stored, out: &mut Vec<Action>) {
        let id = stored.segment;
        let waits = self.running.values().find(|running| running.message.segment == id);
        let order = waits.map(|running| running.message.id);
        let Some(RunningTransition { message, started, .. }) =
            order.and_then(|order| self.running.remove(&order))
        else {
            return;
        };
        out.push(Action::Keep(StoredCopy { state: CopyState::Downloaded, stored: stored.clone() }));
        self.add(now, CopyState::Downloaded, stored, "download");
        self.finish(now, &message, started, "online");
    }

    /// Puts a committed copy in place and makes its keys visible to merges.
    fn add(&mut self, now: u64, state: CopyState, stored: Stored, from: &str) {
        let (id, crc) = (stored.segment, stored.crc);
        self.upserts.entry(id.partition).or_default().add(id.seq, &stored.rows);
        let copy = self.copy(state, stored.start, stored.rows);
        let new = copy.id;
        if let Some(old) = self.copies.insert(id, copy) {
            if !old.complete {
                self.log.log(now, id, Kind::ConsumeEnd, old.extent());
            }
            let detail = json!({"old_copy": old.id, "old_rows": old.rows.len(), "copy": new, "crc": crc});
            self.log.log(now, id, Kind::Replaced, detail);
        }
        self.registered(now, id, from);
    }

    fn registered(&mut self, now: u64, id: SegmentId, from: &str) {
        self.committed.insert(id);
        self.gate.ended(now, id, Ended::Loaded);
        let rows = self.copies.get(&id).map_or(0, |copy| copy.rows.len());
        let segments = self.committed.range(SegmentId { seq: 0, ..id }..SegmentId { seq: u32::MAX, ..id });
        let detail = json!({"from": from, "rows": rows, "registered_segments": segments.count()});
        self.log.log(now, id, Kind::Registered, detail);
    }

    fn copy(&mut self, state: CopyState, start: u64, rows: Vec<Arc<Entry>>) -> SegmentCopy {
        self.next_copy += 1;
        SegmentCopy::new(self.next_copy, state, start, rows)
    }
}

fn gate_detail(tested: &Tested, waited: u64) -> Json {
    json!({
        "name": tested.name,
        "subject": tested.subject,
        "evaluated_at": tested.evaluated_at / 1_000_000,
        "waited_ms": waited / 1_000_000,
        "released_by": tested.released_by,
        "seen": {"wanted": tested.wanted, "registered": tested.registered},
    })
}
