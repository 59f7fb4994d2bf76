//! The line `run again` of a report gives the same run: split as a shell splits it and parsed as the command
//! line, it must give the same run specification.

use dissent::cli::RunArgs;
use dissent::commands::run_spec;
use dissent::report::terminal::{Style, summary};
use dissent_core::checker::judge::judge;
use dissent_core::seed::Seed;
use std::process::Command;

/// The words of a line, as a shell splits them.
fn words(line: &str) -> Vec<String> {
    let shell = Command::new("sh").args(["-c", &format!("printf '%s\\0' {line}")]).output().expect("sh");
    let text = String::from_utf8(shell.stdout).expect("text");
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

fn parsed(words: &[String]) -> RunArgs {
    <RunArgs as clap::Parser>::parse_from(&words[1..])
}

#[test]
fn run_again_asks_for_the_same_run() {
    let temp = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = temp.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let workload = file("it's mine.toml", include_str!("../workloads/steady.toml"));
    let nemesis = file("my plan.toml", include_str!("../nemesis/none.toml"));
    let known = file("known issues.toml", "");
    let every_option: [&str; 17] = [
        "--for",
        "2s",
        "--rate",
        "200",
        "--quiesce",
        "3s",
        "--timeout",
        "90s",
        "--capture-every",
        "500ms",
        "--trust-checksums",
        "all",
        "--probe-restart",
        "--self-test",
        "--set",
        "guard=partition-gate",
        "--known",
    ];
    let every_option = [&every_option[..], &[known.as_str(), "--set", "keys=5"]].concat();
    let base = ["dissent", "run", "sim-segments"];
    for given in [
        [&base[..], &["steady", "none"]].concat(),
        [&base[..], &[workload.as_str(), nemesis.as_str()]].concat(),
        [&base[..], &[workload.as_str(), nemesis.as_str()], &every_option[..]].concat(),
    ] {
        let given: Vec<String> = given.into_iter().map(str::to_owned).collect();
        let spec = run_spec(&parsed(&given)).expect("it makes sense");
        let meta = spec.meta(Seed(42), None).expect("it can be run");
        let verdict = judge(&dissent_core::history::run_record::MemoryRecord {
            meta: meta.clone(),
            events: Vec::new(),
            log: vec![Vec::new(); meta.partitions as usize],
            rows: vec![Vec::new(); meta.partitions as usize],
            current_rows: vec![Vec::new(); meta.partitions as usize],
        });
        let told = summary(&verdict, &meta, Style::default());
        let line =
            told.lines().find_map(|line| line.trim().strip_prefix("run again")).expect("the line").trim();
        let again = parsed(&words(line));
        assert_eq!(again.seed, Some(42), "{line}");
        let spec_again = run_spec(&again).expect("it makes sense");
        assert_eq!(format!("{spec_again:?}"), format!("{spec:?}"), "{line}");
    }
}

/// `--like` does what a run did: with its options, with what its own files said then, and another seed.
#[test]
fn a_run_like_another_needs_neither_its_command_nor_its_files() {
    let temp = tempfile::tempdir().expect("a folder");
    let results = temp.path().join("results");
    let workload = temp.path().join("mine.toml");
    let text = include_str!("../workloads/steady.toml").replace("rate = 200", "rate = 300");
    std::fs::write(&workload, text).expect("a file");
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
        command.arg("run").args(words).arg("-q").env("DISSENT_RESULTS", &results);
        command.output().expect("the program starts")
    };
    let facts = || -> serde_json::Value {
        let text = std::fs::read_to_string(results.join("latest/run.json")).expect("the facts");
        let run: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        run["facts"].clone()
    };
    let file = workload.display().to_string();
    let options = ["--seed", "3", "--for", "2s", "--set", "guard=partition-gate", "--set", "keys=7"];
    assert!(run(&[&["sim-segments", file.as_str(), "none"], &options[..]].concat()).status.success());
    let first = facts();
    std::fs::remove_file(&workload).expect("it is there");

    assert!(run(&["--like", "latest", "--seed", "3"]).status.success());
    assert_eq!(facts(), first);
    assert_eq!(facts()["workload"]["rate"], 300);
    assert!(run(&["--like", "latest"]).status.success());
    assert_ne!(facts()["seed"], first["seed"]);
    assert_eq!(facts()["schema"], first["schema"]);
    assert!(run(&["--like", "latest", "--set", "keys=9", "--for", "1s"]).status.success());
    let other = facts();
    assert_eq!((&other["workload"]["keys"]["live"], &other["workload"]["load"]), (&9.into(), &"1s".into()));
    assert_eq!(other["settings"]["guard"], "partition-gate");

    for (words, told) in [
        (vec!["--like", "latest", "sim-segments"], "cannot be used with"),
        (vec!["--like", "nowhere"], "no run folder"),
        (vec!["sim-segments", "steady"], "<NEMESIS>"),
    ] {
        let refused = run(&words);
        let stderr = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(stderr.contains(told), "{words:?}: {stderr}");
    }
}
