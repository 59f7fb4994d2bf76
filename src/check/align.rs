//! The walk along a partition's log: at each offset, what the log folds to and what every copy shows.
//!
//! Rows of all replicas come as one stream by offset, so memory is the state of the partition's keys.

use super::absence::{Absences, Excused};
use super::forgotten::Forgotten;
use super::history::History;
use super::ledger::{Ledger, Line, bounds, segment_of};
use super::merge::{fold, shows};
use super::stage::Stage;
use crate::record::evidence::{Recorded, RowsAt};
use crate::record::row::{Entry, Row};
use crate::schema::rules::Absence;
use crate::schema::{Column, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A copy that claims the offset, and its row there, if it has one, as an index of [`Place::rows`].
#[derive(Clone, Copy)]
pub(super) struct Claim {
    pub(super) copy: usize,
    pub(super) row: Option<usize>,
}

/// A row, and the read that brought it. Rows of one content are equal.
#[derive(Clone, Copy)]
pub(super) struct Brought<'w> {
    pub(super) read: u64,
    pub(super) content: usize,
    pub(super) row: &'w Row,
}

/// A copy's row: the read that brought it, and its content by index.
#[derive(Clone, Copy)]
pub(super) struct OfCopy {
    copy: usize,
    read: u64,
    content: usize,
}

/// An offset of the log as the log has it.
#[derive(Clone, Copy)]
pub(super) struct Logged<'w> {
    pub(super) at: usize,
    pub(super) line: &'w Line,
    pub(super) entry: &'w Entry,
    /// The columns of the row that the log folds to; none for a deletion, whose row's columns mean nothing.
    pub(super) expected: Option<&'w [Value]>,
}

/// All that is known at one offset.
pub(super) struct Place<'w, 'e> {
    pub(super) off: u64,
    /// None: the log has no such entry.
    pub(super) logged: Option<Logged<'w>>,
    pub(super) claims: &'w [Claim],
    /// The copies that claim the offset too, and are not compared here: what they lack may be absent.
    pub(super) excused: &'w [Excused],
    pub(super) rows: &'w [OfCopy],
    pub(super) contents: &'w [Cow<'e, Row>],
}

impl<'w> Place<'w, '_> {
    /// The row of a claim.
    pub(super) fn row(&self, claim: Claim) -> Option<Brought<'w>> {
        let OfCopy { read, content, .. } = self.rows[claim.row?];
        Some(Brought { read, content, row: &self.contents[content] })
    }

    /// Whether two claims show the same. The columns of a deleted key's row mean nothing.
    pub(super) fn same(&self, columns: &[Column], a: Claim, b: Claim) -> bool {
        let deleted = self.logged.is_some_and(|logged| logged.expected.is_none());
        match (self.row(a), self.row(b)) {
            (None, None) => true,
            (Some(a), Some(b)) if a.content == b.content => true,
            (Some(a), Some(b)) => {
                let (a, b) = (a.row, b.row);
                let mut cells = columns.iter().zip(&a.cols).zip(&b.cols);
                (&a.key, a.op, a.cmp) == (&b.key, b.op, b.cmp)
                    && (deleted || cells.all(|((column, a), b)| shows(column, a, b)))
            }
            _ => false,
        }
    }
}

/// Walks all offsets up to `limit` (exclusive) and tells how many rows each read brought, by read id.
pub(super) fn walk(
    evidence: &dyn Recorded,
    history: &History<'_>,
    ledger: &Ledger,
    stage: &Stage,
    absences: &Absences<'_>,
    limit: u64,
    visit: &mut dyn FnMut(&Place<'_, '_>),
) -> BTreeMap<u64, u64> {
    let partition = ledger.partition;
    let spans = bounds(&history.segments[partition as usize]);
    let columns = &history.facts.schema.columns;
    let mut brought_by: Vec<u64> = vec![0; history.reads.len()];
    let mut log = evidence.log(partition).zip(ledger.lines().enumerate()).peekable();
    let mut groups = evidence.row_groups(partition);
    let mut shown = RowsAt::default();
    let mut more = groups.next(&mut shown);
    let mut state: Vec<Vec<Value>> = vec![vec![Value::Null; columns.len()]; ledger.keys.len()];
    let mut rows: Vec<OfCopy> = Vec::new();
    let mut claims: Vec<Claim> = Vec::new();
    let mut excused: Vec<Excused> = Vec::new();
    let mut forgotten = Forgotten::new(columns);
    loop {
        let logged = log.peek().map(|(entry, _)| entry.off);
        let next = more.then_some(shown.off);
        let Some(off) = logged.into_iter().chain(next).min().filter(|off| *off < limit) else { break };
        rows.clear();
        let here = next == Some(off);
        for &(read, content) in shown.seen.iter().filter(|_| here) {
            let Some(index) = history.read_index(read) else { continue };
            brought_by[index] += 1;
            let Some(copy) = stage.of_read[index] else { continue };
            let brought = OfCopy { copy, read, content };
            match rows.iter_mut().find(|known| known.copy == copy) {
                Some(known) => *known = brought,
                None => rows.push(brought),
            }
        }
        claims.clear();
        if let Some(segment) = segment_of(&spans, off) {
            let claiming = stage.of_segment[segment].iter().filter(|&&copy| stage.copies[copy].claims(off));
            claims.extend(claiming.map(|&copy| {
                let row = rows.iter().position(|brought| brought.copy == copy);
                Claim { copy, row }
            }));
        }
        let entry = log.next_if(|(entry, _)| entry.off == off);
        let logged = entry.as_ref().map(|(entry, (at, line))| {
            let expected = fold(columns, &mut state[line.key], line.effect, entry);
            forgotten.take(absences, *at, line, entry);
            Logged { at: *at, line, entry, expected }
        });
        leave_out(&mut claims, &mut excused, |claim| match (logged?, claim.row) {
            (logged, Some(row)) => forgotten.explains(logged, &shown.contents[rows[row].content]),
            (logged, None) => absences.of_row(logged.at, claim.copy),
        });
        visit(&Place {
            off,
            logged,
            claims: &claims,
            excused: &excused,
            rows: &rows,
            contents: &shown.contents,
        });
        if here {
            more = groups.next(&mut shown);
        }
    }
    history.reads.iter().zip(brought_by).map(|(read, count)| (read.look.id, count)).collect()
}

/// Takes out the claims of copies that may have no row here, or another one.
fn leave_out(claims: &mut Vec<Claim>, excused: &mut Vec<Excused>, why: impl Fn(&Claim) -> Option<Absence>) {
    excused.clear();
    claims.retain(|claim| {
        let reason = why(claim);
        excused.extend(reason.map(|reason| Excused { copy: claim.copy, reason }));
        reason.is_none()
    });
}
