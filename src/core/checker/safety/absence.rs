//! What may rightly be absent by the rules that the table declares (`RULES.md` 2), and nothing else.
//!
//! Whether an absence is excused depends on what had been merged by the time of the read: by the replica
//! itself, or for a downloaded copy by any replica. The newest row of a key that a replica has merged
//! excuses the older ones, but never itself. Where only the newest row is kept, nobody knows which ops in
//! flight a replica has merged, so any later op of the key that had been sent by then excuses the older ones.

use crate::checker::tables::copies::{CapturePoint, CopyRead, CopyTimeline};
use crate::checker::tables::entry_ages::EntryAges;
use crate::checker::tables::history::{HeldSegment, History, ReadHeader};
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::checker::tables::undecided_rows::UndecidedRows;
use crate::history::row::CopyState;
use crate::history::run_record::RunRecord;
use crate::history::schema::rules::{Absence, Rules};
use crate::history::time::Nanos;

const NONE: u32 = u32::MAX;

/// A copy of a segment that lacks a row, or shows one with less in it, and why it may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excused {
    pub(crate) copy: usize,
    pub(crate) reason: Absence,
}

/// A range of a segment that a replica had merged by a capture.
struct MergedRange {
    capture: usize,
    start: u64,
    end: u64,
}

/// A copy, and the capture of the read that should have returned the row.
struct CopyAt {
    copy: usize,
    capture: usize,
}

/// Whether it matters when ops were sent.
fn needs_ages(rules: &Rules) -> bool {
    rules.allow(Absence::Expired) || rules.has_own_log() || rules.keeps_newest_only()
}

/// What may be absent in one partition.
pub(crate) struct AllowedAbsences<'j> {
    rules: &'j Rules,
    history: &'j History<'j>,
    log_index: &'j LogIndex,
    timeline: &'j CopyTimeline,
    /// By entry: the index of the key's next accepted entry. `next_delete`: that of its next delete.
    next: Vec<u32>,
    next_delete: Vec<u32>,
    /// By segment, by replica, in the order of captures.
    merged: Vec<Vec<Vec<MergedRange>>>,
    ages: Option<EntryAges>,
    undecided: UndecidedRows,
}

