//! Captures: every replica's rows and current flags, read incrementally and bracketed by the replica's own
//! coverage (`RULES.md` 4). Replicas are read in parallel, each with one request at a time.
//!
//! Where only the newest row of a key is kept, there is nothing to go on from: each read brings all rows, and
//! is a copy of its own (`RULES.md` 15).

use super::Command;
use crate::history::event::{CaptureReason, Event};
use crate::history::row::{Base, Cover, Coverage, CurrentRead, Observed, Read, ReadValidity};
use crate::history::schema::rules::Rules;
use crate::history::shard_snapshot::ShardSnapshot;
use std::collections::{BTreeMap, VecDeque};

/// How often a bracket is read at most, if its copy changes meanwhile.
const ROUNDS: u8 = 3;

/// How far the rows of one segment on one replica were read.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    copy: u64,
    end: u64,
    rows: u64,
    /// The last sound read of the copy.
    base: Base,
}

/// How far the flags of one partition on one replica were read.
#[derive(Clone, Copy, Debug)]
struct FlagsCursor {
    incarnation: u64,
    version: u64,
    /// The last read that returned flags.
    read: u64,
}

/// What one replica is being asked for.
#[derive(Debug)]
enum BracketStage {
    Before,
    Reading {
        before: Coverage,
        requests: VecDeque<ReadRequest>,
        reads: Vec<Read>,
        currents: Vec<CurrentRead>,
    },
    After {
        before: Coverage,
        reads: Vec<Read>,
        currents: Vec<CurrentRead>,
    },
}

#[derive(Debug)]
enum ReadRequest {
    Rows(Read),
    Flags(CurrentRead),
}

#[derive(Debug)]
struct Bracket {
    stage: BracketStage,
    round: u8,
}

