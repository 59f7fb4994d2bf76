//! Captures of copies with equal checksums, answered by hand.

use crate::conductor::Command;
use crate::conductor::capture::{Captures, CurrentRowsAnswer, RowsAnswer};
use crate::history::event::{CaptureReason, Event};
use crate::history::row::{CopyState, Cover, Coverage, Observed, Read, ReadValidity};
use crate::history::run_record::RunMeta;
use crate::history::trust::TrustChecksums;
use crate::test_data;
use std::collections::{BTreeMap, VecDeque};

const REPLICAS: [&str; 4] = ["a", "b", "c", "d"];

/// Replicas that hold these committed segments of ten rows.
struct Replicas {
    captures: Captures,
    /// By replica and segment: the checksum, and the digest of the rows that a read returns.
    held: BTreeMap<(&'static str, u32), (u64, u64)>,
    /// Replicas that fail to return rows.
    silent: Vec<&'static str>,
}

impl Replicas {
    /// All hold equal copies of so many segments.
    fn equal(trust_checksums: TrustChecksums, segments: u32) -> Replicas {
        let workload = test_data::workload("partial-upsert");
        let meta = test_data::meta(&workload, &test_data::nemesis("none"), &REPLICAS);
        let captures = Captures::new(&RunMeta { partitions: 1, trust_checksums, ..meta });
        let held =
            REPLICAS.iter().flat_map(|replica| (0..segments).map(move |seq| ((*replica, seq), (7, 1))));
        Replicas { captures, held: held.collect(), silent: Vec::new() }
    }

    fn coverage(&self, of: &str) -> Coverage {
        let mine = self.held.iter().filter(|((replica, _), _)| *replica == of);
        let covers = mine.map(|((_, seq), (checksum, _))| Cover {
            segment: format!("t__0__{seq}"),
            partition: 0,
            seq: *seq,
            start: u64::from(*seq) * 10,
            end: u64::from(*seq) * 10 + 10,
            state: CopyState::CommittedLocal,
            registered: Observed::Known(true),
            copy: *checksum,
            rows: 10,
            position: None,
            checksum: Some(*checksum),
        });
        Coverage { incarnation: 1, status: String::new(), covers: covers.collect(), leads: None }
    }

