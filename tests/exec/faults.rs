//! Faults that the target file describes by commands: they begin and end as planned, and are cured whatever
//! happens.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A target file whose fault cuts a replica off, and a plan that does so.
fn files(folder: &Path, time_to_live: &str, lasts: &str, select: &str) {
    let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/exec/reference.py");
    let target = format!(
        "system = \"exec\"\ncommand = \"python3 '{}'\"\n[allow]\nwrites = true\ncommands = true\n\
         [fault.cut]\nbegin = \"touch cut-$REPLICA && echo $REPLICA $1 >> begun\"\n\
         cure = \"rm -f cut-$REPLICA\"\n\
         check = \"test -e cut-$REPLICA\"\ntime-to-live = \"{time_to_live}\"\n\
         [limits]\nquery-timeout = \"20s\"\n",
        adapter.display()
    );
    let plan = format!(
        "hunts = \"what a replica does that is cut off\"\n\
         [[step]]\nid = \"alone\"\nfault = {{ command = \"cut m1\" }}\nselect = \"{select}\"\n\
         begin = {{ at = \"200ms\" }}\nuntil = {{ after = \"{lasts}\" }}\n"
    );
    std::fs::write(folder.join("mine.toml"), target).expect("a file");
    std::fs::write(folder.join("cut.toml"), plan).expect("a file");
}

/// Runs the plan. It must end with this exit code, and leave nobody cut off.
fn run(folder: &Path, code: i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    let words = ["run", "./mine.toml", "partial-upsert", "./cut.toml", "--seed", "1", "--for", "2s"];
    command.args(words).current_dir(folder).env("DISSENT_RESULTS", folder.join("results"));
    let output = command.output().expect("the program starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{told}");
    let is_cut = |member: &&str| folder.join(format!("cut-{member}")).exists();
    assert_eq!(["m1", "m2", "m3"].iter().find(|member| is_cut(member)), None, "{told}");
}

fn verdict(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("results/latest/verdict.json")).expect("a verdict");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    document["runs"][0].clone()
}

#[test]
fn a_command_is_a_fault_of_the_plan_and_is_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), "5m", "900ms", "last");
    run(folder.path(), 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("begun")).expect("it ran there"), "m3 m1\n");
    let exposure = &verdict(folder.path())["exposure"][0];
    assert_eq!((&exposure["what"], &exposure["count"]), (&"commands".into(), &1.into()), "{exposure}");
}

#[test]
fn a_step_hits_the_replica_that_leads() {
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), "5m", "900ms", "leader");
    run(folder.path(), 0);
    assert_eq!(std::fs::read_to_string(folder.path().join("begun")).expect("it ran there"), "m2 m1\n");
}

/// The time to live is shorter than the step: the run must not count a fault that was not there.
#[test]
fn a_command_that_outlives_its_time_is_undone_before_its_step_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    files(folder.path(), "1s", "4s", "last");
    run(folder.path(), 3);
    let doubts = verdict(folder.path())["doubts"].to_string();
    assert!(doubts.contains("fault-ended-early") && doubts.contains("its lease expired"), "{doubts}");
}
