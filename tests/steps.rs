//! Steps of a plan that refer to each other, that are repeated, and that hit several replicas.

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

const PLAN: &str = r#"
[[step]]
id = "first"
fault = "pause"
begin = { at = "200ms" }
until = { after = "300ms" }
jitter = "100ms"
repeat = { times = 3, pause = "150ms" }

[[step]]
id = "one"
fault = "restart"
begin = { after-step = { step = "first", wait = "250ms" } }
until = { after = "400ms" }

[[step]]
id = "another"
fault = "pause"
select = { not = "one" }
begin = { after-step = { step = "one", edge = "begin" } }
until = { after = "200ms" }

[[step]]
id = "few"
fault = "pause"
select = "majority"
begin = { after-step = { step = "another" } }
until = { after = "200ms" }
"#;

struct Told(Vec<(f64, String)>);

impl Told {
    /// When the line was told, in seconds.
    #[track_caller]
    fn at(&self, line: &str) -> f64 {
        let found = self.0.iter().find(|(_, told)| told == line);
        found.unwrap_or_else(|| panic!("{line} is not in {:#?}", self.0)).0
    }

    /// The replicas that faults of a step hit.
    fn hit(&self, step: &str) -> BTreeSet<&str> {
        let begun = self.0.iter().filter_map(|(_, line)| line.split_once(": to begin "));
        let own = begun
            .filter(|(id, _)| id.trim_end_matches(|end: char| end.is_ascii_digit() || end == '-') == step);
        own.filter_map(|(_, rest)| rest.rsplit(' ').next()).collect()
    }
}

fn simulate(plan: &str, seed: &str) -> (Output, Told) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, plan).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.args(["run", "sim-segments", "steady"]).arg(&file).args(["--seed", seed, "-v"]);
    let output = command.env("DISSENT_RESULTS", dir.path()).stdin(Stdio::null()).output().expect("it starts");
    let stderr = String::from_utf8(output.stderr.clone()).expect("text");
    let timed = |line: &str| {
        let (time, rest) = line.trim_start().split_once("s  ")?;
        Some((time.parse().ok()?, rest.to_owned()))
    };
    (output, Told(stderr.lines().filter_map(timed).collect()))
}

#[test]
fn steps_follow_each_other_are_repeated_and_hit_as_many_replicas_as_they_say() {
    let mut first = BTreeSet::new();
    for seed in ["1", "2", "3"] {
        let (output, told) = simulate(PLAN, seed);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        for round in 1..3 {
            let (over, next) = (format!("first-{round}: cured"), format!("first-{}: in force", round + 1));
            assert!(told.at(&next) >= told.at(&over) + 0.150, "{over}");
        }
        assert!(told.at("one: in force") >= told.at("first-3: cured") + 0.250);
        let (begun, cured) = (told.at("one: in force"), told.at("one: cured"));
        assert!((begun..cured).contains(&told.at("another: in force")));
        assert!(told.hit("another").is_disjoint(&told.hit("one")));
        assert_eq!(told.hit("few").len(), 3, "three of four");
        assert!(told.at("few-1: in force") >= told.at("another: cured"));
        first.insert(format!("{:.3}", told.at("first-1: in force")));
    }
    assert_eq!(first.len(), 3, "each seed draws a time of its own");
}

#[test]
fn a_step_that_would_wait_for_ever_for_a_leader_is_refused() {
    let (output, _) = simulate(&PLAN.replace("\"majority\"", "\"leader\""), "1");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("step `few` selects the leader, and sim-segments has none"), "{told}");
}

#[test]
fn a_holder_of_a_segment_is_hit() {
    let (_, told) = simulate(&PLAN.replace("\"majority\"", "{ holder-of = \"consuming\" }"), "1");
    assert_eq!(told.hit("few").len(), 1);
}

#[test]
fn a_step_that_refers_to_itself_or_to_a_later_one_is_refused() {
    let (output, _) = simulate(&PLAN.replace("step = \"first\"", "step = \"few\""), "1");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("no earlier step is called `few`") && told.contains("allowed: first"), "{told}");
}
