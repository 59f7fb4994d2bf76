//! Values, columns, log entries and raw rows, and how a column merges the value of a later event.
//!
//! These merge functions are the specimen's own. The checker's model has its own too: if the two shared code,
//! a test of one against the other would mean nothing.

use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// How a column merges the value of a later event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// Keeps the later value.
    Overwrite,
    /// Keeps the first value.
    Ignore,
    /// The sum of two longs, wrapping on overflow.
    Increment,
    /// The earlier list followed by the later one.
    Append,
    /// Both lists as one sorted set.
    Union,
    /// The greater of two longs.
    Max,
    /// The lesser of two longs.
    Min,
}

/// The type of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Type {
    /// A signed 64-bit integer.
    Long,
    /// A finite 64-bit float, or the text that names one that is not.
    Double,
    /// A number of any size, as text.
    Decimal,
    /// True or false.
    Boolean,
    /// UTF-8 text.
    String,
    /// An instant, as text.
    Timestamp,
    /// Bytes, as text.
    Bytes,
    /// A JSON document, as text.
    Json,
    /// A list of longs.
    LongList,
    /// A list of texts.
    StringList,
}

/// One value of one column. Plain JSON; an empty list reads back as `Longs`. A text or a list is one
/// allocation in the log and in all rows of every server that no event has given another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// In an event: the column is not updated. In a stored row: the column was never set.
    #[default]
    Null,
    /// A value of a [`Type::Boolean`] column.
    Boolean(bool),
    /// A value of a [`Type::Long`] column.
    Long(i64),
    /// A value of a [`Type::Double`] column.
    Double(Number),
    /// A value of a column of any other type but lists.
    String(Arc<str>),
    /// A value of a [`Type::LongList`] column.
    Longs(Arc<[i64]>),
    /// A value of a [`Type::StringList`] column.
    Strings(Arc<[Arc<str>]>),
}

/// A column of a table. Key, comparison value and op id are not columns, because every entry has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The name, unique in the table.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub ty: Type,
    /// How a later event is merged.
    pub merge: Merge,
}

/// An entry of the input log. Also a server's raw row for the entry; its values are then the merged ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The offset in the partition's log, which identifies the entry.
    pub off: u64,
    /// The key that the entry updates.
    pub key: Arc<str>,
    /// The id of the op that wrote it.
    pub op: u64,
    /// The comparison value. An event is merged onto the current row unless its value is lower.
    pub cmp: i64,
    /// Whether the entry deletes the key.
    #[serde(default)]
    pub tombstone: bool,
    /// One value per column, in the order of the table's columns.
    pub cols: Vec<Value>,
}

impl Value {
    /// A double; one that is not finite becomes its name.
    pub fn double(double: f64) -> Value {
        match Number::from_f64(double) {
            Some(number) => Value::Double(number),
            None if double.is_nan() => Value::String("NaN".into()),
            None => Value::String(if double > 0.0 { "Infinity" } else { "-Infinity" }.into()),
        }
    }
}

impl Type {
    /// The value that a raw row shows in a column that was never set.
    pub(crate) fn default_value(self) -> Value {
        match self {
            Type::Long => Value::Long(i64::MIN),
            Type::Double => Value::String("-Infinity".into()),
            Type::Decimal => Value::String("0".into()),
            Type::Boolean => Value::Boolean(false),
            Type::String | Type::Json => Value::String("null".into()),
            Type::Timestamp => Value::String("1970-01-01T00:00:00Z".into()),
            Type::Bytes => Value::String("".into()),
            Type::LongList | Type::StringList => Value::Longs([].into()),
        }
    }

    /// Whether a column of this type can hold the value.
    pub(crate) fn admits(self, value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Boolean(_) => self == Type::Boolean,
            Value::Long(_) => self == Type::Long,
            Value::Double(_) => self == Type::Double,
            Value::String(_) => match self {
                Type::Long | Type::Boolean | Type::LongList | Type::StringList => false,
                Type::Double | Type::Decimal | Type::String => true,
                Type::Timestamp | Type::Bytes | Type::Json => true,
            },
            Value::Longs(list) => self == Type::LongList || (self == Type::StringList && list.is_empty()),
            Value::Strings(_) => self == Type::StringList,
        }
    }
}

impl Merge {
    /// The value of a column that held `held`, after `event`. If one of them is null, the result is the
    /// other.
    pub(crate) fn apply(self, held: &Value, event: &Value) -> Value {
        match (self, held, event) {
            (_, held, Value::Null) => held.clone(),
            (_, Value::Null, event) => event.clone(),
            (Merge::Ignore, held, _) => held.clone(),
            (Merge::Increment, Value::Long(a), Value::Long(b)) => Value::Long(a.wrapping_add(*b)),
            (Merge::Max, Value::Long(a), Value::Long(b)) => Value::Long(*a.max(b)),
            (Merge::Min, Value::Long(a), Value::Long(b)) => Value::Long(*a.min(b)),
            (Merge::Max, Value::Double(a), Value::Double(b)) => {
                Value::Double(if a.as_f64() < b.as_f64() { b } else { a }.clone())
            }
            (Merge::Min, Value::Double(a), Value::Double(b)) => {
                Value::Double(if b.as_f64() < a.as_f64() { b } else { a }.clone())
            }
            (Merge::Append, held, event) => join(held, event),
            (Merge::Union, held, event) => distinct(join(held, event)),
            (_, _, event) => event.clone(),
        }
    }
}

