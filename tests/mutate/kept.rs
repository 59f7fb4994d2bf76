//! Kept runs: small ones of each kind, simulated from a seed, as folders.

use super::{Accusation, accusations};
use crate::draw::Draw;
use crate::support::spec;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::VerdictOutcome;
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::schema::Schema;
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::cat;
use dissent_store::dump::write_record;
use dissent_store::frame::FrameWriter;
use dissent_store::frame_origin::RunHash;
use dissent_store::run_reader::RunReader;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A kind of run.
pub(crate) struct Kind {
    name: &'static str,
    command: [&'static str; 3],
    set: &'static [&'static str],
    outcome: VerdictOutcome,
}

const fn segments(name: &'static str, set: &'static [&'static str], outcome: VerdictOutcome) -> Kind {
    Kind { name, command: ["sim-segments", "partial-upsert", "late-transition"], set, outcome }
}

const fn shard(name: &'static str, set: &'static [&'static str], outcome: VerdictOutcome) -> Kind {
    Kind { name, command: ["sim-shard", "upsert-feed", "lag"], set, outcome }
}

/// All kinds.
pub(crate) const KINDS: [Kind; 7] = [
    segments("pass", &["guard=partition-gate"], VerdictOutcome::Pass),
    segments("divergence", &[], VerdictOutcome::Fail),
    segments("healed", &["ending=healthy-wins"], VerdictOutcome::Fail),
    segments("spread", &["ending=victim-wins"], VerdictOutcome::Fail),
    segments("freeze", &["guard=partition-gate-no-skip-wake"], VerdictOutcome::Fail),
    shard("shard", &["rule=v2-stranding"], VerdictOutcome::Fail),
    shard("shard-pass", &["rule=v1"], VerdictOutcome::Pass),
];

/// A few rows show everything that many would.
const SMALL: [&str; 4] = ["rate=100", "load=1s", "segment-rows=15", "keys=8"];

/// Lines per frame, so that small files have several frames.
const LINES_A_FRAME: usize = 20;

/// A kept run.
pub(crate) struct Kept {
    pub(crate) record: MemoryRecord,
    /// The accusations of the whole folder.
    pub(crate) accused: BTreeSet<Accusation>,
    /// Every file, by name within the folder.
    pub(crate) bytes: BTreeMap<String, Vec<u8>>,
    /// The lines of the files that have frames.
    pub(crate) lines: BTreeMap<String, Vec<Vec<u8>>>,
    number: RunHash,
    temp: TempDir,
}

impl Kept {
    /// Makes the run of this kind, and checks that it is one.
    pub(crate) fn make(name: &str) -> Kept {
        let kind = KINDS.iter().find(|kind| kind.name == name).expect("a kind");
        let [target, workload, nemesis] = kind.command;
        let set = [&SMALL[..], kind.set].concat();
        let spec = spec(target, workload, nemesis, &set);
        let meta = spec.meta(Seed(1), None).expect("it fits");
        let simulation = spec.simulation().expect("it fits");
        let record = dissent_simulator::run(&meta, spec.timing, &simulation).expect("it runs");
        let temp = tempfile::tempdir().expect("a folder");
        let dir = temp.path().join("run");
        write_record(&dir, &record).expect("written");
        fs::write(dir.join("tool.log"), "what the tool said\n").expect("written");
        let folder = RunReader::open(&dir).expect("opened");
        let verdict = judge(&folder);
        assert_eq!(verdict.outcome, kind.outcome, "{name}: {:?}", verdict.doubts);
        let bytes = files(&dir, "");
        let number = RunHash::of(&bytes["run.json"]).expect("JSON");
        let framed = bytes.iter().filter(|(file, _)| file.ends_with(".zst"));
        let read =
            |file: &str, bytes: &[u8]| read(&record.meta.schema, number, file, bytes).expect("it is whole");
        let lines = framed.map(|(file, bytes)| (file.clone(), read(file, bytes))).collect();
        Kept { record, accused: accusations(&verdict), lines, bytes, number, temp }
    }

    /// Runs something on the folder while it has these files instead of its own.
    pub(crate) fn with<T>(
        &self,
        files: &BTreeMap<String, Option<Vec<u8>>>,
        use_it: impl FnOnce(&Path) -> T,
    ) -> T {
        let dir = self.temp.path().join("run");
        let put = |file: &str, bytes: Option<&Vec<u8>>| {
            let at = dir.join(file);
            match bytes {
                Some(bytes) => {
                    fs::create_dir_all(at.parent().expect("a folder")).expect("a folder");
                    fs::write(at, bytes).expect("written");
                }
                None if at.exists() => fs::remove_file(at).expect("removed"),
                None => {}
            }
        };
        files.iter().for_each(|(file, bytes)| put(file, bytes.as_ref()));
        let done = use_it(&dir);
        files.keys().for_each(|file| put(file, self.bytes.get(file)));
        done
    }

    /// A file of these lines, as this run would have written it.
    pub(crate) fn file(&self, name: &str, lines: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = FrameWriter::new(Vec::new(), self.number.file(name)).expect("a writer");
        for frame in lines.chunks(LINES_A_FRAME) {
            frame.iter().for_each(|line| writer.text(Nanos(0), line).expect("in memory"));
            writer.flush().expect("in memory");
        }
        writer.finish().expect("in memory")
    }

    /// The files that this record has in place of the kept one, where they differ.
    pub(crate) fn rewritten(&self, record: &MemoryRecord) -> BTreeMap<String, Option<Vec<u8>>> {
        let temp = tempfile::tempdir().expect("a folder");
        let dir = temp.path().join("run");
        write_record(&dir, record).expect("written");
        let mut new = files(&dir, "");
        let gone = self.bytes.keys().filter(|file| !new.contains_key(*file) && *file != "tool.log");
        let gone: Vec<_> = gone.map(|file| (file.clone(), None)).collect();
        new.retain(|file, bytes| self.bytes.get(file) != Some(bytes));
        new.into_iter().map(|(file, bytes)| (file, Some(bytes))).chain(gone).collect()
    }

    /// The lines of this file; none if it is not whole.
    pub(crate) fn read(&self, name: &str, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        read(&self.record.meta.schema, self.number, name, bytes)
    }

    /// A file with frames. Events, logs, reads and contents are equally likely.
    pub(crate) fn any_framed(&self, draw: &mut Draw) -> &str {
        let start = *draw.pick(&["events", "log/", "reads/", "content/"]);
        let all: Vec<&str> =
            self.lines.keys().map(String::as_str).filter(|file| file.starts_with(start)).collect();
        if all.is_empty() { "events.table.zst" } else { all[draw.below(all.len())] }
    }
}

fn read(schema: &Schema, number: RunHash, name: &str, bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    let read = cat::lines(schema, bytes, Some(number.file(name)), &mut |line| {
        lines.push(line.to_vec());
        Ok(())
    });
    read.ok().map(|()| lines)
}

/// Every file below a folder.
fn files(dir: &Path, within: &str) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir.join(within)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name of ours");
        let name = if within.is_empty() { name } else { format!("{within}/{name}") };
        if entry.path().is_dir() {
            all.extend(files(dir, &name));
        } else {
            all.insert(name, fs::read(entry.path()).expect("bytes"));
        }
    }
    all
}
