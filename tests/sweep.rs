//! Sweeps: parts survive kill -9, a plan that has changed is refused, and the whole says what may be
//! concluded.

use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const ARM: &str = "[[arm]]\nname = \"late\"\ntarget = \"sim-segments\"\nworkload = \"partial-upsert\"\n\
                   nemesis = \"late-transition\"\n\
                   vary = { guard = [\"startup-latch\", \"partition-gate\"] }\n";

struct Folder(tempfile::TempDir);

impl Folder {
    /// A folder with a plan.
    fn with(plan: &str) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a folder"));
        std::fs::write(folder.plan(), plan).expect("written");
        folder
    }

    fn plan(&self) -> PathBuf {
        self.0.path().join("night.toml")
    }

    fn sweep(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
        let results = self.0.path().join("results");
        command.arg("sweep").args(words).env("DISSENT_RESULTS", results).stdin(Stdio::null());
        command
    }

    /// Runs the plan from its beginning.
    fn run(&self) -> Output {
        self.sweep(&[&self.plan().to_string_lossy()]).output().expect("the program starts")
    }

    fn resume(&self) -> Output {
        let sweep = self.of_sweep("").to_string_lossy().into_owned();
        self.sweep(&["--resume", &sweep]).output().expect("the program starts")
    }

    fn of_sweep(&self, file: &str) -> PathBuf {
        self.0.path().join("results/sweep-night-seed1").join(file)
    }

    fn campaign(&self) -> Value {
        let text = std::fs::read(self.of_sweep("campaign.json")).expect("the sweep has ended");
        serde_json::from_slice(&text).expect("JSON")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn exits(output: &Output, code: i32) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

#[test]
fn arms_are_told_with_their_rates_and_beside_each_other() {
    let folder = Folder::with(&format!("runs = 12\nfirst-seed = 1\n{ARM}"));
    let output = folder.run();
    exits(&output, 1);
    let campaign = folder.campaign();
    let of = |arm: usize, field: &str| campaign["arms"][arm][field].clone();
    for (arm, failed, passed) in [(0, 12, 0), (1, 0, 12)] {
        assert_eq!([of(arm, "runs"), of(arm, "failed"), of(arm, "passed")], [12, failed, passed]);
    }
    assert_eq!(of(0, "name"), "late guard=startup-latch");
    assert_eq!(of(0, "found")[0]["kind"], "one-differs wrong-value minority standing");
    assert_eq!(of(1, "failure")["trials"], 12);
    let pair = &campaign["pairs"][0];
    assert_eq!([&pair["failed_in_first"], &pair["failed_in_second"]], [12, 0]);
    let told = text(&output.stdout);
    let sentence = "late guard=partition-gate: 0 of 12 runs failed, 12 exposed: below 24.25 % at 95 % \
                    (Wilson), for schedules drawn from this plan";
    assert!(told.contains(sentence), "{told}");
    let last = told.lines().last().expect("a last line");
    assert!(last.starts_with("FAIL 12 of 24 runs failed, 24 exposed, 0 inconclusive, 2 arms"), "{last}");
    // The first three failures of an arm are kept, as any run is.
    let kept = std::fs::read_dir(folder.of_sweep("runs")).expect("a folder").count();
    assert!((1..=4).contains(&kept), "{kept} runs were kept");
}

/// Goal: a drawn arm says how much of its configurations it tried, and what repeats a run; a cell of fault
/// and event that was never met is counted as 0.
#[test]
fn a_drawn_arm_names_the_command_of_each_example_and_the_cells_that_were_never_met() {
    let folder = Folder::with(
        "runs = 12\nfirst-seed = 1\nparts = 4\n[[arm]]\nname = \"any\"\ntarget = \"sim-segments\"\n\
         workload = \"partial-upsert\"\ndraw = { nemesis = [\"none\", \"late-transition\"], \
         guard = [\"startup-latch\", \"partition-gate\"] }\n",
    );
    let output = folder.run();
    exits(&output, 1);
    let campaign = folder.campaign();
    let arm = &campaign["arms"][0];
    assert_eq!(arm["drawn"], serde_json::json!({"combinations": 4, "block": 4, "pairs": 4, "pairs_met": 4}));
    let found = &arm["found"][0];
    for (seed, command) in
        found["seeds"].as_array().expect("seeds").iter().zip(found["commands"].as_array().expect("commands"))
    {
        let wanted = "dissent run sim-segments partial-upsert late-transition --set guard=startup-latch";
        assert_eq!(command, &format!("{wanted} --seed {seed}"));
    }
    let rows = arm["coverage"].as_array().expect("rows");
    let faults: Vec<&Value> = rows.iter().map(|row| &row["fault"]).collect();
    assert_eq!(faults, ["hold-message consuming-to-online", "hold-message offline-to-consuming"]);
    let cells = &rows[1]["cells"];
    assert_eq!((&cells["boundary"], &cells["boot elsewhere"]), (&rows[1]["runs"], &Value::from(0)));
    let told = text(&output.stdout);
    assert!(told.contains("hold-message offline-to-consuming x boot elsewhere"), "{told}");
    assert!(told.contains("4 of 4 pairs of values were run, and 7 seeds in a row have them all"), "{told}");
    // It goes on from its own files.
    exits(&folder.resume(), 1);
}

#[test]
fn a_killed_sweep_goes_on_and_says_the_same_as_one_that_was_not() {
    let plan = format!("runs = 30\nfirst-seed = 1\nparts = 10\n{ARM}");
    let (whole, killed) = (Folder::with(&plan), Folder::with(&plan));
    exits(&whole.run(), 1);
    let mut child = killed.sweep(&[&killed.plan().to_string_lossy()]);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let first = killed.of_sweep("parts/00000.json");
    wait_for(&first);
    child.kill().expect("a child");
    child.wait().expect("it has ended");
    let before = std::fs::metadata(&first).expect("a part").ino();
    exits(&killed.resume(), 1);
    assert_eq!(std::fs::metadata(&first).expect("a part").ino(), before, "a finished part is not done again");
    let wanted = without_start(whole.campaign());
    assert_eq!(without_start(killed.campaign()), wanted);
    // It has ended: there is nothing left to do, and the answer is the same.
    exits(&killed.resume(), 1);
    assert_eq!(without_start(killed.campaign()), wanted);
}

/// The same without the time when it began.
fn without_start(mut campaign: Value) -> Value {
    let started = campaign["started"].as_str().expect("a time").to_owned();
    campaign["started"] = Value::Null;
    let text = campaign.to_string();
    serde_json::from_str(&text.replace(&started, "then")).expect("JSON")
}

fn wait_for(file: &Path) {
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn parts_and_files_of_another_plan_are_refused() {
    let own = "own.toml";
    let plan = format!(
        "runs = 2\nfirst-seed = 1\nparts = 2\n[[arm]]\ntarget = \"sim-segments\"\nworkload = \"steady\"\n\
         nemesis = \"{own}\"\n"
    );
    let folder = Folder::with(&plan);
    let nemesis = std::fs::read_to_string("nemesis/none.toml").expect("a plan of the catalogue");
    std::fs::write(folder.0.path().join(own), &nemesis).expect("written");
    exits(&folder.run(), 0);
    let part = folder.of_sweep("parts/00001.json");
    let stored = std::fs::read_to_string(&part).expect("a part");
    std::fs::write(&part, stored.replacen("\"plan\":\"", "\"plan\":\"0", 1)).expect("written");
    let refused = folder.resume();
    exits(&refused, 2);
    assert!(text(&refused.stderr).contains("a part of another plan"), "{}", text(&refused.stderr));
    std::fs::write(&part, stored).expect("written");
    std::fs::write(folder.0.path().join(own), format!("{nemesis}\ntail = \"7s\"\n")).expect("written");
    let refused = folder.resume();
    exits(&refused, 2);
    assert!(
        text(&refused.stderr).contains("have changed since the sweep began"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn an_arm_that_cannot_be_run_is_named_before_anything_is_done() {
    let wrong = ARM.replace("partition-gate", "partition-gat");
    let folder = Folder::with(&format!("runs = 1\n{wrong}"));
    let refused = folder.run();
    exits(&refused, 2);
    let told = text(&refused.stderr);
    assert!(told.contains("arm `late guard=partition-gat`") && told.contains("partition-gate"), "{told}");
    assert!(!folder.0.path().join("results").exists(), "nothing was done");
}

/// Goal: the plan in the help works as it stands, and a sweep tells beforehand how much room it takes.
#[test]
fn the_plan_in_the_help_can_be_run() {
    let help = Folder::with("").sweep(&["--help"]).output().expect("the program starts");
    let help = String::from_utf8(help.stdout).expect("text");
    let plan = help.split_once("A plan:\n").expect("it has one").1;
    let folder = Folder::with(&plan.replace("runs = 1000", "runs = 2\nfirst-seed = 1"));
    let output = folder.run();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("disk: about ") && told.contains(" if 4 runs are kept, "), "{told}");
}
