//! Compares dumps: digests first, then the rows of the buckets that differ.

use crate::cells::Typing;
use crate::collect::{Collected, KeyPart, Wanted, each_in_parallel};
use crate::columns::{check_merges, check_names, compared_columns, log_columns};
use crate::digests::{BUCKETS, Buckets, Digests, digests, shown_key};
use crate::error::DumpError;
use crate::log::{EventFold, Folded, fold, is_set};
use crate::part_files::parts;
use crate::reading::Reading;
use crate::rows::{Pace, has_csv};
use crate::source::DumpSource;
use crate::spec::CompareSpec;
use dissent_core::checker::comparison::{Basis, Comparer, ExpectedState, KeyRows, ReplicaRow, version_order};
use dissent_core::checker::verdict::{Settled, Verdict};
use dissent_core::history::canonical;
use dissent_core::history::schema::{Column, Merge, Type, Value};
use std::path::Path;

/// The name of the expected rows, beside those of the replicas.
pub const EXPECTED: &str = "expected";

/// Takes the columns, and the rows of a key that differs.
pub type DifferenceSink<'a> = &'a mut dyn FnMut(&[Column], &KeyRows) -> Result<(), DumpError>;

/// A verdict on dumps.
pub struct Compared {
    /// The verdict.
    pub verdict: Verdict,
    /// The columns that were compared.
    pub columns: Vec<Column>,
}

/// Compares the dumps. `spool` is a folder for what does not fit into memory. `differing` sees every key that
/// differs.
pub fn compare(
    spec: &CompareSpec,
    spool: &Path,
    pace: &Pace,
    differing: DifferenceSink<'_>,
) -> Result<Compared, DumpError> {
    let sources: Vec<&DumpSource> = spec.dumps.iter().chain(&spec.later).chain(&spec.expected).collect();
    let is_csv = sources.iter().copied().chain(&spec.log).map(has_csv).collect::<Result<Vec<_>, _>>()?;
    let typing = if is_csv.contains(&true) { Typing::Text } else { Typing::Told };
    let found =
        each_in_parallel(&sources, |_, source| digests(source, &spec.columns, &spec.format, typing, pace))?;
    let names = compared_columns(spec, &found)?;
    let columns: Vec<Column> = names.iter().map(|name| column(spec, name)).collect();
    let marks = Marks::of(spec, &names);
    let version = marks.version;
    let reading = |compared| Reading { columns: &spec.columns, compared, format: &spec.format, typing, pace };
    let in_log = log_columns(spec, &names);
    let place = |name: &String| in_log.iter().position(|other| other == name);
    let folded = spec.log.as_ref().map(|source| {
        check_merges(spec, typing)?;
        let log = EventFold {
            reading: reading(&in_log),
            merged: &columns,
            version: spec.version.as_ref().and_then(place),
            deleted: spec.deleted.as_ref().and_then(place),
            memory: spec.memory,
        };
        fold(source, &log, spool)
    });
    let folded = folded.transpose()?;
    check_names(spec, &found, folded.as_ref().map(|folded| &folded.layout))?;
    let comparison = Running { spec, found: &found, folded: folded.as_ref() };
    let buckets = comparison.differing_buckets();
    let wanted = Wanted {
        reading: reading(&names),
        sources: &sources,
        folded: folded.as_ref(),
        buckets: &buckets,
        key_rows: &|key, rows| comparison.key_rows(key, rows, &marks),
    };
    let (rows, bytes) = comparison.size_of(&buckets);
    let parts = parts(rows, bytes, spec.memory);
    let mut comparer = Comparer::new(comparison.basis(columns, version, &buckets));
    let mut types: Vec<Option<Type>> = vec![None; names.len()];
    if rows > 0 {
        let collected = Collected::of(&wanted, parts, spool)?;
        if comparison.has_referee() {
            collected.each(&wanted, &mut |rows| {
                comparer.calibrate(rows);
                Ok(())
            })?;
            comparer.end_calibration();
        }
        collected.each(&wanted, &mut |rows| {
            infer(&mut types, rows);
            match comparer.compare(rows) {
                true => differing(comparer.columns(), rows),
                false => Ok(()),
            }
        })?;
    }
    let mut columns = comparer.columns().to_vec();
    for (column, inferred) in columns.iter_mut().zip(types) {
        if !spec.columns.types.contains_key(&column.name) {
            column.ty = inferred.unwrap_or(Type::String);
        }
    }
    Ok(Compared { verdict: comparer.conclude(), columns })
}

