//! A record that was written reads back the same, and what was lost is named.

use crate::store::sample::{meta, record};
use crate::support::all;
use dissent_core::history::event::{Event, Phase, TimedEvent};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::row::Row;
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use dissent_core::history::time::Nanos;
use dissent_store::cure::{Cure, read_cures};
use dissent_store::dump::write_record;
use dissent_store::frame::{FrameReader, LINE_BYTES_MAX};
use dissent_store::frame_origin::RunHash;
use dissent_store::names::path_name;
use dissent_store::run_reader::RunReader;
use dissent_store::run_writer::{RunWriter, Wall};
use dissent_store::writing::StoreError;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The sample, written.
fn written() -> (TempDir, PathBuf) {
    let temp = tempfile::tempdir().expect("folder");
    let dir = temp.path().join("run");
    write_record(&dir, &record()).expect("written");
    (temp, dir)
}

fn assert_same(found: &MemoryRecord, wanted: &MemoryRecord) {
    assert_eq!(found.meta, wanted.meta);
    assert_eq!(found.events, wanted.events);
    assert_eq!(found.log, wanted.log);
    assert_eq!(found.rows, wanted.rows);
    assert_eq!(found.current_rows, wanted.current_rows);
}

/// Every file below a folder, by its name.
fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for found in fs::read_dir(dir).expect("folder") {
        let path = found.expect("file").path();
        if path.is_dir() {
            files.extend(bytes(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("bytes"));
        }
    }
    files
}

#[test]
fn a_record_reads_back_as_it_was_written() {
    let (_temp, dir) = written();
    let folder = RunReader::open(&dir).expect("opened");
    assert_same(&all(&folder), &record());
    assert_eq!(folder.damage(), []);
    assert_eq!(folder.run().phase, Phase::Done);
    assert_eq!(folder.cures(), []);
}

#[test]
fn rows_can_be_read_before_events_and_twice() {
    let (_temp, dir) = written();
    let folder = RunReader::open(&dir).expect("opened");
    assert_eq!(folder.rows(0).count(), record().rows[0].len());
    assert_same(&all(&folder), &record());
    assert_eq!(folder.damage(), []);
}

#[test]
fn two_writes_of_one_record_give_the_same_bytes() {
    let (_one, one) = written();
    let (_two, two) = written();
    let (one, two): (Vec<_>, Vec<_>) =
        (bytes(&one).into_values().collect(), bytes(&two).into_values().collect());
    assert!(one.len() > 10, "few files");
    assert_eq!(one, two);
}

#[test]
fn a_live_run_is_read_back_as_it_was_written() {
    let temp = tempfile::tempdir().expect("folder");
    let dir = temp.path().join("results/run");
    let wall = Wall { started: "2026-01-02T03:04:05Z".to_owned() };
    let mut run = RunWriter::create(&dir, meta(), Some(wall.clone())).expect("made");
    let record = record();
    for (partition, entries) in (0..).zip(&record.log) {
        run.entries(Nanos(1), partition, entries).expect("entries");
    }
    for stamped in &record.events {
        if let Event::Read(read) = &stamped.event {
            let rows = &record.rows[read.before.partition as usize];
            let rows = rows.iter().rev().filter(|(id, _)| *id == read.id).map(|(_, row)| row.as_ref());
            run.rows(stamped.t, read, rows).expect("rows, in another order");
        }
        if let Event::CurrentRead(read) = &stamped.event {
            let currents = &record.current_rows[read.partition as usize];
            let currents = currents.iter().filter(|(id, _)| *id == read.id).map(|(_, current)| current);
            run.current_rows(stamped.t, read, currents).expect("currents");
        }
        run.event(stamped).expect("event");
        run.tick(stamped.t).expect("tick");
    }
    run.finish().expect("ended");
    let folder = RunReader::open(&dir).expect("opened");
    assert_same(&all(&folder), &record);
    assert_eq!((folder.damage(), &folder.run().phase), (Vec::new(), &Phase::Done));
    assert_eq!(folder.run().wall, Some(wall));
}

