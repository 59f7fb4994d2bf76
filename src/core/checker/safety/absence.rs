//! What may rightly be absent by the rules that the table declares (`RULES.md` 2), and nothing else.
//!
//! Whether an absence is excused depends on what had been merged by the time of the read: by the replica
//! itself, or for a downloaded copy by any replica. The newest row of a key that a replica has merged excuses
//! the older ones, but never itself.

use crate::checker::tables::copies::{CapturePoint, CopyRead, CopyTimeline};
use crate::checker::tables::entry_ages::EntryAges;
use crate::checker::tables::history::{HeldSegment, History, ReadHeader};
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
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
    replica: usize,
    capture: usize,
    start: u64,
    end: u64,
}

/// A copy, and the capture of the read that should have returned the row.
struct CopyAt {
    copy: usize,
    capture: usize,
}

/// What may be absent in one partition.
pub(crate) struct Absences<'j> {
    rules: &'j Rules,
    history: &'j History<'j>,
    log_index: &'j LogIndex,
    timeline: &'j CopyTimeline,
    /// By entry: the index of the key's next accepted entry. `next_delete`: that of its next delete.
    next: Vec<u32>,
    next_delete: Vec<u32>,
    /// By segment.
    merged: Vec<Vec<MergedRange>>,
    ages: Option<EntryAges>,
}

