//! Rows, log entries and current flags as lines of JSON with named columns.
//!
//! Columns are in the schema's order, and a column without a value is
//! left out:
//!
//! ```text
//! {"off":12,"key":"k0-1","op":34,"cmp":34,"cols":{"x":1,"tags":["a"]}}                   a row, or an entry
//! {"off":13,"key":"k0-1","op":35,"cmp":35,"del":true,"cols":{}}                             a tombstone
//! {"key":"k0-1","offs":[12]}                                                      flags of a current view
//! {"n":7,"t":3000000,"type":"boundary"}                                                         an event
//! ```
//!
//! Up to format 2, rows and flags were not shared, and each line named its read and its document:
//!
//! ```text
//! {"off":12,"key":"k0-1","op":34,"cmp":34,"cols":{"x":1,"tags":["a"]},"at":{"read":17,"doc":5}}   a row
//! {"key":"k0-1","offs":[12],"at":{"read":18}}                                     flags of a current view
//! ```
//!
//! Events are numbered from 1, and an entry has the
//! number of skipped offsets before it (`"skip":1`, left out for 0). So a lost line is noticed. Unknown
//! fields and columns are skipped, because a later version may have written them.

use super::fast_scan;
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::schema::{Column, Schema, Value};
use dissent_core::history::time::Nanos;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

#[derive(Serialize)]
struct RowLine<'a> {
    off: u64,
    key: &'a str,
    op: u64,
    cmp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    del: Option<bool>,
    cols: Cols<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<u64>,
}

/// The read that returned a row, and the row's document number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct ReadAt {
    pub(super) read: u64,
    pub(super) doc: u32,
}

struct Cols<'a> {
    columns: &'a [Column],
    values: &'a [Value],
}

impl Serialize for Cols<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let named = self.columns.iter().zip(self.values);
        to.collect_map(
            named.filter(|(_, value)| **value != Value::Null).map(|(column, value)| (&column.name, value)),
        )
    }
}

/// The line of a row's content. It does not say which read returned the row, nor its document.
pub fn content<'a>(schema: &'a Schema, row: &'a Row) -> impl Serialize + 'a {
    RowLine {
        off: row.off,
        key: &row.key,
        op: row.op,
        cmp: row.cmp,
        del: None,
        cols: Cols { columns: &schema.columns, values: &row.cols },
        skip: None,
    }
}

/// The line of a log entry. `skip` is the number of offsets just before it that have no entry.
pub fn entry<'a>(schema: &'a Schema, entry: &'a Entry, skip: u64) -> impl Serialize + 'a {
    RowLine {
        off: entry.off,
        key: &entry.key,
        op: entry.op,
        cmp: entry.cmp,
        del: entry.tombstone.then_some(true),
        cols: Cols { columns: &schema.columns, values: &entry.cols },
        skip: (skip > 0).then_some(skip),
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    n: u64,
    t: Nanos,
    #[serde(flatten)]
    event: &'a Event,
}

/// The line of the n-th event, counted from 1.
pub fn event(n: u64, stamped: &TimedEvent) -> impl Serialize + '_ {
    Numbered { n, t: stamped.t, event: &stamped.event }
}

/// The number of skipped offsets before a log entry, from its line.
pub(super) fn skipped(line: &[u8]) -> serde_json::Result<u64> {
    #[derive(Deserialize)]
    struct Skip {
        #[serde(default)]
        skip: u64,
    }
    serde_json::from_slice(line).map(|Skip { skip }| skip)
}

#[derive(Deserialize)]
struct FlagsLine {
    #[serde(flatten)]
    current: CurrentRow,
    at: FlagsAt,
}

#[derive(Deserialize)]
struct FlagsAt {
    read: u64,
}

/// Parses a row's content.
pub fn decode_content(schema: &Schema, line: &[u8]) -> serde_json::Result<Row> {
    let Entry { off, key, op, cmp, cols, .. } = decode_entry(schema, line)?;
    Ok(Row { off, key, op, cmp, cols, doc: 0 })
}

