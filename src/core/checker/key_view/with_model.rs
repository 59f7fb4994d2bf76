//! What every replica has of one key, offset by offset, next to the fold of the log. It is the first thing to
//! look at in an incident.
//!
//! It shows what each replica showed in its last sound read up to a capture, and concludes nothing from it.

use crate::checker::safety::absence::AllowedAbsences;
use crate::checker::safety::calibration::calibrate;
use crate::checker::safety::current_rows::CurrentRows;
use crate::checker::safety::merge_functions::{fold, shows};
use crate::checker::tables::copies::{CapturePoint, CopyTimeline, VisibleCopy};
use crate::checker::tables::history::{HeldSegment, History};
use crate::checker::tables::log_index::{Effect, IndexedEntry, LogIndex};
use crate::checker::tables::named_row::{named, names, own};
use crate::checker::tables::segments::{bounds, segment_of};
use crate::history::row::{CopyState, Row};
use crate::history::run_record::RunRecord;
use crate::history::schema::rules::Absence;
use crate::history::schema::{Column, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The log has no entry with this key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchKey {
    /// All keys that exist; empty if they are unknown.
    pub known: BTreeSet<String>,
}

/// A key on all replicas, in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyView {
    /// The key.
    pub key: String,
    /// The partition.
    pub partition: u32,
    /// The number of the capture; 0 if there is none.
    pub capture: u32,
    /// The replicas, in roster order.
    pub replicas: Vec<String>,
    /// The columns, in schema order, then `op` and `cmp`.
    pub columns: Vec<String>,
    /// By offset.
    pub rows: Vec<RowView>,
    /// If the model does not fold the table: what cannot be concluded, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsaid: Vec<String>,
}

/// One offset of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowView {
    /// The log offset.
    pub off: u64,
    /// The segment, as the authority names it; `None` if it knows none with this offset.
    pub segment: Option<String>,
    /// The fold of the log; `None` for a delete, or if the log has no entry of this key here.
    pub expected: Option<BTreeMap<String, Value>>,
    /// If the model does not fold the table: the log's entry, if the log is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written: Option<BTreeMap<String, Value>>,
    /// Whether the log entry here deletes the key.
    pub deletes: bool,
    /// What each replica has, in roster order.
    pub held: Vec<ShownCell>,
}

/// What one replica has at an offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum ShownCell {
    /// The replica has not loaded the offset, or is not assigned to the segment.
    NotLoaded,
    /// The replica covers the offset but has no row.
    Missing,
    /// The replica covers the offset but has no row, and the table may lack it.
    Excused(Absence),
    /// The replica has a row.
    Row {
        /// By column name.
        cells: BTreeMap<String, Value>,
        /// The document number in its segment.
        doc: u32,
        /// How the replica got the row.
        state: CopyState,
        /// Whether a user's query sees this row.
        current: bool,
        /// The columns that differ from the fold of the log. If nothing decides what is right: the columns in
        /// which this replica does not show what most replicas do. `current` stands for the flag.
        odd: BTreeSet<String>,
    },
}

impl KeyView {
    /// The number of (replica, offset) pairs that are missing or odd, and their replicas.
    pub fn odd(&self) -> (u64, BTreeSet<&str>) {
        let mut replicas = BTreeSet::new();
        let mut count = 0;
        for row in &self.rows {
            for (replica, held) in self.replicas.iter().zip(&row.held) {
                if self.is_odd_cell(row, held) {
                    count += 1;
                    replicas.insert(replica.as_str());
                }
            }
        }
        (count, replicas)
    }

    /// Whether a row is missing or odd on any replica.
    pub fn is_odd(&self, row: &RowView) -> bool {
        row.held.iter().any(|held| self.is_odd_cell(row, held))
    }

    fn is_odd_cell(&self, row: &RowView, held: &ShownCell) -> bool {
        match held {
            ShownCell::Row { odd, .. } => !odd.is_empty(),
            ShownCell::Missing if self.unsaid.is_empty() => row.expected.is_some() || row.deletes,
            ShownCell::Missing => row.held.iter().any(|held| held.current().is_some()),
            ShownCell::NotLoaded | ShownCell::Excused(_) => false,
        }
    }
}

/// The view of a key at the last capture, in each partition whose log has it.
pub fn with_model(record: &dyn RunRecord, key: &str) -> Result<Vec<KeyView>, NoSuchKey> {
    let mut views = at_captures(record, key)?;
    let last: BTreeMap<u32, u32> = views.iter().map(|view| (view.partition, view.capture)).collect();
    views.retain(|view| last.get(&view.partition) == Some(&view.capture));
    Ok(views)
}

