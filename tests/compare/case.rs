//! One case: the files that it brings, the words of the command, and the verdict that it expects.

use super::{dissent, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

pub(super) struct Case<'c> {
    files: Vec<(&'c str, Vec<&'c str>)>,
    options: Vec<&'c str>,
    expected: Vec<&'c str>,
}

impl<'c> Case<'c> {
    /// A case without a comment, or without a line of options, tests nothing that anybody could check.
    pub(super) fn parse(case: &'c str) -> Result<Case<'c>, String> {
        if !case.starts_with("# ") {
            return Err("the first line must say which rule, and why".to_owned());
        }
        let (given, expected) = case.split_once("\n----\n").ok_or("no ---- line")?;
        let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut options = None;
        for line in given.lines() {
            match (line.strip_prefix("== "), line.strip_prefix("-- "), files.last_mut()) {
                (Some(name), ..) => files.push((name, Vec::new())),
                (_, Some(words), _) => options = Some(words.split(' ').collect()),
                (_, _, Some((_, lines))) => lines.push(line),
                _ if line.starts_with('#') => {}
                _ => return Err(format!("`{line}` belongs to no file")),
            }
        }
        let expected = expected.lines().filter(|line| !line.is_empty()).collect();
        Ok(Case { files, options: options.ok_or("no line of options")?, expected })
    }

    pub(super) fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, lines) in &self.files {
            write_file(
                &folder.path().join(name),
                &lines.iter().map(|line| format!("{line}\n")).collect::<String>(),
            );
        }
        let words = [&["compare"][..], &self.dumps(), &self.options, &["--format", "json", "--show-values"]];
        let output = dissent(folder.path()).args(words.concat()).output().expect("the program starts");
        let document: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
        let Some(run) = document["runs"].get(0) else { return Err(text(&output.stderr)) };
        let code = output.status.code().unwrap_or(-1);
        let told = told(run, code);
        let differences = differences(&self.expected, &told);
        if differences.is_empty() {
            return Ok(());
        }
        Err(format!("{differences}-- the verdict was\n{}\n", told.join("\n")))
    }

    /// The files and folders that no option names.
    fn dumps(&self) -> Vec<&'c str> {
        let named: BTreeSet<&str> = self.options.iter().copied().collect();
        let mut dumps: Vec<&str> = Vec::new();
        for (name, _) in &self.files {
            let dump = name.split_once('/').map_or(*name, |(folder, _)| folder);
            if !named.contains(name) && !dumps.contains(&dump) {
                dumps.push(dump);
            }
        }
        dumps
    }
}

/// Writes a file, compressed if its name says so. `‹e9›` stands for that byte.
fn write_file(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
    let mut bytes = Vec::new();
    for (at, part) in content.split('‹').enumerate() {
        match part.split_once('›').filter(|_| at > 0) {
            Some((byte, rest)) => {
                bytes.push(u8::from_str_radix(byte, 16).expect("a byte"));
                bytes.extend_from_slice(rest.as_bytes());
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    let bytes = match path.extension().and_then(|is| is.to_str()) {
        Some("zst") => zstd::encode_all(&bytes[..], 1).expect("it is compressed"),
        Some("gz") => gzip(&bytes),
        _ => bytes,
    };
    std::fs::write(path, bytes).expect("it is written");
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = Command::new("gzip")
        .args(["-c", "-n"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gzip is there");
    gzip.stdin.take().expect("piped").write_all(bytes).expect("it reads");
    gzip.wait_with_output().expect("it ends").stdout
}

/// Lines that only count where a case has one of their kind.
const OPTIONAL: [&str; 3] = ["unsaid", "excused", "compared"];

/// Everything else must be there as it stands, in this order.
fn differences(expected: &[&str], told: &[String]) -> String {
    let mut differences = String::new();
    let kind = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let is_optional = |line: &str| OPTIONAL.contains(&kind(line).as_str());
    let expected_exactly: Vec<&str> = expected.iter().copied().filter(|line| !is_optional(line)).collect();
    let told_exactly: Vec<&str> = told.iter().map(String::as_str).filter(|line| !is_optional(line)).collect();
    for at in 0..expected_exactly.len().max(told_exactly.len()) {
        let (expected, told) = (expected_exactly.get(at), told_exactly.get(at));
        if expected != told {
            let none = &"nothing";
            writeln!(differences, "{} was expected, not {}", expected.unwrap_or(none), told.unwrap_or(none))
                .expect("text");
        }
    }
    for line in expected.iter().filter(|line| is_optional(line)) {
        let there = told.iter().find(|told| kind(told) == kind(line));
        let words: Vec<&str> = there.map_or(Vec::new(), |told| told.split(' ').collect());
        // What could not be said is told as a whole, so that nothing is said too much.
        let is_whole = kind(line) != "unsaid" || there.is_some_and(|told| told == line);
        if !is_whole || !line.split(' ').all(|word| words.contains(&word)) {
            writeln!(differences, "`{line}` is not what was told").expect("text");
        }
    }
    differences
}

/// The verdict, line by line.
fn told(run: &Value, code: i32) -> Vec<String> {
    let mut lines = vec![format!("{} {code}", word(&run["outcome"]))];
    if run["exit_code"] != code {
        lines.push(format!("the document says exit code {}", run["exit_code"]));
    }
    lines.extend(run["findings"].as_array().into_iter().flatten().map(finding));
    let doubts = run["doubts"].as_array().into_iter().flatten();
    lines.extend(doubts.map(|doubt| format!("doubt {}", word(&doubt["kind"]))));
    let comparison = &run["comparison"];
    lines.push(format!("unsaid {}", words(&comparison["unsaid"], " ")));
    let pairs = |of: &Value| -> String {
        let counts = of.as_object().into_iter().flatten();
        counts.map(|(name, count)| format!(" {name}={count}")).collect()
    };
    lines.push(format!("excused{}", pairs(&comparison["excused"])));
    let count = |name: &str| &comparison[name];
    lines.push(format!(
        "compared keys={} moving={} above={}{} settled={}",
        count("keys_compared"),
        count("keys_moving"),
        count("keys_above_positions"),
        pairs(&comparison["rows"]),
        word(&comparison["settled"]),
    ));
    lines
}

fn finding(finding: &Value) -> String {
    let last = &finding["last"];
    let mut line = format!(
        "finding {} {}/{} replicas={} keys={}",
        word(&finding["what"]),
        word(&last["pattern"]),
        word(&last["side"]),
        words(&finding["replicas"], ","),
        words(&finding["keys"], ","),
    );
    let columns = words(&finding["columns"], ",");
    if !columns.is_empty() {
        write!(line, " columns={columns}").expect("text");
    }
    let is = |name: &str| finding[name] == true;
    line += if is("shows_stale") { " older" } else { "" };
    line += if is("may_be_lag") { " may-be-lag" } else { "" };
    line
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn words(list: &Value, between: &str) -> String {
    list.as_array().into_iter().flatten().map(word).collect::<Vec<_>>().join(between)
}
