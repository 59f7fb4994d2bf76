//! What a shard holds, compared with the fold of the log. Rows are whole, and a shard has the newest row of
//! each key. So the fold is the last entry of every key, and a tombstone leaves none.
//!
//! A shard is one copy: no replica disagrees with it, and what is wrong in it is wrong for everyone.

use crate::checker::tables::acks::acknowledged;
use crate::checker::tables::history::History;
use crate::checker::tables::named_row::named;
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::{
    Anomaly, CaptureState, Course, Divergence, Finding, FindingKind, LogPoint, NotVisible, Origin, Pattern,
    RootCause, RowEvidence, ShownRow, Side,
};
use crate::history::event::Event;
use crate::history::row::Entry;
use crate::history::run_record::{EventRef, RunRecord};
use crate::history::schema::{Schema, Value};
use crate::history::shard_snapshot::{CountedRow, ShardSnapshot};
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// The log of a shard has one partition.
const PARTITION: u32 = 0;
/// The largest number of rows that a finding shows.
const ROWS_MAX: usize = 5;

/// The result of the comparison.
#[derive(Default)]
pub(crate) struct ShardCompared {
    /// (capture x key) pairs compared.
    pub(crate) rows: u64,
    /// By shard: what its last capture did not show.
    pub(crate) unseen: BTreeMap<String, NotVisible>,
    /// The shards whose last capture is wrong.
    pub(crate) wrong_at_last: BTreeSet<String>,
    pub(crate) findings: Vec<Finding>,
}

/// A key for which a capture shows something other than the fold of the log.
struct KeyMismatch {
    /// The index of the capture among those that were judged.
    at: usize,
    what: Anomaly,
    key: String,
    expected: Option<Entry>,
    held: Vec<CountedRow>,
    /// The newest offset and op that this mismatch involves.
    newest: (u64, Option<u64>),
}

/// Compares every capture of a shard with the log up to where that capture was complete. If only a part of
/// the log was read, captures that are complete beyond that part are not judged. If all of it was read, every
/// capture is judged, even one that is complete beyond the last entry:
///
/// ```text
/// entries are at 0, 1 and 2, and a transaction marker at 3; the shard is complete below 4, and lacks 2
/// ```
pub(crate) fn compare(record: &dyn RunRecord, history: &History<'_>, log_is_whole: bool) -> ShardCompared {
    let mut captures = captures(record);
    let mut log = record.log(PARTITION).peekable();
    let (mut fold, mut reached) = (NewestRows::default(), 0);
    let mut mismatches = Vec::new();
    let mut rows = 0;
    for (at, contents) in captures.iter().enumerate() {
        while let Some(entry) = log.next_if(|entry| entry.off < contents.log_end) {
            reached = entry.off + 1;
            fold.take(entry.into_owned());
        }
        if reached < contents.log_end && !log_is_whole {
            captures.truncate(at);
            break;
        }
        rows += fold.compare(at, contents, &mut mismatches);
    }
    let findings = assemble(record, history, &captures, &mismatches);
    let last: BTreeMap<&String, usize> =
        captures.iter().enumerate().map(|(at, contents)| (&contents.object, at)).collect();
    let wrong = last.into_iter().filter(|(_, last)| mismatches.iter().any(|it| it.at == *last));
    let wrong_at_last = wrong.map(|(object, _)| object.clone()).collect();
    ShardCompared { rows, unseen: unseen(record, &captures), wrong_at_last, findings }
}

/// All captures of shards, ordered by log end.
pub(crate) fn captures(record: &dyn RunRecord) -> Vec<ShardSnapshot> {
    let mut captures = Vec::new();
    record.scan_events(&mut |_, event| {
        if let EventRef::Other(Event::Contents(contents)) = event {
            captures.push(contents.clone());
        }
    });
    captures.sort_by_key(|contents| (contents.log_end, contents.capture));
    captures
}

/// Which part of the log each shard did not show at its last capture.
fn unseen(record: &dyn RunRecord, captures: &[ShardSnapshot]) -> BTreeMap<String, NotVisible> {
    let ends: BTreeMap<&String, u64> = captures.iter().map(|it| (&it.object, it.log_end)).collect();
    let mut beyond: BTreeMap<&String, (u64, BTreeSet<String>)> = BTreeMap::new();
    record.scan_log(PARTITION, &mut |entry| {
        for (object, _) in ends.iter().filter(|(_, end)| entry.off >= **end) {
            let (entries, keys) = beyond.entry(object).or_default();
            *entries += 1;
            if !keys.contains(entry.key) {
                keys.insert(entry.key.to_owned());
            }
        }
    });
    let of = |(object, from): (&String, u64)| {
        let (entries, keys) = beyond.remove(object).unwrap_or_default();
        (object.clone(), NotVisible { from, entries, keys: keys.len() as u64 })
    };
    ends.into_iter().map(of).collect()
}

/// The last entry of every key, and the offset of each op.
#[derive(Default)]
struct NewestRows {
    newest: BTreeMap<String, Entry>,
    offs: BTreeMap<u64, u64>,
}

impl NewestRows {
    fn take(&mut self, entry: Entry) {
        self.offs.insert(entry.op, entry.off);
        self.newest.insert(entry.key.clone(), entry);
    }