/// The views of a key at every capture, in each partition whose log has it.
pub fn at_captures(record: &dyn RunRecord, key: &str) -> Result<Vec<KeyView>, NoSuchKey> {
    let history = History::gather(record, &mut |_, _| {});
    let partitions = 0..history.meta.partitions;
    let mut log_indexes: Vec<LogIndex> =
        partitions.map(|partition| LogIndex::read(record, partition)).collect();
    log_indexes
        .iter_mut()
        .zip(&history.segments)
        .for_each(|(log_index, spans)| log_index.assign_segments(spans));
    let timelines: Vec<CopyTimeline> = log_indexes
        .iter()
        .map(|log_index| CopyTimeline::build(&history, log_index.partition, &BTreeSet::new()))
        .collect();
    let model_on = calibrate(record, &history, &log_indexes, &timelines).model_on;
    let views: Vec<KeyView> = log_indexes
        .iter()
        .zip(&timelines)
        .filter_map(|(log_index, timeline)| {
            let number = log_index.key(key)?;
            let absences = AllowedAbsences::of(record, &history, log_index, timeline);
            let (history, model_on) = (&history, model_on.as_slice());
            let builder = KeyViewBuilder { record, history, log_index, timeline, absences, model_on, number };
            Some(builder.views(key))
        })
        .flatten()
        .collect();
    match views.is_empty() {
        true => {
            Err(NoSuchKey { known: log_indexes.into_iter().flat_map(|log_index| log_index.keys).collect() })
        }
        false => Ok(views),
    }
}

struct KeyViewBuilder<'l> {
    record: &'l dyn RunRecord,
    history: &'l History<'l>,
    log_index: &'l LogIndex,
    timeline: &'l CopyTimeline,
    absences: AllowedAbsences<'l>,
    model_on: &'l [bool],
    /// The index of the key.
    number: usize,
}

/// The log entry at an offset, and the row it folds to.
struct LogRow {
    indexed: IndexedEntry,
    cmp: i64,
    tombstone: bool,
    /// `None`: a delete.
    cols: Option<Vec<Value>>,
}

impl KeyViewBuilder<'_> {
    /// One view per capture; one if there is none.
    fn views(&self, key: &str) -> Vec<KeyView> {
        let schema = &self.history.meta.schema;
        let logged = self.logged();
        let rows = self.rows(key);
        let flags = CurrentRows::read(self.record, self.history, self.log_index);
        let offs: BTreeSet<u64> = logged.keys().copied().chain(rows.keys().map(|(off, _)| *off)).collect();
        let last = self.history.captures.len().saturating_sub(1);
        let view = |capture: usize| {
            let at = CapturePoint::end_of(capture);
            let mut view = KeyView {
                key: key.to_owned(),
                partition: self.log_index.partition,
                capture: self.history.captures.get(capture).map_or(0, |it| it.number),
                replicas: self.history.meta.roster.clone(),
                columns: names(&schema.columns),
                rows: offs.iter().map(|off| self.row(*off, logged.get(off), &rows, &flags, at)).collect(),
                unsaid: Vec::new(),
            };
            self.mark_flags(&mut view, &logged, &flags, at, capture == last);
            if capture < last {
                // What comes later was not there yet.
                let is_there = |row: &RowView| row.held.iter().any(|held| *held != ShownCell::NotLoaded);
                view.rows.retain(is_there);
            }
            view
        };
        (0..=last).map(view).collect()
    }

    /// The key's entries, folded.
    fn logged(&self) -> BTreeMap<u64, LogRow> {
        let columns = &self.history.meta.schema.columns;
        let mut state = vec![Value::Null; columns.len()];
        let mut logged = BTreeMap::new();
        for (entry, indexed) in self.record.log(self.log_index.partition).zip(self.log_index.entries()) {
            if indexed.key == self.number {
                let cols = fold(columns, &mut state, indexed.effect, &entry).map(<[Value]>::to_vec);
                let (cmp, tombstone) = (entry.cmp, entry.tombstone);
                logged.insert(indexed.off, LogRow { indexed, cmp, tombstone, cols });
            }
        }
        logged
    }

    /// The rows of each copy at the key's offsets, and anywhere else where it shows the key. Each row comes
    /// with the capture that read it, in order.
    fn rows(&self, key: &str) -> BTreeMap<(u64, usize), Vec<(usize, Row)>> {
        let mut rows: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (read, row) in self.record.rows(self.log_index.partition) {
            let of_key = *row.key == *key
                || self.log_index.at(row.off).is_some_and(|at| self.log_index.entry(at).key == self.number);
            let Some(index) = self.history.read_index(read).filter(|_| of_key) else { continue };
            if let Some(copy) = self.timeline.by_read[index] {
                let capture = self.history.reads[index].header.capture;
                rows.entry((row.off, copy)).or_default().push((capture, row.into_owned()));
            }
        }
        rows
    }

    /// The copy that a replica showed at an offset, up to a capture; `None` if it had not loaded it.
    fn shown(&self, off: u64, replica: usize, at: CapturePoint) -> Option<VisibleCopy> {
        let segment = segment_of(&bounds(&self.history.segments[self.log_index.partition as usize]), off)?;
        let (_, shown) = self.timeline.changes(segment).iter().rfind(|(when, _)| *when <= at)?;
        shown[replica].filter(|shown| off < shown.end)
    }

    fn row(
        &self,
        off: u64,
        logged: Option<&LogRow>,
        rows: &BTreeMap<(u64, usize), Vec<(usize, Row)>>,
        flags: &CurrentRows<'_>,
        at: CapturePoint,
    ) -> RowView {
        let spans = &self.history.segments[self.log_index.partition as usize];
        let columns = &self.history.meta.schema.columns;
        let expected = logged.and_then(|logged| {
            let cols = logged.cols.as_ref()?;
            let on = columns.iter().zip(cols).zip(self.model_on).filter(|(_, on)| **on);
            let cells = on.map(|((column, value), _)| (column.name.clone(), column.shown(value)));
            Some(cells.chain(own(logged.indexed.op, logged.cmp)).collect())
        });
        let held = (0..self.history.meta.roster.len()).map(|replica| {
            let Some(shown) = self.shown(off, replica, at) else { return ShownCell::NotLoaded };
            let read = rows.get(&(off, shown.copy));
            let row = read.and_then(|rows| rows.iter().rfind(|(capture, _)| *capture <= at.capture));
            let Some((_, row)) = row else { return self.without_row(off, shown.copy) };
            let offs = flags.shown(replica, self.number, at);
            ShownCell::Row {
                cells: named(columns, row.op, row.cmp, &row.cols),
                doc: row.doc,
                state: self.timeline.copies[shown.copy].state,
                current: offs.is_some_and(|offs| offs.contains(&off)),
                odd: BTreeSet::new(),
            }
        });
        let mut view = RowView {
            off,
            segment: segment_of(&bounds(spans), off).map(|at| spans[at].name.clone()),
            expected,
            written: None,
            deletes: logged.is_some_and(|logged| logged.tombstone),
            held: held.collect(),
        };
        if !view.deletes {
            mark_cells(columns, &mut view);
        }
        view
    }

    fn without_row(&self, off: u64, copy: usize) -> ShownCell {
        let reason = self.log_index.at(off).and_then(|at| self.absences.of_row_at_last(at, copy));
        reason.map_or(ShownCell::Missing, ShownCell::Excused)
    }

    /// The current row of a replica is the last accepted one that it has loaded. Nothing is marked if rows go
    /// on beyond a log that was cut short.
    /// Nor before the last capture, if the replica moved on while it was read.
    fn mark_flags(
        &self,
        view: &mut KeyView,
        logged: &BTreeMap<u64, LogRow>,
        flags: &CurrentRows<'_>,
        at: CapturePoint,
        is_last: bool,
    ) {
        if view.rows.last().is_some_and(|row| row.off >= self.log_index.end()) {
            return;
        }
        for replica in 0..view.replicas.len() {
            let is_loaded = |off: &u64| self.shown(*off, replica, at).is_some();
            let covers = |held: &[HeldSegment], off: u64| {
                held.iter().any(|held| held.is_visible() && (held.start..held.end).contains(&off))
            };
            let stood_still = || {
                flags.read_of(replica, at).is_some_and(|read| {
                    let same = |off: &u64| [&read.before, &read.after].map(|held| covers(held, *off));
                    logged.keys().all(|off| same(off) == [is_loaded(off); 2])
                })
            };
            if !is_last && !stood_still() {
                continue;
            }
            let mut accepted = logged.values().rev().filter(|logged| logged.indexed.effect.is_accepted());
            let last = accepted.find(|logged| is_loaded(&logged.indexed.off));
            let right =
                last.filter(|logged| logged.indexed.effect == Effect::Merged).map(|it| it.indexed.off);
            for row in &mut view.rows {
                let off = row.off;
                if let ShownCell::Row { current, odd, .. } = &mut row.held[replica]
                    && *current != (right == Some(off))
                {
                    odd.insert("current".to_owned());
                }
            }
        }
    }
}

