//! All that is known at one offset of a partition's log: the entry, the fold of the log, and what every copy
//! shows.

use super::absence::Excused;
use super::merge_functions::{alike, shows};
use crate::checker::tables::copies::{CapturePoint, VisibleCopy};
use crate::checker::tables::log_index::IndexedEntry;
use crate::history::row::{Entry, Row};
use crate::history::schema::{Column, Value};
use std::borrow::Cow;
use std::sync::Arc;

/// A copy that claims the offset. `row` is the index of its row in [`OffsetView::rows`], if it has one.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    pub(crate) copy: usize,
    pub(crate) row: Option<usize>,
    /// Whether one read returned two rows.
    pub(crate) is_double: bool,
    /// The point from which on the copy was seen to show this.
    pub(super) since: CapturePoint,
    /// Whether the read had not requested it yet: the row came at or above the position before the read.
    pub(super) is_early: bool,
}

/// A row, and the read that returned it. Equal `content` means equal rows.
#[derive(Clone, Copy)]
pub(crate) struct ReadRow<'w> {
    pub(crate) read: u64,
    pub(crate) content: usize,
    pub(crate) row: &'w Row,
}

/// Copies of the rows at one offset that are kept as evidence, by content: each is copied once.
#[derive(Default)]
pub(crate) struct SharedRows(Vec<(usize, Arc<Row>)>);

impl SharedRows {
    pub(crate) fn row(&mut self, read_row: ReadRow<'_>) -> Arc<Row> {
        if let Some((_, row)) = self.0.iter().find(|(content, _)| *content == read_row.content) {
            return Arc::clone(row);
        }
        let row = Arc::new(read_row.row.clone());
        self.0.push((read_row.content, Arc::clone(&row)));
        row
    }
}

/// A copy's row: the read that returned it, and the index of its content.
#[derive(Clone, Copy)]
pub(crate) struct CopyRow {
    pub(super) copy: usize,
    pub(super) read: u64,
    pub(super) content: usize,
}

/// The log entry at an offset, and the row that is expected for it.
#[derive(Clone, Copy)]
pub(crate) struct ExpectedRow<'w> {
    pub(crate) at: usize,
    pub(crate) indexed: &'w IndexedEntry,
    pub(crate) entry: &'w Entry,
    /// The columns of the row that the log folds to; `None` for a delete, whose row has meaningless columns.
    pub(crate) expected: Option<&'w [Value]>,
}

impl<'w> ExpectedRow<'w> {
    /// Whether a row belongs to this entry, right or wrong.
    pub(crate) fn is_of(&self, row: &Row) -> bool {
        (&row.key, row.op) == (&self.entry.key, self.entry.op)
    }

    /// The cells ([`crate::checker::tables::named_row`]) in which a row of this entry differs from the fold
    /// of the log. The columns of a deleted key's row mean nothing.
    pub(crate) fn wrong_cells<'r>(
        &self,
        columns: &'r [Column],
        row: &'r Row,
    ) -> impl Iterator<Item = usize> + use<'r, 'w> {
        let cells = columns.iter().zip(self.expected.unwrap_or_default()).zip(&row.cols).enumerate();
        let wrong = cells.filter(|(_, ((column, expected), shown))| !shows(column, expected, shown));
        let order = (row.cmp != self.entry.cmp).then_some(columns.len());
        wrong.map(|(cell, _)| cell).chain(order)
    }
}

pub(crate) struct OffsetView<'w, 'e> {
    pub(crate) off: u64,
    /// The segment in which it was first written.
    pub(crate) segment: Option<usize>,
    /// `None`: the log has no such entry.
    pub(crate) logged: Option<ExpectedRow<'w>>,
    pub(crate) claims: &'w [Claim],
    /// Copies that claim the offset but are not compared here, since what they lack may be absent.
    pub(crate) excused: &'w [Excused],
    pub(crate) rows: &'w [CopyRow],
    pub(crate) contents: &'w [Cow<'e, Row>],
}

impl<'w> OffsetView<'w, '_> {
    /// The row of a claim.
    pub(crate) fn row(&self, claim: Claim) -> Option<ReadRow<'w>> {
        let CopyRow { read, content, .. } = self.rows[claim.row?];
        Some(ReadRow { read, content, row: &self.contents[content] })
    }

    /// The row of a claim, if it belongs to the logged entry.
    pub(crate) fn row_of_entry(&self, claim: Claim) -> Option<ReadRow<'w>> {
        let of_entry = |row: &Row| self.logged.is_some_and(|logged| logged.is_of(row));
        self.row(claim).filter(|read_row| of_entry(read_row.row))
    }

    /// Whether two claims show the same in the cells that are set in `among`
    /// ([`crate::checker::tables::named_row`]). The columns of a deleted key's row mean nothing.
    pub(crate) fn same(&self, columns: &[Column], among: &[bool], a: Claim, b: Claim) -> bool {
        let deleted = self.logged.is_some_and(|logged| logged.expected.is_none());
        match (self.row(a), self.row(b)) {
            (None, None) => true,
            (Some(a), Some(b)) if a.content == b.content => true,
            (Some(a), Some(b)) => {
                let (a, b) = (a.row, b.row);
                let mut cells = columns.iter().zip(among).zip(a.cols.iter().zip(&b.cols));
                (&a.key, a.op) == (&b.key, b.op)
                    && (a.cmp == b.cmp || !among[columns.len()])
                    && (deleted || cells.all(|((column, among), (a, b))| !among || alike(column, a, b)))
            }
            _ => false,
        }
    }

    /// The claims that replicas made at a point, given what each of them showed then.
    pub(crate) fn seen<'p>(
        &'p self,
        when: CapturePoint,
        shown: &'p [Option<VisibleCopy>],
    ) -> impl Iterator<Item = usize> + 'p {
        shown.iter().flatten().filter_map(move |shown| {
            let of_copy = |claim: &Claim| claim.copy == shown.copy && claim.since <= when;
            let at = self.claims.iter().rposition(of_copy)?;
            (self.off < shown.end || self.claims[at].is_early).then_some(at)
        })
    }
}
