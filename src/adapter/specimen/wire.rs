//! The specimen's answers, from bytes. What a server may send is anybody's guess, so nothing here knows a
//! socket, and an answer that is not understood is [`TargetError::Nonsense`] with who gave it.

use crate::adapter::api::RowSink;
use crate::adapter::http::parse;
use crate::config::error::advise;
use crate::target_error::TargetError;
use dissent_core::conductor::CurrentRowsAnswer;
use dissent_core::history::row::{CurrentRow, Entry, Row};
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};
use dissent_core::history::shard_snapshot::CountedRow;
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

/// The offset of each op that was produced, in order.
pub fn produced(url: &str, body: &[u8]) -> Result<Vec<u64>, TargetError> {
    Ok(parse::<Vec<Produced>>(url, body)?.into_iter().map(|entry| entry.off).collect())
}

/// Entries of the log, and how many came.
pub fn entries(schema: &Schema, url: &str, body: &[u8], out: RowSink<'_, Entry>) -> Result<u64, TargetError> {
    parse_lines(url, body, |WireEntry { off, key, op, cmp, tombstone, cols }| {
        out(Entry { off, key, op, cmp, tombstone, cols: ordered(schema, cols) });
    })
}

/// Raw rows, and how many came.
pub fn rows(schema: &Schema, url: &str, body: &[u8], out: RowSink<'_, Row>) -> Result<u64, TargetError> {
    parse_lines(url, body, |WireRow { off, key, op, cmp, cols, doc }| {
        out(Row { off, key, op, cmp, cols: ordered(schema, cols), doc });
    })
}

/// What a shard holds.
pub fn held(schema: &Schema, url: &str, body: &[u8]) -> Result<Vec<CountedRow>, TargetError> {
    let mut rows = Vec::new();
    parse_lines(url, body, |WireHeld { key, op, cmp, cols, count }| {
        rows.push(CountedRow { key, op, cmp, cols: ordered(schema, cols), count });
    })?;
    Ok(rows)
}

/// Current flags.
pub fn flags(url: &str, body: &[u8], out: RowSink<'_, CurrentRow>) -> Result<CurrentRowsAnswer, TargetError> {
    let WireFlags { version, incarnation, keys } = parse(url, body)?;
    let read = CurrentRowsAnswer { incarnation, version, keys: keys.len() as u64 };
    keys.into_iter().for_each(out);
    Ok(read)
}

/// Values in the schema's order; what the answer lacks is null.
fn ordered(schema: &Schema, mut named: NamedValues) -> Vec<Value> {
    let columns = schema.columns.iter();
    columns.map(|column| named.remove(&column.name).unwrap_or_default()).collect()
}

/// What is said of a setting's value that is none of its names.
pub(super) fn unknown(key: &str, value: &str, names: &[&str]) -> String {
    format!("--set {key}={value}: no {key} is called `{value}`: {}", advise(value, names))
}

/// The two crates know the same merge functions and types, and share none of their code.
pub(super) fn column(column: &Column) -> ::specimen::Column {
    use ::specimen::{Merge as To, Type as As};
    ::specimen::Column {
        name: column.name.clone(),
        ty: match column.ty {
            Type::Long => As::Long,
            Type::String => As::String,
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
