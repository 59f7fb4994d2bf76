//! `cargo bench`: how fast folders are judged, ops generated and recorded, and runs simulated, each compared
//! with a plain job on the same bytes in the same session. Ratios hold on any machine; seconds do not.
//!
//! `cargo bench -- ROWS` sets the number of rows per replica; the default is 200,000.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark tells times on stdout")]

mod cost;
mod dumps;
mod null;

use cost::Cost;
use dissent::cli::RunArgs;
use dissent::commands::run_spec;
use dissent::run::judging::JudgedRun;
use dissent::run::run_spec::RunSpec;
use dissent::run::simulate;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent::synth::{self, Plant, synthesize};
use dissent_core::checker::judge::{Oracle, judge};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::frontier;
use dissent_core::history::frontier::{Domain, Frontier, FrontierKind, Upstream};
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::run_reader::RunReader;
use std::collections::BTreeSet;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

const REPLICAS: u32 = 4;
const ROUNDS: usize = 5;
const OPS: u64 = 200_000;
const SIMULATED: u64 = 60;
const FRONTIERS: u64 = 1_000;
const LOOKS: u64 = 1_000;
const NODE_EVENTS: usize = 100_000;

fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rows: u64 = asked.unwrap_or(200_000);
    let temp = tempfile::tempdir().expect("a folder");
    println!("{REPLICAS} replicas x {rows} rows; medians of {ROUNDS} rounds");
    for plant in [Plant::None, Plant::Differ(100)] {
        check(rows, plant, &temp.path().join(plant.to_string()));
    }
    dumps::compare(rows, &temp.path().join("dumps"));
    frontiers(&temp.path().join("frontiers"));
    record(temp.path());
    simulate_runs(temp.path());
    explain();
}

/// The whole of `dissent check`, verdict and page, compared with decompressing and hashing the same files.
fn check(rows: u64, plant: Plant, dir: &Path) {
    let spec = synth::SynthSpec { rows, replicas: REPLICAS, seed: Seed(1), plant };
    synthesize(&spec, dir).expect("made up");
    let mut files = Vec::new();
    collect(dir, &mut files);
    let all = rows * u64::from(REPLICAS);
    let decompress = Cost::of(|| files.iter().for_each(|file| plain(file, |_| {})));
    let hash = Cost::of(|| {
        let mut hasher = DefaultHasher::new();
        files.iter().for_each(|file| plain(file, |bytes| hasher.write(bytes)));
        std::hint::black_box(hasher.finish());
    });
    let judge = Cost::of(|| {
        let record = RunReader::open(dir).expect("a run");
        let mut judged = JudgedRun::for_page(&record, Oracle::default(), dissent::exit::Exit::Pass);
        assert_eq!(judged.verdict.compared.rows, all);
        judged.write(&record, dir, "checked").expect("written");
    });
    decompress.tell(&format!("{plant}: decompress all files"), all, "rows", None);
    hash.tell(&format!("{plant}: and hash the bytes"), all, "rows", Some(("decompressing", decompress)));
    judge.tell(&format!("{plant}: check"), all, "rows", Some(("decompressing", decompress)));
}

/// A million looks at a thousand frontiers, in memory: every tenth is frozen.
fn frontiers(dir: &Path) {
    let spec = synth::SynthSpec { rows: 1_000, replicas: REPLICAS, seed: Seed(1), plant: Plant::None };
    synthesize(&spec, dir).expect("made up");
    let mut meta = RunReader::open(dir).expect("a run").meta().clone();
    meta.frontiers = (0..FRONTIERS).map(declared).collect();
    let events = (0..LOOKS).flat_map(|at| (0..FRONTIERS).map(move |n| look(n, at))).collect();
    let empty = meta.partitions as usize;
    let (log, rows, currents) = (vec![Vec::new(); empty], vec![Vec::new(); empty], vec![Vec::new(); empty]);
    let record = MemoryRecord { meta, events, log, rows, current_rows: currents };
    let cost = Cost::of(|| {
        let verdict = judge(&record);
        assert_eq!(verdict.findings.len() as u64, FRONTIERS / 10);
        assert_eq!(verdict.progress.looks, FRONTIERS * LOOKS);
    });
    cost.tell("judge looks at 1,000 frontiers", FRONTIERS * LOOKS, "looks", None);
}

