//! `dissent pack`: one file with all that an upstream issue needs, and nothing of what must stay at home.

use crate::support::sim;
use dissent::run::judging::JudgedRun;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::{FindingKind, Verdict};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use dissent_core::history::schema::Value;
use dissent_core::seed::Seed;
use dissent_store::dump::write_record;
use dissent_store::run_reader::RunReader;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

/// A run whose record quotes everything that must not leave the house: replicas named after hosts, a target
/// file, paths, addresses and a token in errors.
fn confidential(dir: &Path) -> MemoryRecord {
    let spec = sim("partial-upsert", "late-transition", &[]);
    let judged = run_simulated(&spec, Seed(7), dir, Retention::All).expect("a verdict");
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let mut record = crate::support::all(&folder);
    record.meta.target_file = Some(dir.join("prod-target.toml").display().to_string());
    record.meta.command = vec![dir.join("prod-target.toml").display().to_string(), "--rate=5".to_owned()];
    record.meta.settings.insert("broker".to_owned(), "kafka://ops:hunter2@broker-7:9092".to_owned());
    let error =
        "error for https://ops:hunter2@gateway/tables: Authorization: Bearer s3cr3t, in /srv/prod/log";
    let last = record.events.last().expect("events").t;
    let trouble = |at: &str, error: &str| Event::Trouble { at: at.to_owned(), error: error.to_owned() };
    let key = record.log[0][0].key.clone();
    for event in [
        trouble("gateway", error),
        trouble("server-1", &format!("server-1 lost key {key} at gateway, 10.1.2.3:80")),
    ] {
        record.events.push(TimedEvent { t: last, event });
    }
    record
}

const TARGET_FILE: &str =
    "system = \"pinot\"\nurl = \"https://ops@gateway:9000\"\nbroker = \"broker-7:9092\"\n";
const CONFIDENTIAL: [&str; 9] =
    ["gateway", "broker-7", "hunter2", "s3cr3t", "10.1.2.3", "/srv/prod", "prod-target", "ops@", "server-1"];

fn pack(dir: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.arg("pack").args(words).current_dir(dir).output().expect("it starts")
}

fn unpacked(file: &Path) -> BTreeMap<String, String> {
    let compressed = std::fs::File::open(file).expect("the pack");
    let mut archive = tar::Archive::new(zstd::Decoder::new(compressed).expect("zstd"));
    let files = archive.entries().expect("tar").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        (name, text)
    });
    files.collect()
}

/// Whether a text has the word, and not as a part of another.
fn has_word(text: &str, word: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '-' || letter == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(inside) && !text[at + word.len()..].starts_with(inside))
}

/// Keys, strings and long values of a record, apart from defaults.
fn data(record: &MemoryRecord) -> BTreeSet<Arc<str>> {
    let mut data = BTreeSet::new();
    for entry in record.log.iter().flatten() {
        data.insert(entry.key.clone());
        for value in &entry.cols {
            match value {
                Value::String(text) => {
                    data.insert(text.clone());
                }
                Value::Strings(texts) => data.extend(texts.iter().cloned()),
                // Shorter numbers are also offsets, op ids, counts and times.
                Value::Long(long) if long.unsigned_abs() >= 1 << 40 => {
                    data.insert(long.to_string().into());
                }
                Value::Double(_) | Value::Boolean(_) => {}
                Value::Long(_) | Value::Longs(_) | Value::Null => {}
            }
        }
    }
    data
}

