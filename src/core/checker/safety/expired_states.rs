//! What else a row may show if the state of its key may have expired before the key was written again: the
//! fold from there on. Every time at which the state may have been forgotten is a possible start of that
//! fold.

use super::absence::AllowedAbsences;
use super::merge_functions::{merge_into, shows};
use super::offset_view::ExpectedRow;
use crate::checker::tables::log_index::{Effect, IndexedEntry};
use crate::history::row::{Entry, Row};
use crate::history::schema::rules::Absence;
use crate::history::schema::{Column, Value};
use std::collections::BTreeMap;

/// A key with more possible starts than this is not judged by content until it is deleted.
const BEGINNINGS_MAX: usize = 16;

/// The other states that keys may be in. `None` for a key with too many.
pub(crate) struct ExpiredStates<'j> {
    columns: &'j [Column],
    states: BTreeMap<usize, Option<Vec<Vec<Value>>>>,
}

impl<'j> ExpiredStates<'j> {
    pub(crate) fn new(columns: &'j [Column]) -> ExpiredStates<'j> {
        ExpiredStates { columns, states: BTreeMap::new() }
    }

    /// Folds an entry into the states that its key may be in.
    pub(crate) fn add(
        &mut self,
        absences: &AllowedAbsences<'_>,
        at: usize,
        indexed: &IndexedEntry,
        entry: &Entry,
    ) {
        match indexed.effect {
            Effect::OutOfOrder | Effect::Ignored | Effect::Undecided => return,
            Effect::Deleted => {
                self.states.remove(&indexed.key);
                return;
            }
            Effect::Merged => {}
        }
        if absences.may_be_forgotten_before(at) {
            let states = self.states.entry(indexed.key).or_insert_with(|| Some(Vec::new()));
            if let Some(states) = states {
                states.push(vec![Value::Null; self.columns.len()]);
            }
        }
        let Some(states) = self.states.get_mut(&indexed.key) else { return };
        for state in states.iter_mut().flatten() {
            let cells = self.columns.iter().zip(state).zip(&entry.cols);
            cells.for_each(|((column, value), event)| merge_into(column, value, event));
        }
        if let Some(known) = states {
            known.dedup();
            if known.len() > BEGINNINGS_MAX {
                *states = None;
            }
        }
    }

    /// Why a row may show something other than the fold of the log; `None` if it may not.
    pub(crate) fn explains(&self, logged: ExpectedRow<'_>, row: &Row) -> Option<Absence> {
        let states = self.states.get(&logged.indexed.key)?;
        let entry = logged.entry;
        let is_of = (&row.key, row.op, row.cmp) == (&entry.key, entry.op, entry.cmp);
        let shown = |state: &[Value]| {
            let mut cells = self.columns.iter().zip(state).zip(&row.cols);
            cells.all(|((column, value), cell)| shows(column, value, cell))
        };
        let explained = logged.indexed.effect == Effect::Merged
            && is_of
            && !logged.expected.is_some_and(shown)
            && states.as_ref().is_none_or(|states| states.iter().any(|state| shown(state)));
        explained.then_some(Absence::Expired)
    }
}
