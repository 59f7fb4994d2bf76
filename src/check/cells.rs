//! A row by column name, as it is laid beside another: the schema's columns, then `op` and `cmp`.

use crate::schema::{Column, Value};
use std::collections::BTreeMap;

/// What a row has beside the schema's columns.
pub(super) fn own(op: u64, cmp: i64) -> [(String, Value); 2] {
    [("op".to_owned(), Value::Long(op.cast_signed())), ("cmp".to_owned(), Value::Long(cmp))]
}

/// All of a row.
pub(super) fn named(columns: &[Column], op: u64, cmp: i64, values: &[Value]) -> BTreeMap<String, Value> {
    let named = columns.iter().zip(values).map(|(column, value)| (column.name.clone(), value.clone()));
    named.chain(own(op, cmp)).collect()
}

/// The names, in this order.
pub(super) fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.as_str()).chain(["op", "cmp"]).map(str::to_owned).collect()
}
