//! The fold once more, as plainly as it can be put: a row is what all its key's events say together.

use dissent::record::row::{Entry, Row};
use dissent::schema::{Column, Merge, Role, Schema, Type, Value, op_hash};
use std::collections::BTreeSet;

/// Which entries a replica merged.
pub(crate) type Sees<'s> = &'s dyn Fn(&Entry) -> bool;

/// The accepted entries of a key up to an offset: none before it has a larger comparison value.
pub(crate) fn accepted<'l>(log: &'l [Entry], key: &str, to: u64) -> Vec<&'l Entry> {
    let all: Vec<&Entry> = log.iter().filter(|entry| entry.key == key && entry.off <= to).collect();
    let in_order = |at: usize| all[..at].iter().all(|earlier| earlier.cmp <= all[at].cmp);
    (0..all.len()).filter(|&at| in_order(at)).map(|at| all[at]).collect()
}

/// The raw row of an entry on a replica that merged what it `sees`, and the entry itself.
pub(crate) fn row(schema: &Schema, log: &[Entry], entry: &Entry, sees: Sees<'_>) -> Row {
    let accepted = accepted(log, &entry.key, entry.off);
    let merged: Vec<&Entry> = if accepted.last() == Some(&entry) {
        let past = accepted.into_iter().filter(|it| it.off == entry.off || sees(it));
        let past: Vec<&Entry> = past.collect();
        let alive = past.iter().rposition(|it| it.tombstone && it.off < entry.off).map_or(0, |at| at + 1);
        past[alive..].to_vec()
    } else {
        vec![entry]
    };
    let cols = schema.columns.iter().enumerate().map(|(at, column)| {
        let values: Vec<&Value> = merged.iter().map(|it| &it.cols[at]).collect();
        reduce(column, &values)
    });
    Row { off: entry.off, key: entry.key.clone(), op: entry.op, cmp: entry.cmp, cols: cols.collect(), doc: 0 }
}

fn reduce(column: &Column, values: &[&Value]) -> Value {
    let longs: Vec<i64> = values.iter().flat_map(|value| longs_of(value)).collect();
    let strings: Vec<String> = values.iter().flat_map(|value| strings_of(value)).collect();
    let given: Vec<&&Value> = values.iter().filter(|value| ***value != Value::Null).collect();
    if given.is_empty() {
        return column.ty.default_value();
    }
    match (column.merge, column.ty) {
        (Merge::Overwrite, _) => (**given[given.len() - 1]).clone(),
        (Merge::Ignore, _) => (**given[0]).clone(),
        (Merge::Increment, _) => Value::Long(longs.iter().fold(0, |sum, long| sum.wrapping_add(*long))),
        (Merge::Max, _) => Value::Long(longs.into_iter().max().unwrap_or_default()),
        (Merge::Min, _) => Value::Long(longs.into_iter().min().unwrap_or_default()),
        (Merge::Append, Type::StringList) => Value::Strings(strings),
        (Merge::Append, _) => Value::Longs(longs),
        (Merge::Union, Type::StringList) => {
            Value::Strings(strings.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
        }
        (Merge::Union, _) => Value::Longs(longs.into_iter().collect::<BTreeSet<_>>().into_iter().collect()),
    }
}

fn longs_of(value: &Value) -> Vec<i64> {
    match value {
        Value::Long(long) => vec![*long],
        Value::Longs(longs) => longs.clone(),
        _ => Vec::new(),
    }
}

fn strings_of(value: &Value) -> Vec<String> {
    match value {
        Value::Strings(strings) => strings.clone(),
        _ => Vec::new(),
    }
}

/// What the columns of provenance hold for these ops.
pub(crate) fn provenance(schema: &Schema, ops: &[u64]) -> Vec<(usize, Value)> {
    let sum = ops.iter().fold(0_i64, |sum, op| sum.wrapping_add(op_hash(*op)));
    let told = [
        (Role::Ops, Value::Longs(ops.iter().map(|op| op.cast_signed()).collect())),
        (Role::OpCount, Value::Long(ops.len() as i64)),
        (Role::OpSum, Value::Long(sum)),
    ];
    told.into_iter().filter_map(|(role, value)| Some((schema.role(role)?, value))).collect()
}

/// A value as cases write it.
pub(crate) fn spell(value: &Value) -> String {
    match value {
        Value::Null | Value::Long(i64::MIN) => "_".to_owned(),
        Value::Long(long) => long.to_string(),
        Value::String(string) if string == "null" => "_".to_owned(),
        Value::String(string) => string.clone(),
        Value::Longs(list) => {
            let list: Vec<String> = list.iter().map(i64::to_string).collect();
            if list.is_empty() { "_".to_owned() } else { list.join(",") }
        }
        Value::Strings(list) => list.join(","),
    }
}

/// A value of a column, as cases write it: `_` is nothing, which raw rows show as the type's default.
pub(crate) fn value(column: &Column, text: &str) -> Value {
    let long = |text: &str| text.parse::<i64>().expect("a long");
    match (text, column.ty) {
        ("_", _) => Value::Null,
        (_, Type::Long) => Value::Long(long(text)),
        (_, Type::String) => Value::String(text.to_owned()),
        (_, Type::LongList) => Value::Longs(text.split(',').map(long).collect()),
        (_, Type::StringList) => Value::Strings(text.split(',').map(str::to_owned).collect()),
    }
}