/// A row that is too long to be read back, after one that is not.
#[test]
fn a_row_that_no_reader_would_take_is_refused_and_leaves_the_next_read_whole() {
    let temp = tempfile::tempdir().expect("folder");
    let dir = temp.path().join("run");
    let record = record();
    let mut run = RunWriter::create(&dir, meta(), None).expect("made");
    let first = record.events.iter().find_map(|stamped| match &stamped.event {
        Event::Read(read) if read.rows > 1 => Some(&**read),
        _ => None,
    });
    let first = first.expect("a read with rows");
    let mut rows: Vec<Row> = record.rows[first.before.partition as usize]
        .iter()
        .filter(|(id, _)| *id == first.id)
        .map(|(_, row)| row.as_ref().clone())
        .collect();
    let last = rows.last_mut().expect("it has rows");
    let whole = std::mem::replace(&mut last.key, "k".repeat(LINE_BYTES_MAX).into());
    let error = run.rows(Nanos(0), first, &rows).expect_err("refused").to_string();
    assert!(error.contains("content/") && error.contains("is longer than"), "{error}");
    rows.last_mut().expect("it has rows").key = whole;
    run.rows(Nanos(0), first, &rows).expect("rows");
    run.event(&TimedEvent { t: Nanos(0), event: Event::from(first.clone()) }).expect("event");
    run.finish().expect("ended");
    let folder = RunReader::open(&dir).expect("opened");
    let found: Vec<Row> = folder.rows(first.before.partition).map(|(_, row)| row.into_owned()).collect();
    assert_eq!(found, rows);
}

#[test]
fn a_killed_run_keeps_its_closed_frames_and_says_that_it_was_not_ended() {
    let temp = tempfile::tempdir().expect("folder");
    let dir = temp.path().join("run");
    let mut run = RunWriter::create(&dir, meta(), None).expect("made");
    let event = |t| TimedEvent { t: Nanos(t), event: Event::Boundary };
    run.event(&event(0)).expect("event");
    run.event(&event(300_000_000)).expect("event");
    run.event(&event(300_000_001)).expect("event");
    run.event(&TimedEvent { t: Nanos(300_000_002), event: Event::Phase { phase: Phase::Load } })
        .expect("event");
    drop(run);
    let folder = RunReader::open(&dir).expect("opened");
    assert_eq!(folder.events().count(), 2, "the frame that was old is on disk, the open one is not");
    assert_eq!(folder.run().phase, Phase::Load, "the phase reached is");
    let damage = folder.damage();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].file, "events.table.zst");
    assert!(damage[0].detail.starts_with("after line 2: "), "{damage:?}");
    assert!(damage[0].detail.contains("has no end mark"), "{damage:?}");
}

#[test]
fn a_cure_is_on_disk_when_it_is_written_and_survives_a_torn_line() {
    let temp = tempfile::tempdir().expect("folder");
    let dir = temp.path().join("run");
    let mut run = RunWriter::create(&dir, meta(), None).expect("made");
    let fault = Fault { kind: FaultKind::Restart, replica: "b".to_owned(), partition: None, seq: Some(2) };
    let undo = serde_json::json!({"pid": 7});
    let cure = Cure { step: "kill".to_owned(), fault, mark: "run".to_owned(), undo };
    run.cure(&cure).expect("first");
    assert_eq!(read_cures(&dir), (vec![cure.clone()], Vec::new()));
    run.cure(&cure).expect("second");
    let file = dir.join("cures.jsonl");
    let mut text = fs::read(&file).expect("cures");
    text.truncate(text.len() - 9);
    fs::write(&file, text).expect("torn");
    let (cures, damage) = read_cures(&dir);
    assert_eq!(cures, [cure]);
    assert!(damage[0].detail.starts_with("line 2: "), "{damage:?}");
}

#[test]
fn every_lost_file_and_every_lost_tail_is_named() {
    let (_temp, dir) = written();
    let files = bytes(&dir);
    let framed = files.iter().filter(|(file, _)| file.to_string_lossy().ends_with(".zst"));
    for (file, whole) in framed {
        for kept in [None, Some(0), Some(whole.len() / 2), Some(whole.len() - 16), Some(whole.len() - 1)] {
            match kept {
                None => fs::remove_file(file).expect("removed"),
                Some(kept) => fs::write(file, &whole[..kept]).expect("cut"),
            }
            let folder = RunReader::open(&dir).expect("opened");
            all(&folder);
            let name = file.strip_prefix(&dir).expect("inside").to_string_lossy();
            let damage = folder.damage();
            let named = |at: &str| damage.iter().any(|damage| damage.file == at);
            assert!(named(&name) || kept.is_none() && named("reads"), "{name} cut to {kept:?}: {damage:?}");
            fs::write(file, whole).expect("mended");
        }
    }
}