/// Marks cells that differ from the fold of the log; if there is no fold, cells that most replicas do not
/// show.
pub(crate) fn mark_cells(columns: &[Column], row: &mut RowView) {
    let same = |name: &str, a: &Value, b: &Value| match columns.iter().find(|column| column.name == name) {
        Some(column) => shows(column, a, b),
        None => a == b,
    };
    let all: Vec<BTreeMap<String, Value>> = row.held.iter().filter_map(ShownCell::cells).cloned().collect();
    for held in &mut row.held {
        let ShownCell::Row { cells, odd, .. } = held else { continue };
        for (name, value) in cells.iter() {
            let is_odd = match row.expected.as_ref().and_then(|expected| expected.get(name)) {
                Some(expected) => !same(name, expected, value),
                None => {
                    let alike = all.iter().filter(|other| same(name, &other[name], value)).count();
                    2 * alike <= all.len() && all.len() > 1
                }
            };
            if is_odd {
                odd.insert(name.clone());
            }
        }
    }
}

impl ShownCell {
    /// Whether a user's query sees the row, if there is one.
    pub(crate) fn current(&self) -> Option<bool> {
        match self {
            ShownCell::Row { current, .. } => Some(*current),
            ShownCell::NotLoaded | ShownCell::Missing | ShownCell::Excused(_) => None,
        }
    }

    fn cells(&self) -> Option<&BTreeMap<String, Value>> {
        match self {
            ShownCell::Row { cells, .. } => Some(cells),
            ShownCell::NotLoaded | ShownCell::Missing | ShownCell::Excused(_) => None,
        }
    }
}
