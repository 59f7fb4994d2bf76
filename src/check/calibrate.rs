//! Whether model and target agree on the run's small first set, without faults (`semantics` 3).
//!
//! Where all replicas agree with one another and not with the model, the model is wrong about the target:
//! it is off for that column, and peers go on. Where they disagree among themselves, that is a divergence.

use super::absence::Absences;
use super::align::{Place, walk};
use super::history::History;
use super::ledger::Ledger;
use super::merge::shows;
use super::stage::Stage;
use super::verdict::{Doubt, DoubtKind};
use crate::record::evidence::Recorded;
use crate::schema::{Column, Value};

/// How far the model may be trusted.
pub(super) struct Calibration {
    /// By column.
    pub(super) model_on: Vec<bool>,
    /// Whether any row bears the model out: without one, `all replicas agree and are wrong` proves nothing.
    pub(super) is_proven: bool,
    /// Rows compared.
    pub(super) rows: u64,
    /// One a column that is off, with the smallest example.
    pub(super) doubts: Vec<Doubt>,
}

impl Calibration {
    /// No model at all.
    pub(super) fn none(columns: usize) -> Calibration {
        Calibration { model_on: vec![false; columns], is_proven: false, rows: 0, doubts: Vec::new() }
    }

    /// A model that nothing bears out.
    pub(super) fn unproven(columns: usize) -> Calibration {
        Calibration { model_on: vec![true; columns], is_proven: false, rows: 0, doubts: Vec::new() }
    }
}

/// Compares the calibration ops' rows with the model.
pub(super) fn calibrate(
    evidence: &dyn Recorded,
    history: &History<'_>,
    ledgers: &[Ledger],
    stages: &[Stage],
) -> Calibration {
    let columns = &history.facts.schema.columns;
    let mut calibration = Calibration::unproven(columns.len());
    for (ledger, stage) in ledgers.iter().zip(stages) {
        let last = ledger.lines().rev().find(|line| line.op <= history.facts.calibration_ops);
        let Some(limit) = last.map(|line| line.off + 1) else { continue };
        let absences = Absences::of(evidence, history, ledger, stage);
        walk(evidence, history, ledger, stage, &absences, limit, &mut |place| {
            let op = place.logged.map(|logged| logged.line.op);
            if op.is_none_or(|op| op > history.facts.calibration_ops) || !is_unanimous(columns, place) {
                return;
            }
            calibration.rows += place.claims.len() as u64;
            for (column, text) in disagreements(columns, place) {
                if std::mem::replace(&mut calibration.model_on[column], false) {
                    let detail = format!("{text}; the model is off for this column");
                    calibration.doubts.push(Doubt { kind: DoubtKind::Uncalibrated, detail });
                }
            }
        });
    }
    calibration.is_proven = calibration.rows > 0;
    calibration
}

/// The columns in which the first claim's row is not what the log folds to, each with its example.
pub(super) fn disagreements<'p>(
    columns: &'p [Column],
    place: &'p Place<'_, '_>,
) -> impl Iterator<Item = (usize, String)> + 'p {
    let logged = place.logged;
    let row = place.claims.first().and_then(|claim| place.row(*claim)).map(|brought| brought.row);
    let expected = logged.and_then(|logged| logged.expected).unwrap_or_default();
    let cells = columns.iter().zip(expected).zip(row.map_or(&[][..], |row| &row.cols)).enumerate();
    let wrong = cells.filter(|(_, ((column, expected), shown))| !shows(column, expected, shown));
    wrong.filter_map(move |(at, ((column, expected), shown))| {
        let entry = logged?.entry;
        let text = format!(
            "column {}, op {} of key {} at offset {}: the model has {}, all replicas show {}",
            column.name,
            entry.op,
            entry.key,
            entry.off,
            spell(expected),
            spell(shown)
        );
        Some((at, text))
    })
}

fn is_unanimous(columns: &[Column], place: &Place<'_, '_>) -> bool {
    let Some(logged) = place.logged else { return false };
    let Some(first) = place.claims.first().and_then(|claim| place.row(*claim)) else { return false };
    (&first.row.key, first.row.op, first.row.cmp) == (&logged.entry.key, logged.entry.op, logged.entry.cmp)
        && place.claims.iter().all(|claim| place.same(columns, place.claims[0], *claim))
}

fn spell(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Long(long) => long.to_string(),
        Value::String(string) => format!("{string:?}"),
        Value::Longs(list) => format!("{list:?}"),
        Value::Strings(list) => format!("{list:?}"),
    }
}