#[derive(Debug)]
struct RunningCapture {
    id: u32,
    brackets: BTreeMap<String, Bracket>,
    /// Whether the shard is still to be read.
    shard_pending: bool,
}

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
    pub(super) fn new(partitions: u32, rules: &Rules) -> Captures {
        let newest_only = rules.keeps_newest_only();
        let counts_rows = !newest_only && !rules.has_own_log();
        Captures { partitions, newest_only, counts_rows, ..Captures::default() }
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
        self.running = Some(RunningCapture { id, brackets, shard_pending: false });
    }

    /// Starts a capture of a shard. A shard is read in one piece, at one time, and needs no bracket.
    pub(super) fn begin_of_shard(&mut self, reason: CaptureReason, out: &mut Vec<Command>) {
        let id = self.next_capture;
        self.next_capture += 1;
        out.push(Command::Record(Event::CaptureBegin { capture: id, reason }));
        out.push(Command::ReadShard { capture: id });
        self.running = Some(RunningCapture { id, brackets: BTreeMap::new(), shard_pending: true });
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
            (BracketStage::After { before, reads, currents }, Ok(mut after)) => {
                if self.newest_only {
                    self.renumber_after(replica, &before, &mut after);
                }
                self.close(replica, &before, &after, reads, currents, bracket.round, out);
            }
            (BracketStage::After { reads, currents, .. }, Err(error)) => {
                self.give_up(replica, reads, currents, error, out);
            }
            (_, Err(error)) => self.give_up(replica, Vec::new(), Vec::new(), error, out),
            (BracketStage::Reading { .. }, Ok(_)) => {}
        }
        self.end_if_over(out);
    }

    /// Takes the number of rows that a read returned.
    pub(super) fn rows_read(&mut self, replica: &str, answer: Result<u64, String>, out: &mut Vec<Command>) {
        self.answered(replica, out, |request, reads, _| {
            if let ReadRequest::Rows(mut read) = request {
                match answer {
                    Ok(rows) => read.rows = rows,
                    Err(_) => read.soundness = ReadValidity::Failed,
                }
                reads.push(read);
            }
        });
    }

    /// Takes the flags that a read returned.
    pub(super) fn flags_read(
        &mut self,
        replica: &str,
        answer: Result<CurrentRowsAnswer, String>,
        out: &mut Vec<Command>,
    ) {
        let mut seen = None;
        self.answered(replica, out, |request, _, currents| {
            if let ReadRequest::Flags(mut read) = request {
                match &answer {
                    Ok(flags) => {
                        read.incarnation = flags.incarnation;
                        read.keys = flags.keys;
                        let CurrentRowsAnswer { incarnation, version, .. } = *flags;
                        seen = Some((read.partition, FlagsCursor { incarnation, version, read: read.id }));
                    }
                    Err(_) => read.soundness = ReadValidity::Failed,
                }
                currents.push(read);
            }
        });
        if let Some((partition, cursor)) = seen {
            self.flags.insert((replica.to_owned(), partition), cursor);
        }
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
        let mut reads = Vec::new();
        for cover in before.covers.iter().filter(|cover| cover.registered != Observed::Known(false)) {
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
                soundness: ReadValidity::Sound,
            };
            if cursor.end < cover.end {
                requests.push_back(ReadRequest::Rows(read));
            } else {
                reads.push(read);
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
        self.put(replica, BracketStage::Reading { before, requests, reads, currents: Vec::new() }, round);
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

    fn answered(
        &mut self,
        replica: &str,
        out: &mut Vec<Command>,
        store: impl FnOnce(ReadRequest, &mut Vec<Read>, &mut Vec<CurrentRead>),
    ) {
        let Some(mut bracket) = self.take(replica) else { return };
        if let BracketStage::Reading { requests, reads, currents, .. } = &mut bracket.stage
            && let Some(request) = requests.pop_front()
        {
            store(request, reads, currents);
        }
        self.put(replica, bracket.stage, bracket.round);
        self.request_next(replica, out);
    }

    /// Sends the next request of a bracket, or the request for coverage that closes it.
    fn request_next(&mut self, replica: &str, out: &mut Vec<Command>) {
        let Some(bracket) = self.take(replica) else { return };
        let BracketStage::Reading { before, requests, reads, currents } = bracket.stage else { return };
        let next = match requests.front() {
            Some(ReadRequest::Rows(read)) => Some(Command::ReadRows { read: read.clone() }),
            Some(ReadRequest::Flags(read)) => {
                let known = self.flags_cursor(replica, read.partition, before.incarnation);
                Some(Command::ReadCurrentRows {
                    read: read.clone(),
                    since: known.map_or(0, |cursor| cursor.version),
                })
            }
            None => None,
        };
        match next {
            Some(command) => {
                out.push(command);
                self.put(replica, BracketStage::Reading { before, requests, reads, currents }, bracket.round);
            }
            None => {
                out.push(Command::ReadCoverage { replica: replica.to_owned() });
                self.put(replica, BracketStage::After { before, reads, currents }, bracket.round);
            }
        }
    }

    /// Closes a bracket: decides which of its reads count, and whether to read it again.
    #[expect(clippy::too_many_arguments, reason = "the parts of one bracket")]
    fn close(
        &mut self,
        replica: &str,
        before: &Coverage,
        after: &Coverage,
        reads: Vec<Read>,
        currents: Vec<CurrentRead>,
        round: u8,
        out: &mut Vec<Command>,
    ) {
        let mut again = false;
        for mut read in reads {
            if read.soundness == ReadValidity::Sound {
                self.decide_soundness(&mut read, after);
            }
            again |= matches!(read.soundness, ReadValidity::CopyChanged | ReadValidity::Truncated);
            out.push(Command::Record(Event::Read(read)));
        }
        for mut current in currents {
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
            out.push(Command::Record(Event::CurrentRead(current)));
        }
        if again && round < ROUNDS {
            out.push(Command::ReadCoverage { replica: replica.to_owned() });
            self.put(replica, BracketStage::Before, round + 1);
        }
    }

    fn decide_soundness(&mut self, read: &mut Read, after: &Coverage) {
        let cursor = self.cursor(&read.replica, &read.before);
        let same = after
            .covers
            .iter()
            .find(|cover| cover.segment == read.before.segment && cover.copy == read.before.copy);
        match same {
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
    fn give_up(
        &mut self,
        replica: &str,
        reads: Vec<Read>,
        currents: Vec<CurrentRead>,
        error: String,
        out: &mut Vec<Command>,
    ) {
        out.push(Command::Record(Event::Unreachable { replica: replica.to_owned(), error }));
        for mut read in reads {
            read.soundness = ReadValidity::Failed;
            out.push(Command::Record(Event::Read(read)));
        }
        for mut current in currents {
            current.soundness = ReadValidity::Failed;
            self.flags.remove(&(replica.to_owned(), current.partition));
            out.push(Command::Record(Event::CurrentRead(current)));
        }
    }

    fn end_if_over(&mut self, out: &mut Vec<Command>) {
        let over = |running: &mut RunningCapture| running.brackets.is_empty() && !running.shard_pending;
        if let Some(running) = self.running.take_if(over) {
            out.push(Command::Record(Event::CaptureEnd { capture: running.id }));
        }
    }
}
