//! Copies that are counted by their checksum: the verdict is the same as with every copy read.

use crate::support::sim;
use dissent::report::terminal::{Style, summary};
use dissent::run::run_spec::RunSpec;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{ByChecksum, DoubtKind, Verdict, VerdictOutcome};
use dissent_core::history::event::{Event, ReadTraffic, TimedEvent};
use dissent_core::history::row::{Base, CopyState, Read, ReadValidity, Row};
use dissent_core::history::run_record::{MemoryRecord, RunRecord as _};
use dissent_core::history::trust::TrustChecksums;
use dissent_core::seed::Seed;
use dissent_store::dump::write_record;
use dissent_store::run_reader::RunReader;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// The record of a simulated run in which the last capture reads every committed copy whole, with checksums.
fn read_whole(spec: &RunSpec) -> MemoryRecord {
    let meta = spec.meta(Seed(7), None).expect("it can be run");
    let cluster = spec.simulation().expect("it can be simulated");
    let mut record = dissent_simulator::run(&meta, spec.timing, &cluster).expect("a run");
    record.meta.trust_checksums = TrustChecksums::Sampled;
    let read = |event: &TimedEvent| match &event.event {
        Event::Read(read) if read.soundness == ReadValidity::Sound => Some((**read).clone()),
        _ => None,
    };
    let sound: Vec<Read> = record.events.iter().filter_map(read).collect();
    let last = sound.iter().map(|read| read.capture).max().expect("a capture");
    for stamped in &mut record.events {
        let Event::Read(read) = &mut stamped.event else { continue };
        let is_committed = read.before.state != CopyState::Consuming && read.before.rows > 0;
        if read.capture != last || read.soundness != ReadValidity::Sound || !is_committed {
            continue;
        }
        let of_copy = |other: &&Read| {
            (&other.replica, &other.before.segment, other.before.copy)
                == (&read.replica, &read.before.segment, read.before.copy)
        };
        let ids: Vec<u64> = sound.iter().filter(of_copy).map(|read| read.id).collect();
        let rows = &mut record.rows[read.before.partition as usize];
        let held: BTreeMap<u64, Arc<Row>> =
            rows.iter().filter(|(id, _)| ids.contains(id)).map(|(_, row)| (row.off, row.clone())).collect();
        rows.retain(|(id, _)| *id != read.id);
        rows.extend(held.values().map(|row| (read.id, row.clone())));
        (read.from, read.base, read.rows) = (read.before.start, Base::Nothing, held.len() as u64);
        let mut hasher = DefaultHasher::new();
        held.values().for_each(|row| (row.off, &row.key, row.op, row.cmp, &row.cols).hash(&mut hasher));
        read.before.checksum = Some(hasher.finish());
    }
    record.rows.iter_mut().for_each(|rows| rows.sort_by_key(|(read, row)| (row.off, *read)));
    record
}

/// The same record with one of all equal copies read or, if `twice`, one of them twice.
fn shared(mut record: MemoryRecord, twice: bool) -> MemoryRecord {
    let mut first: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let mut spared = twice;
    for stamped in &mut record.events {
        let Event::Read(read) = &mut stamped.event else { continue };
        let Some(checksum) = read.before.checksum else { continue };
        let source = *first.entry((read.before.segment.clone(), checksum)).or_insert(read.id);
        if source != read.id && !std::mem::take(&mut spared) {
            read.rows_of = Some(source);
            record.rows[read.before.partition as usize].retain(|(id, _)| *id != read.id);
        }
    }
    record
}

/// The verdict on a record that is stored and read again.
fn stored(record: &MemoryRecord) -> Verdict {
    let temp = tempfile::tempdir().expect("a folder");
    let folder = temp.path().join("run");
    write_record(&folder, record).expect("it can be written");
    let reader = RunReader::open(&folder).expect("a record");
    let verdict = judge(&reader);
    assert_eq!(reader.damage(), []);
    verdict
}

fn plans() -> [(RunSpec, VerdictOutcome); 3] {
    let of = |nemesis: &str, set: &[&str]| sim("partial-upsert", nemesis, set);
    [
        (of("none", &[]), VerdictOutcome::Pass),
        (of("late-transition", &[]), VerdictOutcome::Fail),
        (of("late-transition", &["ending=victim-wins"]), VerdictOutcome::Fail),
    ]
}

#[test]
fn the_verdict_is_the_same_as_with_every_copy_read() {
    for (spec, outcome) in plans() {
        let record = read_whole(&spec);
        let everything = stored(&record);
        assert_eq!(
            (everything.outcome, everything.compared.by_checksum),
            (outcome, None),
            "{}",
            spec.title()
        );
        let mut by_checksum = stored(&shared(record, true));
        let counted = by_checksum.compared.by_checksum.take().expect("copies that were not read");
        assert!(counted.copies > 4 && counted.rows > counted.copies, "{counted:?}");
        assert!(counted.cross_read_copies == 1 && counted.cross_read_rows > 1, "{counted:?}");
        assert_eq!(by_checksum, everything, "{}", spec.title());
    }
}

#[test]
fn copies_that_nothing_was_read_to_prove_are_a_doubt() {
    let [(spec, _), ..] = plans();
    let mut record = shared(read_whole(&spec), false);
    let verdict = stored(&record);
    assert_eq!(verdict.outcome, VerdictOutcome::Inconclusive);
    let kinds: Vec<DoubtKind> = verdict.doubts.iter().map(|doubt| doubt.kind).collect();
    assert_eq!(kinds, [DoubtKind::UnmetAssumption]);
    assert!(matches!(verdict.compared.by_checksum, Some(ByChecksum { cross_read_copies: 0, .. })));
    record.meta.trust_checksums = TrustChecksums::All;
    assert_eq!(stored(&record).outcome, VerdictOutcome::Pass, "nobody asked for a proof");
}

/// Rows that came from no read, or under checksums that say nothing, are rows that nobody read.
#[test]
fn copies_whose_rows_nothing_backs_are_not_counted() {
    let [(spec, _), ..] = plans();
    let record = shared(read_whole(&spec), true);
    let refuted = Event::ChecksumsRefuted { segment: "a segment".to_owned(), reads: [1, 2] };
    let mut with_refutation = record.clone();
    let t = record.events.last().expect("an event").t;
    with_refutation.events.push(TimedEvent { t, event: refuted });
    let mut unbacked = record;
    for stamped in &mut unbacked.events {
        if let Event::Read(read) = &mut stamped.event
            && read.rows_of.is_some()
        {
            read.before.checksum = read.before.checksum.map(|checksum| checksum ^ 1);
        }
    }
    for record in [with_refutation, unbacked] {
        let verdict = stored(&record);
        assert_eq!((verdict.outcome, verdict.compared.by_checksum), (VerdictOutcome::Inconclusive, None));
    }
}

#[test]
fn what_the_reads_took_is_told_as_it_was_after_the_last_capture() {
    let [(spec, _), ..] = plans();
    let mut record = read_whole(&spec);
    let t = record.events.last().expect("an event").t;
    for (queries, bytes) in [(12, 1_000), (840, 1_940_000_000)] {
        record.events.push(TimedEvent { t, event: Event::ReadTraffic(ReadTraffic { queries, bytes }) });
    }
    let verdict = stored(&record);
    assert_eq!(verdict.outcome, VerdictOutcome::Pass);
    let told = summary(&verdict, &record.meta, Style { colour: false, width: 120 });
    assert!(told.contains("reading took 840 queries and 1.9 GB"), "{told}");
}
