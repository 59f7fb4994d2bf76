//! The second pass: the rows of the buckets that differ, all dumps together, in parts that fit into memory.

use crate::digests::bucket;
use crate::error::DumpError;
use crate::log::{Folded, FoldedRow};
use crate::part_files::{PartFiles, part_of, read_part};
use crate::reading::{DumpRow, Reading};
use crate::source::DumpSource;
use dissent_core::history::schema::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The rows of a key.
#[derive(Default)]
pub(super) struct KeyPart {
    /// By dump.
    pub(super) rows: Vec<Vec<Vec<Value>>>,
    /// What a log folds to, if there is one and it has the key; no row if it was deleted.
    pub(super) folded: Option<Option<Vec<Value>>>,
}

/// By key: all its rows.
pub(super) type Part = BTreeMap<String, KeyPart>;

/// What is collected.
pub(super) struct Wanted<'w> {
    pub(super) reading: Reading<'w>,
    pub(super) sources: &'w [&'w DumpSource],
    pub(super) folded: Option<&'w Folded>,
    /// By bucket: whether its rows are wanted.
    pub(super) buckets: &'w [bool],
}

impl Wanted<'_> {
    fn is_wanted(&self, key: &str) -> bool {
        self.buckets[bucket(key)]
    }

    fn enter(&self, part: &mut Part, row: DumpRow, source: usize) {
        let key = part.entry(row.key).or_default();
        key.rows.resize(self.sources.len(), Vec::new());
        key.rows[source].push(row.cols);
    }

    fn enter_folded(&self, part: &mut Part, row: FoldedRow) {
        if self.is_wanted(&row.key) {
            let key = part.entry(row.key).or_default();
            key.rows.resize(self.sources.len(), Vec::new());
            key.folded = Some(row.cols);
        }
    }
}

/// Collects the wanted rows of all dumps, and passes them on part by part, each in the order of keys.
pub(super) fn collect(
    wanted: &Wanted<'_>,
    parts: usize,
    spool: &Path,
    each: &mut dyn FnMut(Part) -> Result<(), DumpError>,
) -> Result<(), DumpError> {
    if parts == 1 {
        let rows = each_in_parallel(wanted.sources, |_, source| {
            let mut rows = Vec::new();
            wanted.reading.rows(source, &|key| wanted.is_wanted(key), &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            Ok(rows)
        })?;
        let mut all = Part::new();
        for (at, rows) in rows.into_iter().enumerate() {
            rows.into_iter().for_each(|row| wanted.enter(&mut all, row, at));
        }
        wanted.folded.map_or(Ok(()), |folded| folded.rows(&mut |row| wanted.enter_folded(&mut all, row)))?;
        return each(all);
    }
    let written = each_in_parallel(wanted.sources, |at, source| {
        let mut out = PartFiles::create(&spool.join(format!("rows-{at}")), parts)?;
        wanted.reading.rows(source, &|key| wanted.is_wanted(key), &mut |row| {
            out.push(part_of(&row.key, parts), &row)
        })?;
        out.finish()
    })?;
    for part in 0..parts {
        let mut all = Part::new();
        for (at, files) in written.iter().enumerate() {
            read_part(&files[part], &mut |row| wanted.enter(&mut all, row, at))?;
        }
        if let Some(folded) = wanted.folded {
            folded.rows(&mut |row| {
                if part_of(&row.key, parts) == part {
                    wanted.enter_folded(&mut all, row);
                }
            })?;
        }
        each(all)?;
    }
    Ok(())
}

/// Does the same with every dump, as many at a time as there are cores.
pub(super) fn each_in_parallel<T: Send>(
    sources: &[&DumpSource],
    work: impl Fn(usize, &DumpSource) -> Result<T, DumpError> + Sync,
) -> Result<Vec<T>, DumpError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Result<T, DumpError>>>> = Mutex::new(sources.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..cores.min(sources.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(source) = sources.get(at) else { break };
                    let result = work(at, source);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().flatten().collect()
}
