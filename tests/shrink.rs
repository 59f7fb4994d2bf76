//! Shrinking as a user does it: the files and the command show the finding, and without any one step or write
//! they do not. In virtual time, and for one run of processes.

use crate::support::{sim, spec};
use dissent::config::load::load;
use dissent::run::run_spec::RunSpec;
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::Verdict;
use dissent_core::history::nemesis::Nemesis;
use dissent_core::history::run_record::{MemoryRecord, RunRecord as _};
use dissent_core::history::workload::Workload;
use dissent_core::seed::Seed;
use dissent_core::shrink::candidate::{Candidate, Piece};
use dissent_core::shrink::finding_class::FindingClass;
use dissent_core::shrink::recorded::recorded;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Results(tempfile::TempDir);

impl Results {
    fn new() -> Results {
        Results(tempfile::tempdir().expect("a folder"))
    }

    fn dissent(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
        command.args(words).env("DISSENT_RESULTS", self.0.path()).stdin(Stdio::null());
        command.output().expect("the program starts")
    }

    /// Shrinks the newest run, and returns the document.
    #[track_caller]
    fn shrunk(&self, options: &[&str]) -> Value {
        let output = self.dissent(&[&["shrink", "latest", "--format", "json"], options].concat());
        exits(&output, 0);
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(spec: &RunSpec, seed: u64) -> MemoryRecord {
    let meta = spec.meta(Seed(seed), None).expect("it fits");
    dissent_simulator::run(&meta, spec.timing, &spec.simulation().expect("it fits")).expect("it runs")
}

fn verdict(of: &RunSpec, candidate: &Candidate, seed: u64) -> Verdict {
    let Candidate { workload, nemesis } = candidate.clone();
    judge(&run(&RunSpec { workload, nemesis, ..of.clone() }, seed))
}

/// The files of a shrunk run.
fn files(document: &Value) -> Candidate {
    let folder = PathBuf::from(document["folder"].as_str().expect("a folder"));
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let workload: Workload = load(&path("workload.toml")).expect("a workload");
    let nemesis: Nemesis = load(&path("nemesis.toml")).expect("a plan");
    Candidate { workload, nemesis }
}

/// Without any one step or write the finding is lost.
#[track_caller]
fn is_minimal(document: &Value, of: &RunSpec, seed: u64) {
    let left = files(document);
    let finding = document["finding"].as_str().expect("a finding");
    let shows = |candidate: &Candidate| {
        let all = FindingClass::all(&verdict(of, candidate, seed));
        all.iter().any(|class| class.to_string() == finding)
    };
    assert!(shows(&left), "{document}");
    for piece in [Piece::Step, Piece::Write] {
        for one in 0..left.count(piece) {
            assert!(!shows(&left.without(piece, one..one + 1)), "{piece:?} {one} is not needed: {document}");
        }
    }
}

/// Everything that is drawn can be given: the very same entries, and the very same findings.
#[test]
fn what_a_run_did_gives_the_same_run() {
    for (of, seed) in [
        (sim("partial-upsert", "late-transition", &["guard=startup-latch"]), 3),
        (sim("partial-upsert", "kill-one", &["guard=partition-gate"]), 4),
        (spec("sim-shard", "upsert-feed", "mixed", &["rule=v2-stranding"]), 5),
    ] {
        let record = run(&of, seed);
        let Candidate { workload, nemesis } = recorded(&record);
        let again = run(&RunSpec { workload, nemesis, ..of }, seed);
        assert_eq!(record.log, again.log);
        assert_eq!(judge(&record).findings, judge(&again).findings);
        let replicas = |record: &MemoryRecord| {
            record.meta().steps.iter().map(|step| (step.replica.clone(), step.partition)).collect::<Vec<_>>()
        };
        assert_eq!(replicas(&record), replicas(&again));
    }
}

#[test]
fn a_divergence_is_shrunk_until_nothing_can_be_taken_away_and_its_command_shows_it() {
    let results = Results::new();
    let run = ["run", "sim-segments", "partial-upsert", "late-transition", "--seed", "7"];
    exits(&results.dissent(&[&run[..], &["--set", "guard=startup-latch", "--set", "tail=1s"]].concat()), 1);
    let document = results.shrunk(&[]);
    let after = |what: &str| document["after"][what].as_u64().expect("a number");
    assert!(after("steps") <= 2 && after("writes") <= 4, "{document}");
    assert_eq!((&document["minimal"], &document["verified"]), (&true.into(), &true.into()));
    is_minimal(&document, &sim("partial-upsert", "late-transition", &["guard=startup-latch"]), 7);

    // The command, as it is printed.
    let command = document["command"].as_str().expect("a command");
    assert!(command.ends_with("--seed 7 --set guard=startup-latch"), "{command}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let again = results.dissent(&[&words[..], &["--format", "json"]].concat());
    exits(&again, 1);
    let again: Value = serde_json::from_slice(&again.stdout).expect("JSON");
    let finding = &again["runs"][0]["findings"][0];
    let class = format!("{} {}", finding["fingerprint"], finding["last"]["pattern"]).replace('"', "");
    assert_eq!(class, document["finding"]);

    // The fix passes: it is a regression test.
    let fixed: Vec<String> =
        words.iter().map(|word| word.replace("guard=startup-latch", "guard=partition-gate")).collect();
    let fixed = results.dissent(&fixed.iter().map(String::as_str).collect::<Vec<_>>());
    assert!([Some(0), Some(3)].contains(&fixed.status.code()), "{}", told(&fixed));
    let folder = document["folder"].as_str().expect("a folder");
    let summary = fs::read_to_string(Path::new(folder).join("summary.md")).expect("a summary");
    assert!(summary.contains(command) && summary.contains("| late-start |"), "{summary}");
}

/// The same result on any number of threads.
#[test]
fn a_freeze_is_shrunk_and_the_number_of_threads_makes_no_difference() {
    let results = Results::new();
    let words = ["run", "sim-shard", "upsert-feed", "mixed", "--seed", "3", "--set", "rule=v2-stranding"];
    exits(&results.dissent(&words), 1);
    let (one, many) = (results.shrunk(&["--jobs", "1"]), results.shrunk(&["--jobs", "3"]));
    assert_eq!(files(&one).nemesis.steps, files(&many).nemesis.steps);
    assert_eq!(files(&one).workload.writes, files(&many).workload.writes);
    assert!(one["finding"].as_str().is_some_and(|finding| finding.starts_with("frozen/")), "{one}");
    assert!(one["after"]["steps"].as_u64() < Some(7), "{one}");
    is_minimal(&one, &spec("sim-shard", "upsert-feed", "mixed", &["rule=v2-stranding"]), 3);
}

/// A run of processes is repeated as processes, with everything that is given, and once more from its files.
/// The budget is spent before anything can be taken away.
#[test]
fn a_run_of_processes_is_repeated_within_the_budget() {
    let results = Results::new();
    exits(
        &results.dissent(&["run", "specimen-segments", "partial-upsert", "late-transition", "--seed", "7"]),
        1,
    );
    let document = results.shrunk(&["--budget", "1ns"]);
    assert_eq!(document["stopped_by"], "the budget");
    assert_eq!((&document["minimal"], &document["verified"]), (&false.into(), &true.into()));
    assert_eq!(document["shown"]["hits"], 3);
    assert_eq!(document["after"], document["before"]);
    let runs = Path::new(document["folder"].as_str().expect("a folder")).join("runs");
    let kept = fs::read_dir(runs).expect("a folder").filter_map(Result::ok);
    assert_eq!(kept.filter(|run| !run.file_type().expect("a type").is_symlink()).count(), 1);
    // The same in virtual time, to the end.
    let simulated = results.shrunk(&["--simulate"]);
    assert_eq!((&simulated["finding"], &simulated["minimal"]), (&document["finding"], &true.into()));
}

#[test]
fn a_run_that_cannot_be_shrunk_is_refused() {
    let results = Results::new();
    let none = results.dissent(&["shrink", "latest"]);
    exits(&none, 2);
    exits(&results.dissent(&["run", "sim-segments", "steady", "none", "--seed", "1"]), 0);
    let passed = results.dissent(&["shrink", "latest"]);
    exits(&passed, 2);
    assert!(told(&passed).contains("has no finding to shrink"), "{}", told(&passed));
    let run = ["run", "sim-segments", "partial-upsert", "late-transition", "--seed", "7"];
    exits(&results.dissent(&[&run[..], &["--set", "guard=startup-latch"]].concat()), 1);
    for (words, why) in [
        (
            ["--finding", "9"],
            "the findings of sim-segments-partial-upsert-late-transition-startup-latch-seed7 are: 1",
        ),
        (["--budget", "9"], "has no known unit"),
    ] {
        let refused = results.dissent(&[&["shrink", "latest"], &words[..]].concat());
        exits(&refused, 2);
        assert!(told(&refused).contains(why), "{}", told(&refused));
    }
    let made = fs::read_dir(results.0.path()).expect("a folder").filter_map(Result::ok);
    let made = made.filter(|entry| entry.file_name().to_string_lossy().starts_with("shrink-"));
    assert_eq!(made.count(), 0, "nothing was written");
}
