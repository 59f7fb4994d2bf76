//! The first pass: a digest for each bucket of keys. Where two dumps have equal digests, their rows are
//! equal.
//!
//! A row's hash has 128 bits, and the digest of a bucket is the sum of those of its rows: the order of rows
//! does not matter. Cells are hashed as they are written, so equal values that are written differently make
//! digests differ; the second pass then finds them equal.

use crate::cells::{CellKind, DumpCells, Typing, text};
use crate::error::{DumpError, no_column};
use crate::layout::Layout;
use crate::rows::{DumpFormat, Pace, Rows};
use crate::source::DumpSource;
use dissent_core::history::canonical;
use dissent_core::history::schema::{Column, Type, Value};
use serde_json::json;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

/// The number of buckets is two to this power.
const BUCKET_BITS: u32 = 17;
/// The number of buckets.
pub(super) const BUCKETS: usize = 1 << BUCKET_BITS;

/// Between the cells of a key.
pub(super) const KEY_SEPARATOR: char = '\u{1f}';
/// Null as a cell of a key.
const NULL_IN_KEY: char = '\u{0}';
/// Before a letter that stands for one of these two, or for this one, in the text of a cell of a key.
const ESCAPE_IN_KEY: char = '\u{1b}';
/// What a key is made of: each with the letter that stands for it in a cell, and as reports show it there.
const MARKS: [(char, char, &str); 3] =
    [(KEY_SEPARATOR, 's', "\\x1f"), (NULL_IN_KEY, '0', "\\x00"), (ESCAPE_IN_KEY, 'e', "\\x1b")];

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
struct Digest {
    rows: u64,
    sum: u128,
}

/// The digests of all buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Buckets(Vec<Digest>);

impl Default for Buckets {
    fn default() -> Self {
        Buckets(vec![Digest::default(); BUCKETS])
    }
}

impl Buckets {
    /// Adds a row, whose cells have hashes of this sum.
    fn add(&mut self, key: &str, cells: u128) {
        let digest = &mut self.0[bucket(key)];
        digest.rows += 1;
        // Hashed once more, so that cells that trade places between two rows do not cancel out.
        let row = xxh3_128(key.as_bytes()).wrapping_add(cells);
        digest.sum = digest.sum.wrapping_add(xxh3_128(&row.to_le_bytes()));
    }

    /// Adds a row of values, as a dump would write them. Returns about how many bytes that were.
    pub(super) fn add_values(
        &mut self,
        key: &str,
        columns: &[Column],
        cols: &[Value],
        typing: Typing,
    ) -> u64 {
        let (mut cells, mut bytes) = (0_u128, 0);
        for (column, value) in columns.iter().zip(cols) {
            let (kind, text) = match value {
                Value::Null => continue,
                Value::String(text) => (CellKind::String, Cow::Borrowed(text.as_ref())),
                Value::Boolean(boolean) => (CellKind::Boolean, Cow::Owned(boolean.to_string())),
                Value::Long(_) | Value::Double(_) => (CellKind::Number, Cow::Owned(json!(value).to_string())),
                Value::Longs(_) | Value::Strings(_) => {
                    (CellKind::Nested, Cow::Owned(json!(value).to_string()))
                }
            };
            bytes += text.len() as u64;
            let seed = xxh3_64(column.name.as_bytes());
            cells = cells.wrapping_add(hash(text.as_bytes(), seed, kind, typing));
        }
        self.add(key, cells);
        bytes
    }

    /// The rows in a bucket.
    pub(super) fn rows_in(&self, bucket: usize) -> u64 {
        self.0[bucket].rows
    }

    /// Whether a bucket is the same in both.
    pub(super) fn is_same(&self, other: &Buckets, bucket: usize) -> bool {
        self.0[bucket] == other.0[bucket]
    }
}

/// The hash of a cell. Kinds are told apart only if every dump tells them.
fn hash(bytes: &[u8], seed: u64, kind: CellKind, typing: Typing) -> u128 {
    let tag = if typing == Typing::Told { kind as u64 } else { 0 };
    xxh3_128_with_seed(bytes, seed.wrapping_add(tag))
}

/// What the first pass finds in a dump.
pub(super) struct Digests {
    /// Of all buckets.
    pub(super) buckets: Buckets,
    /// All its rows.
    pub(super) rows: u64,
    /// The bytes of its cells.
    pub(super) bytes: u64,
    /// Its columns.
    pub(super) layout: Layout,
}

