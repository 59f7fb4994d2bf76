//! From keys whose newest row is wrong to findings: one for each anomaly.

use crate::checker::safety::newest_rows::{KeyMismatch, NewestRowsCompared, is_of};
use crate::checker::tables::acks::acknowledged;
use crate::checker::tables::history::History;
use crate::checker::tables::named_row::named;
use crate::checker::tables::shard_snapshots::PARTITION;
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::{
    Anomaly, CaptureState, Course, Divergence, Finding, FindingKind, LogPoint, Origin, Pattern, RootCause,
    RowEvidence, ShownRow, Side,
};
use crate::history::run_record::RunRecord;
use crate::history::schema::{Schema, Value};
use crate::history::shard_snapshot::ShardSnapshot;
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// The largest number of rows that a finding shows.
const ROWS_MAX: usize = 5;

/// One finding for each kind of anomaly.
pub(crate) fn assemble(
    record: &dyn RunRecord,
    history: &History<'_>,
    compared: &NewestRowsCompared,
) -> Vec<Finding> {
    let NewestRowsCompared { captures, mismatches, .. } = compared;
    let ops = mismatches.iter().filter_map(|it| it.newest.1).collect();
    let times = acknowledged(record, &ops);
    let mut groups: BTreeMap<Anomaly, Vec<&KeyMismatch>> = BTreeMap::new();
    mismatches.iter().for_each(|it| groups.entry(it.what).or_default().push(it));
    let findings = groups.into_iter().filter_map(|(what, of)| {
        let divergence = divergence(history, captures, what, &of, &times)?;
        let kind = FindingKind::Divergence(Box::new(divergence));
        Some(Finding { fingerprint: fingerprint(&kind), kind })
    });
    findings.collect()
}

fn divergence(
    history: &History<'_>,
    captures: &[ShardSnapshot],
    what: Anomaly,
    of: &[&KeyMismatch],
    times: &BTreeMap<u64, Nanos>,
) -> Option<Divergence> {
    let (first, last) = (of.iter().map(|it| it.at).min()?, of.iter().map(|it| it.at).max()?);
    let schema = &history.meta.schema;
    let state_at = |at: usize| capture_state(history, &captures[at]);
    let still = last + 1 == captures.len();
    let at_last: Vec<&KeyMismatch> = of.iter().copied().filter(|it| it.at == last).collect();
    let point = |it: &&&KeyMismatch| LogPoint {
        off: it.newest.0,
        t: it.newest.1.and_then(|op| times.get(&op).copied()),
    };
    let columns: BTreeSet<usize> = of.iter().flat_map(|it| differing(it)).collect();
    let keys: BTreeSet<&String> = of.iter().map(|it| &it.key).collect();
    let object = &captures[last].object;
    let evidence = at_last.iter().take(ROWS_MAX).map(|it| shown(it, object, schema)).collect();
    Some(Divergence {
        what,
        root_cause: RootCause::NoProvenance,
        partition: PARTITION,
        flags: false,
        replicas: vec![object.clone()],
        last: state_at(last),
        first: state_at(first),
        course: if still { Course::Standing } else { Course::Healed },
        moved_away: Vec::new(),
        keys: keys.into_iter().cloned().collect(),
        more_keys: 0,
        may_be_lag: false,
        keys_visible: at_last.len() as u64,
        columns: columns.into_iter().map(|at| schema.columns[at].name.clone()).collect(),
        segments: Vec::new(),
        roots: of.len() as u64,
        inherited: 0,
        copied: 0,
        since: of.iter().min_by_key(|it| it.newest).as_ref().map(point),
        until: of.iter().max_by_key(|it| it.newest).as_ref().map(point),
        missing: None,
        shows_defaults: false,
        shows_stale: false,
        evidence,
        explanation: None,
        spread: None,
    })
}

fn capture_state(history: &History<'_>, contents: &ShardSnapshot) -> CaptureState {
    let begun = history.captures.iter().find(|capture| capture.number == contents.capture);
    let object = vec![contents.object.clone()];
    CaptureState {
        positions: BTreeMap::new(),
        capture: contents.capture,
        t: begun.map_or(Nanos(0), |capture| capture.t),
        pattern: Pattern::Unanimous,
        side: Side::All,
        wrong: object.clone(),
        comparable: object,
        right: Vec::new(),
    }
}

/// The columns in which the row that is there differs from the expected one.
fn differing(mismatch: &KeyMismatch) -> Vec<usize> {
    let wrong = mismatch.what == Anomaly::WrongValue;
    let Some(entry) = mismatch.expected.as_ref().filter(|_| wrong) else { return Vec::new() };
    let differs = |at: &usize| mismatch.held.iter().any(|held| held.cols.get(*at) != entry.cols.get(*at));
    (0..entry.cols.len()).filter(differs).collect()
}

fn shown(mismatch: &KeyMismatch, object: &str, schema: &Schema) -> RowEvidence {
    let rows = mismatch.held.iter().map(|held| {
        let mut row = named(&schema.columns, held.op, held.cmp, &held.cols);
        row.insert("count".to_owned(), Value::Long(held.count));
        let right = mismatch.expected.as_ref().is_some_and(|entry| held.count == 1 && is_of(held, entry));
        (Some(row), held.count > 0, !right)
    });
    let absent = mismatch.held.is_empty().then_some((None, false, true));
    let shown = rows.chain(absent).map(|(row, current, wrong)| ShownRow {
        replica: object.to_owned(),
        read: None,
        state: None,
        row,
        wrong,
        stale: Vec::new(),
        current,
    });
    RowEvidence {
        key: mismatch.key.clone(),
        off: Some(mismatch.newest.0),
        segment: String::new(),
        origin: Origin::Root,
        expected: mismatch.expected.as_ref().map(|it| named(&schema.columns, it.op, it.cmp, &it.cols)),
        shown: shown.collect(),
        columns: differing(mismatch).into_iter().map(|at| schema.columns[at].name.clone()).collect(),
    }
}
