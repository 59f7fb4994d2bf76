//! The first pass: a digest for each bucket of keys. Where two dumps have equal digests, their rows are equal.
//!
//! A row's hash has 128 bits, and the digest of a bucket is the sum of those of its rows: the order of rows
//! does not matter. Cells are hashed as they are written, so equal values that are written differently make
//! digests differ; the second pass then finds them equal.

use super::cells::{CellKind, Cells, Typing};
use super::error::DumpError;
use super::layout::Layout;
use super::rows::{Format, Pace, Rows};
use super::source::Source;
use crate::canonical;
use dissent_core::history::schema::{Type, Value};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// The number of buckets is two to this power.
const BUCKET_BITS: u32 = 17;

/// Between the cells of a key.
pub(super) const KEY_SEPARATOR: char = '\u{1f}';
/// Null as a cell of a key.
const NULL_IN_KEY: char = '\u{0}';

/// Which columns of a dump mean what.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// Make up the key, in this order.
    pub key: Vec<String>,
    /// Are not compared.
    pub ignore: BTreeSet<String>,
    /// Have these types.
    pub types: BTreeMap<String, Type>,
}

/// The rows of a bucket: how many, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) rows: u64,
    sum: u128,
}

/// What the first pass finds in a dump.
pub(super) struct Digests {
    /// By bucket.
    pub(super) buckets: Vec<Digest>,
    /// All its rows.
    pub(super) rows: u64,
    /// The bytes of its cells.
    pub(super) bytes: u64,
    /// Its columns.
    pub(super) layout: Layout,
}

/// Reads a dump for its digests.
pub(super) fn digests(
    source: &Source,
    columns: &Columns,
    format: &Format,
    typing: Typing,
    pace: &Pace,
) -> Result<Digests, DumpError> {
    let mut rows = Rows::of(source, format, pace);
    let mut buckets = vec![Digest::default(); 1 << BUCKET_BITS];
    let (mut cells, mut key, mut count, mut bytes) = (Cells::default(), String::new(), 0, 0);
    let mut keys = KeyColumns::default();
    // By place: whether a column is compared.
    let mut compared: Vec<bool> = Vec::new();
    while rows.next(&mut cells)? {
        let layout = &rows.layout;
        for name in &layout.names()[compared.len()..] {
            compared.push(!columns.ignore.contains(name) && !columns.key.contains(name));
        }
        if let Err(problem) = keys.key(&cells, layout, columns, &mut key) {
            return Err(rows.error(problem));
        }
        let mut sum = xxh3_128(key.as_bytes());
        for (cell, content) in cells.iter() {
            bytes += content.len() as u64;
            if cell.kind != CellKind::Null && compared[cell.column] {
                let tag = if typing == Typing::Told { cell.kind as u64 } else { 0 };
                sum =
                    sum.wrapping_add(xxh3_128_with_seed(content, layout.seed(cell.column).wrapping_add(tag)));
            }
        }
        let digest = &mut buckets[bucket(&key)];
        digest.rows += 1;
        // Hashed once more, so that cells that trade places between two rows do not cancel out.
        digest.sum = digest.sum.wrapping_add(xxh3_128(&sum.to_le_bytes()));
        count += 1;
    }
    if count == 0 {
        let known = columns.key.iter().all(|name| rows.layout.find(name).is_some());
        if !known && !rows.layout.names().is_empty() {
            return Err(DumpError::Usage(no_column(&columns.key, &rows.layout, &source.given)));
        }
    }
    Ok(Digests { buckets, rows: count, bytes, layout: rows.layout })
}

/// The bucket of a key.
pub(super) fn bucket(key: &str) -> usize {
    (xxh3_64(key.as_bytes()) >> (64 - BUCKET_BITS)) as usize
}

/// The places of the columns of the key.
#[derive(Default)]
pub(super) struct KeyColumns(Vec<usize>);

impl KeyColumns {
    /// Replaces `key` by the key of a row. An error if a column of the key is not there.
    pub(super) fn key(
        &mut self,
        cells: &Cells,
        layout: &Layout,
        columns: &Columns,
        key: &mut String,
    ) -> Result<(), String> {
        if self.0.is_empty() {
            let places: Option<Vec<usize>> = columns.key.iter().map(|name| layout.find(name)).collect();
            self.0 = places.ok_or_else(|| no_column(&columns.key, layout, "the row"))?;
        }
        key.clear();
        for (at, (place, name)) in self.0.iter().zip(&columns.key).enumerate() {
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            let Some((cell, bytes)) = cells.of(*place) else {
                return Err(format!("the row has no `{name}`, which is part of the key"));
            };
            let text = String::from_utf8_lossy(bytes);
            match (cell.kind, columns.types.get(name)) {
                (CellKind::Null, _) => key.push(NULL_IN_KEY),
                (_, Some(ty)) => match canonical::value(*ty, &text) {
                    Some(Value::String(one)) => key.push_str(&one),
                    Some(Value::Long(long)) => key.push_str(&long.to_string()),
                    _ => key.push_str(&text),
                },
                (CellKind::Number, None) => match canonical::decimal(&text) {
                    Some(digits) => key.push_str(&digits),
                    None => key.push_str(&text),
                },
                _ => key.push_str(&text),
            }
        }
        Ok(())
    }
}

/// A key as reports show it.
pub(super) fn shown_key(key: &str) -> String {
    let parts = key.split(KEY_SEPARATOR);
    let shown: Vec<&str> =
        parts.map(|part| if part.starts_with(NULL_IN_KEY) { "null" } else { part }).collect();
    shown.join(",")
}

fn no_column(key: &[String], layout: &Layout, place: &str) -> String {
    let missing: Vec<&str> =
        key.iter().filter(|name| layout.find(name).is_none()).map(String::as_str).collect();
    format!("{place} has no column {}: its columns are {}", missing.join(", "), layout.names().join(", "))
}
