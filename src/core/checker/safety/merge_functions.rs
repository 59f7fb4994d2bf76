//! The merge functions of the fold, and what counts as equal. Shares nothing with any target (`RULES.md` 3).

use crate::checker::tables::log_index::Effect;
use crate::history::row::Entry;
use crate::history::schema::{Column, Merge, Value};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Merges an entry into the state of its key. Returns the columns of the row that the log folds to there;
/// `None` for a delete, whose row has meaningless columns.
pub(crate) fn fold<'f>(
    columns: &[Column],
    state: &'f mut [Value],
    effect: Effect,
    entry: &'f Entry,
) -> Option<&'f [Value]> {
    match effect {
        Effect::Undecided if entry.tombstone => None,
        Effect::Merged | Effect::Undecided => {
            for ((column, value), event) in columns.iter().zip(state.iter_mut()).zip(&entry.cols) {
                merge_into(column, value, event);
            }
            Some(state)
        }
        Effect::OutOfOrder if entry.tombstone => None,
        Effect::OutOfOrder => Some(&entry.cols),
        Effect::Deleted => {
            state.fill(Value::Null);
            None
        }
        Effect::Ignored if entry.tombstone => None,
        Effect::Ignored if state.iter().all(|value| *value == Value::Null) => Some(&entry.cols),
        Effect::Ignored => Some(state),
    }
}

/// Merges one event's value into the state of a column. Null keeps the previous value under any merge
/// function.
pub(crate) fn merge_into(column: &Column, state: &mut Value, event: &Value) {
    if matches!(event, Value::Null) {
        return;
    }
    if matches!(state, Value::Null) {
        *state = event.clone();
        return;
    }
    match (column.merge, state, event) {
        (Merge::Ignore, _, _) => {}
        (Merge::Increment, Value::Long(sum), Value::Long(more)) => *sum = sum.wrapping_add(*more),
        (Merge::Max, most, other) => replace_if(Ordering::Less, most, other),
        (Merge::Min, least, other) => replace_if(Ordering::Greater, least, other),
        (Merge::Append, state, event) => extend(state, event),
        (Merge::Union, state, event) => unite(state, event),
        (_, state, event) => *state = event.clone(),
    }
}

/// Whether `shown` is what a replica should show for `expected`. A column that never had a value shows its
/// type's default. An empty list of strings reads back as an empty list of longs. A union is a set, in which
/// no element occurs more often than in a single event.
pub(crate) fn shows(column: &Column, expected: &Value, shown: &Value) -> bool {
    if expected == shown || (is_empty(column, expected) && is_empty(column, shown)) {
        return true;
    }
    column.merge == Merge::Union
        && match (expected, shown) {
            (Value::Longs(a), Value::Longs(b)) => same_set(a, b),
            (Value::Strings(a), Value::Strings(b)) => same_set(a, b),
            _ => false,
        }
}

/// Whether two replicas show the same value.
pub(crate) fn alike(column: &Column, a: &Value, b: &Value) -> bool {
    shows(column, a, b) && shows(column, b, a)
}

/// Whether the value means that nothing was ever merged: null, or the type's default.
pub(crate) fn is_empty(column: &Column, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Longs(list) => list.is_empty(),
        Value::Strings(list) => list.is_empty(),
        scalar => column.ty.is_default(scalar),
    }
}

/// The row that results from merging the event onto a replica's own row. The row's defaults count as absent
/// values.
pub(crate) fn merged(columns: &[Column], row: &[Value], event: &[Value]) -> Vec<Value> {
    let mut state = row.to_vec();
    for ((column, value), event) in columns.iter().zip(&mut state).zip(event) {
        if is_empty(column, value) {
            *value = Value::Null;
        }
        merge_into(column, value, event);
    }
    state
}

/// Takes the event's number if the state's compares like this with it.
fn replace_if(wanted: Ordering, state: &mut Value, event: &Value) {
    let order = match (&*state, event) {
        (Value::Long(state), Value::Long(event)) => state.cmp(event),
        (state, event) => number(state).total_cmp(&number(event)),
    };
    if order == wanted {
        *state = event.clone();
    }
}

/// A number as a double. The texts of doubles that have no number, such as `Infinity`, are read.
fn number(value: &Value) -> f64 {
    match value {
        Value::Long(long) => *long as f64,
        Value::Double(double) => double.get(),
        Value::String(text) => text.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

fn extend(state: &mut Value, event: &Value) {
    match (state, event) {
        (Value::Longs(list), Value::Longs(more)) => *list = joined(list, more),
        (Value::Strings(list), Value::Strings(more)) => *list = joined(list, more),
        // Only an empty list can have the other type.
        (state, event) => {
            if !matches!(event, Value::Longs(list) if list.is_empty()) {
                *state = event.clone();
            }
        }
    }
}

fn joined<T: Clone>(list: &[T], more: &[T]) -> Arc<[T]> {
    list.iter().chain(more).cloned().collect()
}

fn unite(state: &mut Value, event: &Value) {
    extend(state, event);
    match state {
        Value::Longs(list) => *list = sorted_set(list),
        Value::Strings(list) => *list = sorted_set(list),
        _ => {}
    }
}

fn sorted_set<T: Clone + Ord>(list: &[T]) -> Arc<[T]> {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.dedup();
    list.into()
}

/// Whether `shown` has exactly the elements of `expected`, each once. A single event may name an element
/// twice, since it is not a set yet.
fn same_set<T: Ord>(expected: &[T], shown: &[T]) -> bool {
    let elements: BTreeSet<&T> = shown.iter().collect();
    elements.len() == shown.len() && elements == expected.iter().collect()
}
