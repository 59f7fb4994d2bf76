//! The controller as a pure state machine: the input log, the ideal state of every segment, the transition
//! messages to every server, commits, the store of committed segments, and the holds that an operator sets.

use super::commit::{Commit, Terms};
use super::config::{Cause, Config};
use super::guard::Guard;
use super::lifecycle::{BY_CONTROLLER, Event, Kind, Lifecycle};
use super::messages::{Ask, Batch, Call, Committed, Message, Poll, Reply, SegmentId, State, Stored};
use super::messages::{Transition, Work};
use crate::error::Error;
use crate::value::Entry;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Withholds one transition message from a server, whether the message exists already or is created later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Identifies the hold. A second hold with this id replaces the first.
    pub id: String,
    /// The name of the server.
    pub server: String,
    /// The partition of the segment.
    pub partition: u32,
    /// The sequence number of the segment.
    pub seq: u32,
    /// The transition to withhold.
    pub transition: Transition,
}

/// A segment as the controller reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    /// The full name: table, partition and sequence number.
    pub name: String,
    /// The partition, from 0.
    pub partition: u32,
    /// The sequence number in the partition, from 0.
    pub seq: u32,
    /// The first offset.
    pub start: u64,
    /// One past the last offset. None until the segment is committed.
    pub end: Option<u64>,
    /// The checksum of the stored copy. None until the segment is committed.
    pub crc: Option<u64>,
    /// The names of the servers that the segment is assigned to.
    pub replicas: Vec<String>,
}

/// The phase of a segment in the ideal state.
enum Phase {
    /// Created when the previous segment was sealed. Nobody consumes it until that segment is committed.
    Waiting,
    Consuming,
    /// Complete up to this end; the commit is in progress.
    Sealed(u64, Commit),
    Online(Stored),
}

struct Ideal {
    start: u64,
    phase: Phase,
}

#[derive(Default)]
struct Member {
    /// The current incarnation; 0 before the first call.
    incarnation: u64,
    states: BTreeMap<SegmentId, State>,
    /// Messages that are not reported as done, by id. At most one per segment.
    queue: BTreeMap<u64, Message>,
}

/// The controller's name in its events.
const NODE: &str = "controller";

pub(crate) struct Controller {
    config: Arc<Config>,
    logs: Vec<Vec<Arc<Entry>>>,
    segments: BTreeMap<SegmentId, Ideal>,
    /// Counts the changes of what [`Controller::segments`] returns.
    version: u64,
    /// The segments whose commit is in progress.
    sealed: Vec<SegmentId>,
    members: Vec<Member>,
    holds: BTreeMap<String, Hold>,
    /// The server that an operator named as the winner, by partition.
    named: BTreeMap<u32, usize>,
    next_message: u64,
    log: Lifecycle,
}

impl Controller {
    /// A new table at `now` (nanoseconds): empty logs, and one consuming segment per partition.
    pub(crate) fn new(config: Arc<Config>, now: u64) -> Self {
        let first =
            |partition| (SegmentId { partition, seq: 0 }, Ideal { start: 0, phase: Phase::Consuming });
        Controller {
            logs: vec![Vec::new(); config.partitions as usize],
            segments: (0..config.partitions).map(first).collect(),
            version: 1,
            sealed: Vec::new(),
            members: config.servers.iter().map(|_| Member::default()).collect(),
            holds: BTreeMap::new(),
            named: BTreeMap::new(),
            next_message: 1,
            log: Lifecycle::boot(now, (NODE, 1), &config.table, BY_CONTROLLER),
            config,
        }
    }

    /// The controller's events from number `since` on.
    pub(crate) fn events(&self, since: u64) -> &[Event] {
        self.log.since(since)
    }

    /// Appends an entry to a partition's log and returns its offset.
    pub(crate) fn produce(&mut self, partition: u32, mut entry: Entry) -> Result<u64, Error> {
        let (logs, columns) = (self.logs.len(), self.config.columns.len());
        let log = self.logs.get_mut(partition as usize).ok_or_else(|| no_partition(partition, logs))?;
        if entry.cols.len() != columns {
            let given = entry.cols.len();
            return Err(Error::Request(format!("{given} values were given for {columns} columns")));
        }
        entry.off = log.len() as u64;
        log.push(Arc::new(entry));
        Ok(log.len() as u64 - 1)
    }

