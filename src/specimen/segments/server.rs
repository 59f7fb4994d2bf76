//! A server as a pure state machine: it takes the controller's answers, and returns calls and copies to
//! store.
//!
//! Transitions run concurrently in a pool. A transition to consuming waits in the pool for the guard. A
//! transition to online keeps the server's own rows if they equal the committed ones, else it downloads.

use super::config::{Cause, Config, KeptOrder};
use super::copy::{CopyState, Coverage, SegmentCopy, StoredCopy, consumes_before, reach};
use super::guard::{Ended, Gate, GateView};
use super::lifecycle::{BY_SERVERS, Event, Kind, Lifecycle, PER_INCARNATION};
use super::messages::{Ask, Batch, Call, Message, Poll, Reply, SegmentId, State};
use super::messages::{Stored, Transition, Work};
use super::shared_work::SharedWork;
use super::truth::{Begun, BlindMerge, DroppedKeys, MergeTruth, Visible};
use super::upsert::{Flag, Upsert};
use crate::value::Entry;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An effect that the caller carries out.
#[derive(Debug)]
pub(crate) enum Action {
    /// Call the controller. The answer goes to [`Server::receive`].
    Call(Call),
    /// Store a copy in place of an older one, and try until that works. Then call [`Server::kept`].
    Keep(StoredCopy),
}

/// A transition in the pool: to consuming it waits for the guard, otherwise for the stored copy.
struct RunningTransition {
    message: Message,
    started: u64,
    /// Whether the event log already says that the guard is closed.
    logged_closed: bool,
}

/// How a transition ended, as the event log says it. No transition of this specimen fails.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Done,
    Skipped,
}

pub(crate) struct Server {
    number: usize,
    incarnation: u64,
    config: Arc<Config>,
    shared: SharedWork,
    /// What was on disk at boot and is not loaded yet.
    disk: BTreeMap<SegmentId, StoredCopy>,
    /// The segments that were committed when this process joined. None before it has joined.
    boot: Option<BTreeSet<SegmentId>>,
    gate: Gate,
    /// By partition, the sequence number of the newest segment heard of. All below it are committed.
    newest: BTreeMap<u32, u32>,
    copies: BTreeMap<SegmentId, SegmentCopy>,
    /// The copies in their committed form.
    committed: BTreeSet<SegmentId>,
    upserts: BTreeMap<u32, Upsert>,
    /// By partition, the newest segment that was consumed, and the position in it.
    reached: BTreeMap<u32, (SegmentId, u64)>,
    /// All message ids ever received: the controller repeats a message until it knows that it is done.
    seen: BTreeSet<u64>,
    queue: BTreeMap<u64, Message>,
    running: BTreeMap<u64, RunningTransition>,
    finished: Vec<u64>,
    next_copy: u64,
    log: Lifecycle,
    truth: MergeTruth,
}