    /// Compares the keys of a capture that have a row or should have one. Returns their number.
    fn compare(&self, at: usize, contents: &ShardSnapshot, mismatches: &mut Vec<KeyMismatch>) -> u64 {
        let rows = self.newest.values().filter_map(|entry| live(Some(entry)));
        let mut keys: BTreeMap<&str, Vec<&CountedRow>> =
            rows.map(|entry| (entry.key.as_str(), Vec::new())).collect();
        for held in &contents.rows {
            keys.entry(&held.key).or_default().push(held);
        }
        for (key, held) in &keys {
            let newest = self.newest.get(*key);
            let Some(what) = wrong(newest, held) else { continue };
            let expected = live(newest);
            let offs = held.iter().filter_map(|held| Some((*self.offs.get(&held.op)?, Some(held.op))));
            mismatches.push(KeyMismatch {
                at,
                what,
                key: (*key).to_owned(),
                expected: expected.cloned(),
                held: held.iter().map(|held| (*held).clone()).collect(),
                newest: offs.chain(expected.map(|it| (it.off, Some(it.op)))).max().unwrap_or_default(),
            });
        }
        keys.len() as u64
    }
}

/// The row that a key should have if this is its last log entry; `None` for a delete.
pub(crate) fn live(newest: Option<&Entry>) -> Option<&Entry> {
    newest.filter(|entry| !entry.tombstone)
}

/// What is wrong with the rows of a key if this is its last log entry; `None` if nothing is.
///
/// ```text
/// the log has k=w, k=x, k=y; the shard has w -1, x +1, y +1: two rows of k are there, and one is owed
/// ```
pub(crate) fn wrong(newest: Option<&Entry>, held: &[&CountedRow]) -> Option<Anomaly> {
    let present: i64 = held.iter().map(|held| held.count.max(0)).sum();
    let is_deleted = newest.is_some_and(|entry| entry.tombstone);
    match (live(newest), held) {
        (None, []) => None,
        (Some(entry), [only]) if only.count == 1 => (!is_of(only, entry)).then_some(Anomaly::WrongValue),
        _ if is_deleted && present > 0 => Some(Anomaly::Resurrected),
        _ if present > 1 => Some(Anomaly::DuplicateCurrent),
        (Some(_), _) if present == 0 => Some(Anomaly::Missing),
        // This includes a row that was retracted more often than written, besides the right one.
        _ => Some(Anomaly::Extra),
    }
}

fn is_of(held: &CountedRow, entry: &Entry) -> bool {
    (held.op, held.cmp, &held.cols) == (entry.op, entry.cmp, &entry.cols)
}

/// One finding for each kind of anomaly.
fn assemble(
    record: &dyn RunRecord,
    history: &History<'_>,
    captures: &[ShardSnapshot],
    mismatches: &[KeyMismatch],
) -> Vec<Finding> {
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
        keys_visible: at_last.len() as u64,
        columns: columns.into_iter().map(|at| schema.columns[at].name.clone()).collect(),
        segments: Vec::new(),
        roots: of.len() as u64,
        inherited: 0,
        copied: 0,
        since: of.iter().min_by_key(|it| it.newest).as_ref().map(point)?,
        until: of.iter().max_by_key(|it| it.newest).as_ref().map(point)?,
        missing: None,
        shows_defaults: false,
        shows_stale: false,
        evidence,
    })
}

fn capture_state(history: &History<'_>, contents: &ShardSnapshot) -> CaptureState {
    let begun = history.captures.iter().find(|capture| capture.number == contents.capture);
    let object = vec![contents.object.clone()];
    CaptureState {
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
        off: mismatch.newest.0,
        segment: String::new(),
        origin: Origin::Root,
        expected: mismatch.expected.as_ref().map(|it| named(&schema.columns, it.op, it.cmp, &it.cols)),
        shown: shown.collect(),
        columns: differing(mismatch).into_iter().map(|at| schema.columns[at].name.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(off: u64, key: &str, tombstone: bool) -> Entry {
        let (op, cmp) = (off + 100, off.cast_signed());
        Entry { off, key: key.to_owned(), op, cmp, tombstone, cols: vec![Value::Long(cmp)] }
    }

    fn held(off: u64, count: i64) -> CountedRow {
        let Entry { key, op, cmp, cols, .. } = entry(off, "k", false);
        CountedRow { key, op, cmp, cols, count }
    }

    /// The log of `k` (offset, tombstone), what the shard holds of it (offset, count), and what is wrong.
    #[test]
    fn the_newest_row_of_a_key_is_there_once_or_something_is_wrong() {
        for (log, rows, expected) in [
            (vec![(1, false), (2, false)], vec![(2, 1)], None),
            (vec![(1, false), (2, true)], vec![], None),
            (vec![(1, false), (2, true), (3, false)], vec![(3, 1)], None),
            (vec![(1, false), (2, false)], vec![(1, 1)], Some(Anomaly::WrongValue)),
            (vec![(1, false)], vec![], Some(Anomaly::Missing)),
            (vec![(1, false), (2, true)], vec![(1, 1)], Some(Anomaly::Resurrected)),
            (vec![], vec![(1, 1)], Some(Anomaly::Extra)),
            (vec![(1, false), (2, false)], vec![(2, 2)], Some(Anomaly::DuplicateCurrent)),
            (
                vec![(1, false), (2, false), (3, false)],
                vec![(1, -1), (2, 1), (3, 1)],
                Some(Anomaly::DuplicateCurrent),
            ),
            (vec![(1, false), (2, false)], vec![(1, -1), (2, 1)], Some(Anomaly::Extra)),
            (vec![(1, false)], vec![(1, -1)], Some(Anomaly::Missing)),
        ] {
            let mut fold = NewestRows::default();
            log.iter().for_each(|(off, tombstone)| fold.take(entry(*off, "k", *tombstone)));
            let rows = rows.iter().map(|(off, count)| held(*off, *count)).collect();
            let contents =
                ShardSnapshot { capture: 0, object: "shard".to_owned(), upper: 9, log_end: 9, rows };
            let mut found = Vec::new();
            fold.compare(0, &contents, &mut found);
            let found = found.first().map(|it| it.what);
            assert_eq!(found, expected, "{log:?} {:?}", contents.rows);
        }
    }
}
