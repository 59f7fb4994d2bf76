//! Faults of the network and of machines: over processes as in virtual time, and that no clock decides
//! anything.

use crate::support::sim;
use crate::watchdog::place;
use dissent::config::load::parse;
use dissent::run::simulated_run::{Retention, run_simulated};
use dissent_core::checker::verdict::{Verdict, VerdictOutcome};
use dissent_core::history::fault::{Condition, FaultKind, StepEdge};
use dissent_core::history::nemesis::{Nemesis, Select, StepSpec};
use dissent_core::history::time::Nanos;
use dissent_core::seed::Seed;
use serde_json::Value;

/// What is told in milliseconds of a node, and what is concluded from that alone.
const DURATIONS: [&str; 8] =
    ["node_ms", "at_ms", "late_by_ms", "took_ms", "waited_ms", "evaluated_ms", "skew_ms", "setup"];

/// Visits every field of a document.
fn each_field(value: &mut Value, visit: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|it| each_field(it, visit)),
        Value::Object(fields) => {
            for (name, field) in fields {
                visit(name, field);
                each_field(field, visit);
            }
        }
        _ => {}
    }
}

/// The verdict of a run in which the victim's clock jumps while it merges what it must not merge yet.
fn with_jump(ms: i64, guard: &str, seed: u64) -> Verdict {
    let mut spec = sim("partial-upsert", "late-transition", &[guard]);
    let (step, edge, wait) = ("late-start".to_owned(), StepEdge::End, Nanos(100_000_000));
    spec.nemesis.steps.push(StepSpec {
        id: "jump".to_owned(),
        fault: FaultKind::ClockJump { ms },
        select: Select::SameAs(step.clone()),
        partition: None,
        begin: Condition::AfterStep { step, edge, wait },
        until: Condition::After(Nanos(1_000_000_000)),
        jitter: Nanos(0),
        repeat: None,
    });
    let results = tempfile::tempdir().expect("a folder");
    run_simulated(&spec, Seed(seed), results.path(), Retention::None).expect("a verdict").verdict
}

/// Goal: but for durations on the node's own clock, the verdict is the same whether that is set by a
/// millisecond or by an hour, and no such duration is told if it was. Method: only the clock differs between
/// the three runs of a seed.
#[test]
fn a_clock_that_is_set_changes_no_conclusion_and_no_duration_is_told_by_it() {
    for (guard, outcome) in [
        ("guard=startup-latch", VerdictOutcome::Fail),
        ("guard=signal-gate", VerdictOutcome::Fail),
        ("guard=partition-gate", VerdictOutcome::Pass),
    ] {
        for seed in 1..=4 {
            let timeless = |ms: i64| {
                let verdict = with_jump(ms, guard, seed);
                assert_eq!(verdict.outcome, outcome, "{guard} seed {seed}: {verdict:#?}");
                let mut told = serde_json::to_value(&verdict).expect("JSON");
                each_field(&mut told, &mut |name, field| {
                    if DURATIONS.contains(&name) {
                        let is_hour = |value: &Value| value.as_i64().is_some_and(|ms| ms.abs() > 1_800_000);
                        assert!(name == "node_ms" || !is_hour(field), "{name} is {field}");
                        *field = Value::Null;
                    }
                });
                told
            };
            let steady = timeless(1);
            for ms in [3_600_000, -3_600_000] {
                assert_eq!(timeless(ms), steady, "{guard} seed {seed}: {ms} ms");
            }
        }
    }
}

#[test]
fn a_measure_that_changes_nothing_or_too_much_is_refused() {
    let network = |mode: &str| format!("{{ network = {{ peer = \"controller\", mode = {mode} }} }}");
    let cases = [
        (network("{ drop-percent = 100 }"), Some("network by 100 percent")),
        (network("{ drop-percent = 99 }"), None),
        (network("{ throttle-per-second = 0 }"), Some("network by 0 messages a second")),
        (network("{ throttle-per-second = 5 }"), None),
        (network("{ delay-ms = 0 }"), Some("network by 0 milliseconds")),
        (network("\"cut-incoming\""), None),
        (network("\"cut\""), Some("")),
        ("{ slow-node = { times = 1 } }".to_owned(), Some("slow-node by 1 times")),
        ("{ clock-jump = { ms = 0 } }".to_owned(), Some("clock-jump by 0 milliseconds")),
        ("{ clock-jump = { ms = -3600000 } }".to_owned(), None),
        ("\"disk-full\"".to_owned(), None),
    ];
    for (fault, problem) in cases {
        let text = format!("[[step]]\nid = \"it\"\nfault = {fault}\nuntil = {{ after = \"1s\" }}\n");
        let refusal = parse::<Nemesis>("mine.toml", text).err().map(|error| error.to_string());
        let told = refusal.as_deref().unwrap_or_default();
        assert_eq!(refusal.is_some(), problem.is_some(), "{fault}: {told}");
        assert!(problem.is_none_or(|problem| told.contains(problem)), "{fault}: {told}");
    }
}

/// Over processes and sockets a plan finds the guard that it is for, or acquits the right one: its last line
/// begins with these words.
fn over_processes(plan: &str, set: &[&str], words: &str) {
    let results = tempfile::tempdir().expect("a folder");
    let set = set.iter().flat_map(|pair| ["--set", pair]);
    let run = ["run", "specimen-segments", "partial-upsert", plan, "--seed", "2"].into_iter().chain(set);
    let output = place::run(results.path(), &run.collect::<Vec<_>>());
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = out.lines().last().unwrap_or_default();
    assert!(last.starts_with(words), "{plan}: {}", place::told(&output));
}

/// A test for each arm, so that they wait side by side.
macro_rules! over_processes {
    ($($name:ident: $plan:literal $set:expr => $words:literal,)*) => {
        mod processes {
            $(
                #[test]
                fn $name() {
                    super::over_processes($plan, &$set, $words);
                }
            )*
        }
    };
}

over_processes! {
    a_partition_is_found: "partition-one" [] => "FAIL one-differs",
    a_partition_is_waited_for: "partition-one" ["guard=partition-gate"] => "PASS",
    lost_messages_are_sent_again: "flaky-network" ["guard=partition-gate"] => "PASS",
    a_slow_node_is_waited_for: "slow-one" ["guard=partition-gate"] => "PASS",
    a_full_disk_is_found: "full-disk" ["guard=timed-wait"] => "FAIL one-differs",
    a_full_disk_is_waited_for: "full-disk" ["guard=partition-gate"] => "PASS",
    a_wrong_clock_is_found: "wrong-clock" ["guard=timed-wait", "wait=1min"] => "FAIL one-differs",
    a_wrong_clock_does_not_matter: "wrong-clock" ["guard=partition-gate"] => "PASS",
}
