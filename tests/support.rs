//! What several tests need.

use dissent::cli::Run;
use dissent::commands::order_of;
use dissent::run::order::Order;
use std::fmt::Write as _;
use std::path::Path;

/// The order of a command line.
pub(crate) fn order(target: &str, workload: &str, nemesis: &str, set: &[&str]) -> Order {
    let set = set.iter().flat_map(|pair| ["--set", pair]);
    let words = ["run", target, workload, nemesis].into_iter().chain(set);
    order_of(&<Run as clap::Parser>::parse_from(words)).expect("it makes sense")
}

/// The same in virtual time.
pub(crate) fn sim(workload: &str, nemesis: &str, set: &[&str]) -> Order {
    order("sim-segments", workload, nemesis, set)
}

/// A line for every file of a run's folder: its digest and its name. Of `run.json` only the facts count.
pub(crate) fn digest(folder: &Path) -> String {
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort();
    let mut text = String::new();
    for file in files {
        let name = file.strip_prefix(folder).expect("it lies within").display().to_string();
        let mut bytes = std::fs::read(&file).expect("it can be read");
        if name == "run.json" {
            let run: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
            bytes = run["facts"].to_string().into_bytes();
        }
        writeln!(text, "{:016x} {name}", fnv(&bytes)).expect("a string takes it");
    }
    text
}

fn collect(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
