//! Which columns a referee may judge.
//!
//! Whoever brings a log also brings merge functions, and a beginning. If those are not the table's, the
//! fold is wrong for nearly every key, and all replicas agree on something else. A spread corruption looks
//! the same, but on few keys. So a column is the referee's only if all replicas show what it expects for
//! more keys than not, and a key that it does not name is wrong only if it names more of those that all
//! replicas show than not.

use super::basis::Basis;
use super::rows::{ExpectedState, KeyRows, ReplicaRow};

/// By column, on how many keys all replicas show the same, and the referee agrees with them or not.
#[derive(Clone, Debug, Default)]
pub(super) struct RefereeCalibration {
    columns: Vec<(u64, u64)>,
    /// Keys that all replicas show: those that the referee names, and those that it does not.
    named: u64,
    unknown: u64,
}

impl RefereeCalibration {
    /// Looks at a key.
    pub(super) fn add(&mut self, basis: &Basis, rows: &KeyRows) {
        if rows.shown.iter().all(|shown| shown.as_ref().is_some_and(|rows| !rows.is_empty())) {
            match rows.expected {
                ExpectedState::Never => self.unknown += 1,
                _ => self.named += 1,
            }
        }
        let ExpectedState::Row(expected) = &rows.expected else { return };
        let Some(shown) = only_rows(rows) else { return };
        self.columns.resize(basis.columns.len(), (0, 0));
        let Some((first, others)) = shown.split_first() else { return };
        for (at, (agreed, disagreed)) in self.columns.iter_mut().enumerate() {
            if others.iter().all(|other| basis.same(&first.cols[at], &other.cols[at])) {
                match basis.same(&first.cols[at], &expected.cols[at]) {
                    true => *agreed += 1,
                    false => *disagreed += 1,
                }
            }
        }
    }

    /// The columns that are not the referee's, with the keys on which it disagrees with all, and all keys
    /// looked at.
    /// `elsewhere` keys have rows of which it is known that all are as expected.
    pub(super) fn off(&self, elsewhere: u64) -> Vec<(usize, u64, u64)> {
        let columns = self.columns.iter().enumerate();
        let off = columns.filter(|(_, (agreed, disagreed))| *disagreed > agreed + elsewhere);
        off.map(|(at, (agreed, disagreed))| (at, *disagreed, agreed + elsewhere + disagreed)).collect()
    }

    /// How many keys the referee does not name, and how many all replicas show, if those are most of them.
    pub(super) fn unknown_keys(&self, elsewhere: u64) -> Option<(u64, u64)> {
        let named = self.named + elsewhere;
        (self.unknown > named).then_some((self.unknown, self.unknown + named))
    }
}

/// The one row of each replica; none if a replica has no row, or several.
fn only_rows(rows: &KeyRows) -> Option<Vec<&ReplicaRow>> {
    rows.shown
        .iter()
        .map(|shown| shown.as_deref().and_then(|rows| <&[_; 1]>::try_from(rows).ok()))
        .map(|row| row.map(|[row]| row))
        .collect()
}
