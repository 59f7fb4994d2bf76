//! What several tests share.

use dissent::cli::{Format, RunArgs};
use dissent::commands::{RawChoice, run_spec};
use dissent::report::raw::RawStyle;
use dissent::run::run_spec::RunSpec;
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The run specification of a command line.
pub(crate) fn spec(target: &str, workload: &str, nemesis: &str, set: &[&str]) -> RunSpec {
    let set = set.iter().flat_map(|pair| ["--set", pair]);
    let words = ["run", target, workload, nemesis].into_iter().chain(set);
    run_spec(&<RunArgs as clap::Parser>::parse_from(words)).expect("it makes sense")
}

/// The same, for the simulated cluster of segments.
pub(crate) fn sim(workload: &str, nemesis: &str, set: &[&str]) -> RunSpec {
    spec("sim-segments", workload, nemesis, set)
}

/// All of a key, on lines that are wide enough.
pub(crate) fn whole_key(format: Format) -> RawChoice {
    RawChoice { format, capture: None, style: RawStyle { width: 200, all: true, columns: Vec::new() } }
}

/// A line for every file or folder at the top of a run's folder: a digest of all its bytes, and its name.
/// Only the `facts` of `run.json` count, and the folder's own path does not.
pub(crate) fn digest(folder: &Path) -> String {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut digests: BTreeMap<String, u64> = BTreeMap::new();
    for file in files {
        let within = file.strip_prefix(folder).expect("it lies within").display().to_string();
        let top = within.split('/').next().expect("a name").to_owned();
        let mut bytes = std::fs::read(&file).expect("it can be read");
        if top == "run.json" {
            let run: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            bytes = run["facts"].to_string().into_bytes();
        }
        if ["verdict.json", "junit.xml"].contains(&top.as_str()) {
            let (path, text) = (folder.display().to_string(), String::from_utf8(bytes).expect("text"));
            bytes = text.replace(&path, "RUN").into_bytes();
        }
        let digest = digests.entry(top).or_insert(0xcbf2_9ce4_8422_2325);
        *digest = fnv(fnv(*digest, within.as_bytes()), &bytes);
    }
    digests.into_iter().map(|(name, digest)| format!("{digest:016x} {name}\n")).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// FNV-1a, 64 bits, continued from `hash`.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// A whole record, in memory.
pub(crate) fn all(of: &dyn RunRecord) -> MemoryRecord {
    let partitions = 0..of.meta().partitions;
    MemoryRecord {
        meta: of.meta().clone(),
        events: of.events().map(|event| event.into_owned()).collect(),
        log: partitions.clone().map(|p| of.log(p).map(|entry| entry.into_owned()).collect()).collect(),
        rows: partitions
            .clone()
            .map(|p| of.rows(p).map(|(read, row)| (read, row.into_owned().into())).collect())
            .collect(),
        current_rows: partitions
            .map(|p| of.current_rows(p).map(|(r, c)| (r, c.into_owned())).collect())
            .collect(),
    }
}