impl<'j> Absences<'j> {
    /// Collects what excuses depend on; nothing if the table keeps all rows.
    pub(crate) fn of(
        evidence: &dyn RunRecord,
        history: &'j History<'j>,
        log_index: &'j LogIndex,
        timeline: &'j CopyTimeline,
    ) -> Absences<'j> {
        let rules = &history.meta.schema.rules;
        let mut absences = Absences {
            rules,
            history,
            log_index,
            timeline,
            next: Vec::new(),
            next_delete: Vec::new(),
            merged: Vec::new(),
            ages: rules.allow(Absence::Expired).then(|| EntryAges::read(evidence, log_index)),
        };
        if !rules.is_plain() {
            absences.look_ahead();
            absences.gather_merged(history);
        }
        absences
    }

    fn look_ahead(&mut self) {
        let lines = self.log_index.len();
        (self.next, self.next_delete) = (vec![NONE; lines], vec![NONE; lines]);
        let mut newest = vec![(NONE, NONE); self.log_index.keys.len()];
        for at in (0..lines).rev() {
            let line = self.log_index.entry(at);
            let (accepted, delete) = &mut newest[line.key];
            (self.next[at], self.next_delete[at]) = (*accepted, *delete);
            if line.effect.is_accepted() {
                *accepted = at as u32;
            }
            if line.effect == Effect::Deleted {
                *delete = at as u32;
            }
        }
    }

    /// A read that failed still shows, by its coverage, what the replica had merged.
    fn gather_merged(&mut self, history: &History<'_>) {
        let spans = &history.segments[self.log_index.partition as usize];
        self.merged = spans.iter().map(|_| Vec::new()).collect();
        let mut take = |look: &ReadHeader, held: &HeldSegment| {
            let counts = look.partition == self.log_index.partition && held.is_visible();
            let segment = spans.binary_search_by_key(&held.seq, |span| span.seq);
            if let (true, Ok(segment)) = (counts, segment) {
                let (ReadHeader { replica, capture, .. }, HeldSegment { start, end, .. }) = (*look, *held);
                for at in spans[segment].held(segment) {
                    self.merged[at].push(MergedRange { replica, capture, start, end });
                }
            }
        };
        history.reads.iter().for_each(|read| take(&read.header, &read.held));
        for read in &history.current_reads {
            read.before.iter().chain(&read.after).for_each(|held| take(&read.header, held));
        }
    }

    /// Why a copy may lack the row of an entry that it covers, in its first read since that point; `None` if
    /// it may not.
    pub(crate) fn of_row(&self, at: usize, copy: usize, since: CapturePoint) -> Option<Absence> {
        let off = self.log_index.entry(at).off;
        let mut readings = self.timeline.copies[copy].reads.iter();
        self.reason(at, copy, readings.find(|reading| reading.when >= since && reading.covers(off)))
    }

    /// As `of_row`, in the last read.
    pub(crate) fn of_row_at_last(&self, at: usize, copy: usize) -> Option<Absence> {
        let off = self.log_index.entry(at).off;
        let readings = self.timeline.copies[copy].reads.iter();
        self.reason(at, copy, readings.rev().find(|reading| reading.covers(off)))
    }

    fn reason(&self, at: usize, copy: usize, reading: Option<&CopyRead>) -> Option<Absence> {
        if self.rules.is_plain() {
            return None;
        }
        let line = self.log_index.entry(at);
        let ReadHeader { capture, t, .. } = self.history.reads[self.history.read_index(reading?.id)?].header;
        let sight = CopyAt { copy, capture };
        let reason = match line.effect {
            Effect::Ignored => Some(self.ignored(&line)),
            Effect::OutOfOrder => self.late(&line, &sight).or_else(|| self.outdated(at, &line, &sight)),
            Effect::Merged | Effect::Deleted => self.outdated(at, &line, &sight),
        };
        reason.or_else(|| self.is_expired(at, t).then_some(Absence::Expired))
    }

    /// An event that the table ignores leaves no row that could be owed.
    fn ignored(&self, line: &IndexedEntry) -> Absence {
        if self.repeats(line) { Absence::Duplicates } else { Absence::Tombstones }
    }

    fn repeats(&self, line: &IndexedEntry) -> bool {
        self.rules.allow(Absence::Duplicates)
            && line
                .previous
                .is_some_and(|at| self.log_index.earlier_of_key(at).any(|earlier| earlier.op == line.op))
    }

    /// A late event is outdated from the start, if the row that it comes after had been merged.
    fn late(&self, line: &IndexedEntry, sight: &CopyAt) -> Option<Absence> {
        if self.repeats(line) {
            return Some(Absence::Duplicates);
        }
        let newer = line
            .previous
            .and_then(|at| self.log_index.earlier_of_key(at).find(|it| it.effect.is_accepted()))?;
        let allowed = [Absence::Late, Absence::Superseded].into_iter().find(|it| self.rules.allow(*it));
        allowed.filter(|_| self.was_merged(&newer, sight))
    }

    /// A row is outdated if its key was written again or deleted, and that had been merged.
    fn outdated(&self, at: usize, line: &IndexedEntry, sight: &CopyAt) -> Option<Absence> {
        let chains = [
            (Absence::Superseded, false, &self.next),
            (Absence::Tombstones, line.effect == Effect::Deleted, &self.next_delete),
        ];
        let outdated = chains.into_iter().find(|(reason, by_itself, chain)| {
            self.rules.allow(*reason) && (*by_itself || self.any_merged(at, chain, sight))
        });
        outdated.map(|(reason, ..)| reason)
    }

    /// Whether any later entry in this chain had been merged when the copy was read.
    fn any_merged(&self, at: usize, chain: &[u32], sight: &CopyAt) -> bool {
        let after = |at: usize| (chain[at] != NONE).then_some(chain[at] as usize);
        let mut later = std::iter::successors(after(at), |at| after(*at));
        later.any(|at| self.was_merged(&self.log_index.entry(at), sight))
    }

    /// Whether the holder of the copy had merged this entry by then. For a downloaded copy, any replica
    /// counts, since the copy was built elsewhere.
    fn was_merged(&self, line: &IndexedEntry, sight: &CopyAt) -> bool {
        let copy = &self.timeline.copies[sight.copy];
        let by_any = copy.state == CopyState::Downloaded;
        let Some(segment) = line.segment else { return false };
        self.merged[segment].iter().any(|merged| {
            (by_any || merged.replica == copy.replica)
                && merged.capture <= sight.capture
                && (merged.start..merged.end).contains(&line.off)
        })
    }

    /// Whether a row may have expired by this time.
    fn is_expired(&self, at: usize, t: Nanos) -> bool {
        self.ages.as_ref().is_some_and(|ages| ages.at(at, t) >= self.rules.time_to_live)
    }

    /// Whether the key's state may have expired before this entry was merged onto it.
    pub(crate) fn may_be_forgotten_before(&self, at: usize) -> bool {
        let Some(ages) = &self.ages else { return false };
        let mut past = self.log_index.earlier_of_key(at).skip(1);
        let state = past.find(|line| line.effect.is_accepted());
        let state = state.and_then(|line| self.log_index.at(line.off));
        state.is_some_and(|state| ages.between(state, at) >= self.rules.time_to_live)
    }

    /// Whether a replica's current flags, read at this time, are right although they do not name the current
    /// entry. A repetition of its op may stand for it, and a row that may be absent is not shown.
    pub(crate) fn excuse_flags(&self, replica: usize, line: &IndexedEntry, shown: &[u64], t: Nanos) -> bool {
        if self.rules.is_plain() || line.effect != Effect::Merged {
            return false;
        }
        let Some(at) = self.log_index.at(line.off) else { return false };
        match shown {
            [] => self.is_expired(at, t) || self.may_lack(at, line, replica),
            [one] => self.log_index.at(*one).map(|at| self.log_index.entry(at)).is_some_and(|shown| {
                (shown.effect, shown.key, shown.op) == (Effect::Ignored, line.key, line.op)
            }),
            _ => false,
        }
    }

    /// Whether any copy of a replica may lack the row of an entry.
    fn may_lack(&self, at: usize, line: &IndexedEntry, replica: usize) -> bool {
        let copies = line.segment.map_or(&[][..], |segment| &self.timeline.by_segment[segment]);
        let mut own = copies.iter().filter(|copy| self.timeline.copies[**copy].replica == replica);
        own.any(|copy| self.of_row_at_last(at, *copy).is_some())
    }
}
