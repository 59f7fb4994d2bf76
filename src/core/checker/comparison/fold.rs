//! Folds the log that a user brings, key by key: what each key should show (`RULES.md` 3).

use super::rows::{ExpectedState, ReplicaRow};
use super::version::version_order;
use crate::checker::safety::merge_functions::merge_into;
use crate::history::schema::{Column, Value};

/// The state of one key.
#[derive(Clone, Debug, Default)]
pub struct KeyFold {
    version: Option<Value>,
    cols: Option<Vec<Value>>,
}

impl KeyFold {
    /// Takes the next event of the key. One with a lower version than the key's row changes nothing.
    pub fn take(&mut self, columns: &[Column], version: Option<usize>, event: &[Value], deletes: bool) {
        let new = version.map(|at| &event[at]);
        if let (Some(new), Some(old)) = (new, &self.version)
            && version_order(new, old).is_lt()
        {
            return;
        }
        self.version = new.cloned();
        if deletes {
            self.cols = None;
            return;
        }
        let state = self.cols.get_or_insert_with(|| vec![Value::Null; columns.len()]);
        for ((column, value), event) in columns.iter().zip(state).zip(event) {
            merge_into(column, value, event);
        }
    }

    /// Whether the key has a row: it was written, and not deleted after that.
    pub fn has_row(&self) -> bool {
        self.cols.is_some()
    }

    /// What the key should show. Some event was taken.
    pub fn expected(self) -> ExpectedState {
        match self.cols {
            Some(cols) => ExpectedState::Row(ReplicaRow { cols, ..ReplicaRow::default() }),
            None => ExpectedState::Deleted,
        }
    }
}