fn column(spec: &CompareSpec, name: &String) -> Column {
    let ty = spec.columns.types.get(name).copied().unwrap_or(Type::String);
    let merge = spec.merges.get(name).copied().unwrap_or(Merge::Overwrite);
    Column::data(name, ty, merge)
}

/// Takes the types of columns from the first values met, for reports.
fn infer(types: &mut [Option<Type>], rows: &KeyRows) {
    for row in rows.shown.iter().flatten().flatten() {
        for (ty, value) in types.iter_mut().zip(&row.cols) {
            if ty.is_none() {
                *ty = match value {
                    Value::Null => None,
                    Value::Boolean(_) => Some(Type::Boolean),
                    Value::Long(_) => Some(Type::Long),
                    Value::Double(_) => Some(Type::Double),
                    Value::String(_) => Some(Type::String),
                    Value::Longs(_) => Some(Type::LongList),
                    Value::Strings(_) => Some(Type::StringList),
                };
            }
        }
    }
}

/// The places of the columns that say something of their row.
struct Marks {
    version: Option<usize>,
    deleted: Option<usize>,
    expired_below: Option<(usize, Value)>,
}

impl Marks {
    fn of(spec: &CompareSpec, names: &[String]) -> Marks {
        let place = |name: &String| names.iter().position(|other| other == name);
        let expired_below = spec.expired_below.as_ref().and_then(|(name, least)| {
            let declared = spec.columns.types.get(name).copied();
            let least = declared.and_then(|ty| canonical::value(ty, least)).unwrap_or_else(|| {
                least.parse().map_or_else(|_| Value::String(least.as_str().into()), Value::Long)
            });
            Some((place(name)?, least))
        });
        Marks {
            version: spec.version.as_ref().and_then(place),
            deleted: spec.deleted.as_ref().and_then(place),
            expired_below,
        }
    }

    /// The newest of the rows of a key: by their versions, if they have any.
    fn newest(&self, rows: Vec<ReplicaRow>) -> Option<ReplicaRow> {
        rows.into_iter().max_by(|a, b| match self.version {
            Some(at) => version_order(&a.cols[at], &b.cols[at]),
            None => a.cols.cmp(&b.cols),
        })
    }

    fn row(&self, cols: Vec<Value>) -> ReplicaRow {
        let is_below = |(place, least): &(usize, Value)| {
            let value = &cols[*place];
            *value != Value::Null && version_order(value, least).is_lt()
        };
        ReplicaRow {
            deleted: self.deleted.is_some_and(|place| is_set(&cols[place])),
            expired: self.expired_below.as_ref().is_some_and(is_below),
            cols,
        }
    }
}

/// A comparison whose first pass is done.
struct Running<'c> {
    spec: &'c CompareSpec,
    found: &'c [Digests],
    folded: Option<&'c Folded>,
}