fn declared(n: u64) -> Frontier {
    Frontier {
        object: format!("frontier-{n}"),
        kind: FrontierKind::WriterOutput,
        replica: None,
        domain: if n.is_multiple_of(2) { Domain::Same } else { Domain::Foreign },
        durable: false,
        feeds: None,
        group: format!("group-{}", n / 100),
        heals_within: None,
        combines: None,
        upstream: Upstream::default(),
        ends_at: None,
        from_start: true,
    }
}

/// Ten looks per second; a frozen frontier stops halfway.
fn look(n: u64, at: u64) -> TimedEvent {
    let f = if n % 10 == 3 { at.min(LOOKS / 2) } else { at };
    let event = Event::Frontier(frontier::FrontierReading {
        object: format!("frontier-{n}"),
        u1: at + 5,
        f: Some(f + 1),
        u2: at + 6,
        status: "running".to_owned(),
        incarnation: 1,
    });
    TimedEvent { t: Nanos(at * 100_000_000 + n), event }
}

/// Feeds the plain bytes of a file of frames to `each`, 64 KiB at a time.
fn plain(file: &Path, mut each: impl FnMut(&[u8])) {
    let file = File::open(file).expect("a file");
    let mut from = zstd::stream::read::Decoder::new(file).expect("frames");
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer).expect("whole frames") {
            0 => return,
            count => each(std::hint::black_box(&buffer[..count])),
        }
    }
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    let entries: BTreeSet<PathBuf> =
        std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    for path in entries {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|end| end == "zst") {
            files.push(path);
        }
    }
}

/// The load of a run against a cluster that acknowledges at once, recorded.
fn record(dir: &Path) {
    let spec = spec(&["specimen-segments", "partial-upsert", "none", "--rate", "1000000"]);
    let mut round = 0;
    let cost = Cost::of(|| {
        round += 1;
        assert_eq!(null::run(&spec, OPS, &dir.join(format!("null-{round}"))), OPS);
    });
    cost.tell("generate and record to nowhere", OPS, "ops", None);
}

/// Runs in virtual time on one thread, with their verdicts.
fn simulate_runs(dir: &Path) {
    let spec = spec(&["sim-segments", "partial-upsert", "late-transition"]);
    let mut seed = 0;
    let cost = Cost::of(|| {
        for _ in 0..SIMULATED {
            seed += 1;
            run_simulated(&spec, Seed(seed), dir, Retention::None).expect("a verdict");
        }
    });
    cost.tell("simulate and judge, one thread", SIMULATED, "runs", None);
}

/// A run with wrong rows, judged with the events of its nodes and with a hundred thousand more of them.
fn explain() {
    let spec = spec(&["sim-segments", "partial-upsert", "late-transition"]);
    let meta = spec.meta(Seed(1), None).expect("it fits");
    let record = simulate::run(&meta, spec.timing, &spec.simulation().expect("it fits")).expect("it runs");
    let nodes = record.events.iter().filter(|timed| matches!(timed.event, Event::Lifecycle(_)));
    let nodes: Vec<TimedEvent> = nodes.cloned().collect();
    let mut crowded = record.clone();
    crowded.events.extend(nodes.iter().cycle().take(NODE_EVENTS).cloned().map(|mut timed| {
        if let Event::Lifecycle(record) = &mut timed.event {
            "transition-started".clone_into(&mut record.kind);
        }
        timed
    }));
    for (what, record) in [("judge and explain", &record), ("the same, 100,000 node events", &crowded)] {
        let cost = Cost::of(|| assert!(!judge(record).findings.is_empty()));
        cost.tell(what, 1, "runs", None);
    }
}

fn spec(words: &[&str]) -> RunSpec {
    run_spec(&<RunArgs as clap::Parser>::parse_from(std::iter::once("run").chain(words.iter().copied())))
        .expect("it makes sense")
}
