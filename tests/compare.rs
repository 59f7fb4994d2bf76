//! Dumps in, verdicts out: every rule of `dissent compare` has a case under `tests/compare/`, which is run
//! as a user would run it. The language of the cases is described in `tests/compare/README.md`.

mod case;
mod privacy;
mod random;
mod refusals;
mod spill;

use case::Case;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The program, in a folder of its own: what it is given lies there, and so do its results.
fn dissent(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.current_dir(folder).env("DISSENT_RESULTS", "results").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// `dissent compare` with these words.
fn compare(folder: &Path, words: &[&str]) -> Output {
    dissent(folder).arg("compare").args(words).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// What is left in the folder of results.
fn results(folder: &Path) -> Vec<PathBuf> {
    match std::fs::read_dir(folder.join("results")) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry").path()).collect(),
        Err(_) => Vec::new(),
    }
}

/// Dumps of one name in several folders: each path is on the page, beside its replica.
#[test]
fn reports_name_every_file_that_was_read() {
    let folder = tempfile::tempdir().expect("a folder");
    for place in ["first", "second", "right"] {
        std::fs::create_dir(folder.path().join(place)).expect("it is made");
        std::fs::write(folder.path().join(place).join("a.csv"), "k,x\n1,1\n").expect("it is written");
    }
    let words = "first/a.csv --key k --later second/a.csv --model right/a.csv";
    let output = compare(folder.path(), &words.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(results(folder.path())[0].join("report.html")).expect("a page");
    assert!(page.contains("<td>first/a.csv, and later from second/a.csv</td>"), "{page}");
    assert!(page.contains("<td>right/a.csv</td>"), "{page}");
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare");
    let all = std::fs::read_dir(folder).expect("the cases' folder");
    let paths = all.map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|is| is == "txt")).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_is_compared_as_it_says() {
    let cases = cases();
    assert!(cases.len() > 100, "the cases are gone: {}", cases.len());
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(String::new()));
    // Most of a case is waiting for a process.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(path) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let text = std::fs::read_to_string(path).expect("a case");
                    if let Err(difference) = Case::parse(&text).and_then(|case| case.run()) {
                        let name = path.file_stem().expect("a name").display();
                        write!(failures.lock().expect("no panic"), "\n== {name}\n{difference}")
                            .expect("text");
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{failures}");
}

/// A case that asks for too much or too little fails: else it would test nothing.
#[test]
fn a_case_that_is_wrong_fails() {
    let right = include_str!("compare/pattern-one-differs.txt");
    let run = |text: &str| Case::parse(text).and_then(|case| case.run());
    assert_eq!(run(right), Ok(()));
    let finding = right.lines().find(|line| line.starts_with("finding ")).expect("it has one");
    for (part, other) in [
        ("FAIL 1", "FAIL 0"),
        ("FAIL 1", "PASS 1"),
        (finding, ""),
        (finding, &format!("{finding}\n{finding}")),
        (finding, &format!("{finding} may-be-lag")),
        (finding, &format!("{finding}\ndoubt unread")),
        ("replicas=server-3", "replicas=server-2"),
        ("one-differs/unknown", "one-differs/minority"),
        ("columns=x", "columns=y"),
        ("keys=b", "keys=b,c"),
        ("unsaid agree-but-wrong newer", "unsaid lag newer"),
        ("compared keys=1", "compared keys=2"),
        ("# 5", "5"),
        ("\n----\n", "\n"),
    ] {
        assert!(right.contains(part), "{part}");
        assert!(run(&right.replacen(part, other, 1)).is_err(), "{part} -> {other}");
    }
}
