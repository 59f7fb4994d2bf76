//! Rows as cells. Each column of a row is a key of its own, so that a write touches only what it sets:
//!
//! ```text
//! dissent/TABLE/run             the run that made the table
//! dissent/TABLE/g/17            ballast, for comparisons over many keys
//! dissent/TABLE/r/k0-3/balance  a cell; its value is the JSON of the column's value
//! ```
//!
//! The op id and the comparison value are cells too, by the names that the schema gives them. The comparison
//! value decides nothing here: those of a key ascend in the order in which its session writes.

use super::gateway::{after, base64};
use super::wire::Cell;
use crate::adapter::state::StateRow;
use crate::target_error::TargetError;
use dissent_core::history::event::Op;
use dissent_core::history::schema::{Merge, Schema, Value};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What all keys of dissent begin with.
pub(super) const ROOT: &str = "dissent/";

/// The prefix of a table.
pub(super) fn table(table: &str) -> String {
    format!("{ROOT}{table}/")
}

/// The key that names the run of a table.
pub(super) fn run(table: &str) -> String {
    format!("{ROOT}{table}/run")
}

/// The prefix of a table's ballast.
pub(super) fn ballast(table: &str) -> String {
    format!("{ROOT}{table}/g/")
}

/// The prefix of a table's rows.
pub(super) fn rows(table: &str) -> String {
    format!("{ROOT}{table}/r/")
}

/// The prefix of a row's cells.
pub(super) fn row(table: &str, key: &str) -> String {
    format!("{ROOT}{table}/r/{}/", key.replace('%', "%25").replace('/', "%2F"))
}

/// The cells of one row by column.
pub(super) type RowCells = BTreeMap<String, Cell>;

/// The cells of a table by row.
#[derive(Default)]
pub(super) struct TableCells(pub(super) BTreeMap<String, RowCells>);

impl TableCells {
    /// Puts the cells of one write. Returns the keys of the rows that it touched. A deleted cell, which only
    /// somebody else can cause, is absent.
    pub(super) fn put(&mut self, table: &str, cells: impl IntoIterator<Item = Cell>) -> BTreeSet<String> {
        let (prefix, mut touched) = (rows(table), BTreeSet::new());
        for cell in cells {
            let place = cell.key.strip_prefix(&prefix).and_then(|place| place.split_once('/'));
            let Some((key, column)) = place else { continue };
            let (key, column) = (key.replace("%2F", "/").replace("%25", "%"), column.to_owned());
            let row = self.0.entry(key.clone()).or_default();
            match cell.version {
                0 => drop(row.remove(&column)),
                _ => drop(row.insert(column, cell)),
            }
            touched.insert(key);
        }
        touched
    }

    /// A row as of now.
    pub(super) fn shown(&self, schema: &Schema, key: &str) -> Result<StateRow, TargetError> {
        let nothing = RowCells::new();
        let cells = self.0.get(key).unwrap_or(&nothing);
        let cols = schema.columns.iter().map(|column| value(cells, &column.name));
        Ok(StateRow {
            key: key.to_owned(),
            op: value(cells, &schema.op)?,
            cmp: value(cells, &schema.comparison)?,
            cols: cols.collect::<Result<_, _>>()?,
        })
    }
}

/// The value of a cell. The default if it is absent.
fn value<T: DeserializeOwned + Default>(cells: &RowCells, column: &str) -> Result<T, TargetError> {
    let Some(cell) = cells.get(column) else { return Ok(T::default()) };
    serde_json::from_str(&cell.value).map_err(|error| TargetError::InvalidResponse {
        at: cell.key.clone(),
        cause: format!("{:?} at revision {}: {error}", cell.value, cell.mod_revision),
    })
}

/// Whether the value after an op depends on the one before.
pub(super) fn depends(schema: &Schema, op: &Op) -> bool {
    let mut columns = schema.columns.iter().zip(&op.cols);
    columns.any(|(column, event)| *event != Value::Null && column.merge != Merge::Overwrite)
}

/// An op as one transaction, and so as one revision. `held` are the row's cells at the member that the op is
/// written to, if it depends on them: then it happens only if each has been put as often as there (0: never).
/// That is the same number at every member that has kept the writes of this cell, whatever else it has lost.
/// A revision is not.
///
/// ```text
/// m2 has lost op 4 of k1, which added to `balance`. Op 6 adds to it too and is written at m1: m1 and m3 take
/// it, m2 refuses it. Written at m2 it is acknowledged, and the two others refuse it.
/// ```
pub(super) fn transaction(schema: &Schema, op: &Op, held: &RowCells) -> Result<Json, TargetError> {
    let prefix = row(&schema.table, &op.key);
    let put = |column: &str, value: Json| {
        let (key, value) = (base64(&format!("{prefix}{column}")), base64(&value.to_string()));
        json!({"request_put": {"key": key, "value": value}})
    };
    let mut compare = Vec::new();
    let mut success = vec![put(&schema.op, op.id.into()), put(&schema.comparison, op.cmp.into())];
    if schema.guard_keys > 0 {
        let prefix = ballast(&schema.table);
        compare.push(json!({"key": base64(&prefix), "range_end": base64(&after(&prefix)),
                            "target": "VERSION", "result": "GREATER", "version": "0"}));
    }
    for (column, event) in schema.columns.iter().zip(&op.cols).filter(|(_, event)| **event != Value::Null) {
        if column.merge != Merge::Overwrite {
            let key = base64(&format!("{prefix}{}", column.name));
            let version = held.get(&column.name).map_or(0, |cell| cell.version).to_string();
            compare.push(json!({"key": key, "target": "VERSION", "result": "EQUAL", "version": version}));
        }
        if let Some(after) = merged(column.merge, value(held, &column.name)?, event.clone()) {
            success.push(put(&column.name, json!(after)));
        }
    }
    Ok(json!({"compare": compare, "success": success}))
}

/// The value after an event. None if it stays as it was.
fn merged(merge: Merge, before: Value, event: Value) -> Option<Value> {
    Some(match (merge, before, event) {
        (Merge::Union, before, event) => distinct(joined(before, event)),
        (_, Value::Null, event) => event,
        (Merge::Ignore, ..) => return None,
        (Merge::Increment, Value::Long(sum), Value::Long(more)) => Value::Long(sum.wrapping_add(more)),
        (Merge::Max, Value::Long(most), Value::Long(other)) => Value::Long(most.max(other)),
        (Merge::Min, Value::Long(least), Value::Long(other)) => Value::Long(least.min(other)),
        (Merge::Max, Value::Double(most), Value::Double(other)) => Value::Double(most.max(other)),
        (Merge::Min, Value::Double(least), Value::Double(other)) => Value::Double(least.min(other)),
        (Merge::Append, before, event) => joined(before, event),
        (_, _, event) => event,
    })
}

fn joined(before: Value, event: Value) -> Value {
    match (before, event) {
        (Value::Longs(before), Value::Longs(event)) => Value::Longs([before, event].concat().into()),
        (Value::Strings(before), Value::Strings(event)) => Value::Strings([before, event].concat().into()),
        // An empty list has no type of its own.
        (before @ Value::Strings(_), Value::Longs(_)) => before,
        (_, event) => event,
    }
}

fn distinct(list: Value) -> Value {
    match list {
        Value::Longs(list) => Value::Longs(set(&list)),
        Value::Strings(list) => Value::Strings(set(&list)),
        other => other,
    }
}

fn set<T: Clone + Ord>(list: &[T]) -> Arc<[T]> {
    BTreeSet::from_iter(list).into_iter().cloned().collect()
}
