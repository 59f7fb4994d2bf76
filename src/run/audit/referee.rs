//! The input log as a referee: the fold of all events of each key, kept up to date while the audit goes on.
//!
//! Replicas that agree may agree on wrong rows. The log is the only witness of that.

use crate::adapter::contents::{Contents, ContentsRow, TableEvent};
use crate::run::error::RunError;
use crate::target_error::TargetError;
use dissent_core::checker::comparison::{ExpectedState, KeyFold};
use dissent_core::history::schema::{Column, Merge, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The log so far.
pub(super) struct LogReferee {
    columns: Vec<Column>,
    version: Option<usize>,
    keys: BTreeMap<String, KeyFold>,
    /// By partition, where the log is read on.
    next: Vec<u64>,
    /// Whether it has the first event that the table ever got.
    whole: bool,
    /// By column: whether the log says what it should be.
    pub(super) refereed: Vec<bool>,
    /// Why some columns are not.
    pub(super) off: Vec<(String, String)>,
    /// Keys that some replica shows.
    seen: BTreeSet<String>,
}

impl LogReferee {
    /// Reads the log from its beginning.
    pub(super) async fn read(contents: &dyn Contents) -> Result<LogReferee, RunError> {
        let table = contents.table();
        let mut referee = LogReferee {
            columns: table.columns.clone(),
            version: contents.log_order(),
            keys: BTreeMap::new(),
            next: Vec::new(),
            whole: false,
            refereed: vec![true; table.columns.len()],
            off: Vec::new(),
            seen: BTreeSet::new(),
        };
        let Some(read) = contents.log(None, &mut |event| referee.take(event)).await? else {
            return Err(RunError::Audit(
                "this system has no log that can be read: leave --log out".to_owned(),
            ));
        };
        (referee.next, referee.whole) = (read.next, read.whole);
        referee.leave_out(read.off);
        // A sum needs all its parts; what was overwritten last does not.
        let needs_all = |(column, refereed): (&Column, &bool)| *refereed && column.merge != Merge::Overwrite;
        let columns = table.columns.iter().zip(&referee.refereed).filter(|_| !read.whole);
        let lacking = columns.filter(|column| needs_all(*column));
        let why = "the log does not have its beginning";
        let lacking = lacking.map(|(column, _)| (column.name.clone(), why.to_owned())).collect();
        referee.leave_out(lacking);
        Ok(referee)
    }

    /// Notes that the log does not say what columns should be, each with the reason.
    pub(super) fn leave_out(&mut self, off: Vec<(String, String)>) {
        for (name, why) in off {
            for (column, refereed) in self.columns.iter().zip(&mut self.refereed) {
                *refereed &= column.name != name;
            }
            if !self.off.contains(&(name.clone(), why.clone())) {
                self.off.push((name, why));
            }
        }
    }

    /// Reads what was appended since. If that fails, it has taken none of it, and can be tried again.
    pub(super) async fn read_on(&mut self, contents: &dyn Contents) -> Result<(), TargetError> {
        let mut events = Vec::new();
        let read = contents.log(Some(&self.next), &mut |event| events.push(event)).await?;
        events.into_iter().for_each(|event| self.take(event));
        if let Some(read) = read {
            self.next = read.next;
            self.leave_out(read.off);
        }
        Ok(())
    }

    fn take(&mut self, event: TableEvent) {
        let fold = self.keys.entry(event.key).or_default();
        fold.take(&self.columns, self.version, &event.cols, event.deleted);
    }

    /// What every replica should show for a key. `shown` is what one of them does.
    pub(super) fn expected(
        &self,
        contents: &dyn Contents,
        key: &str,
        shown: Option<&[Value]>,
    ) -> ExpectedState {
        match self.keys.get(key).map(|fold| fold.clone().expected()) {
            None if self.whole => ExpectedState::Never,
            None => ExpectedState::Unknown,
            Some(ExpectedState::Row(mut row)) => {
                for (at, value) in row.cols.iter_mut().enumerate() {
                    if *value != Value::Null {
                        continue;
                    }
                    *value = match shown.filter(|_| !self.whole) {
                        // It may have been set before the log begins.
                        Some(shown) => shown[at].clone(),
                        None => contents.shown_default(at),
                    };
                }
                ExpectedState::Row(row)
            }
            Some(expected) => expected,
        }
    }

    /// Whether a replica shows what the log says, as far as the log says it.
    pub(super) fn bears_out(&self, contents: &dyn Contents, key: &str, rows: &[ContentsRow]) -> bool {
        let shown = rows.first();
        match (self.expected(contents, key, shown.map(|row| row.cols.as_slice())), shown) {
            (ExpectedState::Unknown, _) => true,
            (ExpectedState::Row(right), Some(row)) => {
                let cells = right.cols.iter().zip(&row.cols).zip(&self.refereed);
                rows.len() == 1 && cells.into_iter().all(|((right, shown), counts)| !counts || right == shown)
            }
            (ExpectedState::Row(_), None) => false,
            (ExpectedState::Never | ExpectedState::Deleted, shown) => shown.is_none_or(|row| row.deleted),
        }
    }

    /// Whether a key should have a row.
    pub(super) fn has_row(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(KeyFold::has_row)
    }

    /// Notes that some replica shows a key.
    pub(super) fn saw(&mut self, key: &str) {
        self.seen.insert(key.to_owned());
    }

    /// The keys that should have a row, and that no replica showed.
    pub(super) fn unseen(&self) -> Vec<String> {
        let unseen = self.keys.iter().filter(|(key, fold)| fold.has_row() && !self.seen.contains(*key));
        unseen.map(|(key, _)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::audit::two_partitions::TwoPartitions;

    #[tokio::test]
    async fn a_column_that_a_later_read_finds_off_is_left_out_from_then_on() {
        let off = |why: &str| ("x".to_owned(), why.to_owned());
        let contents = TwoPartitions { off_later: vec![off("one"), off("another")], ..Default::default() };
        let mut referee = LogReferee::read(&contents).await.expect("a log");
        assert_eq!((&referee.refereed, &referee.off), (&vec![true], &Vec::new()));
        for _ in 0..2 {
            referee.read_on(&contents).await.expect("a log");
            assert_eq!((&referee.refereed, &referee.off), (&vec![false], &contents.off_later));
        }
    }
}
