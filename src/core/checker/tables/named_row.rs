//! A row by column name, for comparison with another: the schema's columns, then `op` and `cmp`.
//!
//! The comparison value is a cell like any other. It counts as the column after the schema's.

use crate::history::schema::{Column, Value};
use std::collections::BTreeMap;

/// The name of the comparison value.
const CMP: &str = "cmp";

/// What a row has besides the schema's columns.
pub(crate) fn own(op: u64, cmp: i64) -> [(String, Value); 2] {
    [("op".to_owned(), Value::Long(op.cast_signed())), (CMP.to_owned(), Value::Long(cmp))]
}

/// All cells of a row, by name.
pub(crate) fn named(columns: &[Column], op: u64, cmp: i64, values: &[Value]) -> BTreeMap<String, Value> {
    let named = columns.iter().zip(values).map(|(column, value)| (column.name.clone(), value.clone()));
    named.chain(own(op, cmp)).collect()
}

/// The names of all cells, in this order.
pub(crate) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.as_str()).chain(["op", CMP]).map(str::to_owned).collect()
}

/// The number of cells that are judged: the schema's columns and the comparison value.
pub(crate) fn judged(columns: &[Column]) -> usize {
    columns.len() + 1
}

/// The name of a judged cell.
pub(crate) fn name(columns: &[Column], at: usize) -> &str {
    columns.get(at).map_or(CMP, |column| column.name.as_str())
}
