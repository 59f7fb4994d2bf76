//! `cargo bench`: how fast folders are judged, dumps compared, ops generated and recorded, and runs
//! simulated, each beside a plain job in the same session. README.md says how to read it; a job that is twice
//! as slow as it says there fails.
//!
//! `cargo bench -- ROWS` sets the number of rows per replica; the default is 200,000.
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a benchmark tells times on stdout")]

mod cost;
mod dumps;
mod null;

use cost::{Cost, Costs};
use dissent::cli::RunArgs;
use dissent::commands::run_spec;
use dissent::run::judging::JudgedRun;
use dissent::run::run_spec::RunSpec;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent::synth::{self, Plant, synthesize};
use dissent_core::checker::judge::{Oracle, judge};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::frontier;
use dissent_core::history::frontier::{Domain, Frontier, FrontierKind, Upstream};
use dissent_core::history::run_record::{MemoryRecord, RunRecord};
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use dissent_store::codec;
use dissent_store::run_reader::RunReader;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

const REPLICAS: u32 = 4;
/// What most jobs are compared with.
const HASHING: &str = "hashing the rows";
const OPS: u64 = 200_000;
const SIMULATED: u64 = 60;
const FRONTIERS: u64 = 1_000;
const LOOKS: u64 = 1_000;
const NODE_EVENTS: usize = 100_000;
/// So many that the clock for CPU time, which ticks every 10 ms, tells them apart.
const EXPLAINED: u64 = 10;

fn main() {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rows: u64 = asked.unwrap_or(200_000);
    let temp = tempfile::tempdir().expect("a folder");
    let mut costs = Costs::new();
    println!("{REPLICAS} replicas x {rows} rows; medians");
    let hash = check(&mut costs, rows, Plant::None, &temp.path().join("agree"));
    check(&mut costs, rows, Plant::Differ(100), &temp.path().join("differ"));
    dumps::compare(&mut costs, rows, &temp.path().join("dumps"));
    frontiers(&mut costs, hash, &temp.path().join("frontiers"));
    record(&mut costs, hash, temp.path());
    simulate_runs(&mut costs, hash, temp.path());
    explain(&mut costs, hash);
    costs.end();
}

/// The whole of `dissent check`, verdict and page, beside hashing the rows of all replicas as plain lines.
/// Returns what that costs.
fn check(costs: &mut Costs, rows: u64, plant: Plant, dir: &Path) -> Cost {
    let spec = synth::SynthSpec { rows, replicas: REPLICAS, seed: Seed(1), plant };
    synthesize(&spec, dir).expect("made up");
    let plain = dir.join("rows.jsonl");
    write_rows(&RunReader::open(dir).expect("a run"), &plain).expect("written");
    let all = rows * u64::from(REPLICAS);
    let hash = Cost::of(|| dumps::run("sha256sum", &[&plain]));
    let judge = Cost::of(|| {
        let record = RunReader::open(dir).expect("a run");
        let mut judged = JudgedRun::for_page(&record, Oracle::default(), dissent::exit::Exit::Pass);
        assert_eq!(judged.verdict.compared.rows, all);
        judged.write(&record, dir, "checked").expect("written");
    });
    costs.tell(&format!("check {plant}"), judge, (all, "rows"), (HASHING, hash));
    hash
}

/// Writes the rows of all reads as lines of JSON.
fn write_rows(record: &RunReader, file: &Path) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    for (_, row) in (0..record.meta().partitions).flat_map(|partition| record.rows(partition)) {
        serde_json::to_writer(&mut out, &codec::content(&record.meta().schema, &row))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

/// A million looks at a thousand frontiers, in memory: every tenth is frozen.
fn frontiers(costs: &mut Costs, hash: Cost, dir: &Path) {
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
    costs.tell("judge looks at frontiers", cost, (FRONTIERS * LOOKS, "looks"), (HASHING, hash));
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

/// The load of a run against a cluster that acknowledges at once, recorded.
fn record(costs: &mut Costs, hash: Cost, dir: &Path) {
    let spec = spec(&["specimen-segments", "partial-upsert", "none", "--rate", "1000000"]);
    let mut round = 0;
    let cost = Cost::of(|| {
        round += 1;
        assert_eq!(null::run(&spec, OPS, &dir.join(format!("null-{round}"))), OPS);
    });
    costs.tell("generate and record", cost, (OPS, "ops"), (HASHING, hash));
}

/// Runs in virtual time on one thread, with their verdicts.
fn simulate_runs(costs: &mut Costs, hash: Cost, dir: &Path) {
    let spec = spec(&["sim-segments", "partial-upsert", "late-transition"]);
    let mut seed = 0;
    let cost = Cost::of(|| {
        for _ in 0..SIMULATED {
            seed += 1;
            run_simulated(&spec, Seed(seed), dir, Retention::None).expect("a verdict");
        }
    });
    costs.tell("simulate and judge", cost, (SIMULATED, "runs"), (HASHING, hash));
}

/// A run with wrong rows, judged with the events of its nodes and with a hundred thousand more of them.
fn explain(costs: &mut Costs, hash: Cost) {
    let spec = spec(&["sim-segments", "partial-upsert", "late-transition"]);
    let meta = spec.meta(Seed(1), None).expect("it fits");
    let record =
        dissent_simulator::run(&meta, spec.timing, &spec.simulation().expect("it fits")).expect("it runs");
    let nodes = record.events.iter().filter(|timed| matches!(timed.event, Event::Lifecycle(_)));
    let nodes: Vec<TimedEvent> = nodes.cloned().collect();
    let mut crowded = record.clone();
    crowded.events.extend(nodes.iter().cycle().take(NODE_EVENTS).cloned().map(|mut timed| {
        if let Event::Lifecycle(record) = &mut timed.event {
            "transition-started".clone_into(&mut record.kind);
        }
        timed
    }));
    for (what, record) in [("explain", &record), ("explain among events", &crowded)] {
        let cost = Cost::of(|| {
            (0..EXPLAINED).for_each(|_| assert!(!judge(record).findings.is_empty()));
        });
        costs.tell(what, cost, (EXPLAINED, "runs"), (HASHING, hash));
    }
}

fn spec(words: &[&str]) -> RunSpec {
    run_spec(&<RunArgs as clap::Parser>::parse_from(std::iter::once("run").chain(words.iter().copied())))
        .expect("it makes sense")
}