impl<'j> AllowedAbsences<'j> {
    /// Collects what excuses depend on; nothing if the table keeps all rows.
    pub(crate) fn of(
        record: &dyn RunRecord,
        history: &'j History<'j>,
        log_index: &'j LogIndex,
        timeline: &'j CopyTimeline,
    ) -> AllowedAbsences<'j> {
        let rules = &history.meta.schema.rules;
        let mut absences = AllowedAbsences {
            rules,
            history,
            log_index,
            timeline,
            next: Vec::new(),
            next_delete: Vec::new(),
            merged: Vec::new(),
            ages: needs_ages(rules).then(|| EntryAges::read(record, log_index)),
            undecided: UndecidedRows::read(record, log_index),
        };
        if !rules.is_plain() {
            absences.look_ahead();
            absences.gather_merged(history);
        }
        absences
    }

    fn look_ahead(&mut self) {
        let entries = self.log_index.len();
        (self.next, self.next_delete) = (vec![NONE; entries], vec![NONE; entries]);
        let mut newest = vec![(NONE, NONE); self.log_index.keys.len()];
        for at in (0..entries).rev() {
            let entry = self.log_index.entry(at);
            let (accepted, delete) = &mut newest[entry.key];
            (self.next[at], self.next_delete[at]) = (*accepted, *delete);
            if entry.effect.is_accepted() {
                *accepted = at as u32;
            }
            if entry.effect == Effect::Deleted {
                *delete = at as u32;
            }
        }
    }

    /// A read that failed still shows, by its coverage, what the replica had merged.
    fn gather_merged(&mut self, history: &History<'_>) {
        let spans = &history.segments[self.log_index.partition as usize];
        let replicas = history.meta.roster.len();
        let of_segment = || (0..replicas).map(|_| Vec::new()).collect();
        self.merged = spans.iter().map(|_| of_segment()).collect();
        let mut take = |header: &ReadHeader, held: &HeldSegment| {
            let counts = header.partition == self.log_index.partition && held.is_visible();
            let segment = spans.binary_search_by_key(&held.seq, |span| span.seq);
            if let (true, Ok(segment)) = (counts, segment) {
                let (ReadHeader { replica, capture, .. }, HeldSegment { start, end, .. }) = (*header, *held);
                for at in spans[segment].held(segment) {
                    self.merged[at][replica].push(MergedRange { capture, start, end });
                }
            }
        };
        history.reads.iter().for_each(|read| take(&read.header, &read.held));
        for read in &history.current_reads {
            read.before.iter().chain(&read.after).for_each(|held| take(&read.header, held));
        }
        let of_replicas = self.merged.iter_mut().flatten();
        of_replicas.for_each(|merged| merged.sort_by_key(|merged| merged.capture));
    }

    /// Why a copy may lack the row of an entry that it covers, in its first read since that point; `None` if
    /// it may not.
    pub(crate) fn of_row(&self, at: usize, copy: usize, since: CapturePoint) -> Option<Absence> {
        let off = self.log_index.entry(at).off;
        let mut reads = self.timeline.copies[copy].reads.iter();
        self.reason(at, copy, reads.find(|read| read.when >= since && read.covers(off)))
    }

    /// As `of_row`, in the last read.
    pub(crate) fn of_row_at_last(&self, at: usize, copy: usize) -> Option<Absence> {
        let off = self.log_index.entry(at).off;
        let reads = self.timeline.copies[copy].reads.iter();
        self.reason(at, copy, reads.rev().find(|read| read.covers(off)))
    }

    fn reason(&self, at: usize, copy: usize, read: Option<&CopyRead>) -> Option<Absence> {
        if self.rules.is_plain() {
            return None;
        }
        let entry = self.log_index.entry(at);
        let ReadHeader { capture, t, id, .. } = self.history.reads[self.history.read_index(read?.id)?].header;
        let copy_at = CopyAt { copy, capture };
        if self.may_be_superseded(at, id, t) {
            return Some(Absence::Superseded);
        }
        let reason = match entry.effect {
            Effect::Undecided => None,
            Effect::Ignored => Some(self.ignored(&entry)),
            Effect::OutOfOrder => self.late(&entry, &copy_at).or_else(|| self.outdated(at, &entry, &copy_at)),
            Effect::Merged | Effect::Deleted => self.outdated(at, &entry, &copy_at),
        };
        reason.or_else(|| self.is_expired(at, t).then_some(Absence::Expired))
    }

    /// Where only the newest row is kept: whether a later op of the key may have been merged, since it had
    /// been sent by then, or since the read shows its row although nobody knows its outcome.
    ///
    /// ```text
    /// k@5 is acknowledged, k@9 is in flight while b is read: b shows k@9, or k@5
    /// ```
    fn may_be_superseded(&self, at: usize, read: u64, t: Nanos) -> bool {
        if !self.rules.keeps_newest_only() {
            return false;
        }
        let next = (self.next[at] != NONE).then_some(self.next[at] as usize);
        let is_sent = |next| self.ages.as_ref().is_some_and(|ages| ages.may_be_sent(next, t));
        next.is_some_and(is_sent) || self.undecided.supersedes(self.log_index.entry(at).off, read)
    }

    /// Whether the op at this offset may have been under way at a time: no log says when it took effect.
    pub(crate) fn may_be_in_flight(&self, off: u64, t: Nanos) -> bool {
        let ages = self.ages.as_ref().filter(|_| self.rules.has_own_log());
        ages.zip(self.log_index.at(off)).is_some_and(|(ages, at)| ages.may_be_sent(at, t))
    }

    /// What reads showed of ops with an unknown outcome.
    pub(crate) fn undecided(&self) -> &UndecidedRows {
        &self.undecided
    }

    /// An event that the table ignores leaves no row that could be owed.
    fn ignored(&self, entry: &IndexedEntry) -> Absence {
        if self.repeats(entry) { Absence::Duplicates } else { Absence::Tombstones }
    }

    fn repeats(&self, entry: &IndexedEntry) -> bool {
        self.rules.allow(Absence::Duplicates)
            && entry
                .previous
                .is_some_and(|at| self.log_index.earlier_of_key(at).any(|earlier| earlier.op == entry.op))
    }

    /// A late event is outdated from the start, if the row that it comes after had been merged.
    fn late(&self, entry: &IndexedEntry, copy_at: &CopyAt) -> Option<Absence> {
        if self.repeats(entry) {
            return Some(Absence::Duplicates);
        }
        let newer = entry
            .previous
            .and_then(|at| self.log_index.earlier_of_key(at).find(|it| it.effect.is_accepted()))?;
        let allowed = [Absence::Late, Absence::Superseded].into_iter().find(|it| self.rules.allow(*it));
        allowed.filter(|_| self.was_merged(&newer, copy_at))
    }

    /// A row is outdated if its key was written again or deleted, and that had been merged.
    fn outdated(&self, at: usize, entry: &IndexedEntry, copy_at: &CopyAt) -> Option<Absence> {
        let chains = [
            (Absence::Superseded, false, &self.next),
            (Absence::Tombstones, entry.effect == Effect::Deleted, &self.next_delete),
        ];
        let outdated = chains.into_iter().find(|(reason, by_itself, chain)| {
            self.rules.allow(*reason) && (*by_itself || self.any_merged(at, chain, copy_at))
        });
        outdated.map(|(reason, ..)| reason)
    }

    /// Whether any later entry in this chain had been merged when the copy was read.
    fn any_merged(&self, at: usize, chain: &[u32], copy_at: &CopyAt) -> bool {
        let after = |at: usize| (chain[at] != NONE).then_some(chain[at] as usize);
        let mut later = std::iter::successors(after(at), |at| after(*at));
        later.any(|at| self.was_merged(&self.log_index.entry(at), copy_at))
    }

    /// Whether the holder of the copy had merged this entry by then. For a downloaded copy, any replica
    /// counts, since the copy was built elsewhere.
    fn was_merged(&self, entry: &IndexedEntry, copy_at: &CopyAt) -> bool {
        let copy = &self.timeline.copies[copy_at.copy];
        let by_any = copy.state == CopyState::Downloaded;
        let Some(segment) = entry.segment else { return false };
        let by = |merged: &Vec<MergedRange>| {
            let earlier = merged.partition_point(|merged| merged.capture <= copy_at.capture);
            // The last ranges are the widest.
            merged[..earlier].iter().rev().any(|merged| (merged.start..merged.end).contains(&entry.off))
        };
        match by_any {
            true => self.merged[segment].iter().any(by),
            false => by(&self.merged[segment][copy.replica]),
        }
    }

    /// Whether a row may have expired by this time.
    fn is_expired(&self, at: usize, t: Nanos) -> bool {
        let ages = self.ages.as_ref().filter(|_| self.rules.allow(Absence::Expired));
        ages.is_some_and(|ages| ages.at(at, t) >= self.rules.time_to_live)
    }

    /// Whether the key's state may have expired before this entry was merged onto it.
    pub(crate) fn may_be_forgotten_before(&self, at: usize) -> bool {
        let Some(ages) = self.ages.as_ref().filter(|_| self.rules.allow(Absence::Expired)) else {
            return false;
        };
        let mut past = self.log_index.earlier_of_key(at).skip(1);
        let state = past.find(|entry| entry.effect.is_accepted());
        let state = state.and_then(|entry| self.log_index.at(entry.off));
        state.is_some_and(|state| ages.between(state, at) >= self.rules.time_to_live)
    }

    /// Whether a replica's current flags, read at this time, are right although they do not name the current
    /// entry. A repetition of its op may stand for it, and a row that may be absent is not shown.
    pub(crate) fn excuse_flags(&self, replica: usize, entry: &IndexedEntry, shown: &[u64], t: Nanos) -> bool {
        if self.rules.is_plain() || entry.effect != Effect::Merged {
            return false;
        }
        let Some(at) = self.log_index.at(entry.off) else { return false };
        match shown {
            [] => self.is_expired(at, t) || self.may_lack(at, entry, replica),
            [one] => self.log_index.at(*one).map(|at| self.log_index.entry(at)).is_some_and(|shown| {
                (shown.effect, shown.key, shown.op) == (Effect::Ignored, entry.key, entry.op)
            }),
            _ => false,
        }
    }

    /// Whether any copy of a replica may lack the row of an entry.
    fn may_lack(&self, at: usize, entry: &IndexedEntry, replica: usize) -> bool {
        let copies = entry.segment.map_or(&[][..], |segment| &self.timeline.by_segment[segment]);
        let mut own = copies.iter().filter(|copy| self.timeline.copies[**copy].replica == replica);
        own.any(|copy| self.of_row_at_last(at, *copy).is_some())
    }
}
