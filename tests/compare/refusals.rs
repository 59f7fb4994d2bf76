//! What cannot be compared is refused in one line that says what and where, and nothing is left of it.

use super::{case, compare, dissent, results, text};
use crate::watchdog::place::until;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const GOOD: &str = "k,x\na,1\nb,2\n";

/// Files for the refusals: each name with its content.
const FILES: [(&str, &str); 17] = [
    ("a.csv", GOOD),
    ("b.csv", GOOD),
    ("other/a.csv", GOOD),
    ("fewer.csv", "k,x\na,1\nb\n"),
    ("more.csv", "k,x\na,1\n\"b\nc\",2,3\n"),
    ("open.csv", "k,x\na,\"1\n"),
    ("twice.csv", "k,k\na,1\n"),
    ("nothing.csv", ""),
    ("column.csv", "k,x,y\na,1,2\n"),
    ("good.jsonl", "{\"k\":\"a\",\"x\":\"1\"}\n{\"k\":\"b\",\"x\":\"2\"}\n"),
    ("loaded.jsonl", "{\"k\":\"a\"}\n{\"k\":\"b\",\"loaded_at\":2}\n"),
    ("cut.jsonl", "{\"k\":\"a\",\"x\":\"1\"}\n\n{\"k\":\"b\",\"x\":\n"),
    ("value.jsonl", "{\"k\":\"a\",\"x\":\"1\"}\n\"planted\"\n"),
    ("no-key.jsonl", "{\"k\":\"a\",\"x\":\"1\"}\n{\"x\":\"2\"}\n"),
    ("cut.csv.zst", "(\u{b5}/no frame"),
    ("empty/.hidden", ""),
    ("known.toml", "[[issue]]\n"),
];

fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in FILES {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
        std::fs::write(path, content).expect("it is written");
    }
    // The beginning of a frame that says more than there is, and of a member likewise.
    let rows: String = (0..1_000).map(|k| format!("{k},{}\n", k * 7_919 % 1_009)).collect();
    let zstd = zstd::encode_all(format!("k,x\n{rows}").as_bytes(), 1).expect("it is compressed");
    let gzip = case::gzip(format!("k,x\n{rows}").as_bytes());
    for (name, bytes) in [("cut.csv.zst", zstd), ("cut.csv.gz", gzip)] {
        std::fs::write(folder.path().join(name), &bytes[..bytes.len() / 2]).expect("it is written");
    }
    folder
}

#[test]
fn what_cannot_be_compared_is_refused_in_one_line() {
    let folder = prepared();
    for (words, told) in [
        ("fewer.csv a.csv --key k", "fewer.csv, line 3: fewer cells than the 2 columns"),
        ("more.csv a.csv --key k", "more.csv, line 3: more cells than the 2 columns"),
        ("open.csv a.csv --key k", "open.csv, line 2: a quoted cell has no end"),
        ("twice.csv a.csv --key k", "twice.csv, line 1: two columns are called `k`"),
        ("nothing.csv a.csv --key k", "nothing.csv, line 1: the file is empty"),
        ("good.jsonl cut.jsonl --key k", "cut.jsonl, line 3: EOF while parsing"),
        ("good.jsonl value.jsonl --key k", "value.jsonl, line 2: the line is no object"),
        ("good.jsonl no-key.jsonl --key k", "no-key.jsonl, line 2: the row has no `k`"),
        ("cut.csv.zst a.csv --key k", "cut.csv.zst"),
        ("cut.csv.gz a.csv --key k", "cut.csv.gz, line "),
        ("a.csv b.csv --key id", "a.csv, line 2: --key id: the row has no such column: there are k, x"),
        ("a.csv b.csv --key k,id", "--key id: the row has no such column: there are k, x"),
        ("a.csv column.csv --key k", "a.csv has no column y, which another dump has"),
        ("a.csv b.csv --key k --version v", "--version v: no such column is compared: there are x"),
        ("a.csv b.csv --key k --deleted gone", "--deleted gone: no such column is compared: there are x"),
        ("a.csv b.csv --key k --expired-below at=1", "--expired-below at: no such column is compared"),
        ("column.csv --key k --log column.csv --deleted gone", "--deleted gone: there is no such column"),
        ("a.csv b.csv --key k --type kk=long", "--type kk: there is no such column: there are k, x"),
        ("good.jsonl a.csv --key k --ignore y", "--ignore y: there is no such column: there are k, x"),
        (
            "loaded.jsonl --key k --log loaded.jsonl --ignore loaded_ta",
            "--ignore loaded_ta: there is no such column: there are k, loaded_at (did you mean `loaded_at`?)",
        ),
        ("a.csv other/a.csv --key k", "two dumps are called a"),
        ("a.csv --key k", "a alone is compared with nothing"),
        (
            "a.csv b.csv --key k --position c=1",
            "a position is given of c, but no dump is called so: there are a, b",
        ),
        ("a.csv b.csv --key k --later a.csv", "2 dumps, but 1 later ones"),
        ("a.csv b.csv --key k --later b.csv a.csv", "in another order than the first ones"),
        ("a.csv none.csv --key k", "cannot open none.csv"),
        ("a.csv empty --key k", "no file is in empty"),
        ("a.csv b.csv --key k --model none.csv", "cannot open none.csv"),
        ("a.csv b.csv --key k --log a.csv --merge y=max", "--merge y: no such column is compared"),
        ("a.csv b.csv --key k --log a.csv --merge x=increment", "add --type x=TYPE"),
        (
            "good.jsonl --key k --log good.jsonl --merge x=increment",
            "--merge x=increment merges long, and good.jsonl has a value of another type",
        ),
        (
            "a.csv --key k --log a.csv --type x=double --merge x=increment",
            "--merge x=increment merges long, and a.csv has a value of another type",
        ),
    ] {
        let output = compare(folder.path(), &words.split(' ').collect::<Vec<_>>());
        let line = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {line}");
        assert!(line.contains(told) && line.trim_end().lines().count() == 1, "{words}: {line}");
        assert!(output.stdout.is_empty() && !line.contains("planted"), "{words}: {line}");
        assert!(results(folder.path()).is_empty(), "{words} left something");
    }
}