fn join(head: &Value, tail: &Value) -> Value {
    match (head, tail) {
        (Value::Longs(a), Value::Longs(b)) => Value::Longs(a.iter().chain(&**b).copied().collect()),
        (Value::Strings(a), Value::Strings(b)) => Value::Strings(a.iter().chain(&**b).cloned().collect()),
        // An empty list has no type of its own.
        (Value::Strings(a), Value::Longs(b)) if b.is_empty() => Value::Strings(a.clone()),
        (_, tail) => tail.clone(),
    }
}

fn distinct(list: Value) -> Value {
    match list {
        Value::Longs(items) => Value::Longs(sorted(&items)),
        Value::Strings(items) => Value::Strings(sorted(&items)),
        other => other,
    }
}

fn sorted<T: Clone + Ord>(items: &[T]) -> Arc<[T]> {
    let mut items = items.to_vec();
    items.sort_unstable();
    items.dedup();
    items.into()
}

impl Entry {
    /// The row that results from merging a later event of the same key onto this row.
    pub(crate) fn merged(&self, event: &Entry, columns: &[Column]) -> Entry {
        let pairs = self.cols.iter().zip(&event.cols).zip(columns);
        Entry {
            off: event.off,
            key: event.key.clone(),
            op: event.op,
            cmp: event.cmp,
            tombstone: false,
            cols: pairs.map(|((held, new), column)| column.merge.apply(held, new)).collect(),
        }
    }

    /// The values as a raw read shows them: the default (one per column) where a column was never set.
    pub fn shown<'a>(&'a self, defaults: &'a [Value]) -> impl Iterator<Item = &'a Value> {
        self.cols.iter().zip(defaults).map(|(value, default)| match value {
            Value::Null => default,
            value => value,
        })
    }
}

/// A map by key. Each event is looked up by its key on every server.
pub(crate) type KeyMap<T> = HashMap<Arc<str>, T, BuildHasherDefault<Fnv>>;

/// The checksum of a segment's rows in offset order: 64 bits, in the style of FNV-1a, one word at a time.
pub(crate) fn checksum(rows: &[Arc<Entry>]) -> u64 {
    let mut sum = Fnv::default();
    for row in rows {
        sum.word(row.off);
        sum.text(&row.key);
        sum.word(row.op);
        sum.word(row.cmp.cast_unsigned());
        sum.word(u64::from(row.tombstone));
        row.cols.iter().for_each(|value| sum.value(value));
    }
    sum.0
}

/// A sum of 64 bits over words.
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Fnv {
    fn word(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
        self.0 ^= self.0 >> 29;
    }

    fn text(&mut self, text: &str) {
        self.word(text.len() as u64);
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.word(1),
            Value::Boolean(is) => {
                self.word(6);
                self.word(u64::from(*is));
            }
            Value::Double(number) => {
                self.word(7);
                self.word(number.as_f64().unwrap_or_default().to_bits());
            }
            Value::Long(n) => {
                self.word(2);
                self.word(n.cast_unsigned());
            }
            Value::String(text) => {
                self.word(3);
                self.text(text);
            }
            // Both kinds of list start alike, because an empty one must have the same sum whichever kind it
            // reads back as.
            Value::Longs(items) => {
                self.word(4 + items.len() as u64);
                items.iter().for_each(|n| self.word(n.cast_unsigned()));
            }
            Value::Strings(items) => {
                self.word(4 + items.len() as u64);
                items.iter().for_each(|text| self.text(text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each merge function with a later value, a first value and no value.
    /// Each line: function, held, event, result, as JSON.
    const TABLE: &str = r#"
        overwrite  1           2            2
        overwrite  ["a"]       ["b"]        ["b"]
        overwrite  1           null         1
        ignore     "a"         "b"          "a"
        ignore     null        "b"          "b"
        ignore     null        null         null
        increment  5           -7           -2
        increment  9223372036854775807  1   -9223372036854775808
        increment  null        3            3
        append     [2,1]       [2]          [2,1,2]
        append     ["b"]       ["a","b"]    ["b","a","b"]
        append     []          ["a"]        ["a"]
        append     ["a"]       []           ["a"]
        append     [1]         null         [1]
        union      [3,1]       [2,3]        [1,2,3]
        union      ["b"]       ["a","b"]    ["a","b"]
        union      null        [3,1,3]      [3,1,3]
        max        -4          -9           -4
        max        null        -9           -9
        min        -4          -9           -9
        min        7           null         7
    "#;

    #[test]
    fn merges_as_the_table_says() {
        for line in TABLE.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            let merge: Merge = serde_json::from_str(&format!("{:?}", words[0])).expect(line);
            let value = |i: usize| serde_json::from_str::<Value>(words[i]).expect(line);
            assert_eq!(merge.apply(&value(1), &value(2)), value(3), "{line}");
        }
    }

    #[test]
    fn equal_content_has_equal_checksums_and_other_content_has_not() {
        let row = |cols: Vec<Value>| [Arc::new(Entry { key: "k".into(), cols, ..Entry::default() })];
        let sum = |cols: Vec<Value>| checksum(&row(cols));
        assert_eq!(sum(vec![Value::Longs([].into())]), sum(vec![Value::Strings([].into())]));
        assert_ne!(sum(vec![Value::Longs([1, 2].into())]), sum(vec![Value::Longs([2, 1].into())]));
        assert_ne!(sum(vec![Value::Null]), sum(vec![Value::Long(i64::MIN)]));
    }
}
