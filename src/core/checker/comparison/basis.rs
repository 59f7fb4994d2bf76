//! What a comparison goes by: the replicas, the columns, and what may rightly differ.

use super::rows::{ExpectedState, KeyRows, ReplicaRow};
use super::version::{is_number, version_order};
use crate::checker::verdict::Settled;
use crate::history::schema::rules::Absence;
use crate::history::schema::{Column, Value};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What a comparison goes by.
#[derive(Clone, Debug)]
pub struct Basis {
    /// The replicas, in order.
    pub replicas: Vec<String>,
    /// The columns that are compared.
    pub columns: Vec<Column>,
    /// The column that orders the rows of a key.
    pub version: Option<usize>,
    /// The reasons for which rows may be absent.
    pub may_be_absent: BTreeSet<Absence>,
    /// How far apart two doubles may be and count as equal, relative to the larger one, or to 1. 0: not at
    /// all.
    pub tolerance: f64,
    /// Why a difference cannot be lag.
    pub settled: Settled,
    /// Position by replica, where it is known.
    pub positions: BTreeMap<String, u64>,
    /// Whether a version is the position of the write that made the row.
    pub version_is_position: bool,
    /// Whether there is a referee.
    pub has_referee: bool,
    /// Whether the referee knows all that ever happened to a key. A log may lack its beginning.
    pub referee_is_whole: bool,
    /// By column: whether the referee judges it. Columns that it does not are judged by the peers.
    pub refereed: Vec<bool>,
    /// Rows of which it is known, without looking at them one by one, that all are as expected.
    pub rows_as_expected: u64,
    /// Rows read, by replica; for the expected rows, under `expected`.
    pub rows: BTreeMap<String, u64>,
}

impl Basis {
    /// The version of a row; none if rows have none.
    pub(super) fn version_of<'r>(&self, row: &'r ReplicaRow) -> Option<&'r Value> {
        row.cols.get(self.version?)
    }

    /// Whether two values count as equal.
    pub(super) fn same(&self, a: &Value, b: &Value) -> bool {
        if a == b {
            return true;
        }
        let number = |value: &Value| match value {
            Value::Double(double) => Some(double.get()),
            Value::Long(long) => Some(*long as f64),
            _ => None,
        };
        let has_double = matches!(a, Value::Double(_)) || matches!(b, Value::Double(_));
        match number(a).zip(number(b)) {
            Some((a, b)) if has_double && self.tolerance > 0.0 => {
                (a - b).abs() <= self.tolerance * a.abs().max(b.abs()).max(1.0)
            }
            _ => false,
        }
    }

    /// Whether some replica had not consumed a row of this key yet.
    pub(super) fn is_above_positions(&self, rows: &KeyRows) -> bool {
        let Some(least) = self.positions.values().min().filter(|_| self.version_is_position) else {
            return false;
        };
        let least = Value::Long(i64::try_from(*least).unwrap_or(i64::MAX));
        let expected = match &rows.expected {
            ExpectedState::Row(row) => Some(row),
            _ => None,
        };
        let all = rows.shown.iter().flatten().flatten().chain(expected);
        let mut versions = all.filter_map(|row| self.version_of(row));
        versions.any(|version| is_number(version) && version_order(version, &least) == Ordering::Greater)
    }
}
