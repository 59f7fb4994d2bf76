//! Captures: every replica's rows and current flags, read incrementally and bracketed by the replica's own
//! coverage (`RULES.md` 4). Replicas are read in parallel, each with one request at a time.
//!
//! Where only the newest row of a key is kept, there is nothing to go on from: each read brings all rows, and
//! is a copy of its own (`RULES.md` 15).

use super::Command;
use super::bracket::{
    Bracket, BracketStage, Cursor, FlagsCursor, ReadRequest, ReadsDone, RunningCapture, same_copy,
};
use super::shared_copies::{SharedCopies, Source};
use crate::history::event::{CaptureReason, Event};
use crate::history::row::{Base, Cover, Coverage, CurrentRead, Observed, Read, ReadValidity};
use crate::history::run_record::RunMeta;
use crate::history::shard_snapshot::ShardSnapshot;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How often a bracket is read at most, if its copy changes meanwhile.
const ROUNDS: u8 = 3;

/// The captures of a run.
#[derive(Debug, Default)]
pub(super) struct Captures {
    next_capture: u32,
    next_read: u64,
    cursors: BTreeMap<(String, String), Cursor>,
    flags: BTreeMap<(String, u32), FlagsCursor>,
    running: Option<RunningCapture>,
    partitions: u32,
    /// Whether only the newest row of a key can be read.
    newest_only: bool,
    /// Whether the target counts the rows that a read should bring.
    counts_rows: bool,
    /// The number of copies so far, if every read is one.
    copies: u64,
    /// The number that the target gives the copy that is being read, by replica and segment.
    originals: BTreeMap<(String, String), u64>,
    shared: SharedCopies,
    /// The copies counted by their checksum, by replica and segment.
    by_checksum: BTreeSet<(String, String)>,
}

/// The answer to a request for rows.
#[derive(Clone, Copy, Debug)]
pub struct RowsAnswer {
    /// The number of rows.
    pub rows: u64,
    /// A digest of their contents. None if the target tells no checksums that it could be held against.
    pub digest: Option<u64>,
}

/// The answer to a request for flags.
#[derive(Clone, Copy, Debug)]
pub struct CurrentRowsAnswer {
    /// The incarnation that answered.
    pub incarnation: u64,
    /// The version to ask from next time.
    pub version: u64,
    /// The number of keys whose flags were sent.
    pub keys: u64,
}