#[test]
fn what_does_not_fit_is_damage_with_its_line() {
    let (_temp, dir) = written();
    let number = RunHash::of(&fs::read(dir.join("run.json")).expect("text")).expect("JSON");
    let event = r#"{"n":1,"t":1,"type":"boundary"}"#;
    let entry = |off| format!(r#"{{"off":{off},"key":"k","op":1,"cmp":1,"cols":{{}}}}"#);
    let rows = |off, read| {
        let line = first_line(&dir, number, "reads/0000/a/0.jsonl.zst");
        let mut block: serde_json::Value = serde_json::from_str(&line).expect("a reference");
        (block["off"], block["read"]) = (off, read);
        block.to_string()
    };
    let cases = [
        (
            "events.table.zst",
            vec![event.to_owned(), r#"{"n":2,"t":2,"type":"moonrise"}"#.to_owned()],
            "after line 2: ",
        ),
        ("events.table.zst", vec![r#"{"n":1,"t":2,"type":"moonrise"}"#.to_owned()], "`moonrise`"),
        ("events.table.zst", vec!["[]".to_owned()], "after line 1: "),
        ("events.table.zst", vec![event.to_owned(), event.to_owned()], "found event 1 instead of event 2"),
        ("events.table.zst", vec![r#"{"t":1,"type":"boundary"}"#.to_owned()], "an event without a number"),
        ("events.table.zst", vec![event.to_owned()], "30 events were recorded, 1 are here"),
        ("log/0.table.zst", vec![entry(0), entry(0)], "after line 2: line out of order"),
        ("log/0.table.zst", vec![entry(0), entry(2)], "after line 2: found offset 2 instead of 1"),
        ("log/0.table.zst", vec![entry(0), entry(1)], "20 entries were recorded, 2 are here"),
        (
            "reads/0000/a/0.jsonl.zst",
            vec![rows(5.into(), 1.into()), rows(4.into(), 1.into())],
            "after line 2: line out of order",
        ),
        (
            "reads/0000/a/0.jsonl.zst",
            vec![rows(0.into(), 99.into())],
            "read 99 is here, but no event announces it",
        ),
        ("reads/0000/a/0.jsonl.zst", Vec::new(), "read 1: 6 lines were announced, 0 are here"),
        ("reads/0000/a/0.jsonl.zst", vec!["{\"off\":1}".to_owned()], "missing field `read`"),
        ("content/0.table.zst", (0..6).map(entry).collect(), "block at byte 0: it holds other lines"),
    ];
    for (file, lines, wanted) in cases {
        let origin = number.file(file);
        let file = dir.join(file);
        let whole = fs::read(&file).expect("whole");
        let to = fs::File::create(&file).expect("file");
        let mut frames = dissent_store::frame::FrameWriter::new(to, origin).expect("frames");
        for line in &lines {
            let line: serde_json::Value = serde_json::from_str(line).expect("json");
            frames.line(Nanos(0), &line).expect("line");
        }
        frames.finish().expect("ended");
        let folder = RunReader::open(&dir).expect("opened");
        all(&folder);
        let damage = folder.damage();
        assert!(damage.iter().any(|damage| damage.detail.contains(wanted)), "no {wanted:?} in {damage:?}");
        fs::write(&file, whole).expect("mended");
    }
}

/// The first line of a file.
fn first_line(dir: &Path, number: RunHash, name: &str) -> String {
    let bytes = fs::File::open(dir.join(name)).expect("a file");
    let mut reader = FrameReader::new(bytes, Some(number.file(name))).expect("a reader");
    String::from_utf8(reader.next_line().expect("a frame").expect("a line").to_vec()).expect("text")
}

/// What happens to a folder, and the damage that is found.
type Change<'c> = (&'c dyn Fn(&Path), &'c str, &'c str);

#[test]
fn files_and_events_and_facts_account_for_each_other() {
    let run_with = |dir: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(dir.join("run.json")).expect("text");
        assert!(text.contains(from), "{text}");
        fs::write(dir.join("run.json"), text.replacen(from, to, 1)).expect("written");
    };
    let swap = |dir: &Path, one: &str, other: &str| {
        fs::rename(dir.join(one), dir.join("aside")).expect("moved");
        fs::rename(dir.join(other), dir.join(one)).expect("moved");
        fs::rename(dir.join("aside"), dir.join(other)).expect("moved");
    };
    let copy = |dir: &Path, from: &str, to: &str| {
        fs::copy(dir.join(from), dir.join(to)).expect("copied");
    };
    let [a, b] = ["reads/0000/a/0.jsonl.zst", "reads/0000/b/0.jsonl.zst"];
    let second = "reads/0001/b/0.2.jsonl.zst";
    let changes: [Change<'_>; 11] = [
        (&|dir| fs::remove_file(dir.join(a)).expect("removed"), a, "it is missing"),
        (
            &|dir| fs::remove_file(dir.join("reads/0001/b/0.jsonl.zst")).expect("removed"),
            "reads/0001/b/0.jsonl.zst",
            "it is missing",
        ),
        (&|dir| swap(dir, a, b), b, "another file of this run"),
        (
            &|dir| copy(dir, a, "reads/0001/a/0.jsonl.zst"),
            "reads/0001/a/0.jsonl.zst",
            "no event announces it",
        ),
        (
            &|dir| copy(dir, second, "reads/0001/b/0.3.jsonl.zst"),
            "reads/0001/b/0.3.jsonl.zst",
            "another file of this run",
        ),
        (&|dir| copy(dir, "log/0.table.zst", "log/2.table.zst"), "log/2.table.zst", "no event announces it"),
        (&|dir| run_with(dir, "\"seed\": 7", "\"seed\": 8"), "run.json", "not match these facts"),
        (
            &|dir| run_with(dir, "\"phase\": \"done\"", "\"phase\": \"load\""),
            "run.json",
            "not the last phase in",
        ),
        (
            &|dir| run_with(dir, "\"events\": 30", "\"events\": 31"),
            "events.table.zst",
            "31 events were recorded",
        ),
        (&|dir| run_with(dir, "\"ended\"", "\"begun\""), "run.json", "does not say that the run has ended"),
        (
            &|dir| fs::write(dir.join("schedule.jsonl"), "").expect("written"),
            "schedule.jsonl",
            "its steps differ",
        ),
    ];
    for (change, file, detail) in changes {
        let (_temp, dir) = written();
        change(&dir);
        let folder = RunReader::open(&dir).expect("opened");
        all(&folder);
        let damage = folder.damage();
        let named = damage.iter().any(|damage| damage.file == file && damage.detail.contains(detail));
        assert!(named, "no {detail:?} of {file} in {damage:?}");
    }
}

#[test]
fn a_folder_that_cannot_be_opened_says_why_and_what_next() {
    let (_temp, dir) = written();
    let whole = fs::read_to_string(dir.join("run.json")).expect("text");
    let error = |dir: &Path| RunReader::open(dir).expect_err("refused").to_string();
    for (text, wanted) in [
        (
            whole.replace("\"format\": 4,", "\"format\": 7,"),
            "has format 7, written by dissent 0.1.0; this is dissent",
        ),
        (whole.replace("\"format\": 4,", ""), "missing field `format`"),
        (whole.replace("\"seed\"", "\"sead\""), "missing field `seed`"),
        (whole[..whole.len() / 2].to_owned(), "EOF"),
    ] {
        fs::write(dir.join("run.json"), text).expect("written");
        let error = error(&dir);
        assert!(error.contains(wanted) && error.contains("run.json"), "{error} does not say {wanted:?}");
    }
    fs::write(dir.join("run.json"), whole.replacen('{', "{\"later\": [1],", 1)).expect("written");
    RunReader::open(&dir).expect("unknown fields are ignored");
    fs::remove_file(dir.join("run.json")).expect("removed");
    assert!(error(&dir).contains("no run.json"));
    let empty = tempfile::tempdir().expect("folder");
    assert!(error(empty.path()).contains("is empty"));
    assert!(error(&empty.path().join("gone")).contains("no folder"));
}

#[test]
fn a_run_is_never_written_over_another() {
    let (_temp, dir) = written();
    let again = write_record(&dir, &record()).expect_err("refused");
    assert!(matches!(&again, StoreError::Exists { dir: at } if *at == dir), "{again}");
}

#[test]
fn rows_of_a_read_that_no_event_announces_are_refused() {
    let temp = tempfile::tempdir().expect("folder");
    let mut record = record();
    record.rows[1][0].0 = 99;
    let refused = write_record(&temp.path().join("run"), &record).expect_err("refused");
    assert!(matches!(refused, StoreError::Unannounced { partition: 1, read: 99 }), "{refused}");
}

#[test]
fn names_from_outside_stay_inside_and_apart() {
    let names = ["a", "A.b-c_9", "../c d", "..", ".", "", "%", "a/b", "a%2Fb", "ü", "a\0b"];
    let plain: Vec<String> = names.iter().map(|name| path_name(name)).collect();
    let (first, rest) = plain.split_at(3);
    assert_eq!(first, ["a", "A.b-c_9", "%2E.%2Fc%20d"]);
    for name in rest {
        assert!(!name.starts_with('.') && !name.contains(['/', '\0']) && name.is_ascii(), "{name:?}");
    }
    let apart: std::collections::BTreeSet<&String> = plain.iter().collect();
    assert_eq!(apart.len(), names.len(), "{plain:?}");
}