impl Running<'_> {
    /// The digests of the replicas as they were read last.
    fn last(&self) -> &[Digests] {
        let n = self.spec.dumps.len();
        if self.spec.later.is_empty() { &self.found[..n] } else { &self.found[n..2 * n] }
    }

    fn has_referee(&self) -> bool {
        self.spec.expected.is_some() || self.folded.is_some()
    }

    /// The expected rows: their digests, how many they are, and how many bytes they have.
    fn expected(&self) -> Option<(&Buckets, u64, u64)> {
        let brought = self.spec.expected.as_ref().and(self.found.last());
        let brought = brought.map(|digests| (&digests.buckets, digests.rows, digests.bytes));
        brought.or_else(|| self.folded.map(|folded| (&folded.buckets, folded.rows, folded.bytes)))
    }

    /// By bucket: whether the replicas, or the expected rows, have different digests.
    fn differing_buckets(&self) -> Vec<bool> {
        let expected = self.expected().map(|(buckets, ..)| buckets);
        let all: Vec<&Buckets> = self.last().iter().map(|digests| &digests.buckets).chain(expected).collect();
        let Some((first, others)) = all.split_first() else { return Vec::new() };
        (0..BUCKETS).map(|at| others.iter().any(|other| !first.is_same(other, at))).collect()
    }

    /// The rows in these buckets, in all dumps, and about how many bytes they have.
    fn size_of(&self, wanted: &[bool]) -> (u64, u64) {
        let dumps = self.found.iter().map(|digests| (&digests.buckets, digests.rows, digests.bytes));
        let folded = self.folded.map(|folded| (&folded.buckets, folded.rows, folded.bytes));
        let each = dumps.chain(folded).map(|(buckets, rows, bytes)| {
            let inside: u64 = (0..BUCKETS).filter(|&at| wanted[at]).map(|at| buckets.rows_in(at)).sum();
            (inside, inside * (bytes / rows.max(1)))
        });
        each.fold((0, 0), |(rows, bytes), (more, their)| (rows + more, bytes + their))
    }

    /// Whether every replica showed the same at both times, whole.
    fn is_read_twice(&self) -> bool {
        let n = self.spec.dumps.len();
        let (first, later) = (&self.found[..n], &self.found[n..]);
        !self.spec.later.is_empty() && first.iter().zip(later).all(|(a, b)| a.buckets == b.buckets)
    }

    fn basis(&self, columns: Vec<Column>, version: Option<usize>, differing: &[bool]) -> Basis {
        let spec = self.spec;
        let replicas: Vec<String> = spec.dumps.iter().map(|source| source.name.clone()).collect();
        let (declared, by_version) = (spec.settled, spec.version_is_position);
        let settled =
            Settled::of_dumps(declared, &replicas, &spec.positions, by_version, self.is_read_twice());
        let own = replicas.iter().cloned().zip(self.last().iter().map(|digests| digests.rows));
        let expected = self.expected().map(|(_, rows, _)| (EXPECTED.to_owned(), rows));
        let first = self.last().first().map(|digests| &digests.buckets);
        let agreed = first
            .map_or(0, |first| (0..BUCKETS).filter(|&at| !differing[at]).map(|at| first.rows_in(at)).sum());
        Basis {
            rows: own.chain(expected).collect(),
            replicas,
            refereed: vec![true; columns.len()],
            rows_as_expected: agreed,
            columns,
            version,
            may_be_absent: spec.may_be_absent.clone(),
            tolerance: spec.tolerance,
            positions: spec.positions.clone(),
            version_is_position: spec.version_is_position,
            settled,
            has_referee: self.has_referee(),
            referee_is_whole: spec.log.is_none() || spec.log_is_whole,
        }
    }

    /// The rows of a key, by dump, for the checker.
    fn key_rows(&self, key: &str, part: KeyPart, marks: &Marks) -> KeyRows {
        let n = self.spec.dumps.len();
        let mut rows = part.rows.into_iter().map(|rows| -> Vec<ReplicaRow> {
            let mut rows: Vec<ReplicaRow> = rows.into_iter().map(|cols| marks.row(cols)).collect();
            rows.sort_by(|a, b| a.cols.cmp(&b.cols));
            rows
        });
        let mut first: Vec<_> = rows.by_ref().take(n).map(Some).collect();
        let mut earlier = Vec::new();
        if !self.spec.later.is_empty() {
            earlier = std::mem::replace(&mut first, rows.by_ref().take(n).map(Some).collect());
        }
        let expected = match (self.spec.expected.is_some(), rows.next()) {
            (true, Some(expected)) => match marks.newest(expected) {
                Some(row) if row.deleted => ExpectedState::Deleted,
                Some(row) => ExpectedState::Row(row),
                None => ExpectedState::Never,
            },
            _ if self.folded.is_some() => match part.folded {
                Some(Some(cols)) => ExpectedState::Row(marks.row(cols)),
                Some(None) => ExpectedState::Deleted,
                None => ExpectedState::Never,
            },
            _ => ExpectedState::Unknown,
        };
        KeyRows { key: shown_key(key), shown: first, earlier, expected }
    }
}
