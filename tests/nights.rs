//! A team's week of nights: what is new, known, expired, no longer seen and gone, and nights that prove
//! nothing.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Released before the others commit, the hold does no harm; released after, it does. At 1.4 s it is a race.
const PLAN: &str = "runs = 3\nknown = \"known.toml\"\n\n[[arm]]\nname = \"late\"\ntarget = \"sim-segments\"\n\
                    workload = \"partial-upsert\"\nnemesis = \"late-transition\"\n\
                    set = { \"until.late-start\" = \"1400ms\" }\n";
/// Three seeds in a row that fail.
const BAD: u64 = 53;
/// Ten in a row that pass.
const GOOD: u64 = 5;

struct Team(tempfile::TempDir);

impl Team {
    fn new() -> Team {
        let team = Team(tempfile::tempdir().expect("a folder"));
        std::fs::write(team.file("night.toml"), PLAN).expect("written");
        team.knows(None);
        team
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the list of known issues, with one that is accepted until a day.
    fn knows(&self, until: Option<&str>) {
        let issue = |until: &str| {
            format!(
                "[[issue]]\nfingerprint = \"wrong-value/whole-segment\"\nreason = \"being fixed\"\n\
                 owner = \"us\"\nlink = \"https://tracker/7\"\nuntil = \"{until}\"\n"
            )
        };
        let text = until.map_or_else(|| "issue = []\n".to_owned(), issue);
        std::fs::write(self.file("known.toml"), text).expect("written");
    }

    /// One night. Returns its campaign.
    #[track_caller]
    fn night(&self, seed: u64, more: &[&str], code: i32) -> Value {
        let seed = seed.to_string();
        let words = ["sweep", "night.toml", "--seed", &seed, "--format", "json"];
        let output = dissent(self.0.path(), &[&words[..], more].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{told}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    }
}

fn dissent(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.args(words).current_dir(folder).env_remove("DISSENT_RESULTS").stdin(Stdio::null());
    command.output().expect("the program starts")
}

/// The status of the one finding, and whether it is known.
fn status(campaign: &Value) -> (&str, bool) {
    let trends = campaign["trends"].as_array().expect("trends");
    assert_eq!(trends.len(), 1, "{trends:?}");
    (trends[0]["status"].as_str().expect("a status"), trends[0]["known"] == true)
}

#[test]
fn a_week_of_nights() {
    let team = Team::new();
    assert_eq!(status(&team.night(BAD, &[], 1)), ("new", false));
    team.knows(Some("2999-01-01"));
    let known = team.night(BAD, &[], 0);
    assert_eq!((status(&known), &known["arms"][0]["found"][0]["known"]), (("again", true), &Value::from(3)));
    team.knows(Some("2026-01-01"));
    assert_eq!(status(&team.night(BAD, &[], 1)), ("again", false));
    let quiet = team.night(GOOD, &["--runs", "1"], 0);
    assert_eq!(status(&quiet), ("not-seen", false));
    assert_eq!(status(&team.night(GOOD, &["--runs", "10"], 0)), ("gone", false));
    assert_eq!(status(&team.night(BAD, &[], 1)), ("flaky", false));
    // A night without a run proves nothing.
    let cut = team.night(GOOD, &["--time-limit", "1ns"], 3);
    assert_eq!((&cut["stopped_by"]["by"], &cut["outcome"]), (&"time-limit".into(), &"INCONCLUSIVE".into()));
    let index = std::fs::read_to_string(team.file("results/index.html")).expect("an index");
    assert_eq!(index.matches("/report.html\"").count(), 1 + 7, "{index}");
    let doubtful = PLAN.replace("set = {", "set = { \"min-exposure\" = 100000,");
    std::fs::write(team.file("night.toml"), doubtful).expect("written");
    let unknown = team.night(GOOD, &[], 3);
    assert_eq!(unknown["arms"][0]["inconclusive"], 3);
    assert_eq!(unknown["trends"].as_array().map(Vec::len), Some(0), "it is another plan");
}

#[test]
fn a_sweep_ends_when_its_goal_is_reached() {
    let team = Team::new();
    let failed = team.night(BAD, &["--runs", "50", "--until-fail", "--jobs", "1"], 1);
    assert_eq!(failed["stopped_by"]["by"], "goal");
    // The run that had begun meanwhile counts.
    assert!(failed["arms"][0]["runs"].as_u64().is_some_and(|runs| (1..50).contains(&runs)), "{failed}");
    let known = team.night(GOOD, &["--runs", "50", "--until", "90%"], 1);
    assert_eq!(known["stopped_by"]["by"], "goal");
    assert!(known["arms"][0]["runs"].as_u64().is_some_and(|runs| runs < 50), "{known}");
}

/// The samples in `tests/ci`: every command of their scripts is run in a checkout that has the plan.
#[test]
fn the_sample_workflows_do_what_they_say() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ci");
    for (file, marks) in [("github.yml", ["- run: ", "run: "]), ("gitlab.yml", ["- ", "- "])] {
        let team = Team::new();
        for copied in ["night.toml", "known.toml"] {
            std::fs::copy(samples.join(copied), team.file(copied)).expect("copied");
        }
        let text = std::fs::read_to_string(samples.join(file)).expect("a sample");
        let lines = text.lines().map(str::trim);
        let commands = lines.filter_map(|line| marks.iter().find_map(|mark| line.strip_prefix(mark)));
        let is_command = |line: &&str| line.starts_with("dissent ") || line.starts_with("cat ");
        let script: Vec<&str> = commands.filter(is_command).collect();
        assert!(script.first().is_some_and(|it| it.starts_with("dissent sweep ")), "{file}");
        for command in script {
            let output = shell(command, team.0.path());
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{file}: {command}: {told}");
        }
        let junit = std::fs::read_to_string(team.file("results/sweep-night-seed1/junit.xml")).expect("JUnit");
        assert!(
            junit.contains("failures=\"0\"") && junit.contains("<skipped message=\"known: in 20 of 20"),
            "{junit}"
        );
    }
}

/// Goal: the plans in `tests/sweeps` can be run as they are.
#[test]
fn the_sample_plans_fit_their_targets() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sweeps");
    for plan in ["guards.toml", "hold-time.toml", "overlap.toml"] {
        let output = dissent(&samples, &["sweep", plan, "--plan-only"]);
        assert!(output.status.success(), "{plan}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

fn shell(command: &str, folder: &Path) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_dissent")).parent().expect("a folder");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-euc", command]).current_dir(folder).env_remove("DISSENT_RESULTS");
    shell
        .env("PATH", format!("{}:{path}", program.display()))
        .env("GITHUB_STEP_SUMMARY", folder.join("summary"));
    shell.stdin(Stdio::null()).output().expect("a shell")
}
