//! The files and folders that the tables name: a good run, and the ways in which one can break.

use crate::bad_input::network::write_targets;
use crate::bad_input::run;
use crate::support::{all, sim};
use dissent::exit::Exit;
use dissent::run::judging::JudgedRun;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::seed::Seed;
use dissent_store::dump::write_record;
use dissent_store::run_reader::RunReader;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A folder with every name that the tables use.
pub(crate) fn prepare() -> TempDir {
    let temp = tempfile::tempdir().expect("a folder");
    write_files(temp.path());
    write_targets(temp.path());
    let spec = sim("steady", "none", &["load=400ms", "keys=5"]);
    let results = temp.path().join("made");
    let judged = run_simulated(&spec, Seed(1), &results, Retention::All).expect("a run");
    assert_eq!(judged.verdict.outcome, VerdictOutcome::Pass);
    let good = temp.path().join("good");
    fs::rename(judged.folder.expect("it was kept"), &good).expect("moved");
    fs::remove_dir_all(results).expect("removed");
    break_folders(temp.path(), &good);
    temp
}

fn write_files(at: &Path) {
    let steady = include_str!("../../workloads/steady.toml");
    let rate = steady.lines().find(|line| line.starts_with("rate = ")).expect("a rate");
    let with = |line: &str| steady.replace(rate, line).into_bytes();
    let files: [(&str, Vec<u8>); 10] = [
        ("latin1.toml", b"hunts = \"caf\xe9\"\n".to_vec()),
        ("nul.toml", b"hunts = \"a\0b\"\n".to_vec()),
        ("huge.toml", "# a comment\n".repeat(2_000_000).into_bytes()),
        ("empty.toml", Vec::new()),
        ("deep.toml", format!("a = {}", "[".repeat(100_000)).into_bytes()),
        ("syntax.toml", b"hunts = = 1\n".to_vec()),
        ("unknown-key.toml", with("rat = 400")),
        ("wrong-type.toml", with("rate = \"fast\"")),
        ("impossible.toml", with("rate = 0")),
        (
            "circle.toml",
            b"hunts = \"itself\"\n[[step]]\nid = \"a\"\nfault = \"restart\"\nselect = { same-as = \"a\" }\n\
              begin = { boundaries = 1 }\nuntil = { after = \"1s\" }\n"
                .to_vec(),
        ),
    ];
    for (name, bytes) in files {
        fs::write(at.join(name), bytes).expect("a file");
    }
    fs::create_dir(at.join("folder.toml")).expect("a folder");
}

fn break_folders(at: &Path, good: &Path) {
    let copy = |name: &str| {
        let to = at.join(name);
        copy_all(good, &to);
        to
    };
    let whole = fs::read(good.join("run.json")).expect("run.json");
    let with_run = |name: &str, bytes: &[u8]| fs::write(copy(name).join("run.json"), bytes).expect("a file");
    let with_facts = |name: &str, change: &[(&str, Value)]| {
        let mut run: Value = serde_json::from_slice(&whole).expect("JSON");
        for (fact, value) in change {
            run["facts"][fact] = value.clone();
        }
        with_run(name, &serde_json::to_vec(&run).expect("JSON"));
    };
    let with_events = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let file = copy(name).join("events.table.zst");
        let mut bytes = fs::read(&file).expect("events");
        change(&mut bytes);
        fs::write(file, bytes).expect("a file");
    };
    fs::create_dir(at.join("empty")).expect("a folder");
    fs::create_dir(at.join("stranger")).expect("a folder");
    fs::write(at.join("stranger/holiday.jpg"), b"not a run").expect("a file");
    fs::create_dir(at.join("dangling")).expect("a folder");
    fs::write(at.join("dangling/latest"), "../good").expect("a file");
    with_facts("future", &[("format", json!(999))]);
    with_run("cut-run", &whole[..whole.len() / 2]);
    with_run("empty-run", b"");
    let folder_run = copy("folder-run").join("run.json");
    fs::remove_file(&folder_run).and_then(|()| fs::create_dir(&folder_run)).expect("a folder");
    with_facts("no-partitions", &[("partitions", json!(0))]);
    with_facts("many-partitions", &[("partitions", json!(u32::MAX))]);
    with_facts("more-partitions", &[("partitions", json!(4))]);
    with_facts("fewer-partitions", &[("partitions", json!(1))]);
    with_facts("no-replicas", &[("roster", json!([]))]);
    for (name, started) in [("clock-set-back", "1969-12-31T23:59:59Z"), ("clock-unknown", "yesterday")] {
        let mut record = all(&RunReader::open(good).expect("it opens"));
        (record.meta.simulated, record.meta.started) = (false, started.to_owned());
        write_record(&at.join(name), &record).expect("a record");
    }
    fs::remove_file(copy("no-events").join("events.table.zst")).expect("removed");
    with_events("cut-events", &|bytes| bytes.truncate(bytes.len() / 2));
    with_events("flipped-events", &|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    with_events("garbage-events", &|bytes| *bytes = b"{\"t\":1}\n".to_vec());
    fs::remove_file(copy("no-log").join("log/0.table.zst")).expect("removed");
    fs::remove_dir_all(copy("no-reads").join("reads")).expect("removed");
    let file = a_file_of_rows(&copy("flipped-read").join("reads"));
    let mut bytes = fs::read(&file).expect("rows");
    bytes[40] ^= 4;
    fs::write(file, bytes).expect("a file");
    let strangers = copy("strangers-files");
    for name in [".DS_Store", "reads/.DS_Store", "reads/0000/notes.txt", "log/0.table.zst~", "report.bak"] {
        fs::write(strangers.join(name), b"somebody else's").expect("a file");
    }
    fs::create_dir(copy("archive").join("verdict-checked.json.tmp")).expect("a folder");
}

fn a_file_of_rows(reads: &Path) -> PathBuf {
    let mut at = reads.to_owned();
    while at.is_dir() {
        let mut inside: Vec<PathBuf> =
            fs::read_dir(&at).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
        inside.sort();
        at = inside.pop().expect("something in it");
    }
    at
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_all(&path, &copy);
        } else {
            fs::copy(&path, copy).expect("copied");
        }
    }
}

/// A history that is cut at any byte of its last frame never passes, never accuses, and is never silent.
#[test]
fn a_history_cut_at_every_byte_of_its_last_frames_is_inconclusive_and_says_why() {
    let temp = prepare();
    let dir = temp.path().join("good");
    for name in ["events.table.zst", "log/0.table.zst"] {
        let file = dir.join(name);
        let whole = fs::read(&file).expect("frames");
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        let last = whole.windows(4).rposition(|bytes| bytes == magic).expect("a frame");
        let step = ((whole.len() - last) / 60).max(1);
        let near_an_end =
            |cut: &usize| cut - last < 20 || whole.len() - cut <= 20 || (cut - last).is_multiple_of(step);
        for cut in (last..whole.len()).filter(near_an_end) {
            fs::write(&file, &whole[..cut]).expect("cut");
            let judged = JudgedRun::new(&RunReader::open(&dir).expect("it opens"), Exit::Pass);
            assert_eq!(judged.verdict.findings, [], "{name} cut at {cut} of {}", whole.len());
            assert_eq!(judged.exit, Exit::Inconclusive, "{name} cut at {cut} of {}", whole.len());
            let named = judged.verdict.doubts.iter().any(|doubt| doubt.detail.contains(name));
            assert!(named, "{name} cut at {cut}: {:?}", judged.verdict.doubts);
        }
        fs::write(&file, whole).expect("mended");
    }
    assert_eq!(run(temp.path(), &["check", "good"]).code, Some(0));
}
