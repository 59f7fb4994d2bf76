//! The second pass: the rows of the buckets that differ, all dumps together, in parts that fit into memory.

use crate::digests::bucket;
use crate::error::DumpError;
use crate::log::{Folded, FoldedRow};
use crate::part_files::{PartFiles, part_of, read_part};
use crate::reading::{DumpRow, Reading};
use crate::source::DumpSource;
use dissent_core::checker::comparison::KeyRows;
use dissent_core::history::schema::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The rows of a key.
pub(super) struct KeyPart {
    /// By dump.
    pub(super) rows: Vec<Vec<Vec<Value>>>,
    /// What a log folds to, if there is one and it has the key; no row if it was deleted.
    pub(super) folded: Option<Option<Vec<Value>>>,
}

/// By key: all its rows.
type Part = BTreeMap<String, KeyPart>;

/// What is collected.
pub(super) struct Wanted<'w> {
    pub(super) reading: Reading<'w>,
    pub(super) sources: &'w [&'w DumpSource],
    pub(super) folded: Option<&'w Folded>,
    /// By bucket: whether its rows are wanted.
    pub(super) buckets: &'w [bool],
    /// Makes the rows of a key what the checker takes.
    pub(super) key_rows: &'w (dyn Fn(&str, KeyPart) -> KeyRows + Sync),
}

impl Wanted<'_> {
    fn is_wanted(&self, key: &str) -> bool {
        self.buckets[bucket(key)]
    }

    fn enter(&self, part: &mut Part, row: DumpRow, source: usize) {
        self.entry(part, row.key).rows[source].push(row.cols);
    }

    fn enter_folded(&self, part: &mut Part, row: FoldedRow) {
        self.entry(part, row.key).folded = Some(row.cols);
    }

    fn entry<'p>(&self, part: &'p mut Part, key: String) -> &'p mut KeyPart {
        let rows = || vec![Vec::new(); self.sources.len()];
        part.entry(key).or_insert_with(|| KeyPart { rows: rows(), folded: None })
    }

    /// Passes the wanted rows of a dump on.
    fn rows(
        &self,
        source: &DumpSource,
        each: &mut dyn FnMut(DumpRow) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        self.reading.rows(source, &|key| self.is_wanted(key), each).map(drop)
    }

    /// Passes the wanted rows of the log on.
    fn folded_rows(
        &self,
        folded: &Folded,
        each: &mut dyn FnMut(FoldedRow) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        folded.rows(&mut |row| if self.is_wanted(&row.key) { each(row) } else { Ok(()) })
    }

    /// A part that was written.
    fn part(&self, dumps: &[&PathBuf], folded: Option<&PathBuf>) -> Result<Part, DumpError> {
        let mut part = Part::new();
        for (at, file) in dumps.iter().enumerate() {
            read_part(file, &mut |row| {
                self.enter(&mut part, row, at);
                Ok(())
            })?;
        }
        if let Some(file) = folded {
            read_part(file, &mut |row| {
                self.enter_folded(&mut part, row);
                Ok(())
            })?;
        }
        Ok(part)
    }

    fn keys(&self, part: Part) -> impl Iterator<Item = KeyRows> {
        part.into_iter().map(|(key, rows)| (self.key_rows)(&key, rows))
    }
}

/// The wanted rows of all dumps, which were read once and can be passed on several times.
pub(super) enum Collected {
    /// All of them.
    InMemory(Vec<KeyRows>),
    /// In parts that fit into memory one at a time.
    OnDisk {
        /// How many there are.
        parts: usize,
        /// The files of each dump.
        dumps: Vec<Vec<PathBuf>>,
        /// Those of the log, if there is one.
        folded: Option<Vec<PathBuf>>,
    },
}

impl Collected {
    /// Reads the wanted rows. `spool` is a folder for what does not fit into memory.
    pub(super) fn of(wanted: &Wanted<'_>, parts: usize, spool: &Path) -> Result<Collected, DumpError> {
        if parts == 1 { Collected::in_memory(wanted) } else { Collected::on_disk(wanted, parts, spool) }
    }

    fn in_memory(wanted: &Wanted<'_>) -> Result<Collected, DumpError> {
        let rows = each_in_parallel(wanted.sources, |_, source| {
            let mut rows = Vec::new();
            wanted.rows(source, &mut |row| {
                rows.push(row);
                Ok(())
            })?;
            Ok(rows)
        })?;
        let mut all = Part::new();
        for (at, rows) in rows.into_iter().enumerate() {
            rows.into_iter().for_each(|row| wanted.enter(&mut all, row, at));
        }
        if let Some(folded) = wanted.folded {
            wanted.folded_rows(folded, &mut |row| {
                wanted.enter_folded(&mut all, row);
                Ok(())
            })?;
        }
        Ok(Collected::InMemory(wanted.keys(all).collect()))
    }

    fn on_disk(wanted: &Wanted<'_>, parts: usize, spool: &Path) -> Result<Collected, DumpError> {
        let dumps = each_in_parallel(wanted.sources, |at, source| {
            let mut out = PartFiles::create(&spool.join(format!("rows-{at}")), parts)?;
            wanted.rows(source, &mut |row| out.push(part_of(&row.key, parts), &row))?;
            out.finish()
        })?;
        let folded = wanted.folded.map(|folded| {
            let mut out = PartFiles::create(&spool.join("folded"), parts)?;
            wanted.folded_rows(folded, &mut |row| out.push(part_of(&row.key, parts), &row))?;
            out.finish()
        });
        Ok(Collected::OnDisk { parts, dumps, folded: folded.transpose()? })
    }

    /// Passes the rows of each key on; within a part, in the order of keys.
    pub(super) fn each(
        &self,
        wanted: &Wanted<'_>,
        each: &mut dyn FnMut(&KeyRows) -> Result<(), DumpError>,
    ) -> Result<(), DumpError> {
        let (parts, dumps, folded) = match self {
            Collected::InMemory(all) => return all.iter().try_for_each(each),
            Collected::OnDisk { parts, dumps, folded } => (*parts, dumps, folded),
        };
        for part in 0..parts {
            if wanted.reading.pace.stop.load(Ordering::Relaxed) {
                return Err(DumpError::Stopped);
            }
            let dumps: Vec<&PathBuf> = dumps.iter().map(|files| &files[part]).collect();
            let all = wanted.part(&dumps, folded.as_ref().map(|files| &files[part]))?;
            wanted.keys(all).try_for_each(|rows| each(&rows))?;
        }
        Ok(())
    }
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