/// Parses a row of format 2 or older, and the id of its read. Fails if the line is not a row of this schema.
pub fn decode_row(schema: &Schema, line: &[u8]) -> serde_json::Result<(u64, Row)> {
    if let Some(row) = fast_scan::row(schema, line) {
        return Ok(row);
    }
    let (Entry { off, key, op, cmp, cols, .. }, at) = parse(schema, line)?;
    let ReadAt { read, doc } = at.ok_or_else(|| serde_json::Error::missing_field("at"))?;
    Ok((read, Row { off, key, op, cmp, cols, doc }))
}

/// Parses a log entry. Fails if the line is not an entry of this schema.
pub fn decode_entry(schema: &Schema, line: &[u8]) -> serde_json::Result<Entry> {
    fast_scan::entry(schema, line).map_or_else(|| parse(schema, line).map(|(entry, _)| entry), Ok)
}

/// Parses a key's current flags of format 2 or older, and the id of their read.
pub fn decode_flags(line: &[u8]) -> serde_json::Result<(u64, CurrentRow)> {
    let FlagsLine { current, at } = serde_json::from_slice(line)?;
    Ok((at.read, current))
}

/// Parses a row or a log entry in any valid JSON layout.
pub(super) fn parse(schema: &Schema, line: &[u8]) -> serde_json::Result<(Entry, Option<ReadAt>)> {
    let mut from = serde_json::Deserializer::from_slice(line);
    let decoded = LineSeed(&schema.columns).deserialize(&mut from)?;
    from.end()?;
    Ok(decoded)
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Field {
    Off,
    Key,
    Op,
    Cmp,
    Del,
    Cols,
    At,
    #[serde(other)]
    Unknown,
}

struct LineSeed<'a>(&'a [Column]);

impl<'de> DeserializeSeed<'de> for LineSeed<'_> {
    type Value = (Entry, Option<ReadAt>);

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for LineSeed<'_> {
    type Value = (Entry, Option<ReadAt>);

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a row or a log entry")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut off, mut key, mut op, mut cmp, mut cols) = (None, None, None, None, None);
        let (mut tombstone, mut at) = (false, None);
        while let Some(field) = map.next_key()? {
            match field {
                Field::Off => off = Some(map.next_value()?),
                Field::Key => key = Some(map.next_value()?),
                Field::Op => op = Some(map.next_value()?),
                Field::Cmp => cmp = Some(map.next_value()?),
                Field::Del => tombstone = map.next_value()?,
                Field::Cols => cols = Some(map.next_value_seed(ColsSeed(self.0))?),
                Field::At => at = Some(map.next_value()?),
                Field::Unknown => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let lacks = A::Error::missing_field;
        let entry = Entry {
            off: off.ok_or_else(|| lacks("off"))?,
            key: key.ok_or_else(|| lacks("key"))?,
            op: op.ok_or_else(|| lacks("op"))?,
            cmp: cmp.ok_or_else(|| lacks("cmp"))?,
            tombstone,
            cols: cols.ok_or_else(|| lacks("cols"))?,
        };
        Ok((entry, at))
    }
}

/// Reads named values in the schema's order, without a map in between.
struct ColsSeed<'a>(&'a [Column]);

impl<'de> DeserializeSeed<'de> for ColsSeed<'_> {
    type Value = Vec<Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ColsSeed<'_> {
    type Value = Vec<Value>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a map from column names to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![Value::Null; self.0.len()];
        let mut next = 0;
        while let Some(position) = map.next_key_seed(NameSeed { columns: self.0, next })? {
            match position {
                Some(position) => {
                    values[position] = map.next_value()?;
                    next = position + 1;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

/// The index of a column by its name. Names come in the schema's order, so the search starts at `next`.
struct NameSeed<'a> {
    columns: &'a [Column],
    next: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a column's name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let count = self.columns.len();
        Ok((self.next..count).chain(0..self.next).find(|at| self.columns[*at].name == name))
    }
}

pub(super) fn json_line(line: &impl Serialize) -> std::io::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    Ok(text)
}
