//! Parses the specimen's answers from bytes. A server can send anything, so this module is independent of
//! sockets. An answer that cannot be parsed is [`TargetError::InvalidResponse`] with the sender's URL.

use crate::adapter::capabilities::RowSink;
use crate::adapter::http::parse;
use crate::target_error::TargetError;
use dissent_core::conductor::CurrentRowsAnswer;
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};
use dissent_core::history::shard_snapshot::CountedRow;
use dissent_core::nearest::advise;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

type NamedValues = BTreeMap<String, Value>;

#[derive(Deserialize)]
struct WireEntry {
    off: u64,
    key: String,
    op: u64,
    cmp: i64,
    #[serde(default)]
    tombstone: bool,
    cols: NamedValues,
}

#[derive(Deserialize)]
struct WireRow {
    off: u64,
    key: String,
    op: u64,
    cmp: i64,
    cols: NamedValues,
    doc: u32,
}

#[derive(Deserialize)]
struct WireHeld {
    key: String,
    op: u64,
    cmp: i64,
    cols: NamedValues,
    count: i64,
}

#[derive(Deserialize)]
struct WireFlags {
    version: u64,
    incarnation: u64,
    keys: Vec<CurrentRow>,
}

#[derive(Deserialize)]
struct Produced {
    off: u64,
}

fn parse_lines<T: DeserializeOwned>(
    url: &str,
    body: &[u8],
    mut each: impl FnMut(T),
) -> Result<u64, TargetError> {
    let mut count = 0;
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        each(parse(url, line)?);
        count += 1;
    }
    Ok(count)
}

/// The offsets of produced ops, in the order of the ops. Fails if the answer is not such a list.
pub fn produced(url: &str, body: &[u8]) -> Result<Vec<u64>, TargetError> {
    Ok(parse::<Vec<Produced>>(url, body)?.into_iter().map(|entry| entry.off).collect())
}

/// Passes the log entries of an answer to `out`, and returns their number.
pub fn entries(schema: &Schema, url: &str, body: &[u8], out: RowSink<'_, Entry>) -> Result<u64, TargetError> {
    parse_lines(url, body, |WireEntry { off, key, op, cmp, tombstone, cols }| {
        out(Entry { off, key: key.into(), op, cmp, tombstone, cols: ordered(schema, cols) });
    })
}

/// Passes the raw rows of an answer to `out`, and returns their number.
pub fn rows(schema: &Schema, url: &str, body: &[u8], out: RowSink<'_, Row>) -> Result<u64, TargetError> {
    parse_lines(url, body, |WireRow { off, key, op, cmp, cols, doc }| {
        out(Row { off, key: key.into(), op, cmp, cols: ordered(schema, cols), doc });
    })
}

/// The rows of a shard.
pub fn held(schema: &Schema, url: &str, body: &[u8]) -> Result<Vec<CountedRow>, TargetError> {
    let mut rows = Vec::new();
    parse_lines(url, body, |WireHeld { key, op, cmp, cols, count }| {
        rows.push(CountedRow { key: key.into(), op, cmp, cols: ordered(schema, cols), count });
    })?;
    Ok(rows)
}

/// Passes the current flags of an answer to `out`.
pub fn flags(url: &str, body: &[u8], out: RowSink<'_, CurrentRow>) -> Result<CurrentRowsAnswer, TargetError> {
    let WireFlags { version, incarnation, keys } = parse(url, body)?;
    let read = CurrentRowsAnswer { incarnation, version, keys: keys.len() as u64 };
    keys.into_iter().for_each(out);
    Ok(read)
}

/// Values in the schema's order. A missing value is null.
fn ordered(schema: &Schema, mut named: NamedValues) -> Vec<Value> {
    let columns = schema.columns.iter();
    columns.map(|column| named.remove(&column.name).unwrap_or_default()).collect()
}

/// Names of a setting, for people.
pub(super) fn listed<N: AsRef<str>>(names: &[N]) -> String {
    names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// The error message for an unknown value of a setting.
pub(super) fn unknown(key: &str, value: &str, names: &[&str]) -> String {
    format!("--set {key}={value}: no {key} is called `{value}`: {}", advise(value, names))
}

/// Converts a column. Both crates have the same merge functions and types, but share no code.
pub(super) fn column(column: &Column) -> ::specimen::Column {
    use ::specimen::{Merge as To, Type as As};
    ::specimen::Column {
        name: column.name.clone(),
        ty: match column.ty {
            Type::Long => As::Long,
            Type::Double => As::Double,
            Type::Decimal => As::Decimal,
            Type::Boolean => As::Boolean,
            Type::String => As::String,
            Type::Timestamp => As::Timestamp,
            Type::Bytes => As::Bytes,
            Type::Json => As::Json,
            Type::LongList => As::LongList,
            Type::StringList => As::StringList,
        },
        merge: match column.merge {
            Merge::Overwrite => To::Overwrite,
            Merge::Ignore => To::Ignore,
            Merge::Increment => To::Increment,
            Merge::Append => To::Append,
            Merge::Union => To::Union,
            Merge::Max => To::Max,
            Merge::Min => To::Min,
        },
    }
}
