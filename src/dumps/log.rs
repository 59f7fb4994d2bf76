//! The log that a user brings: events of keys in order, folded to the rows that every replica should show.

use crate::digests::Buckets;
use crate::error::DumpError;
use crate::layout::Layout;
use crate::part_files::{PartFiles, part_of, parts, read_part};
use crate::reading::{DumpRow, Reading};
use crate::source::DumpSource;
use dissent_core::checker::comparison::{ExpectedState, KeyFold};
use dissent_core::history::schema::{Column, Value};
use dissent_core::history::stored_name::stored_name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How events are read and merged.
pub(super) struct EventFold<'l> {
    pub(super) reading: Reading<'l>,
    /// The columns compared, with their merge functions. Those that are read begin with them.
    pub(super) merged: &'l [Column],
    /// The column that orders events. None: the order of the file.
    pub(super) version: Option<usize>,
    /// The column that says whether an event deletes its key.
    pub(super) deleted: Option<usize>,
    pub(super) memory: u64,
}

/// What a key should show; no columns: it was deleted.
#[derive(Serialize, Deserialize)]
pub(super) struct FoldedRow {
    pub(super) key: String,
    pub(super) cols: Option<Vec<Value>>,
}

/// The rows that a log folds to.
pub(super) struct Folded {
    files: Vec<PathBuf>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) buckets: Buckets,
    /// Its columns.
    pub(super) layout: Layout,
}

impl EventFold<'_> {
    /// A value that a column's merge function does not merge would make what is expected wrong.
    fn check(&self, source: &DumpSource, event: &DumpRow) -> Result<(), DumpError> {
        let mut columns = self.merged.iter().zip(&event.cols);
        let Some((column, _)) = columns.find(|(column, value)| !column.merge.takes(value)) else {
            return Ok(());
        };
        let (name, given, merge) = (&column.name, &source.given, stored_name(&column.merge));
        let types: Vec<String> = column.merge.types().iter().map(stored_name).collect();
        Err(DumpError::Usage(format!(
            "--merge {name}={merge} merges {}, and {given} has a value of another type: leave the column out \
             with --ignore {name}",
            types.join(" or "),
        )))
    }
}

/// Folds a log.
pub(super) fn fold(source: &DumpSource, log: &EventFold<'_>, spool: &Path) -> Result<Folded, DumpError> {
    // Compressed text has about a tenth of its size, and its number of rows is not known yet.
    let parts = parts(source.bytes() / 20, source.bytes() * 10, log.memory);
    let mut out = PartFiles::create(&spool.join("events"), parts)?;
    let layout = log.reading.rows(source, &|_| true, &mut |event| {
        log.check(source, &event)?;
        out.push(part_of(&event.key, parts), &event)
    })?;
    let events = out.finish()?;
    let mut out = PartFiles::create(&spool.join("expected"), parts)?;
    let (mut rows, mut bytes, mut buckets) = (0, 0, Buckets::default());
    for (part, file) in events.iter().enumerate() {
        let mut keys: BTreeMap<String, KeyFold> = BTreeMap::new();
        read_part(file, &mut |event: DumpRow| {
            let deletes = log.deleted.is_some_and(|at| is_set(&event.cols[at]));
            keys.entry(event.key).or_default().take(log.merged, log.version, &event.cols, deletes);
            Ok(())
        })?;
        for (key, fold) in keys {
            let cols = match fold.expected() {
                ExpectedState::Row(row) => Some(row.cols),
                _ => None,
            };
            if let Some(cols) = &cols {
                rows += 1;
                bytes += buckets.add_values(&key, log.merged, cols, log.reading.typing);
            }
            out.push(part, &FoldedRow { key, cols })?;
        }
    }
    Ok(Folded { files: out.finish()?, rows, bytes, buckets, layout })
}

impl Folded {
    /// Passes all rows on.
    pub(super) fn rows(
        &self,
        each: &mut dyn FnMut(FoldedRow) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        self.files.iter().try_for_each(|file| read_part(file, each))
    }
}

/// Whether a mark is set: not null, false, 0 or empty.
pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null | Value::Boolean(false) | Value::Long(0) => false,
        Value::String(text) => !matches!(text.as_ref(), "" | "false" | "f" | "FALSE" | "False" | "0"),
        _ => true,
    }
}
