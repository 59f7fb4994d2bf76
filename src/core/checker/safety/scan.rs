//! The walk along a partition's log: at each offset, the fold of the log and what every copy shows.
//!
//! Rows of all replicas come as one stream by offset, so memory is bounded by the state of the partition's
//! keys.
//!
//! A copy's rows are immutable, so it normally makes one claim per offset. If its reads contradict that, each
//! thing that they showed is a claim, from the first read that showed it:
//! ```text
//! read 4 of c's copy returned row 7 with x=1; read 9 of the same copy has x=2 there, and read 12 no row
//! ```

use super::absence::{AllowedAbsences, Excused};
use super::expired_states::ExpiredStates;
use super::merge_functions::fold;
use super::offset_view::{Claim, CopyRow, ExpectedRow, OffsetView};
use crate::checker::tables::copies::{CapturePoint, CopyTimeline};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::checker::tables::segments::{bounds, segment_of};
use crate::history::row::{Entry, Row};
use crate::history::run_record::{LogEntries, RowsAt, RunRecord};
use crate::history::schema::rules::Absence;
use crate::history::schema::{Column, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Visits all offsets up to `limit` (exclusive). Returns how many rows each read returned, by read id.
pub(crate) fn scan(
    record: &dyn RunRecord,
    history: &History<'_>,
    log_index: &LogIndex,
    timeline: &CopyTimeline,
    absences: &AllowedAbsences<'_>,
    limit: u64,
    visit: &mut dyn FnMut(&OffsetView<'_, '_>),
) -> BTreeMap<u64, u64> {
    let partition = log_index.partition;
    let spans = bounds(&history.segments[partition as usize]);
    let columns = &history.meta.schema.columns;
    let mut row_counts: Vec<u64> = vec![0; history.reads.len()];
    let mut ahead = EntryAhead::first(record.log_entries(partition), log_index.entries().enumerate());
    let mut groups = record.row_groups(partition);
    let mut shown = RowsAt::default();
    let mut more = groups.next(&mut shown);
    let mut state: Vec<Vec<Value>> = vec![vec![Value::Null; columns.len()]; log_index.keys.len()];
    let mut rows: Vec<CopyRow> = Vec::new();
    let mut claims: Vec<Claim> = Vec::new();
    let mut excused: Vec<Excused> = Vec::new();
    let mut forgotten = ExpiredStates::new(columns);
    loop {
        let logged = ahead.off();
        let next = more.then_some(shown.off);
        let Some(off) = logged.into_iter().chain(next).min().filter(|off| *off < limit) else { break };
        rows.clear();
        let mut is_plain = true;
        let here = next == Some(off);
        for &(read, content) in shown.seen.iter().filter(|_| here) {
            let Some(index) = history.read_index(read) else { continue };
            row_counts[index] += 1;
            let Some(copy) = timeline.by_read[index] else { continue };
            is_plain &= !rows.iter().any(|known| known.copy == copy);
            rows.push(CopyRow { copy, read, content });
        }
        let is_logged = logged == Some(off);
        let logged = ahead.indexed.as_ref().filter(|_| is_logged).map(|(at, indexed)| {
            let expected = fold(columns, &mut state[indexed.key], indexed.effect, &ahead.entry);
            forgotten.add(absences, *at, indexed, &ahead.entry);
            ExpectedRow { at: *at, indexed, entry: &ahead.entry, expected }
        });
        claims.clear();
        let segment = segment_of(&spans, off);
        let copies = segment.map_or(&[][..], |segment| &timeline.by_segment[segment]);
        let matcher = RowMatcher { columns, off, logged, rows: &rows, contents: &shown.contents };
        let has_row = |copy: usize| rows.iter().any(|row| row.copy == copy);
        // Nobody owes the row of an op that may not have happened.
        let is_owed = logged.is_none_or(|logged| logged.indexed.effect != Effect::Undecided);
        let claims_it = |copy: usize| is_owed && timeline.copies[copy].claims(off) || has_row(copy);
        for &copy in copies.iter().filter(|copy| claims_it(**copy)) {
            matcher.claim(timeline, copy, is_plain, &mut claims);
        }
        excuse(&mut claims, &mut excused, |claim| match (logged?, claim.row) {
            (logged, Some(row)) => forgotten.explains(logged, &shown.contents[rows[row].content]),
            (logged, None) => absences.of_row(logged.at, claim.copy, claim.since),
        });
        let (claims, excused, rows, contents) = (&claims, &excused, &rows, &shown.contents);
        visit(&OffsetView { off, segment, logged, claims, excused, rows, contents });
        if here {
            more = groups.next(&mut shown);
        }
        if is_logged {
            ahead.advance();
        }
    }
    history.reads.iter().zip(row_counts).map(|(read, count)| (read.header.id, count)).collect()
}

/// The next entry of the log, and what the index says of it.
struct EntryAhead<'r, I> {
    log: Box<dyn LogEntries<'r> + 'r>,
    index: I,
    entry: Cow<'r, Entry>,
    /// None after the last entry.
    indexed: Option<(usize, IndexedEntry)>,
}

