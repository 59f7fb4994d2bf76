//! Keys and values are those of other people's data: without `--show-values` nothing that is written has
//! them.

use super::{compare, results, text};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Planted in keys, in values of every kind, in expected rows and in the log.
const SECRETS: [&str; 7] =
    ["secret-key", "secret-part", "secret-text", "secret-member", "secret-item", "31415926535", "2718.28182"];

fn row(key: &str, x: u32) -> String {
    let keys = format!(r#""k":"secret-key-{key}","t":"secret-part-{key}","x":{x}"#);
    let values = format!(r#""text":"secret-text-{x}","number":31415926535,"float":2718.28182{x}"#);
    let nested = format!(r#""doc":{{"secret-member":{x}}},"list":["secret-item-{x}"]"#);
    format!("{{{keys},{values},{nested}}}\n")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// What a file says, without its compression.
fn content(path: &Path) -> String {
    let bytes = std::fs::read(path).expect("it can be read");
    let is_zstd = path.extension().is_some_and(|is| is == "zst");
    text(&if is_zstd { zstd::decode_all(&bytes[..]).expect("a frame") } else { bytes })
}

fn prepared() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let same: String = ["p", "q", "r", "s"].iter().map(|key| row(key, 1)).collect();
    let file = |name: &str, more: &str| {
        std::fs::write(folder.path().join(name), format!("{same}{more}")).expect("it is written");
    };
    file("a.jsonl", &(row("u", 1) + &row("v", 1)));
    file("b.jsonl", &(row("u", 1) + &row("v", 1)));
    file("c.jsonl", &(row("u", 2) + &row("w", 1)));
    file("expected.jsonl", &(row("u", 3) + &row("v", 1)));
    folder
}

#[test]
fn no_key_and_no_value_is_written_anywhere() {
    let folder = prepared();
    let base = ["a.jsonl", "b.jsonl", "c.jsonl", "--key", "k,t"];
    let given: [&[&str]; 5] = [
        &["--settled"],
        &["--settled", "--format", "json"],
        &["--version", "x"],
        &["--settled", "--model", "expected.jsonl"],
        &["--settled", "--log", "expected.jsonl", "--merge", "list=append"],
    ];
    for more in given {
        let output = compare(folder.path(), &[&base[..], more].concat());
        assert!(matches!(output.status.code(), Some(1 | 3)), "{}", text(&output.stderr));
        let told = text(&output.stdout) + &text(&output.stderr);
        let found = SECRETS.iter().find(|secret| told.contains(**secret));
        assert_eq!(found, None, "{more:?}: {told}");
    }
    let written = files(&folder.path().join("results"));
    assert!(written.len() >= 5 * given.len(), "{written:?}");
    for path in &written {
        let content = content(path);
        let found = SECRETS.iter().find(|secret| content.contains(**secret));
        assert_eq!(found, None, "{}", path.display());
    }
    let all: String = written.iter().map(|path| content(path)).collect();
    assert!(all.contains("key:") && all.contains("value:"), "hashes stand in their place");
}

/// The twin: with the option they are there, so the test above looks where they would be.
#[test]
fn they_are_written_if_the_user_says_so() {
    let folder = prepared();
    let words = ["a.jsonl", "b.jsonl", "c.jsonl", "--key", "k,t", "--settled", "--show-values"];
    assert_eq!(compare(folder.path(), &words).status.code(), Some(1));
    let all: String = files(&folder.path().join("results")).iter().map(|path| content(path)).collect();
    let missing = SECRETS.iter().find(|secret| !all.contains(**secret));
    assert_eq!(missing, None);
}

/// One run's hash of a key is the same in all its files, and another run has another one.
#[test]
fn a_key_has_one_hash_in_a_run_and_another_one_in_the_next() {
    let folder = prepared();
    let keys = || -> Vec<String> {
        let words = ["a.jsonl", "b.jsonl", "c.jsonl", "--key", "k,t", "--settled", "--format", "json"];
        let output = compare(folder.path(), &words);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let run = PathBuf::from(document["runs"][0]["run"]["folder"].as_str().expect("a folder"));
        let run = folder.path().join(run);
        let findings = document["runs"][0]["findings"].as_array().expect("findings");
        let keys = findings.iter().flat_map(|finding| finding["keys"].as_array().expect("keys"));
        let keys: Vec<String> = keys.map(|key| key.as_str().expect("a key").to_owned()).collect();
        for file in ["differences.jsonl.zst", "keys.jsonl"] {
            let content = content(&run.join(file));
            assert!(keys.iter().all(|key| content.contains(key)), "{file}: {content}");
        }
        keys
    };
    let (once, again) = (keys(), keys());
    assert_eq!((once.len(), again.len()), (3, 3));
    assert!(once.iter().all(|key| !again.contains(key)), "{once:?} {again:?}");
}

#[test]
fn only_the_owner_may_read_what_is_written() {
    let folder = prepared();
    compare(folder.path(), &["a.jsonl", "b.jsonl", "c.jsonl", "--key", "k,t", "--settled"]);
    for run in results(folder.path()) {
        let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode(&run), 0o700, "{}", run.display());
        for file in files(&run) {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }
    assert_eq!(results(folder.path()).len(), 1);
}
