//! What does not fit into memory goes through files, and nothing of the verdict depends on it.

use dissent::dumps::compare::compare;
use dissent::dumps::digests::Columns;
use dissent::dumps::error::DumpError;
use dissent::dumps::rows::Pace;
use dissent::dumps::source::DumpSource;
use dissent::dumps::spec::CompareSpec;
use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::history::schema::Merge;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;

const ROWS: u64 = 100_000;

/// The verdict, the keys that were seen to differ, and how many files the work took.
fn compared(spec: &CompareSpec) -> (Verdict, BTreeSet<String>, usize) {
    let spool = tempfile::tempdir().expect("a folder");
    let mut seen = BTreeSet::new();
    let outcome = compare(spec, spool.path(), &Pace::default(), &mut |_, rows| {
        assert!(seen.insert(rows.key.clone()), "{} came twice", rows.key);
        Ok(())
    });
    let files = std::fs::read_dir(spool.path()).expect("a folder").count();
    (outcome.expect("it is compared").verdict, seen, files)
}

fn spec(folder: &Path, names: &[&str]) -> CompareSpec {
    let source = |name: &&str| {
        let path = folder.join(name).display().to_string();
        DumpSource::of(&path, folder, &Pace::default()).expect("it is there")
    };
    CompareSpec {
        dumps: names.iter().map(source).collect(),
        columns: Columns { key: vec!["k".to_owned()], ..Columns::default() },
        settled: true,
        memory: 1 << 30,
        ..CompareSpec::default()
    }
}

/// Every row differs, so that all of them have to be sorted. More keys differ than a verdict names: it
/// names the same ones.
#[test]
fn rows_that_were_sorted_on_disk_give_the_same_verdict() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, shift) in [("a.csv", 0), ("b.csv", 1)] {
        let mut text = "k,x\n".to_owned();
        (0..ROWS).for_each(|k| writeln!(text, "key-{},{}", k * 7_919 % ROWS, k + shift).expect("text"));
        std::fs::write(folder.path().join(name), text).expect("it is written");
    }
    let in_memory = spec(folder.path(), &["a.csv", "b.csv"]);
    let on_disk = CompareSpec { memory: 1 << 20, ..in_memory.clone() };
    let (verdict, seen, files) = compared(&in_memory);
    let (sorted, sorted_seen, sorted_files) = compared(&on_disk);
    assert_eq!((files, sorted_files), (0, 128), "it was sorted in files, and only where it had to be");
    assert_eq!(seen.len() as u64, ROWS);
    assert!(seen == sorted_seen && verdict == sorted, "the verdicts differ");
    let FindingKind::Divergence(divergence) = &verdict.findings[0].kind else { panic!("no divergence") };
    assert_eq!((verdict.findings.len(), divergence.key_count()), (1, ROWS));
}

/// The fold of a log always goes through files, and what they hold comes back as it was: floats to the
/// last bit, minus zero, numbers of any size, null, lists, and text that is no text.
#[test]
fn values_survive_the_way_through_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = [
        "0.1",
        "-0.0",
        "5e-324",
        "1.7976931348623157e308",
        "2.2250738585072011e-308",
        "9007199254740993",
        "123456789012345678901234567890.5",
        "null",
        "true",
        r#""\ud800""#,
        r#""\u0000\u001f\n""#,
        r#""123456789012345678901234567890""#,
        "[]",
        "[1,2]",
        r#"["p",""]"#,
        r#"{"p":[1.5,null]}"#,
    ];
    let mut text = String::new();
    for (k, value) in values.iter().enumerate() {
        // The fold of the log writes n in another way, so that digests differ and each row is looked at.
        writeln!(text, "{{\"k\":{k},\"n\":1.0,\"x\":{value}}}").expect("text");
    }
    let log = text.replace("\"n\":1.0", "\"n\":0") + &text;
    std::fs::write(folder.path().join("log.jsonl"), log).expect("it is written");
    for name in ["a.jsonl", "b.jsonl"] {
        std::fs::write(folder.path().join(name), &text).expect("it is written");
    }
    let dumps = spec(folder.path(), &["a.jsonl", "b.jsonl", "log.jsonl"]);
    for memory in [1 << 30, 1] {
        let mut spec = CompareSpec { memory, ..dumps.clone() };
        spec.log = spec.dumps.pop();
        spec.merges.insert("n".to_owned(), Merge::Max);
        let (verdict, seen, _) = compared(&spec);
        assert!(seen.is_empty() && verdict.doubts.is_empty(), "{seen:?} {:?}", verdict.doubts);
        let compared = verdict.comparison.map(|comparison| comparison.keys_compared);
        assert_eq!(compared, Some(values.len() as u64));
    }
}

/// Digests are of buckets of keys, and some keys share one. Two of them that trade their rows leave all the
/// hashes of keys and of cells there are, and still both differ.
#[test]
fn rows_that_trade_their_cells_do_not_cancel_out() {
    const KEYS: u64 = 4_000;
    let folder = tempfile::tempdir().expect("a folder");
    for (name, other) in [("a.csv", 0), ("b.csv", 1)] {
        let rows: String = (0..KEYS).map(|k| format!("{k},{}\n", (k + other) % 2)).collect();
        std::fs::write(folder.path().join(name), format!("k,x\n{rows}")).expect("it is written");
    }
    let (_, seen, _) = compared(&spec(folder.path(), &["a.csv", "b.csv"]));
    assert_eq!(seen.len() as u64, KEYS);
}

#[test]
fn a_stop_ends_the_reading() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows: String = (0..10_000).map(|k| format!("{k},1\n")).collect();
    std::fs::write(folder.path().join("a.csv"), format!("k,x\n{rows}")).expect("it is written");
    let spec = spec(folder.path(), &["a.csv"]);
    let pace = Pace::default();
    pace.stop.store(true, Ordering::Relaxed);
    let outcome = compare(&spec, folder.path(), &pace, &mut |_, _| Ok(()));
    assert!(matches!(outcome, Err(DumpError::Stopped)));
}