impl<'r, I: Iterator<Item = (usize, IndexedEntry)>> EntryAhead<'r, I> {
    fn first(log: Box<dyn LogEntries<'r> + 'r>, index: I) -> Self {
        let mut ahead = EntryAhead { log, index, entry: Cow::Owned(Entry::default()), indexed: None };
        ahead.advance();
        ahead
    }

    fn off(&self) -> Option<u64> {
        self.indexed.as_ref().map(|_| self.entry.off)
    }

    fn advance(&mut self) {
        self.indexed = if self.log.next(&mut self.entry) { self.index.next() } else { None };
    }
}

/// Moves the claims of copies that may lack the row here, or show another one, to `excused`.
fn excuse(claims: &mut Vec<Claim>, excused: &mut Vec<Excused>, why: impl Fn(&Claim) -> Option<Absence>) {
    excused.clear();
    claims.retain(|claim| {
        let reason = why(claim);
        excused.extend(reason.map(|reason| Excused { copy: claim.copy, reason }));
        reason.is_none()
    });
}

/// The rows that reads returned at one offset.
struct RowMatcher<'w, 'e> {
    columns: &'w [Column],
    off: u64,
    logged: Option<ExpectedRow<'w>>,
    rows: &'w [CopyRow],
    contents: &'w [Cow<'e, Row>],
}

impl RowMatcher<'_, '_> {
    /// Adds one claim for each thing that the reads of a copy showed, unless it is the same as before. If no
    /// copy has two rows, a copy that was read once has one claim.
    fn claim(&self, timeline: &CopyTimeline, copy: usize, is_plain: bool, claims: &mut Vec<Claim>) {
        let of = &timeline.copies[copy];
        if is_plain && of.claims(self.off) && !of.was_read_again() {
            let row = self.rows.iter().position(|known| known.copy == copy);
            claims.push(Claim { copy, row, is_double: false, since: CapturePoint::START, is_early: false });
            return;
        }
        let first = claims.len();
        for read in &timeline.copies[copy].reads {
            let mut rows = (0..self.rows.len()).filter(|&at| self.rows[at].read == read.id);
            let (one, other) = (rows.next(), rows.next());
            let is_early = !read.covers(self.off);
            if is_early && one.is_none() {
                continue;
            }
            // Of two rows, the right one is the copy's claim. That there are two is reported separately.
            let row = other.filter(|&at| self.is_right(at)).or(one);
            let is_double = other.is_some();
            let last = claims[first..].last_mut();
            match last.filter(|last| last.is_double == is_double && self.alike(last.row, row)) {
                Some(last) => last.is_early &= is_early,
                None => claims.push(Claim { copy, row, is_double, since: read.when, is_early }),
            }
        }
    }

    fn content(&self, row: usize) -> &Row {
        &self.contents[self.rows[row].content]
    }

    fn is_right(&self, row: usize) -> bool {
        let row = self.content(row);
        let is_right = |logged: ExpectedRow<'_>| {
            logged.is_of(row) && logged.wrong_cells(self.columns, row).next().is_none()
        };
        self.logged.is_some_and(is_right)
    }

    /// Whether two rows have the same content, wherever they are in their segment.
    fn alike(&self, a: Option<usize>, b: Option<usize>) -> bool {
        let content = |at: usize| {
            let Row { off: _, key, op, cmp, cols, doc: _ } = self.content(at);
            (key, op, cmp, cols)
        };
        a.map(content) == b.map(content)
    }
}