    /// Takes a capture, in which requests are answered one by one. Returns what is recorded.
    fn capture(&mut self) -> Vec<Event> {
        let roster = REPLICAS.map(str::to_owned);
        let mut out = Vec::new();
        self.captures.begin(&roster, CaptureReason::Periodic, &mut out);
        let (mut due, mut recorded) = (VecDeque::from(out), Vec::new());
        while let Some(command) = due.pop_front() {
            let mut out = Vec::new();
            match command {
                Command::ReadCoverage { replica } => {
                    let coverage = self.coverage(&replica);
                    self.captures.covered(&replica, Ok(coverage), &mut out);
                }
                Command::ReadRows { read } => {
                    let held = |((replica, seq), _): &(&(&str, u32), _)| {
                        (*replica, *seq) == (read.replica.as_str(), read.before.seq)
                    };
                    let digest = self.held.iter().find(held).map(|(_, (_, digest))| *digest);
                    let is_silent = self.silent.contains(&read.replica.as_str());
                    let rows = RowsAnswer { rows: 10, digest };
                    let answer = if is_silent { Err("no answer".to_owned()) } else { Ok(rows) };
                    self.captures.rows_read(&read.replica, answer, &mut out);
                }
                Command::ReadCurrentRows { read, .. } => {
                    let flags = CurrentRowsAnswer { incarnation: 1, version: 1, keys: 0 };
                    self.captures.flags_read(&read.replica, Ok(flags), &mut out);
                }
                Command::Record(event) => recorded.push(event),
                _ => {}
            }
            due.extend(out);
        }
        assert!(!self.captures.is_running());
        recorded
    }
}

fn reads(events: &[Event]) -> Vec<&Read> {
    let read = events.iter().filter_map(|event| match event {
        Event::Read(read) => Some(&**read),
        _ => None,
    });
    let mut reads: Vec<&Read> = read.collect();
    reads.sort_by_key(|read| read.id);
    reads
}

/// How many sound reads returned rows, and how many share those of another.
fn amount(events: &[Event]) -> (usize, usize) {
    let sound = || reads(events).into_iter().filter(|read| read.soundness == ReadValidity::Sound);
    let returned = sound().filter(|read| read.rows == 10 && read.rows_of.is_none());
    (returned.count(), sound().filter(|read| read.rows == 10 && read.rows_of.is_some()).count())
}

#[test]
fn equal_copies_are_read_once_and_counted_for_all_and_the_work_is_shared() {
    let mut replicas = Replicas::equal(TrustChecksums::All, 8);
    let events = replicas.capture();
    assert_eq!(amount(&events), (8, 24));
    for replica in REPLICAS {
        let own = reads(&events).into_iter().filter(|read| read.replica == replica && read.rows_of.is_none());
        assert_eq!(own.count(), 2, "{replica}");
    }
    let returned: Vec<u64> =
        reads(&events).iter().filter(|read| read.rows_of.is_none()).map(|read| read.id).collect();
    assert!(reads(&events).iter().filter_map(|read| read.rows_of).all(|of| returned.contains(&of)));
    let again = replicas.capture();
    assert!(reads(&again).iter().all(|read| read.rows == 0), "a counted copy is not read later");
}

#[test]
fn without_trust_every_copy_is_read() {
    assert_eq!(amount(&Replicas::equal(TrustChecksums::None, 8).capture()), (32, 0));
}

#[test]
fn one_copy_at_least_is_read_to_prove_the_rule_and_the_seed_draws_the_others() {
    let (read, shared) = amount(&Replicas::equal(TrustChecksums::Sampled, 1).capture());
    assert_eq!((read, shared), (2, 2));
    let (read, shared) = amount(&Replicas::equal(TrustChecksums::Sampled, 200).capture());
    assert_eq!(read + shared, 800);
    assert!((215..260).contains(&read), "{read}");
}

#[test]
fn a_copy_with_another_checksum_is_read() {
    let mut replicas = Replicas::equal(TrustChecksums::All, 2);
    replicas.held.insert(("c", 1), (8, 2));
    assert_eq!(amount(&replicas.capture()), (3, 5));
    replicas.held.insert(("d", 1), (8, 2));
    assert_eq!(amount(&replicas.capture()), (0, 1), "d fetched the copy that c was read of");
}

#[test]
fn other_rows_under_an_equal_checksum_end_all_trust_and_everything_is_read() {
    let mut replicas = Replicas::equal(TrustChecksums::Sampled, 6);
    replicas.held.insert(("b", 0), (7, 99));
    let events = replicas.capture();
    let refuted = |event: &&Event| matches!(event, Event::ChecksumsRefuted { .. });
    assert_eq!(events.iter().filter(refuted).count(), 1);
    for replica in REPLICAS {
        for seq in 0..6 {
            let of_copy = |read: &&&Read| read.replica == replica && read.before.seq == seq;
            let is_read = |read: &&Read| {
                let is_sound = read.soundness == ReadValidity::Sound;
                is_sound && read.rows == 10 && read.rows_of.is_none()
            };
            let reads = reads(&events);
            assert!(reads.iter().filter(of_copy).any(is_read), "{replica} {seq}");
        }
    }
    replicas.held.insert(("a", 6), (7, 1));
    replicas.held.insert(("b", 6), (7, 1));
    assert_eq!(amount(&replicas.capture()), (2, 0), "and so it stays");
}

#[test]
fn a_copy_whose_reader_fails_is_read_from_another_replica() {
    let mut replicas = Replicas::equal(TrustChecksums::All, 4);
    replicas.silent = vec!["a"];
    let events = replicas.capture();
    let (read, shared) = amount(&events);
    assert_eq!((read, shared), (4, 11), "all but the one of a that it failed to return");
    let ids: Vec<u64> = reads(&events).iter().map(|read| read.id).collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "no read is recorded twice");
}

#[test]
fn a_capture_of_replicas_that_all_fail_ends() {
    let mut replicas = Replicas::equal(TrustChecksums::All, 40);
    replicas.silent = REPLICAS.to_vec();
    let events = replicas.capture();
    assert_eq!(amount(&events), (0, 0));
    assert!(reads(&events).len() <= 4 * 40 * 4, "each replica is read again three times at most");
}

/// The copy of b is replaced between the two reads of its coverage.
#[test]
fn a_copy_that_changes_within_its_bracket_is_not_counted() {
    let mut captures = Replicas::equal(TrustChecksums::All, 1);
    let mut out = Vec::new();
    captures.captures.begin(&["a".to_owned(), "b".to_owned()], CaptureReason::Periodic, &mut out);
    let flags = CurrentRowsAnswer { incarnation: 1, version: 1, keys: 0 };
    let coverage = captures.coverage("a");
    for replica in ["a", "b"] {
        captures.captures.covered(replica, Ok(coverage.clone()), &mut out);
    }
    captures.captures.rows_read("a", Ok(RowsAnswer { rows: 10, digest: Some(1) }), &mut out);
    for replica in ["a", "b"] {
        captures.captures.flags_read(replica, Ok(flags), &mut out);
    }
    captures.captures.covered("a", Ok(coverage), &mut out);
    captures.held.insert(("b", 0), (8, 2));
    let changed = captures.coverage("b");
    captures.captures.covered("b", Ok(changed), &mut out);
    let recorded = out.into_iter().filter_map(|command| match command {
        Command::Record(Event::Read(read)) if read.replica == "b" => Some(read.soundness),
        _ => None,
    });
    assert_eq!(recorded.collect::<Vec<_>>(), [ReadValidity::CopyChanged]);
}
