//! Goal: a healthy run is never accused, and one change to what one replica showed gives one finding, on that
//! replica. Method: simulated runs under the right guard; a random row or current row of each is changed.

use crate::draw::{Draw, holds};
use crate::support::sim;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{Anomaly, Divergence, FindingKind, VerdictOutcome};
use dissent_core::history::event::Event;
use dissent_core::history::row::{CurrentRead, CurrentRow, Observed, Read, ReadValidity, Row};
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::schema::Value;
use dissent_core::seed::Seed;
use std::sync::Arc;

const HEALTHY: u64 = 40;
const PLANTED: u64 = 40;

#[test]
fn a_healthy_run_is_never_accused() {
    holds(HEALTHY, |draw| {
        let (record, title) = healthy(draw);
        let verdict = judge(&record);
        assert_eq!(verdict.findings, [], "{title}");
        assert_ne!(verdict.outcome, VerdictOutcome::Fail, "{title}");
        assert!(verdict.compared.rows > 0, "{title}");
    });
}

#[test]
fn one_change_to_a_row_is_the_one_finding() {
    holds(PLANTED, |draw| {
        let (mut record, title) = healthy(draw);
        let (partition, at) = row_that_counts(draw, &record);
        let (id, row) = record.rows[partition][at].clone();
        let victim = read_mut(&mut record, id).replica.clone();
        let what = match draw.below(4) {
            0 => {
                record.rows[partition].remove(at);
                let read = read_mut(&mut record, id);
                (read.rows, read.before.rows) = (read.rows - 1, read.before.rows - 1);
                Anomaly::Missing
            }
            1 => {
                Arc::make_mut(&mut record.rows[partition][at].1).op += 1;
                Anomaly::Extra
            }
            2 => {
                Arc::make_mut(&mut record.rows[partition][at].1).cmp -= 1;
                Anomaly::WrongValue
            }
            _ => {
                change_cell(draw, Arc::make_mut(&mut record.rows[partition][at].1));
                Anomaly::WrongValue
            }
        };
        let found = only_finding(&record, &title);
        let seen = (found.what, found.partition, found.offsets().expect("a log").0, &found.keys);
        assert_eq!(
            seen,
            (what, partition as u32, row.off, &vec![row.key.to_string()]),
            "{title} read {id} of {victim}"
        );
        assert_eq!(found.first.wrong, [victim], "{title} read {id}");
    });
}

#[test]
fn one_change_to_a_flag_is_the_one_finding() {
    holds(PLANTED, |draw| {
        let (mut record, title) = healthy(draw);
        let partition = draw.below(record.log.len());
        let key = draw.pick(&record.log[partition]).key.clone();
        let entries = record.log[partition].iter().filter(|entry| entry.key == key);
        let offs: Vec<u64> = entries.map(|entry| entry.off).collect();
        let [.., stale, current] = offs[..] else { return };
        let (what, offs) = match draw.below(3) {
            0 => (Anomaly::NoCurrent, vec![]),
            1 => (Anomaly::StaleCurrent, vec![stale]),
            _ => (Anomaly::DuplicateCurrent, vec![stale, current]),
        };
        let victim = draw.pick(&record.meta.roster).clone();
        let flags = CurrentRow { key: key.clone(), offs };
        show(&mut record, partition, &victim, flags);
        let found = only_finding(&record, &title);
        assert_eq!((found.what, &found.keys), (what, &vec![key.to_string()]), "{title} on {victim}");
        assert_eq!(found.replicas, [victim], "{title}");
    });
}

/// The record and the title of a run in which nothing is wrong.
fn healthy(draw: &mut Draw) -> (MemoryRecord, String) {
    let workload = *draw.pick(&["partial-upsert", "steady"]);
    let nemesis = *draw.pick(&["none", "late-transition", "restart-one"]);
    let provenance = format!("provenance={}", draw.pick(&["full", "digest", "none"]));
    let servers = format!("servers={}", 2 + draw.below(4));
    let spec = sim(workload, nemesis, &["guard=partition-gate", "load=600ms", &provenance, &servers]);
    let seed = Seed(draw.below(1 << 20) as u64);
    let meta = spec.meta(seed, None).expect("it makes sense");
    let cluster = spec.simulation().expect("it makes sense");
    let record = dissent_simulator::run(&meta, spec.timing, &cluster).expect("it runs");
    (record, format!("{} seed {}", spec.title(), seed.0))
}

fn only_finding(record: &MemoryRecord, title: &str) -> Divergence {
    let verdict = judge(record);
    assert_eq!(verdict.findings.len(), 1, "{title}: {:#?}", verdict.findings);
    let FindingKind::Divergence(found) = &verdict.findings[0].kind else { panic!("{title}") };
    Divergence::clone(found)
}

fn read_mut(record: &mut MemoryRecord, id: u64) -> &mut Read {
    let reads = record.events.iter_mut().filter_map(|stamped| match &mut stamped.event {
        Event::Read(read) if read.id == id => Some(read),
        _ => None,
    });
    reads.last().expect("the row's read")
}

/// A row of a read that counts. Rows of the calibration set decide whether there is a model at all.
fn row_that_counts(draw: &mut Draw, record: &MemoryRecord) -> (usize, usize) {
    let mut record = record.clone();
    for _ in 0..1_000 {
        let partition = draw.below(record.rows.len());
        let at = draw.below(record.rows[partition].len());
        let (id, row) = &record.rows[partition][at];
        let (id, op) = (*id, row.op);
        let calibration = record.meta.calibration_ops;
        let read = read_mut(&mut record, id);
        let counts = read.soundness == ReadValidity::Sound && read.before.registered == Observed::Known(true);
        if op > calibration && counts {
            return (partition, at);
        }
    }
    panic!("no row counts")
}

fn change_cell(draw: &mut Draw, row: &mut Row) {
    let cell = draw.below(row.cols.len());
    match &mut row.cols[cell] {
        Value::Boolean(boolean) => *boolean = !*boolean,
        Value::Double(double) => row.cols[cell] = Value::double(double.get() / 2.0 + 1.0),
        Value::Long(long) => *long = long.wrapping_add(1 + draw.below(1_000) as i64),
        Value::String(text) => *text = format!("{text}x").into(),
        Value::Longs(list) if draw.once_in(2) && list.len() > 1 => *list = list[..list.len() - 1].into(),
        Value::Longs(list) => *list = [list, &[-7][..]].concat().into(),
        Value::Strings(list) => *list = list.iter().cloned().chain(["never written".into()]).collect(),
        Value::Null => row.cols[cell] = Value::Longs([-7].into()),
    }
}

/// Makes the replica's last read of current rows show these for the key.
fn show(record: &mut MemoryRecord, partition: usize, replica: &str, flags: CurrentRow) {
    let is_last = |read: &&mut CurrentRead| {
        read.replica == replica
            && read.partition as usize == partition
            && read.soundness == ReadValidity::Sound
    };
    let reads = record.events.iter_mut().filter_map(|stamped| match &mut stamped.event {
        Event::CurrentRead(read) => Some(&mut **read),
        _ => None,
    });
    let read = reads.filter(is_last).last().expect("flags were read");
    let currents = &mut record.current_rows[partition];
    match currents.iter_mut().find(|(id, current)| *id == read.id && current.key == flags.key) {
        Some((_, current)) => *current = flags,
        None => {
            read.keys += 1;
            currents.push((read.id, flags));
            currents.sort_by(|a, b| (a.0, &a.1.key).cmp(&(b.0, &b.1.key)));
        }
    }
}