/// Reads a dump for its digests.
pub(super) fn digests(
    source: &DumpSource,
    columns: &Columns,
    format: &DumpFormat,
    typing: Typing,
    pace: &Pace,
) -> Result<Digests, DumpError> {
    let mut rows = Rows::of(source, format, pace);
    let mut buckets = Buckets::default();
    let (mut cells, mut key, mut count, mut bytes) = (DumpCells::default(), String::new(), 0, 0);
    let mut keys = KeyColumns::new(typing);
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
        let mut sum = 0_u128;
        for (cell, content) in cells.iter() {
            bytes += content.len() as u64;
            if cell.kind != CellKind::Null && compared[cell.column] {
                sum = sum.wrapping_add(hash(content, layout.seed(cell.column), cell.kind, typing));
            }
        }
        buckets.add(&key, sum);
        count += 1;
    }
    if count == 0 {
        let known = columns.key.iter().all(|name| rows.layout.find(name).is_some());
        if !known && !rows.layout.names().is_empty() {
            let problem = format!("{} has no such column", source.given);
            return Err(DumpError::Usage(no_key(&columns.key, &rows.layout, &problem)));
        }
    }
    Ok(Digests { buckets, rows: count, bytes, layout: rows.layout })
}

/// The bucket of a key.
pub(super) fn bucket(key: &str) -> usize {
    (xxh3_64(key.as_bytes()) >> (64 - BUCKET_BITS)) as usize
}

/// The places of the columns of the key.
pub(super) struct KeyColumns {
    places: Vec<usize>,
    typing: Typing,
}

impl KeyColumns {
    pub(super) fn new(typing: Typing) -> KeyColumns {
        KeyColumns { places: Vec::new(), typing }
    }

    /// Replaces `key` by the key of a row. An error if a column of the key is not there.
    pub(super) fn key(
        &mut self,
        cells: &DumpCells,
        layout: &Layout,
        columns: &Columns,
        key: &mut String,
    ) -> Result<(), String> {
        if self.places.is_empty() {
            let places: Option<Vec<usize>> = columns.key.iter().map(|name| layout.find(name)).collect();
            self.places = places.ok_or_else(|| no_key(&columns.key, layout, "the row has no such column"))?;
        }
        key.clear();
        for (at, (place, name)) in self.places.iter().zip(&columns.key).enumerate() {
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            let Some((cell, bytes)) = cells.of(*place) else {
                return Err(format!("the row has no `{name}`, which is part of the key"));
            };
            let text = text(bytes);
            match (cell.kind, columns.types.get(name)) {
                (CellKind::Null, _) => key.push(NULL_IN_KEY),
                (_, Some(ty)) => match canonical::value(*ty, &text) {
                    Some(Value::String(one)) => push_cell(key, &one),
                    Some(one) => key.push_str(&json!(one).to_string()),
                    None => push_cell(key, &text),
                },
                (CellKind::Number, None) if self.typing == Typing::Told => match canonical::decimal(&text) {
                    Some(digits) => key.push_str(&digits),
                    None => key.push_str(&text),
                },
                _ => push_cell(key, &text),
            }
        }
        Ok(())
    }
}

/// Adds the text of a cell to a key, so that no text ends the cell or stands for null.
fn push_cell(key: &mut String, text: &str) {
    if !text.contains(MARKS.map(|(mark, ..)| mark)) {
        return key.push_str(text);
    }
    for letter in text.chars() {
        match MARKS.iter().find(|(mark, ..)| *mark == letter) {
            Some((_, stands_for_it, _)) => key.extend([ESCAPE_IN_KEY, *stands_for_it]),
            None => key.push(letter),
        }
    }
}

/// A key as reports show it: as a line of CSV would, so that no two keys look the same.
pub(super) fn shown_key(key: &str) -> String {
    let is_composite = key.contains(KEY_SEPARATOR);
    let shown = key.split(KEY_SEPARATOR).map(|cell| match cell {
        null if null.starts_with(NULL_IN_KEY) => Cow::Borrowed("null"),
        "null" => Cow::Borrowed("\"null\""),
        cell if is_composite => canonical::csv_cell(cell),
        cell => Cow::Borrowed(cell),
    });
    let shown = shown.collect::<Vec<_>>().join(",");
    match shown.contains(ESCAPE_IN_KEY) {
        true => MARKS.iter().fold(shown, |shown, (_, stands_for_it, shows)| {
            shown.replace(&String::from_iter([ESCAPE_IN_KEY, *stands_for_it]), shows)
        }),
        false => shown,
    }
}

/// The columns of the key are not all there.
fn no_key(key: &[String], layout: &Layout, problem: &str) -> String {
    let missing = key.iter().find(|name| layout.find(name).is_none());
    no_column("key", missing.map_or("", String::as_str), problem, layout.names())
}