impl Captures {
    pub(super) fn new(meta: &RunMeta) -> Captures {
        let (partitions, rules) = (meta.partitions, &meta.schema.rules);
        let newest_only = rules.keeps_newest_only();
        let counts_rows = !newest_only && !rules.has_own_log();
        let shared = SharedCopies::new(meta.trust_checksums, meta.seed);
        Captures { partitions, newest_only, counts_rows, shared, ..Captures::default() }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Starts a capture of all replicas.
    pub(super) fn begin(&mut self, roster: &[String], reason: CaptureReason, out: &mut Vec<Command>) {
        let id = self.next_capture;
        self.next_capture += 1;
        out.push(Command::Record(Event::CaptureBegin { capture: id, reason }));
        let mut brackets = BTreeMap::new();
        for replica in roster {
            out.push(Command::ReadCoverage { replica: replica.clone() });
            brackets.insert(replica.clone(), Bracket { stage: BracketStage::Before, round: 1 });
        }
        self.running = Some(RunningCapture { brackets, ..RunningCapture::new(id) });
    }

    /// Starts a capture of a shard. A shard is read in one piece, at one time, and needs no bracket.
    pub(super) fn begin_of_shard(&mut self, reason: CaptureReason, out: &mut Vec<Command>) {
        let id = self.next_capture;
        self.next_capture += 1;
        out.push(Command::Record(Event::CaptureBegin { capture: id, reason }));
        out.push(Command::ReadShard { capture: id });
        self.running = Some(RunningCapture { shard_pending: true, ..RunningCapture::new(id) });
    }

    /// Takes the contents of the shard; `None` if the read failed.
    pub(super) fn contents_read(&mut self, contents: Option<ShardSnapshot>, out: &mut Vec<Command>) {
        out.extend(contents.map(|contents| Command::Record(Event::Contents(contents))));
        if let Some(running) = &mut self.running {
            running.shard_pending = false;
        }
        self.end_if_over(out);
    }

    /// Takes the coverage of a replica, which opens or closes its bracket.
    pub(super) fn covered(
        &mut self,
        replica: &str,
        answer: Result<Coverage, String>,
        out: &mut Vec<Command>,
    ) {
        let Some(bracket) = self.take(replica) else { return };
        match (bracket.stage, answer) {
            (BracketStage::Before, Ok(coverage)) => self.open(replica, coverage, bracket.round, out),
            (BracketStage::After { before, done }, Ok(mut after)) => {
                if self.newest_only {
                    self.renumber_after(replica, &before, &mut after);
                }
                if self.close(replica, &before, &after, done, out) && bracket.round < ROUNDS {
                    self.bracket(replica, bracket.round + 1, out);
                }
            }
            (BracketStage::After { done, .. }, Err(error)) => self.give_up(replica, done, error, out),
            (_, Err(error)) => self.give_up(replica, ReadsDone::default(), error, out),
            (BracketStage::Reading { .. }, Ok(_)) => {}
        }
        self.share_rows(out);
        self.end_if_over(out);
    }

    /// Takes the number of rows that a read returned.
    pub(super) fn rows_read(
        &mut self,
        replica: &str,
        answer: Result<RowsAnswer, String>,
        out: &mut Vec<Command>,
    ) {
        let Some(ReadRequest::Rows(mut read)) = self.take_request(replica) else { return };
        match answer {
            Ok(RowsAnswer { rows, digest }) => {
                read.rows = rows;
                digest.into_iter().for_each(|digest| self.shared.digested(read.id, digest));
            }
            Err(_) => read.soundness = ReadValidity::Failed,
        }
        self.answered(replica, out, |done| done.reads.push(read));
    }

    /// Takes the flags that a read returned.
    pub(super) fn flags_read(
        &mut self,
        replica: &str,
        answer: Result<CurrentRowsAnswer, String>,
        out: &mut Vec<Command>,
    ) {
        let Some(ReadRequest::Flags(mut read)) = self.take_request(replica) else { return };
        match answer {
            Ok(CurrentRowsAnswer { incarnation, version, keys }) => {
                (read.incarnation, read.keys) = (incarnation, keys);
                let cursor = FlagsCursor { incarnation, version, read: read.id };
                self.flags.insert((replica.to_owned(), read.partition), cursor);
            }
            Err(_) => read.soundness = ReadValidity::Failed,
        }
        self.answered(replica, out, |done| done.currents.push(read));
    }

    fn take(&mut self, replica: &str) -> Option<Bracket> {
        self.running.as_mut()?.brackets.remove(replica)
    }

    fn put(&mut self, replica: &str, stage: BracketStage, round: u8) {
        if let Some(running) = &mut self.running {
            running.brackets.insert(replica.to_owned(), Bracket { stage, round });
        }
    }

    /// Plans the reads of a bracket: whatever no earlier read of the same copy returned.
    fn open(&mut self, replica: &str, mut before: Coverage, round: u8, out: &mut Vec<Command>) {
        let capture = self.running.as_ref().map_or(0, |running| running.id);
        if self.newest_only {
            self.renumber(replica, &mut before);
        }
        let mut requests = VecDeque::new();
        let mut done = ReadsDone::default();
        let waiting = self.running.as_ref().map_or(&[][..], |running| &running.waiting);
        let is_waiting = |cover: &Cover| {
            let is_it = |read: &Read| read.replica == replica && read.before.copy == cover.copy;
            waiting.iter().any(|read| is_it(read) && read.before.segment == cover.segment)
        };
        let is_due = |cover: &&Cover| cover.registered != Observed::Known(false) && !is_waiting(cover);
        for cover in before.covers.iter().filter(is_due) {
            let cursor = self.cursor(replica, cover);
            self.next_read += 1;
            let read = Read {
                id: self.next_read,
                capture,
                replica: replica.to_owned(),
                incarnation: before.incarnation,
                before: cover.clone(),
                end_after: cover.end,
                position_after: cover.position,
                from: cursor.end,
                rows: 0,
                base: cursor.base,
                rows_of: None,
                soundness: ReadValidity::Sound,
            };
            if cursor.end < cover.end {
                requests.push_back(ReadRequest::Rows(read));
            } else {
                done.reads.push(read);
            }
        }
        for partition in 0..self.partitions {
            self.next_read += 1;
            let base = self.flags_cursor(replica, partition, before.incarnation);
            requests.push_back(ReadRequest::Flags(CurrentRead {
                id: self.next_read,
                capture,
                replica: replica.to_owned(),
                partition,
                incarnation: before.incarnation,
                before: Vec::new(),
                after: Vec::new(),
                keys: 0,
                base: base.map_or(Base::Nothing, |cursor| Base::Read(cursor.read)),
                soundness: ReadValidity::Sound,
            }));
        }
        self.put(replica, BracketStage::Reading { before, requests, done }, round);
        self.request_next(replica, out);
    }

    /// Gives every copy that is about to be read a number of its own.
    fn renumber(&mut self, replica: &str, before: &mut Coverage) {
        for cover in &mut before.covers {
            self.copies += 1;
            let shown = std::mem::replace(&mut cover.copy, self.copies);
            self.originals.insert((replica.to_owned(), cover.segment.clone()), shown);
        }
    }

    /// Gives the copies that are still the same the same numbers as before the read, and the others new ones.
    fn renumber_after(&mut self, replica: &str, before: &Coverage, after: &mut Coverage) {
        for cover in &mut after.covers {
            let shown = self.originals.get(&(replica.to_owned(), cover.segment.clone()));
            let read = before.covers.iter().find(|read| read.segment == cover.segment);
            let same = read.filter(|_| shown == Some(&cover.copy));
            self.copies += 1;
            cover.copy = same.map_or(self.copies, |read| read.copy);
        }
    }

    fn cursor(&self, replica: &str, cover: &Cover) -> Cursor {
        let known = self.cursors.get(&(replica.to_owned(), cover.segment.clone()));
        match known {
            Some(cursor) if cursor.copy == cover.copy => *cursor,
            _ => Cursor { copy: cover.copy, end: cover.start, rows: 0, base: Base::Nothing },
        }
    }

    /// How far the flags of this incarnation are known.
    fn flags_cursor(&self, replica: &str, partition: u32, incarnation: u64) -> Option<FlagsCursor> {
        let known = self.flags.get(&(replica.to_owned(), partition)).copied();
        known.filter(|cursor| cursor.incarnation == incarnation)
    }

    /// The request that a replica has answered.
    fn take_request(&mut self, replica: &str) -> Option<ReadRequest> {
        match &mut self.running.as_mut()?.brackets.get_mut(replica)?.stage {
            BracketStage::Reading { requests, .. } => requests.pop_front(),
            BracketStage::Before | BracketStage::After { .. } => None,
        }
    }

    fn answered(&mut self, replica: &str, out: &mut Vec<Command>, store: impl FnOnce(&mut ReadsDone)) {
        let bracket = self.running.as_mut().and_then(|running| running.brackets.get_mut(replica));
        if let Some(Bracket { stage: BracketStage::Reading { done, .. }, .. }) = bracket {
            store(done);
        }
        self.request_next(replica, out);
    }

    /// Sends the next request of a bracket, or the request for coverage that closes it.
    fn request_next(&mut self, replica: &str, out: &mut Vec<Command>) {
        let Some(bracket) = self.take(replica) else { return };
        let BracketStage::Reading { before, mut requests, mut done } = bracket.stage else { return };
        while let Some(ReadRequest::Rows(read)) = requests.front()
            && self.shared.is_shared(read)
        {
            done.shares.push(read.clone());
            requests.pop_front();
        }
        let next = match requests.front() {
            Some(ReadRequest::Rows(read)) => Some(Command::ReadRows { read: Box::new(read.clone()) }),
            Some(ReadRequest::Flags(read)) => {
                let known = self.flags_cursor(replica, read.partition, before.incarnation);
                let since = known.map_or(0, |cursor| cursor.version);
                Some(Command::ReadCurrentRows { read: Box::new(read.clone()), since })
            }
            None => None,
        };
        match next {
            Some(command) => {
                out.push(command);
                self.put(replica, BracketStage::Reading { before, requests, done }, bracket.round);
            }
            None => {
                out.push(Command::ReadCoverage { replica: replica.to_owned() });
                self.put(replica, BracketStage::After { before, done }, bracket.round);
            }
        }
    }

    /// Opens a bracket.
    fn bracket(&mut self, replica: &str, round: u8, out: &mut Vec<Command>) {
        out.push(Command::ReadCoverage { replica: replica.to_owned() });
        self.put(replica, BracketStage::Before, round);
    }

    /// Closes a bracket: decides which of its reads count. Returns whether to read it again.
    fn close(
        &mut self,
        replica: &str,
        before: &Coverage,
        after: &Coverage,
        done: ReadsDone,
        out: &mut Vec<Command>,
    ) -> bool {
        let mut again = false;
        for mut read in done.reads {
            if read.soundness == ReadValidity::Sound {
                self.decide_soundness(&mut read, after);
            }
            again |= matches!(read.soundness, ReadValidity::CopyChanged | ReadValidity::Truncated);
            let refuted = self.shared.closed(&read);
            let segment = read.before.segment.clone();
            out.push(Command::Record(Event::from(read)));
            refuted.into_iter().for_each(|reads| self.refute(segment.clone(), reads, out));
        }
        for mut share in done.shares {
            if same_copy(&share.before, after).is_some() {
                self.running.iter_mut().for_each(|running| running.waiting.push(share.clone()));
            } else {
                again = true;
                share.soundness = ReadValidity::CopyChanged;
                out.push(Command::Record(Event::from(share)));
            }
        }
        for mut current in done.currents {
            let of = |coverage: &Coverage| -> Vec<Cover> {
                let mine = coverage.covers.iter().filter(|cover| cover.partition == current.partition);
                mine.cloned().collect()
            };
            (current.before, current.after) = (of(before), of(after));
            let lives = [before.incarnation, after.incarnation];
            if current.soundness == ReadValidity::Sound && lives != [current.incarnation; 2] {
                current.soundness = ReadValidity::CopyChanged;
                // These flags are void, so the next read must start from nothing.
                self.flags.remove(&(replica.to_owned(), current.partition));
            }
            out.push(Command::Record(Event::from(current)));
        }
        self.shared.stopped(replica);
        again
    }

    fn decide_soundness(&mut self, read: &mut Read, after: &Coverage) {
        let cursor = self.cursor(&read.replica, &read.before);
        match same_copy(&read.before, after) {
            None => read.soundness = ReadValidity::CopyChanged,
            Some(cover) => {
                (read.end_after, read.position_after) = (cover.end, cover.position);
                if !self.counts_rows || cursor.rows + read.rows == read.before.rows {
                    let at = (read.replica.clone(), read.before.segment.clone());
                    let Cover { end, rows, .. } = read.before;
                    let read_to = Cursor { copy: cover.copy, end, rows, base: Base::Read(read.id) };
                    self.cursors.insert(at, read_to);
                } else {
                    read.soundness = ReadValidity::Truncated;
                }
            }
        }
    }

    /// The replica stopped answering inside its bracket, so nothing in it counts.
    fn give_up(&mut self, replica: &str, done: ReadsDone, error: String, out: &mut Vec<Command>) {
        out.push(Command::Record(Event::Unreachable { replica: replica.to_owned(), error }));
        for mut read in done.reads.into_iter().chain(done.shares) {
            read.soundness = ReadValidity::Failed;
            self.shared.closed(&read);
            out.push(Command::Record(Event::from(read)));
        }
        for mut current in done.currents {
            current.soundness = ReadValidity::Failed;
            self.flags.remove(&(replica.to_owned(), current.partition));
            out.push(Command::Record(Event::from(current)));
        }
        self.shared.stopped(replica);
    }

    /// Two reads show that checksums say nothing. What was counted by them is read.
    fn refute(&mut self, segment: String, reads: [u64; 2], out: &mut Vec<Command>) {
        out.push(Command::Record(Event::ChecksumsRefuted { segment, reads }));
        for at in std::mem::take(&mut self.by_checksum) {
            self.cursors.remove(&at);
            self.running.iter_mut().for_each(|running| running.unread.extend([at.0.clone()]));
        }
    }

    /// Concludes the reads that share rows, as far as these have come. If they will not come, the replica is
    /// read again.
    fn share_rows(&mut self, out: &mut Vec<Command>) {
        let Some(running) = &mut self.running else { return };
        for mut share in std::mem::take(&mut running.waiting) {
            match self.shared.source(&share) {
                Source::Pending => {
                    running.waiting.push(share);
                    continue;
                }
                Source::Read(id) => {
                    (share.rows, share.rows_of) = (share.before.rows, Some(id));
                    let at = (share.replica.clone(), share.before.segment.clone());
                    let Cover { copy, end, rows, .. } = share.before;
                    self.cursors.insert(at.clone(), Cursor { copy, end, rows, base: Base::Read(share.id) });
                    self.by_checksum.insert(at);
                }
                Source::Nowhere => {
                    share.soundness = ReadValidity::Failed;
                    running.unread.insert(share.replica.clone());
                }
            }
            out.push(Command::Record(Event::from(share)));
        }
        let is_busy = |replica: &String| running.brackets.contains_key(replica);
        let unread = std::mem::take(&mut running.unread).into_iter();
        let (busy, idle): (BTreeSet<String>, BTreeSet<String>) = unread.partition(is_busy);
        running.unread = busy;
        for replica in idle {
            let rereads = self.running.as_mut().map(|it| it.rereads.entry(replica.clone()).or_default());
            if rereads.is_some_and(|count| std::mem::replace(count, count.saturating_add(1)) < ROUNDS) {
                self.bracket(&replica, 1, out);
            }
        }
    }

    fn end_if_over(&mut self, out: &mut Vec<Command>) {
        let over = |running: &mut RunningCapture| running.brackets.is_empty() && !running.shard_pending;
        if let Some(running) = self.running.take_if(over) {
            out.push(Command::Record(Event::CaptureEnd { capture: running.id }));
        }
    }
}