impl Server {
    /// A server that starts at `now` (nanoseconds). A node is its index in the list, and the number of its
    /// starts, from 1.
    pub(crate) fn new(
        (config, shared): (Arc<Config>, SharedWork),
        node: (usize, u64),
        now: u64,
        disk: BTreeMap<SegmentId, StoredCopy>,
    ) -> Self {
        let (number, incarnation) = node;
        let name = (config.servers[number].as_str(), incarnation);
        let first_wins = config.first_wins.as_deref() == Some(name.0);
        let upserts = (0..config.partitions).map(|partition| (partition, Upsert::new(first_wins)));
        Server {
            number,
            incarnation,
            shared,
            disk,
            boot: None,
            gate: Gate::new(config.guard, config.wait_ms),
            newest: BTreeMap::new(),
            copies: BTreeMap::new(),
            committed: BTreeSet::new(),
            upserts: upserts.collect(),
            reached: BTreeMap::new(),
            seen: BTreeSet::new(),
            queue: BTreeMap::new(),
            running: BTreeMap::new(),
            finished: Vec::new(),
            next_copy: incarnation * PER_INCARNATION,
            log: Lifecycle::boot(now, name, &config.table, BY_SERVERS),
            truth: MergeTruth::default(),
            config,
        }
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The next poll. The caller must retry it until it reaches the controller.
    pub(crate) fn poll(&mut self) -> Call {
        let consuming = self.copies.iter().filter(|(_, copy)| copy.state == CopyState::Consuming);
        let positions = consuming.map(|(id, copy)| (*id, copy.position())).collect();
        let finished = std::mem::take(&mut self.finished);
        self.call(Ask::Poll(Poll { joined: self.boot.is_some(), positions, finished }))
    }

    /// Handles an answer of the controller at `now` (nanoseconds).
    pub(crate) fn receive(&mut self, now: u64, reply: Reply, out: &mut Vec<Action>) {
        match reply {
            Reply::Work(work) => self.work(now, work, out),
            Reply::Copy(stored) => {
                return out.push(Action::Keep(StoredCopy { state: CopyState::Downloaded, stored }));
            }
            Reply::Noted => {}
        }
        self.run(now, out);
    }

    /// A copy is on disk: registers it and finishes the transition that waits for it, if one does.
    pub(crate) fn kept(&mut self, now: u64, copy: &StoredCopy, out: &mut Vec<Action>) {
        let mut all = self.running.values().map(|running| &running.message);
        let waiting = all.find(|message| message.segment == copy.stored.segment).map(|message| message.id);
        if let Some(RunningTransition { message, started, .. }) =
            waiting.and_then(|id| self.running.remove(&id))
        {
            self.add(now, copy.state, copy.stored.clone(), "download");
            self.finish(now, &message, started, "online", Outcome::Done);
            self.run(now, out);
        }
    }

    pub(crate) fn coverage(&self) -> Coverage {
        let covers = self.copies.iter().map(|(id, copy)| copy.cover(*id)).collect();
        Coverage { incarnation: self.incarnation, status: "running".to_owned(), covers }
    }

    /// The raw rows of a segment with offsets in `from..to` that readers see, each with its document number.
    pub(crate) fn rows(
        &self,
        id: SegmentId,
        from: u64,
        to: u64,
    ) -> Option<impl Iterator<Item = (u64, &Arc<Entry>)>> {
        let (doc, rows) = self.copies.get(&id)?.slice(from, to);
        let newest = self.upserts.get(&id.partition).filter(|_| self.config.newest_only);
        Some((doc..).zip(rows).filter(move |(_, row)| newest.is_none_or(|upsert| upsert.is_current(row))))
    }

    /// The version of a partition's current view, and the flags that changed after version `since`.
    pub(crate) fn current(&self, partition: u32, since: u64) -> (u64, Vec<Flag>) {
        self.upserts.get(&partition).map(|upsert| upsert.flags(since)).unwrap_or_default()
    }

    /// The events from number `since` on.
    pub(crate) fn events(&self, since: u64) -> &[Event] {
        self.log.since(since)
    }

    /// What really happened here, for tests.
    pub(crate) fn truth(&self) -> &MergeTruth {
        &self.truth
    }

    fn call(&self, ask: Ask) -> Call {
        Call { server: self.number, incarnation: self.incarnation, ask }
    }

    fn work(&mut self, now: u64, work: Work, out: &mut Vec<Action>) {
        if let Some(boot) = work.boot {
            boot.iter().for_each(|id| self.hear_of(id.next()));
            self.boot.get_or_insert_with(|| BTreeSet::from_iter(boot));
        }
        for message in work.messages {
            if self.seen.insert(message.id) {
                self.hear_of(message.segment);
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

    fn hear_of(&mut self, id: SegmentId) {
        let newest = self.newest.entry(id.partition).or_default();
        *newest = id.seq.max(*newest);
    }

    fn consume(&mut self, now: u64, batch: Batch) {
        let id = batch.segment;
        let unseen = self.unseen(id);
        let Some(copy) = self.copies.get_mut(&id).filter(|copy| !copy.ended) else {
            return;
        };
        let from = copy.position();
        let upsert = self.upserts.entry(id.partition).or_default();
        let (mut shared, columns) = (self.shared.lock(), &self.config.columns);
        let rows = batch.entries.iter().map(|event| upsert.merge(id.seq, event, columns, &mut shared));
        copy.rows.extend(rows);
        drop(shared);
        if batch.is_last && !copy.caught_up {
            copy.caught_up = true;
            self.log.log(now, id, Kind::CaughtUp, json!({"rows": copy.rows.len()}));
        }
        reach(&mut self.reached, id, copy.position());
        if batch.end == Some(copy.position()) {
            copy.ended = true;
            self.log.log(now, id, Kind::ConsumeEnd, copy.extent(true));
        }
        if !unseen.is_empty() && from < copy.position() {
            let (incarnation, segment) = (self.incarnation, id.name(&self.config.table));
            let (partition, merged) = (id.partition, (from, copy.position()));
            self.truth.merged(BlindMerge { incarnation, segment, partition, merged, unseen });
        }
    }

    /// The offsets below the position in a consuming segment that this server does not hold.
    fn unseen(&self, id: SegmentId) -> Vec<(u64, u64)> {
        let (mut unseen, mut seen) = (Vec::new(), 0);
        for copy in self.copies.range(SegmentId { seq: 0, ..id }..=id).map(|(_, copy)| copy) {
            if copy.start > seen {
                unseen.push((seen, copy.start));
            }
            seen = copy.position().max(seen);
        }
        unseen
    }

    fn upload(&mut self, id: SegmentId) -> Option<Stored> {
        let copy = self.copies.get_mut(&id)?;
        if copy.uploading || !copy.ended {
            return None;
        }
        copy.uploading = true;
        Some(copy.stored(id, &self.shared))
    }

    /// Runs every transition that can run: first those whose guard opens now, then those in the queue. A
    /// registration or a skip may open a guard, so each step starts over.
    fn run(&mut self, now: u64, out: &mut Vec<Action>) {
        loop {
            let running: Vec<u64> = self.running.keys().copied().collect();
            let opened = running.into_iter().find(|id| self.passes(now, *id));
            if let Some(RunningTransition { message, started, .. }) =
                opened.and_then(|id| self.running.remove(&id))
            {
                self.begin_consuming(now, &message);
                self.finish(now, &message, started, "consuming", Outcome::Done);
            } else if self.running.len() < self.config.pool
                && let Some(message) = self.next_to_start().and_then(|id| self.queue.remove(&id))
            {
                self.start(now, message, out);
            } else {
                return;
            }
        }
    }

    /// The first transition in the queue that may start. No segment is loaded while an earlier one is still
    /// to be merged, as on a server that hears of both late:
    ///
    /// ```text
    /// SEG_M waits for its guard; the others commit it, and SEG_M1, which this server loads
    /// the guard opens: what SEG_M holds is older than what SEG_M1 shows, and is merged onto nothing
    /// ```
    fn next_to_start(&self) -> Option<u64> {
        let is_early = |message: &&Message| {
            let follows = |id: SegmentId| id.partition == message.segment.partition && id < message.segment;
            let waits = |it: &Message| it.transition == Transition::OfflineToConsuming && follows(it.segment);
            let is_merging = |(id, copy): (&SegmentId, &SegmentCopy)| {
                copy.state == CopyState::Consuming && !copy.ended && follows(*id)
            };
            message.transition == Transition::ConsumingToOnline
                && (self.running.values().any(|it| waits(&it.message)) || self.copies.iter().any(is_merging))
        };
        self.queue.values().find(|message| !is_early(message)).map(|message| message.id)
    }

    /// Starts a transition, and finishes it if nothing is left to wait for.
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
            let mut outcome = Outcome::Done;
            if message.transition == Transition::OfflineToConsuming {
                self.gate.ended(now, message.segment, Ended::Skipped);
                outcome = Outcome::Skipped;
            }
            return self.finish(now, &message, now, result, outcome);
        }
        if message.transition.target() == State::Online {
            out.push(Action::Call(self.call(Ask::Download(message.segment))));
        }
        self.running.insert(message.id, RunningTransition { message, started: now, logged_closed: false });
    }

    fn finish(&mut self, now: u64, message: &Message, started: u64, result: &str, outcome: Outcome) {
        let detail = json!({
            "message": message.id,
            "transition": message.transition,
            "result": result,
            "outcome": outcome,
            "took_ms": now.saturating_sub(started) / 1_000_000,
        });
        self.log.log(now, message.segment, Kind::TransitionFinished, detail);
        self.finished.push(message.id);
    }

    /// Tests the guard of a transition that waits for it.
    fn passes(&mut self, now: u64, id: u64) -> bool {
        if self.is_kept_back(id) {
            return false;
        }
        let (Some(running), Some(boot)) = (self.running.get_mut(&id), &self.boot) else {
            return false;
        };
        if running.message.transition != Transition::OfflineToConsuming {
            return false;
        }
        let segment = running.message.segment;
        let (incarnation, name) = (self.incarnation, segment.name(&self.config.table));
        let mut begun =
            Begun { incarnation, segment: name, at: now, guard: self.config.guard, released_by: None };
        if self.gate.is_absent() {
            self.truth.begun.push(begun);
            return true;
        }
        let waited = now.saturating_sub(running.started);
        let (registered, committed) = (&self.committed, &self.newest);
        let seen = GateView { segment, boot, registered, committed, waited };
        let Some(tested) = self.gate.test(now, &seen) else {
            return false;
        };
        let passes = tested.released_by.is_some();
        if passes || !running.logged_closed {
            self.log.log(now, segment, Kind::Gate, tested.detail(waited));
        }
        running.logged_closed = true;
        if passes {
            begun.released_by = tested.released_by.map(str::to_owned);
            self.truth.begun.push(begun);
        }
        passes
    }

    /// Whether a transition must not go on yet, whatever its guard says.
    fn is_kept_back(&self, id: u64) -> bool {
        let Some(segment) = self.running.get(&id).map(|running| running.message.segment) else {
            return false;
        };
        let drops_keys = self.config.cause == Cause::ReplaceDropsKeys;
        drops_keys && consumes_before(&self.copies, segment)
            || self.config.kept_order.as_ref().is_some_and(|order| !self.keeps(order, segment))
    }

    /// Whether an order lets a segment be consumed now.
    fn keeps(&self, order: &KeptOrder, segment: SegmentId) -> bool {
        let KeptOrder { partition, first: seq, then, .. } = *order;
        self.config.servers[self.number] != order.server
            || segment != SegmentId { partition, seq: then }
            || self.committed.contains(&SegmentId { partition, seq })
    }

    fn begin_consuming(&mut self, now: u64, message: &Message) {
        let id = message.segment;
        let earlier = self.copies.range(SegmentId { seq: 0, ..id }..id).count();
        self.log.log(now, id, Kind::Snapshot, json!({"registered_segments": earlier}));
        self.log.log(now, id, Kind::ConsumeStart, json!({"start": message.start}));
        let copy = self.copy(id, CopyState::Consuming, message.start, Vec::new());
        self.copies.insert(id, copy);
        reach(&mut self.reached, id, message.start);
    }

    /// Keeps the rows that this server consumed itself, if they equal the committed ones.
    fn keep_own(&mut self, now: u64, message: &Message, out: &mut Vec<Action>) -> bool {
        let (id, Some(committed)) = (message.segment, message.committed) else {
            return false;
        };
        let Some(copy) = self.copies.get_mut(&id) else {
            return false;
        };
        let stored = copy.stored(id, &self.shared);
        if copy.position() > committed.end {
            copy.ended = true;
            self.log.log(now, id, Kind::ConsumeEnd, copy.extent(false));
            let detail = json!({"position": copy.position(), "end": committed.end});
            self.log.log(now, id, Kind::PositionAhead, detail);
        }
        if copy.position() != committed.end {
            return false;
        }
        if stored.crc != committed.crc {
            let detail = json!({"old_crc": stored.crc, "crc": committed.crc});
            self.log.log(now, id, Kind::CrcChanged, detail);
            return false;
        }
        (copy.state, copy.crc) = (CopyState::CommittedLocal, Some(stored.crc));
        out.push(Action::Keep(StoredCopy { state: copy.state, stored }));
        self.registered(now, id, "own rows");
        true
    }

    /// Loads a segment from this server's disk, if the copy there is the committed one.
    fn load(&mut self, now: u64, message: &Message) -> bool {
        let Some(stored_copy) = self.disk.remove(&message.segment) else {
            return false;
        };
        if message.committed.is_none_or(|committed| committed.crc != stored_copy.stored.crc) {
            return false;
        }
        self.add(now, stored_copy.state, stored_copy.stored, "disk");
        true
    }

    /// Installs a committed copy and makes its keys visible to merges.
    fn add(&mut self, now: u64, state: CopyState, stored: Stored, from: &str) {
        let (id, crc, end) = (stored.segment, stored.crc, stored.end());
        self.upserts.entry(id.partition).or_default().add(id.seq, &stored.rows);
        let mut copy = self.copy(id, state, stored.start, stored.rows);
        copy.crc = Some(crc);
        let new = copy.id;
        if let Some(old) = self.copies.insert(id, copy) {
            if !old.ended {
                self.log.log(now, id, Kind::ConsumeEnd, old.extent(false));
            }
            self.drop_surplus(now, id, end);
            let (old_copy, old_rows, reached) = (old.id, old.rows.len(), self.reached(id.partition));
            let detail = json!({
                "old_copy": old_copy, "old_rows": old_rows, "copy": new, "crc": crc, "reached": reached,
            });
            self.log.log(now, id, Kind::Replaced, detail);
        }
        self.registered(now, id, from);
    }

    /// The replaced copy of a segment held rows beyond its end: their keys are lost with them.
    fn drop_surplus(&mut self, now: u64, id: SegmentId, end: u64) {
        let upsert = self.upserts.entry(id.partition).or_default();
        let keys = upsert.drop_surplus(id.seq, end);
        if !keys.is_empty() {
            self.log.log(now, id, Kind::KeysNotReplaced, json!({"keys": keys.len()}));
            self.truth.dropped.push(DroppedKeys { segment: id.name(&self.config.table), keys });
        }
    }

    fn registered(&mut self, now: u64, id: SegmentId, from: &str) {
        self.committed.insert(id);
        let (incarnation, segment) = (self.incarnation, id.name(&self.config.table));
        let reached = self.reached(id.partition);
        self.truth.visible.push(Visible { incarnation, segment, at: now, reached });
        self.gate.ended(now, id, Ended::Loaded);
        let rows = self.copies.get(&id).map_or(0, |copy| copy.rows.len());
        let segments = self.committed.range(SegmentId { seq: 0, ..id }..SegmentId { seq: u32::MAX, ..id });
        let count = segments.count();
        let detail = json!({"from": from, "rows": rows, "registered_segments": count, "reached": reached});
        self.log.log(now, id, Kind::Registered, detail);
    }

    /// The end of what this server has merged in a partition. None if it has consumed nothing of it.
    fn reached(&self, partition: u32) -> Option<u64> {
        self.reached.get(&partition).map(|(_, position)| *position)
    }

    fn copy(&mut self, id: SegmentId, state: CopyState, start: u64, rows: Vec<Arc<Entry>>) -> SegmentCopy {
        self.next_copy += 1;
        let name = id.name(&self.config.table).into();
        SegmentCopy::new((self.next_copy, name), state, start, rows)
    }
}