#[test]
fn wrong_options_are_refused_before_anything_is_read() {
    let folder = prepared();
    for (words, told) in [
        ("a.csv b.csv", "--key"),
        ("--key k", "<DUMP>"),
        ("a.csv b.csv --key k --type x", "write it as NAME=VALUE"),
        ("a.csv b.csv --key k --type x=money", "`money` is no type"),
        ("a.csv b.csv --key k --position a=soon", "`soon` is no position"),
        ("a.csv b.csv --key k --position a=-1", "`-1` is no position"),
        ("a.csv b.csv --key k --position a=1/100000000", "is no position"),
        ("a.csv b.csv --key k --tolerance 1", "from 0 to below 1"),
        ("a.csv b.csv --key k --tolerance NaN", "from 0 to below 1"),
        ("a.csv b.csv --key k --delimiter ab", "write one character"),
        ("a.csv b.csv --key k --may-be-absent duplicates", "there are superseded"),
        ("a.csv b.csv --key k --log a.csv --merge x=add", "`add` is no merge function"),
        ("a.csv b.csv --key k --merge x=max", "--log"),
        ("a.csv b.csv --key k --log a.csv --model b.csv", "cannot be used with"),
        ("a.csv b.csv --key k --version-is-position", "--version"),
        ("a.csv b.csv --key k --memory 0", "--memory"),
        ("a.csv b.csv --key k --known known.toml", "known.toml:1:1"),
        ("a.csv b.csv --key k --known none.toml", "none.toml"),
    ] {
        let output = compare(folder.path(), &words.split(' ').collect::<Vec<_>>());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words}: {said}");
        assert!(said.contains(told), "{words}: {said}");
        assert!(results(folder.path()).is_empty(), "{words} left something");
    }
}

/// The superuser may read everything, and then there is nothing to see.
#[test]
fn a_file_that_cannot_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = prepared();
    let locked = folder.path().join("b.csv");
    std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(0o0)).expect("it is ours");
    if std::fs::read(&locked).is_ok() {
        return;
    }
    let output = compare(folder.path(), &["a.csv", "b.csv", "--key", "k"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot open b.csv"), "{}", text(&output.stderr));
    assert!(results(folder.path()).is_empty());
}

/// An error in a pipe names the pipe: the copy that was read is gone.
#[test]
fn an_error_in_a_pipe_names_the_pipe() {
    let folder = prepared();
    let mut child = dissent(folder.path())
        .args(["compare", "b=-", "a.csv", "--key", "k"])
        .stdin(Stdio::from(std::fs::File::open(folder.path().join("fewer.csv")).expect("it is there")))
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let status = child.wait().expect("it ends");
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said).expect("text");
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(said.contains("error: -, line 3: fewer cells"), "{said}");
}

/// Ctrl-C once the pipe is being copied; the exit code is awaited.
fn interrupted(folder: &Path, child: Child) {
    let spool = |run: &Path| std::fs::read_dir(run.join("spool")).is_ok_and(|files| files.count() > 0);
    until("a pipe is being copied", || results(folder).iter().any(|run| spool(run)));
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill is there");
    assert!(kill.success());
    let ended = child.wait_with_output().expect("it ends");
    let said = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("interrupted by SIGINT while the dumps were compared"), "{said}");
    assert!(results(folder).is_empty(), "something is left");
}

fn fifo(folder: &Path) -> Child {
    let made = Command::new("mkfifo").arg(folder.join("b.csv")).status().expect("mkfifo is there");
    assert!(made.success());
    std::fs::write(folder.join("a.csv"), GOOD).expect("it is written");
    dissent(folder)
        .args(["compare", "a.csv", "b.csv", "--key", "k"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts")
}

#[test]
fn an_interrupt_ends_the_wait_for_a_pipe_that_nobody_writes_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = fifo(folder.path());
    interrupted(folder.path(), child);
}

#[test]
fn an_interrupt_ends_the_reading_of_a_pipe_that_never_ends() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().expect("a folder");
    let child = fifo(folder.path());
    let path = folder.path().join("b.csv");
    let writes = Arc::new(AtomicBool::new(false));
    let begun = Arc::clone(&writes);
    let writer = std::thread::spawn(move || {
        // This waits for the reader, which must not be gone before.
        let mut pipe = std::fs::File::options().write(true).open(path).expect("it is opened");
        begun.store(true, Ordering::Relaxed);
        while pipe.write_all(b"a,1\n").is_ok() {}
    });
    until("the pipe has a reader", || writes.load(Ordering::Relaxed));
    interrupted(folder.path(), child);
    writer.join().expect("its reader has gone");
}
