//! Entries and rows as they are served: values by column name.

use crate::value::{Column, Entry, Value};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

#[derive(Serialize)]
pub(super) struct NamedEntry<'a> {
    off: u64,
    key: &'a str,
    op: u64,
    cmp: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tombstone: bool,
    cols: Cols<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<u64>,
}

/// Values with their columns; nulls are left out.
struct Cols<'a>(&'a [Column], Vec<&'a Value>);

impl Serialize for Cols<'_> {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = out.serialize_map(None)?;
        for (column, value) in self.0.iter().zip(&self.1) {
            if **value != Value::Null {
                map.serialize_entry(&column.name, value)?;
            }
        }
        map.end()
    }
}

impl<'a> NamedEntry<'a> {
    pub(super) fn entry(entry: &'a Entry, columns: &'a [Column]) -> Self {
        let Entry { off, ref key, op, cmp, tombstone, ref cols } = *entry;
        NamedEntry { off, key, op, cmp, tombstone, cols: Cols(columns, cols.iter().collect()), doc: None }
    }

    /// A raw row, with defaults in the columns that were never set.
    pub(super) fn row(row: &'a Entry, columns: &'a [Column], defaults: &'a [Value], doc: u64) -> Self {
        let cols = Cols(columns, row.shown(defaults).collect());
        NamedEntry { cols, doc: Some(doc), tombstone: false, ..NamedEntry::entry(row, columns) }
    }
}