    /// A partition's log from an offset on; empty beyond the end.
    pub(crate) fn log(&self, partition: u32, from: u64) -> Result<&[Arc<Entry>], Error> {
        let log = self.logs.get(partition as usize);
        let log = log.ok_or_else(|| no_partition(partition, self.logs.len()))?;
        Ok(log.get(from as usize..).unwrap_or_default())
    }

    /// One past the last offset of each partition's log.
    pub(crate) fn log_ends(&self) -> Vec<u64> {
        self.logs.iter().map(|log| log.len() as u64).collect()
    }

    /// All segments, ordered by partition and sequence number.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let shown = self.segments.iter().map(|(id, ideal)| {
            let committed = ideal.committed();
            Segment {
                name: id.name(&self.config.table),
                partition: id.partition,
                seq: id.seq,
                start: ideal.start,
                end: committed.map(|committed| committed.end),
                crc: committed.map(|committed| committed.crc),
                replicas: self.config.servers.clone(),
            }
        });
        shown.collect()
    }

    /// Changes whenever [`Controller::segments`] does. Never 0.
    pub(crate) fn segments_version(&self) -> u64 {
        self.version
    }

    /// Sets a hold. A message that was delivered already is not recalled.
    pub(crate) fn hold(&mut self, hold: Hold) -> Result<(), Error> {
        self.config.server(&hold.server)?;
        self.log(hold.partition, 0)?;
        self.holds.insert(hold.id.clone(), hold);
        Ok(())
    }

    /// Removes the hold with this id, if there is one.
    pub(crate) fn release(&mut self, id: &str) {
        self.holds.remove(id);
    }

    /// The active holds, ordered by id.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.holds.values()
    }

    /// Sets the server that wins all further commits of a partition. With None the first reporter wins.
    pub(crate) fn commit_winner(&mut self, partition: u32, server: Option<&str>) -> Result<(), Error> {
        self.log(partition, 0)?;
        match server {
            Some(server) => self.named.insert(partition, self.config.server(server)?),
            None => self.named.remove(&partition),
        };
        Ok(())
    }

    /// Seals every non-empty consuming segment at the end of its log, and returns the names. Later entries
    /// belong to the next segment, which is created here.
    pub(crate) fn force_commit(&mut self) -> Vec<String> {
        let ends = self.log_ends();
        let full = |(id, ideal): (&SegmentId, &Ideal)| {
            let end = ends[id.partition as usize];
            (matches!(ideal.phase, Phase::Consuming) && end > ideal.start).then_some((*id, end))
        };
        let full: Vec<(SegmentId, u64)> = self.segments.iter().filter_map(full).collect();
        for (id, end) in &full {
            if let Some(ideal) = self.segments.get_mut(id) {
                ideal.phase = Phase::Sealed(*end, Commit::default());
            }
            self.segments.insert(id.next(), Ideal { start: *end, phase: Phase::Waiting });
            self.sealed.push(*id);
        }
        self.version += 1;
        full.into_iter().map(|(id, _)| id.name(&self.config.table)).collect()
    }

    /// Answers a server's call. `now` is in nanoseconds.
    pub(crate) fn call(&mut self, now: u64, call: Call) -> Reply {
        let Some(member) = self.members.get(call.server) else {
            return Reply::Noted;
        };
        if call.incarnation > member.incarnation {
            self.join(now, call.server, call.incarnation);
        } else if call.incarnation < member.incarnation {
            // A late call of a process that was killed.
            return Reply::Noted;
        }
        match call.ask {
            Ask::Poll(poll) => Reply::Work(self.poll(now, call.server, &poll)),
            Ask::Upload(stored) => {
                self.commit(now, call.server, stored);
                Reply::Noted
            }
            Ask::Download(id) => match self.segments.get(&id).map(|ideal| &ideal.phase) {
                Some(Phase::Online(stored)) => Reply::Copy(stored.clone()),
                _ => Reply::Noted,
            },
        }
    }

    /// A server restarted: it holds nothing that the controller knows of, and its old messages are void.
    fn join(&mut self, now: u64, server: usize, incarnation: u64) {
        self.members[server] = Member { incarnation, ..Member::default() };
        for id in &self.sealed {
            if let Some(Ideal { phase: Phase::Sealed(_, commit), .. }) = self.segments.get_mut(id) {
                commit.forget(server);
            }
        }
        let all: Vec<SegmentId> = self.segments.keys().copied().collect();
        all.into_iter().for_each(|id| self.enqueue_transition(now, server, id));
    }

    /// Creates the next transition message for a segment on a server, unless one is pending.
    ///
    /// ```text
    /// O->C(SEG_M) is pending on s1 when the others commit SEG_M: nothing more is created for SEG_M
    /// O->C(SEG_M1) is created for all, also for s1
    /// s1 reports SEG_M as consuming (it skipped it): only now is C->O(SEG_M) created
    /// so even first-in first-out delivery lets s1 begin SEG_M1 before it registers SEG_M
    /// ```
    fn enqueue_transition(&mut self, now: u64, server: usize, id: SegmentId) {
        let (Some(ideal), member) = (self.segments.get(&id), &mut self.members[server]) else {
            return;
        };
        let ideal_state = match ideal.phase {
            Phase::Waiting => return,
            Phase::Consuming | Phase::Sealed(..) => State::Consuming,
            Phase::Online(_) => State::Online,
        };
        let transition = match (member.states.get(&id).copied().unwrap_or_default(), ideal_state) {
            (State::Offline, State::Consuming) => Transition::OfflineToConsuming,
            (State::Offline, State::Online) => Transition::OfflineToOnline,
            (State::Consuming, State::Online) => Transition::ConsumingToOnline,
            _ => return,
        };
        if member.incarnation == 0 || member.queue.values().any(|message| message.segment == id) {
            return;
        }
        let (message, start) = (self.next_message, ideal.start);
        self.next_message += 1;
        let queued = Message { id: message, segment: id, transition, created: now, start, committed: None };
        member.queue.insert(message, queued);
    }

    fn poll(&mut self, now: u64, server: usize, poll: &Poll) -> Work {
        for message in &poll.finished {
            if let Some(done) = self.members[server].queue.remove(message) {
                self.members[server].states.insert(done.segment, done.transition.target());
                self.enqueue_transition(now, server, done.segment);
            }
        }
        let mut work = Work::default();
        for (id, position) in &poll.positions {
            work.batches.extend(self.advance(now, server, *id, *position));
        }
        for id in self.sealed.clone() {
            if self.winner(now, id) == Some(server) {
                work.commit.push(id);
            }
        }
        work.messages = self.deliverable(server);
        work.boot = (!poll.joined).then(|| {
            let online = self.segments.iter().filter(|(_, ideal)| ideal.committed().is_some());
            online.map(|(id, _)| *id).collect()
        });
        work
    }

    /// Whether a server that consumes a segment is told where it ends. Otherwise it learns that only from
    /// the message to switch to the committed form.
    fn is_told_end(&self, server: usize, id: SegmentId) -> bool {
        let is_online = self.segments.get(&id).is_some_and(|ideal| ideal.committed().is_some());
        self.config.cause == Cause::Ordering
            || !is_online && !self.is_held(server, id, Transition::ConsumingToOnline)
    }

    /// The entries that a server at `position` in a segment gets. A position at the sealed end counts as a
    /// report.
    fn advance(&mut self, now: u64, server: usize, id: SegmentId, position: u64) -> Option<Batch> {
        let is_told = self.is_told_end(server, id);
        let ideal = self.segments.get_mut(&id)?;
        let end = match &mut ideal.phase {
            _ if !is_told => None,
            Phase::Sealed(end, commit) => {
                if position == *end && commit.report(now, server) {
                    let detail = json!({"server": self.config.servers[server], "offset": position});
                    self.log.log(now, id, Kind::SegmentReported, detail);
                }
                Some(*end)
            }
            Phase::Online(stored) => Some(stored.end()),
            _ => None,
        };
        let log = &self.logs[id.partition as usize];
        let limit = position + self.config.batch as u64;
        let last = end.unwrap_or(log.len() as u64);
        let to = last.min(limit);
        if to <= position && end.is_none() {
            return None;
        }
        let entries = log.get(position as usize..to as usize).unwrap_or_default().to_vec();
        Some(Batch { segment: id, end, is_last: to == last, entries })
    }

    fn winner(&mut self, now: u64, id: SegmentId) -> Option<usize> {
        let Phase::Sealed(end, commit) = &mut self.segments.get_mut(&id)?.phase else {
            return None;
        };
        let members = self.members.iter().enumerate();
        let consuming = members.filter(|(_, member)| member.states.get(&id) == Some(&State::Consuming));
        let consuming: Vec<usize> = consuming.map(|(server, _)| server).collect();
        let named = self.named.get(&id.partition).copied();
        let wait = self.config.commit_wait_ms * 1_000_000;
        let before = commit.decided();
        let winner = commit.winner(&Terms { now, consuming: &consuming, named, wait });
        if let Some(server) = winner.filter(|_| winner != before) {
            let detail = json!({"server": self.config.servers[server], "offset": *end});
            self.log.log(now, id, Kind::CommitWinner, detail);
        }
        winner
    }

    /// The messages that no hold withholds, each with the commit of its segment as known now. Strictly in
    /// order, one that is held holds back all behind it.
    fn deliverable(&self, server: usize) -> Vec<Message> {
        let (queue, in_order) =
            (self.members[server].queue.values(), self.config.guard == Guard::DeliveryOrder);
        let held = |message: &&Message| self.is_held(server, message.segment, message.transition);
        let free = queue.take_while(|message| !in_order || !held(message)).filter(|message| !held(message));
        let filled = free.map(|message| Message {
            committed: self.segments.get(&message.segment).and_then(Ideal::committed),
            ..message.clone()
        });
        filled.collect()
    }

    fn is_held(&self, server: usize, segment: SegmentId, transition: Transition) -> bool {
        self.holds.values().any(|hold| {
            (SegmentId { partition: hold.partition, seq: hold.seq }, hold.transition) == (segment, transition)
                && hold.server == self.config.servers[server]
        })
    }

    /// Stores the winner's copy and lets all servers consume the next segment. A second copy of a committed
    /// segment changes nothing.
    fn commit(&mut self, now: u64, server: usize, stored: Stored) {
        let id = stored.segment;
        let Some(ideal) = self.segments.get_mut(&id) else {
            return;
        };
        if !matches!(ideal.phase, Phase::Sealed(end, _) if end == stored.end()) {
            return;
        }
        let (server, offset, crc) = (&self.config.servers[server], stored.end(), stored.crc);
        let detail = json!({"server": server, "offset": offset, "crc": crc});
        self.log.log(now, id, Kind::SegmentCommitted, detail);
        ideal.phase = Phase::Online(stored);
        self.version += 1;
        self.sealed.retain(|sealed| *sealed != id);
        if let Some(next) = self.segments.get_mut(&id.next()) {
            next.phase = Phase::Consuming;
        }
        for server in 0..self.members.len() {
            self.enqueue_transition(now, server, id);
            self.enqueue_transition(now, server, id.next());
        }
    }
}

impl Ideal {
    fn committed(&self) -> Option<Committed> {
        match &self.phase {
            Phase::Online(stored) => Some(Committed { end: stored.end(), crc: stored.crc }),
            _ => None,
        }
    }
}

impl Stored {
    /// One past the last offset.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.rows.len() as u64
    }
}

fn no_partition(partition: u32, partitions: usize) -> Error {
    Error::Request(format!("no partition {partition}; there are {partitions}, from 0"))
}