#[test]
fn no_key_value_host_token_or_path_is_in_a_pack() {
    let temp = tempfile::tempdir().expect("a folder");
    let record = confidential(temp.path());
    std::fs::write(temp.path().join("prod-target.toml"), TARGET_FILE).expect("a target file");
    write_record(&temp.path().join("results/mine"), &record).expect("a folder");
    let output = pack(temp.path(), &["mine", "--out", "mine.tar.zst"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let files = unpacked(&temp.path().join("mine.tar.zst"));
    for name in [
        "README.txt",
        "verdict.json",
        "summary.md",
        "report.html",
        "run.json",
        "schedule.jsonl",
        "cures.jsonl",
        "events.jsonl",
        "log.jsonl",
        "rows.jsonl",
    ] {
        assert!(files.contains_key(name) && told.contains(name), "{name}: {told}");
    }
    assert!(told.contains("mine.tar.zst"), "{told}");
    let home = temp.path().display().to_string();
    for (name, text) in &files {
        for word in CONFIDENTIAL.iter().copied().chain([home.as_str()]) {
            assert!(!text.contains(word), "{name} has {word}");
        }
    }
    let data = data(&record);
    assert!(data.len() > 100, "{}", data.len());
    for (name, text) in files.iter().filter(|(name, _)| *name != "README.txt") {
        let found: Vec<&Arc<str>> = data.iter().filter(|word| has_word(text, word)).collect();
        assert!(found.is_empty(), "{name} has {found:?}");
    }
    // What was packed is never replaced.
    assert_eq!(pack(temp.path(), &["mine", "--out", "mine.tar.zst"]).status.code(), Some(2));
}

/// The divergence can be followed: the same keys, offsets and grouping of replicas, under other names.
#[test]
fn a_pack_tells_the_same_story_under_other_names() {
    let temp = tempfile::tempdir().expect("a folder");
    let spec = sim("partial-upsert", "late-transition", &[]);
    let results = temp.path().join("results");
    let judged: JudgedRun = run_simulated(&spec, Seed(7), &results, Retention::All).expect("a verdict");
    assert_eq!(pack(temp.path(), &["latest", "--out", "a.tar.zst"]).status.code(), Some(0));
    let files = unpacked(&temp.path().join("a.tar.zst"));
    let read = dissent::report::json_reader::read(&files["verdict.json"]).expect("a verdict");
    let [Verdict { findings, outcome, .. }] = &read[..] else { panic!("one verdict") };
    assert_eq!(*outcome, judged.verdict.outcome);
    for (ours, theirs) in judged.verdict.findings.iter().zip(findings) {
        let (FindingKind::Divergence(ours), FindingKind::Divergence(theirs)) = (&ours.kind, &theirs.kind)
        else {
            panic!("{theirs:?}")
        };
        assert_eq!((ours.since, ours.until, &ours.segments), (theirs.since, theirs.until, &theirs.segments));
        assert_eq!((ours.keys.len(), ours.roots), (theirs.keys.len(), theirs.roots));
        for (row, hidden) in ours.evidence.iter().zip(&theirs.evidence) {
            assert!(theirs.keys.contains(&hidden.key));
            for column in &row.columns {
                // Cells are equal in the pack where they are equal in the run.
                let cells = |row: &dissent_core::checker::verdict::RowEvidence| -> Vec<Option<Value>> {
                    row.shown.iter().map(|it| it.row.as_ref()?.get(column).cloned()).collect()
                };
                let (ours, theirs) = (cells(row), cells(hidden));
                for (a, b) in (0..ours.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                    assert_eq!(ours[a] == ours[b], theirs[a] == theirs[b], "{column}");
                }
            }
        }
    }
    let entries = files["log.jsonl"].lines().count();
    let folder = RunReader::open(judged.folder.as_ref().expect("it was kept")).expect("it can be read");
    let FindingKind::Divergence(found) = &judged.verdict.findings[0].kind else { panic!("a divergence") };
    let of_first =
        folder.log(found.partition).filter(|entry| found.keys.iter().any(|key| **key == *entry.key)).count();
    assert!(entries >= of_first && of_first > 0, "{entries} of {of_first}");
    assert!(files["events.jsonl"].contains("replica-2") && !files["rows.jsonl"].is_empty());

    // Hashes of another pack say nothing about this one; with values, the names are the user's own.
    assert_eq!(pack(temp.path(), &["latest", "--out", "b.tar.zst"]).status.code(), Some(0));
    assert_ne!(unpacked(&temp.path().join("b.tar.zst"))["log.jsonl"], files["log.jsonl"]);
    assert_eq!(pack(temp.path(), &["latest", "--with-values", "--out", "c.tar.zst"]).status.code(), Some(0));
    let plain = unpacked(&temp.path().join("c.tar.zst"));
    assert!(plain["log.jsonl"].contains(&found.keys[0]) && !plain["verdict.json"].contains("server-1"));
}
