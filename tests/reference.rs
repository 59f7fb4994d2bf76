//! What the program says of itself: completions, manual pages; and how much it says of a run.

use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(results: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.args(words).env("DISSENT_RESULTS", results).env("NO_COLOR", "1").stdin(Stdio::null());
    command.output().expect("the program starts")
}

/// What a command prints that ends well.
#[track_caller]
fn printed(words: &[&str]) -> String {
    let output = run(Path::new("nowhere"), words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The commands that `--help` shows.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = lines.take_while(|line| line.starts_with("  "));
    listed.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn every_command_of_the_help_is_completed_and_has_a_manual_page() {
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = printed(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let pages = dir.path().join("man1");
    printed(&["man", "--out", &pages.display().to_string()]);
    for command in commands.iter().filter(|command| *command != "help") {
        let page = std::fs::read_to_string(pages.join(format!("dissent-{command}.1"))).expect(command);
        assert!(page.contains(".SH DESCRIPTION"), "{page}");
        assert_eq!(printed(&["man", command]), page);
    }
    assert_eq!(std::fs::read_to_string(pages.join("dissent.1")).expect("a page"), printed(&["man"]));
    assert!(!pages.join("dissent-watchdog.1").exists());
    let refused = run(dir.path(), &["man", "rnu"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("did you mean `run`?"));
}

/// `-q` leaves the last line, with and without JSON; `-v` tells what was asked of the target.
#[test]
fn a_run_says_as_much_as_is_wanted() {
    let results = tempfile::tempdir().expect("a folder");
    let plan = ["run", "sim-segments", "partial-upsert", "late-transition", "--seed", "1"];
    let with = |more: &[&str]| {
        let output = run(results.path(), &[&plan[..], more].concat());
        assert_eq!(output.status.code(), Some(1));
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (text(output.stdout), text(output.stderr))
    };
    let (told, progress) = with(&[]);
    let (quiet, nothing) = with(&["-q"]);
    assert_eq!((quiet.lines().count(), nothing.as_str()), (1, ""));
    assert!(told.lines().count() > 5 && quiet.starts_with("FAIL one-differs "), "{quiet}");
    assert!(progress.starts_with("seed 1 "), "{progress}");
    let (document, line) = with(&["-q", "--format", "json"]);
    assert!(serde_json::from_str::<serde_json::Value>(&document).is_ok_and(|it| it["exit_code"] == 1));
    assert_eq!(line.lines().count(), 1);
    let (_, asked) = with(&["-v"]);
    for part in [
        "late-start: to begin hold-message offline-to-consuming on server-",
        "late-start: in force",
        "late-start: cured",
        ": opened at offset ",
        ": committed, offsets ",
        "capture 0: calibration",
        " rows of ",
        "capture 0: complete",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let quiet = run(results.path(), &[&["--quiet"], &plan[..], &["--runs", "3"]].concat());
    let quiet = String::from_utf8(quiet.stdout).expect("text");
    assert!(quiet.lines().count() == 1 && quiet.starts_with("FAIL "), "{quiet}");
    let both = run(results.path(), &[&plan[..], &["-q", "-v"]].concat());
    assert_eq!(both.status.code(), Some(2));
}

/// What an editor and `dissent list fields` say of files, and that all errors of a file are told at once.
#[test]
fn fields_are_listed_and_a_wrong_file_is_refused_with_all_its_errors() {
    for kind in ["workload", "nemesis", "sweep", "target", "known"] {
        let schema: serde_json::Value = serde_json::from_str(&printed(&["schema", kind])).expect("JSON");
        let fields = printed(&["list", "fields", kind]);
        for field in schema["properties"].as_object().expect("fields").keys() {
            assert!(fields.contains(&format!("{kind}.{field} ")), "{kind}.{field}: {fields}");
        }
    }
    let merge = printed(&["list", "fields", "workload.column.merge"]);
    assert!(
        merge.contains("default \"overwrite\"") && merge.contains("\"union\": Lists become a set"),
        "{merge}"
    );

    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("mine.toml").display().to_string();
    std::fs::write(&file, "rate = 0\nload = \"0s\"\n[[column]]\nname = \"a\"\ntype = \"long\"\n")
        .expect("written");
    let refused = run(dir.path(), &["run", "sim-segments", &file, "none"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2));
    for part in
        ["1:8: 0 ops per second", "write 1 to 1000000", "2:8: the load must not be zero", "such as `3s`"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    std::fs::write(&file, "[[column]]\nname = \"a\"\ntype = \"long\"\n").expect("written");
    let least = run(dir.path(), &["run", "sim-segments", &file, "none", "--seed", "1", "-q"]);
    let told = String::from_utf8_lossy(&least.stdout).into_owned();
    assert!(least.status.success() && told.starts_with("PASS "), "{told}");
}

/// What the table says of the built-in clusters is what a run says.
#[test]
fn the_table_of_what_fits_is_what_runs_accept() {
    let table = printed(&["list", "fits"]);
    let fits = |name: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
        line.split_whitespace().skip(1).map(str::to_owned).collect()
    };
    assert_eq!(fits("nemesis")[..2], ["specimen-segments", "specimen-shard"]);
    for (column, target, workload) in [(0, "sim-segments", "partial-upsert"), (1, "sim-shard", "upsert-feed")]
    {
        let accepts = |workload: &str, plan: &str| {
            let words = ["run", target, workload, plan, "--plan-only", "--seed", "1"];
            if run(Path::new("nowhere"), &words).status.success() { "yes" } else { "-" }
        };
        for plan in ["cold-cutover", "kill-one", "late-transition", "none", "pause-one", "skip-one"] {
            assert_eq!(fits(plan)[column], accepts(workload, plan), "{target} {plan}");
        }
        for workload in ["cold-keys", "guarded", "partial-upsert", "tombstones", "upsert-feed"] {
            assert_eq!(fits(workload)[column], accepts(workload, "none"), "{target} {workload}");
        }
    }
    let settings = printed(&["list", "settings"]);
    for words in ["partition-gate, ", "v2-stranding,", "1 to 64", "standing-still, ", "measure.STEP"] {
        assert!(settings.contains(words), "{words}: {settings}");
    }
}
