//! The rows of a dump as values, in the order of the columns compared.

use crate::cells::{DumpCells, Typing, value};
use crate::digests::{Columns, KeyColumns};
use crate::error::DumpError;
use crate::layout::Layout;
use crate::rows::{DumpFormat, Pace, Rows};
use crate::source::DumpSource;
use dissent_core::history::schema::Value;
use serde::{Deserialize, Serialize};

/// A row of a dump: its key, and its values in the order of the columns compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct DumpRow {
    pub(super) key: String,
    pub(super) cols: Vec<Value>,
}

/// How rows become values.
pub(super) struct Reading<'r> {
    pub(super) columns: &'r Columns,
    /// The names of the columns compared, in order.
    pub(super) compared: &'r [String],
    pub(super) format: &'r DumpFormat,
    pub(super) typing: Typing,
    pub(super) pace: &'r Pace,
}

impl Reading<'_> {
    /// Passes the rows on whose keys are wanted. Returns the columns met.
    pub(super) fn rows(
        &self,
        source: &DumpSource,
        is_wanted: &dyn Fn(&str) -> bool,
        each: &mut dyn FnMut(DumpRow) -> Result<(), DumpError>,
    ) -> Result<Layout, DumpError> {
        let mut rows = Rows::of(source, self.format, self.pace);
        let (mut cells, mut key, mut keys) =
            (DumpCells::default(), String::new(), KeyColumns::new(self.typing));
        // By place in the file: the place among the columns compared, and the declared type.
        let mut places = Vec::new();
        while rows.next(&mut cells)? {
            for name in &rows.layout.names()[places.len()..] {
                let place = self.compared.iter().position(|compared| compared == name);
                places.push((place, self.columns.types.get(name).copied()));
            }
            keys.key(&cells, &rows.layout, self.columns, &mut key).map_err(|problem| rows.error(problem))?;
            if !is_wanted(&key) {
                continue;
            }
            let mut cols = vec![Value::Null; self.compared.len()];
            for (cell, bytes) in cells.iter() {
                if let (Some(place), declared) = places[cell.column] {
                    cols[place] = value(cell.kind, bytes, declared, self.typing);
                }
            }
            each(DumpRow { key: key.clone(), cols })?;
        }
        Ok(rows.layout)
    }
}
