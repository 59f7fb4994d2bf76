//! Goal: whatever a user passes in, the program says what is wrong and what would work, exits with the right
//! code, and neither writes nor loses anything. Method: run the tables of `bad_input/README.md` row by row,
//! as a user would; the files and folders that they name are created here.

mod folders;
mod network;
mod pipes;

use folders::prepare;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// No row takes longer, even on a slow machine: what does has hung.
const LONGEST: Duration = Duration::from_secs(120);

struct Row<'a> {
    words: Vec<&'a str>,
    code: i32,
    says: &'a str,
}

#[test]
fn every_row_of_the_tables_holds() {
    let temp = prepare();
    let before = tree(temp.path());
    let mut failures = Vec::new();
    let mut rows = 0;
    for row in include_str!("bad_input/README.md").lines().filter_map(row) {
        rows += 1;
        let told = run(temp.path(), &row.words);
        failures.extend(told.wrong(&row));
        if ["run", "check", "raw"].contains(&row.words.first().copied().unwrap_or_default()) {
            let words = [&row.words[..], &["--format", "json"]].concat();
            failures.extend(run(temp.path(), &words).no_document(&row));
        }
        failures.extend(changes(&before, temp.path()).map(|change| format!("{:?}: {change}", row.words)));
    }
    assert!(rows > 60, "the tables are gone: {rows} rows");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// `| command | exit | phrase |`
fn row(line: &str) -> Option<Row<'_>> {
    let mut cells = line.strip_prefix("| `dissent")?.split(" | ");
    let words = cells.next()?.trim_end_matches('`').split_whitespace().collect();
    let code = cells.next()?.parse().ok()?;
    Some(Row { words, code, says: cells.next()?.trim_end_matches(" |") })
}

/// The result of a command.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    fn wrong(&self, row: &Row<'_>) -> Option<String> {
        let all = unwrapped(&format!("{}\n{}", self.stdout, self.stderr));
        let says = all.contains(row.says);
        let escapes = all.contains('\u{1b}');
        let panicked = all.contains("panicked");
        let right = self.code == Some(row.code) && says && !escapes && !panicked;
        (!right)
            .then(|| format!("{:?} should end with {} and say {:?}: {self}", row.words, row.code, row.says))
    }

    fn no_document(&self, row: &Row<'_>) -> Option<String> {
        let document: Result<serde_json::Value, _> = serde_json::from_str(&self.stdout);
        let code = |document: &serde_json::Value| match document {
            serde_json::Value::Array(all) => {
                all.iter().map(|one| one["exit_code"].clone()).max_by_key(|code| code.as_i64())
            }
            one => Some(one["exit_code"].clone()),
        };
        let code = document.as_ref().ok().and_then(code);
        let right = code.as_ref().and_then(serde_json::Value::as_i64) == Some(i64::from(row.code));
        (!right || self.code != Some(row.code))
            .then(|| format!("{:?} in JSON, code {code:?}: {self}", row.words))
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{:?}\n{}\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Messages are wrapped for reading, so a phrase may continue on the next line.
fn unwrapped(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| !["│", "×", "╰─▶"].contains(word));
    words.collect::<Vec<&str>>().join(" ")
}

/// The program in a folder, without a terminal.
pub(crate) fn program(at: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dissent"));
    command.current_dir(at).env_remove("DISSENT_RESULTS").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

pub(crate) fn run(at: &Path, words: &[&str]) -> Told {
    told(program(at).args(words))
}

/// Runs the command to its end. One that does not end is killed, and fails.
#[expect(clippy::disallowed_methods, reason = "a hang is real time")]
pub(crate) fn told(command: &mut Command) -> Told {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let drain = |mut from: Box<dyn std::io::Read + Send>| {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).expect("a pipe");
            String::from_utf8(bytes).expect("text")
        })
    };
    let stdout = drain(Box::new(child.stdout.take().expect("piped")));
    let stderr = drain(Box::new(child.stderr.take().expect("piped")));
    let until = Instant::now() + LONGEST;
    let ended = loop {
        match child.try_wait().expect("a child") {
            Some(ended) => break ended,
            None if Instant::now() > until => {
                child.kill().expect("a child");
                break child.wait().expect("a child");
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let text = |thread: std::thread::JoinHandle<String>| thread.join().expect("read");
    Told { code: ended.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Every file below a folder, with its bytes.
fn tree(at: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(at).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.is_symlink() {
            all.extend(tree(&path));
        } else {
            all.insert(path.clone(), std::fs::read(&path).unwrap_or_default());
        }
    }
    all
}

/// What is new, gone or different, except for a verdict beside the old one.
fn changes(before: &BTreeMap<PathBuf, Vec<u8>>, at: &Path) -> impl Iterator<Item = String> {
    let after = tree(at);
    let beside =
        |path: &&PathBuf| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("-checked"));
    let lost = before.iter().filter(|(path, bytes)| after.get(*path) != Some(bytes));
    let lost = lost.map(|(path, _)| format!("{} is lost or changed", path.display()));
    let written = after.keys().filter(|path| !before.contains_key(*path)).filter(|path| !beside(path));
    let written = written.map(|path| format!("{} was written", path.display()));
    lost.chain(written).collect::<Vec<String>>().into_iter()
}
