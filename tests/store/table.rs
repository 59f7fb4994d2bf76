//! Tables say what lines would say: lines are printed from them, and what no table can hold is kept as lines.

use crate::store::sample::record;
use crate::support::all;
use dissent_core::history::event::Event;
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use dissent_core::history::schema::Value;
use dissent_store::cat::print;
use dissent_store::dump::write_record;
use dissent_store::run_reader::RunReader;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// The lines of a file, as `dissent cat` prints them.
fn lines(file: &Path) -> String {
    let mut text = Vec::new();
    print(file, &mut text).expect("it is whole");
    String::from_utf8(text).expect("text")
}

fn kept(format: u32) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/store/v{format}/small"))
}

#[test]
fn the_lines_of_a_table_are_those_that_were_stored_before_there_were_tables() {
    for (old, new) in [
        ("events.jsonl.zst", "events.table.zst"),
        ("log/0.jsonl.zst", "log/0.table.zst"),
        ("log/1.jsonl.zst", "log/1.table.zst"),
        ("content/0.current.jsonl.zst", "content/0.current.table.zst"),
        ("content/0.jsonl.zst", "content/0.table.zst"),
    ] {
        let [old, new] = [kept(3).join(old), kept(4).join(new)];
        assert_eq!(lines(&new), lines(&old), "{}", new.display());
        assert!(lines(&new).ends_with("}\n"));
        assert!(fs::read(&new).expect("bytes").len() <= fs::read(&old).expect("bytes").len() + 40);
    }
    assert!(lines(&kept(4).join("run.json")).contains("\"format\": 4"));
}

#[test]
fn a_file_of_no_run_and_a_torn_one_are_refused_and_the_lines_before_the_tear_are_printed() {
    let temp = tempfile::tempdir().expect("a folder");
    let stray = temp.path().join("0.table.zst");
    fs::copy(kept(4).join("log/0.table.zst"), &stray).expect("copied");
    let refused = print(&stray, &mut Vec::new()).expect_err("it is in no run");
    assert!(refused.to_string().contains("lies in no run folder"), "{refused}");
    let dir = temp.path().join("run");
    write_record(&dir, &record()).expect("written");
    let file = dir.join("log/0.table.zst");
    let whole = fs::read(&file).expect("bytes");
    fs::write(&file, &whole[..whole.len() - 1]).expect("cut");
    let mut text = Vec::new();
    let torn = print(&file, &mut text).expect_err("it is torn").to_string();
    assert!(torn.contains("log/0.table.zst") && torn.contains("frame at byte "), "{torn}");
    assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 20);
}

/// The sample, with a value of another type in a row, in an entry and in an op.
fn odd() -> MemoryRecord {
    let mut record = record();
    let odd = || Value::String("no number".into());
    Arc::make_mut(&mut record.rows[0][3].1).cols[0] = odd();
    record.log[0][3].cols[0] = odd();
    let ops = record.events.iter_mut().filter_map(|stamped| match &mut stamped.event {
        Event::Invoke { op } => Some(op),
        _ => None,
    });
    ops.last().expect("an op").cols[0] = odd();
    record
}

#[test]
fn a_value_that_no_table_can_hold_is_kept_as_a_line() {
    let temp = tempfile::tempdir().expect("a folder");
    let dir = temp.path().join("run");
    write_record(&dir, &odd()).expect("written");
    let folder = RunReader::open(&dir).expect("opened");
    let (found, wanted) = (all(&folder), odd());
    assert_eq!((&found.events, &found.log), (&wanted.events, &wanted.log));
    assert_eq!((&found.rows, folder.damage()), (&wanted.rows, Vec::new()));
    for file in ["events.table.zst", "log/0.table.zst", "content/0.table.zst"] {
        assert!(lines(&dir.join(file)).contains("\"no number\""), "{file}");
    }
    let mut scanned = Vec::new();
    folder.scan_log(0, &mut |entry| scanned.push((entry.off, entry.key.to_owned())));
    let entries = odd().log[0].iter().map(|entry| (entry.off, entry.key.to_string())).collect::<Vec<_>>();
    assert_eq!(scanned, entries);
}

#[test]
fn a_scan_says_the_same_as_the_events_and_the_log() {
    for record in [record(), odd()] {
        let temp = tempfile::tempdir().expect("a folder");
        let dir = temp.path().join("run");
        write_record(&dir, &record).expect("written");
        let folder = RunReader::open(&dir).expect("opened");
        let (mut found, mut wanted) = (Vec::new(), Vec::new());
        folder.scan_events(&mut |t, event| found.push(format!("{t:?} {event:?}")));
        record.scan_events(&mut |t, event| wanted.push(format!("{t:?} {event:?}")));
        assert_eq!(found, wanted);
        for partition in 0..2 {
            let (mut found, mut wanted) = (Vec::new(), Vec::new());
            folder.scan_log(partition, &mut |entry| found.push(format!("{entry:?}")));
            record.scan_log(partition, &mut |entry| wanted.push(format!("{entry:?}")));
            assert_eq!(found, wanted);
        }
        assert_eq!(folder.damage(), []);
    }
}
