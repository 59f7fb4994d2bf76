//! Whether model and target agree on the run's small first data set, written without faults (`RULES.md` 3).
//!
//! If all replicas agree with one another and not with the model, the model is wrong about the target: it is
//! switched off for that column, and replicas are still compared with each other. If they disagree among
//! themselves, that is a divergence.
//!
//! A row confirms the model for the columns that its op writes, and for no others:
//! ```text
//! the calibration set writes x alone; later all replicas show n=2 where the log sums to 3. Who is right?
//! ```

use super::absence::AllowedAbsences;
use super::offset_view::OffsetView;
use super::scan::scan;
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::tables::named_row::{judged, name};
use crate::checker::verdict::{Doubt, DoubtKind};
use crate::history::run_record::RunRecord;
use crate::history::schema::{Column, Value};

/// For which columns the model can be trusted.
pub(crate) struct Calibration {
    /// By judged cell ([`crate::checker::tables::named_row`]): whether the model is switched on.
    pub(crate) model_on: Vec<bool>,
    /// By judged cell: whether any row confirms the model. Without one, "all replicas agree and are wrong"
    /// proves nothing.
    pub(crate) proven: Vec<bool>,
    /// Rows compared.
    pub(crate) rows: u64,
    /// One per column that is switched off, with its first example.
    pub(crate) doubts: Vec<Doubt>,
}

impl Calibration {
    /// The model is off for every column.
    pub(crate) fn none(columns: &[Column]) -> Calibration {
        Calibration { model_on: vec![false; judged(columns)], ..Calibration::unproven(columns) }
    }

    /// The model is on for every column, but no row confirms it.
    pub(crate) fn unproven(columns: &[Column]) -> Calibration {
        let cells = judged(columns);
        Calibration { model_on: vec![true; cells], proven: vec![false; cells], rows: 0, doubts: Vec::new() }
    }

    fn take(&mut self, columns: &[Column], offset: &OffsetView<'_, '_>) {
        self.rows += offset.claims.len() as u64;
        let written = offset.logged.into_iter().flat_map(|logged| &logged.entry.cols);
        let written = written.map(|value| *value != Value::Null).chain([true]);
        self.proven.iter_mut().zip(written).for_each(|(proven, written)| *proven |= written);
        for (cell, text) in disagreements(columns, offset) {
            if std::mem::replace(&mut self.model_on[cell], false) {
                let detail = format!("{text}; the model is off for this column");
                self.doubts.push(Doubt { kind: DoubtKind::Uncalibrated, detail });
            }
        }
    }
}

/// Compares the rows of the calibration ops with the model.
pub(crate) fn calibrate(
    record: &dyn RunRecord,
    history: &History<'_>,
    log_indexes: &[LogIndex],
    timelines: &[CopyTimeline],
) -> Calibration {
    let columns = &history.meta.schema.columns;
    let mut calibration = Calibration::unproven(columns);
    for (log_index, timeline) in log_indexes.iter().zip(timelines) {
        let last = log_index.entries().filter(|indexed| indexed.op <= history.meta.calibration_ops).last();
        let Some(limit) = last.map(|indexed| indexed.off + 1) else { continue };
        let absences = AllowedAbsences::of(record, history, log_index, timeline);
        scan(record, history, log_index, timeline, &absences, limit, &mut |offset| {
            let op = offset.logged.map(|logged| logged.indexed.op);
            if op.is_some_and(|op| op <= history.meta.calibration_ops) && is_unanimous(columns, offset) {
                calibration.take(columns, offset);
            }
        });
    }
    calibration
}

/// The cells in which the first row differs from the fold of the log, each with its example.
pub(crate) fn disagreements<'p>(
    columns: &'p [Column],
    offset: &'p OffsetView<'_, '_>,
) -> impl Iterator<Item = (usize, String)> + 'p {
    let first = offset.claims.iter().find_map(|claim| offset.row_of_entry(*claim));
    let both = offset.logged.zip(first.map(|read_row| read_row.row));
    both.into_iter().flat_map(move |(logged, row)| {
        let entry = logged.entry;
        logged.wrong_cells(columns, row).map(move |cell| {
            let (expected, shown) = match logged.expected.and_then(|expected| expected.get(cell)) {
                Some(expected) => (spell(expected), spell(&row.cols[cell])),
                None => (entry.cmp.to_string(), row.cmp.to_string()),
            };
            let text = format!(
                "column {}, op {} of key {} at offset {}: the model has {expected}, all replicas show \
                 {shown}",
                name(columns, cell),
                entry.op,
                entry.key,
                entry.off,
            );
            (cell, text)
        })
    })
}

fn is_unanimous(columns: &[Column], offset: &OffsetView<'_, '_>) -> bool {
    let all = vec![true; judged(columns)];
    offset.claims.first().is_some_and(|first| {
        offset.row_of_entry(*first).is_some()
            && offset.claims.iter().all(|claim| offset.same(columns, &all, *first, *claim))
    })
}

fn spell(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Long(long) => long.to_string(),
        Value::Double(double) => double.get().to_string(),
        Value::String(string) => format!("{string:?}"),
        Value::Longs(list) => format!("{list:?}"),
        Value::Strings(list) => format!("{list:?}"),
    }
}
