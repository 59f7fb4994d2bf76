//! A second fold, as plain as possible: a row is what all events of its key say together.

use dissent_core::history::row::{Entry, Row};
use dissent_core::history::schema::rules::{Absence, EventOfDeleted, Rules};
use dissent_core::history::schema::{Column, Merge, Role, Schema, Type, Value, op_hash};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Which entries a replica merged.
pub(crate) type Sees<'s> = &'s dyn Fn(&Entry) -> bool;

/// What an entry means to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It makes the key's current row, or deletes it.
    Accepted,
    /// A row with a larger comparison value was there.
    Late,
    /// The table ignores it.
    Ignored,
}

/// The entries of a key up to an offset, each with what it means.
pub(crate) fn meanings<'l>(rules: &Rules, log: &'l [Entry], key: &str, to: u64) -> Vec<(&'l Entry, Meaning)> {
    let mut told: Vec<(&Entry, Meaning)> = Vec::new();
    for entry in log.iter().filter(|entry| *entry.key == *key && entry.off <= to) {
        let accepted = || told.iter().filter(|(_, meaning)| *meaning == Meaning::Accepted).map(|(it, _)| *it);
        let is_repeated = told.iter().any(|(earlier, _)| earlier.op == entry.op);
        let is_deleted = accepted().next_back().is_some_and(|last| last.tombstone);
        let is_dropped = rules.event_of_deleted == EventOfDeleted::Dropped && is_deleted && !entry.tombstone;
        let is_late = accepted().any(|earlier| earlier.cmp > entry.cmp);
        let meaning = match rules.may_be_absent.contains(&Absence::Duplicates) && is_repeated {
            _ if is_dropped => Meaning::Ignored,
            _ if is_late => Meaning::Late,
            true => Meaning::Ignored,
            false => Meaning::Accepted,
        };
        told.push((entry, meaning));
    }
    told
}

/// The accepted entries of a key up to an offset: none before it has a larger comparison value.
pub(crate) fn accepted<'l>(rules: &Rules, log: &'l [Entry], key: &str, to: u64) -> Vec<&'l Entry> {
    let all = meanings(rules, log, key, to).into_iter();
    all.filter(|(_, meaning)| *meaning == Meaning::Accepted).map(|(entry, _)| entry).collect()
}

/// The raw row of an entry on a replica that merged what it `sees` and the entry itself. None if the table
/// ignores the entry.
pub(crate) fn row(schema: &Schema, log: &[Entry], entry: &Entry, sees: Sees<'_>) -> Option<Row> {
    let meanings = meanings(&schema.rules, log, &entry.key, entry.off);
    let merged: Vec<&Entry> = match meanings.last()?.1 {
        Meaning::Ignored => return None,
        Meaning::Late => vec![entry],
        Meaning::Accepted => {
            let accepted = accepted(&schema.rules, log, &entry.key, entry.off).into_iter();
            let past: Vec<&Entry> = accepted.filter(|it| it.off == entry.off || sees(it)).collect();
            let alive = past.iter().rposition(|it| it.tombstone && it.off < entry.off).map_or(0, |at| at + 1);
            past[alive..].to_vec()
        }
    };
    let cols = schema.columns.iter().enumerate().map(|(at, column)| {
        let values: Vec<&Value> = merged.iter().map(|it| &it.cols[at]).collect();
        reduce(column, &values)
    });
    let (key, cols) = (entry.key.clone(), cols.collect());
    Some(Row { off: entry.off, key, op: entry.op, cmp: entry.cmp, cols, doc: 0 })
}

/// Whether a replica that has merged the whole log may lack the row of an entry that is not too old.
pub(crate) fn may_be_absent(rules: &Rules, log: &[Entry], entry: &Entry) -> bool {
    let all = meanings(rules, log, &entry.key, u64::MAX);
    let allowed = |absence| rules.may_be_absent.contains(&absence);
    let later = || all.iter().filter(|(it, meaning)| it.off > entry.off && *meaning == Meaning::Accepted);
    let is_repeated = all.iter().any(|(it, _)| it.off < entry.off && it.op == entry.op);
    let is_deleted = entry.tombstone || later().any(|(it, _)| it.tombstone);
    let meaning = all.iter().find(|(it, _)| it.off == entry.off).map(|(_, meaning)| *meaning);
    match meaning {
        Some(Meaning::Accepted) => {
            allowed(Absence::Superseded) && later().count() > 0 || allowed(Absence::Tombstones) && is_deleted
        }
        Some(Meaning::Late) => {
            allowed(Absence::Late)
                || allowed(Absence::Superseded)
                || allowed(Absence::Duplicates) && is_repeated
                || allowed(Absence::Tombstones) && later().any(|(it, _)| it.tombstone)
        }
        Some(Meaning::Ignored) => true,
        None => false,
    }
}

fn reduce(column: &Column, values: &[&Value]) -> Value {
    let longs: Vec<i64> = values.iter().flat_map(|value| longs_of(value)).collect();
    let strings: Vec<Arc<str>> = values.iter().flat_map(|value| strings_of(value)).collect();
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
        (Merge::Append, Type::StringList) => Value::Strings(strings.into()),
        (Merge::Append, _) => Value::Longs(longs.into()),
        (Merge::Union, Type::StringList) => {
            Value::Strings(strings.into_iter().collect::<BTreeSet<_>>().into_iter().collect())
        }
        (Merge::Union, _) => Value::Longs(longs.into_iter().collect::<BTreeSet<_>>().into_iter().collect()),
    }
}

fn longs_of(value: &Value) -> Vec<i64> {
    match value {
        Value::Long(long) => vec![*long],
        Value::Longs(longs) => longs.to_vec(),
        _ => Vec::new(),
    }
}

fn strings_of(value: &Value) -> Vec<Arc<str>> {
    match value {
        Value::Strings(strings) => strings.to_vec(),
        _ => Vec::new(),
    }
}

/// What the provenance columns hold for these ops.
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
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Long(long) => long.to_string(),
        Value::Double(double) => double.get().to_string(),
        Value::String(string) if **string == *"null" => "_".to_owned(),
        Value::String(string) => string.to_string(),
        Value::Longs(list) => {
            let list: Vec<String> = list.iter().map(i64::to_string).collect();
            if list.is_empty() { "_".to_owned() } else { list.join(",") }
        }
        Value::Strings(list) => list.join(","),
    }
}

/// A value of a column, as cases write it: `_` is null, which raw rows show as the type's default.
pub(crate) fn value(column: &Column, text: &str) -> Value {
    let long = |text: &str| text.parse::<i64>().expect("a long");
    match (text, column.ty) {
        ("_", _) => Value::Null,
        (_, Type::Long) => Value::Long(long(text)),
        (_, Type::Double) => Value::double(text.parse().expect("a double")),
        (_, Type::Boolean) => Value::Boolean(text.parse().expect("a boolean")),
        (_, Type::String | Type::Decimal | Type::Timestamp | Type::Bytes | Type::Json) => {
            Value::String(text.into())
        }
        (_, Type::LongList) => Value::Longs(text.split(',').map(long).collect()),
        (_, Type::StringList) => Value::Strings(text.split(',').map(Arc::from).collect()),
    }
}
