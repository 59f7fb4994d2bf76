//! Style as a test: the invariants of `src/lib.rs` that a program can see. Each rule says what to do instead,
//! and is shown to bite on a snippet of its own.

mod imports;
mod structure;

use std::path::Path;

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 110;
const THIS: &str = "tests/tidy.rs";

/// A rule: which files it is for, and the lines that break it, counted from 1.
struct Rule {
    name: &'static str,
    instead: &'static str,
    applies: fn(path: &str) -> bool,
    broken: fn(text: &str) -> Vec<usize>,
}

const RULES: [Rule; 16] = [
    Rule {
        name: "long file",
        instead: "cut it where its story has a joint, one purpose a file",
        applies: is_code,
        broken: |text| if text.lines().count() > FILE_LINES_MAX { vec![FILE_LINES_MAX + 1] } else { vec![] },
    },
    Rule {
        name: "long function",
        instead: "give a step of it a name of its own",
        applies: is_rust,
        broken: long_functions,
    },
    Rule {
        name: "long line",
        instead: "break it, or give a part of it a name",
        applies: is_code,
        broken: |text| lines_where(text, |line| line.chars().count() > COLUMNS_MAX),
    },
    Rule {
        name: "silent file",
        instead: "open it with `//!` and what it is for",
        applies: is_rust,
        broken: |text| if text.starts_with("//! ") { vec![] } else { vec![1] },
    },
    Rule {
        name: "unfinished",
        instead: "finish it, leave it out, or open an issue",
        applies: |path| is_rust(path) && path != THIS,
        broken: |text| with_words(text, &["TODO", "FIXME", "XXX", "todo!", "unimplemented!", "dbg!"]),
    },
    Rule {
        name: "panic in the product",
        instead: "return an error that names the next step, or make the case impossible by a type",
        applies: |path| path.starts_with("src/") && is_rust(path) && !is_test(path),
        broken: |text| code_with(text, &[".unwrap()", ".expect("]),
    },
    Rule {
        name: "silenced lint",
        instead: "mend what it says, or `#[expect(.., reason = \"..\")]`",
        applies: |path| is_rust(path) && path != THIS,
        broken: |text| with_words(text, &["#[allow(", "#![allow("]),
    },
    Rule {
        name: "ignored test",
        instead: "assert what happens now, and say in the name that it is wrong",
        applies: |path| is_rust(path) && path != THIS,
        broken: |text| with_words(text, &["#[ignore"]),
    },
    Rule {
        name: "effect in a pure module",
        instead: "hand it in as data: files, time and randomness live at the edge",
        applies: is_pure,
        broken: |text| code_with(text, &EFFECTS),
    },
    Rule {
        name: "grouped import in a pure module",
        instead: "one path a `use`, so that an effect cannot hide in a group",
        applies: is_pure,
        broken: |text| code_with(text, &["use std::{"]),
    },
    Rule {
        name: "citation of no rule",
        instead: "cite a heading of the checker's `RULES.md` by its number",
        applies: is_rust,
        broken: cites_no_rule,
    },
    Rule {
        name: "checker in the specimen",
        instead: "write it again: shared code would share its bugs with the oracle",
        applies: |path| path.starts_with("src/specimen/") && is_rust(path),
        broken: |text| code_with(text, &["dissent::", "dissent_core::", "dissent_store::", "use dissent"]),
    },
    Rule {
        name: "specimen in the checker",
        instead: "go through the target's parts: the checker knows no system from inside",
        applies: |path| {
            path.starts_with("src/") && is_rust(path) && !MAY_KNOW.iter().any(|at| path.starts_with(at))
        },
        broken: |text| code_with(text, &["specimen::", "use specimen"]),
    },
    Rule {
        name: "silent catalogue file",
        instead: "open it with `#` and what it hunts",
        applies: |path| {
            path.ends_with(".toml") && ["workloads/", "nemesis/"].iter().any(|at| path.starts_with(at))
        },
        broken: |text| if text.starts_with("# ") { vec![] } else { vec![1] },
    },
    Rule {
        name: "front page without the demo",
        instead: "show `cargo run --release -- demo`, which a newcomer types first",
        applies: |path| path == "README.md",
        broken: |text| if text.contains("cargo run --release -- demo") { vec![] } else { vec![1] },
    },
    Rule {
        name: "front page without the tests",
        instead: "show `cargo test`, which a newcomer types second",
        applies: |path| path == "README.md",
        broken: |text| if text.contains("cargo test") { vec![] } else { vec![1] },
    },
];

const EFFECTS: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::time::Instant",
    "SystemTime",
    "tokio",
    "rand::rng",
    "thread_rng",
];

/// Where the specimen may be known.
const MAY_KNOW: [&str; 9] = [
    "src/specimen/",
    "src/adapter/specimen/",
    "src/adapter/registry.rs",
    "src/commands/",
    "src/simulator/",
    "src/run/error.rs",
    "src/run/process_run.rs",
    "src/run/run_spec.rs",
    "src/run/target.rs",
];

/// The rules that code and cases cite.
const CITED: &str = include_str!("../src/core/checker/RULES.md");

fn is_rust(path: &str) -> bool {
    path.ends_with(".rs")
}

/// Code is also a script without an ending.
fn is_code(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_script = !name.contains('.') && path.starts_with("tests/labs/");
    is_script || [".rs", ".css", ".js", ".sh"].iter().any(|end| path.ends_with(end))
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || ["/tests.rs", "/test_data.rs"].iter().any(|end| path.ends_with(end))
}

fn is_pure(path: &str) -> bool {
    is_rust(path) && path.starts_with("src/core/")
}

/// Lines that cite a rule which does not stand in the rules' own text.
fn cites_no_rule(text: &str) -> Vec<usize> {
    let is_rule = |number: &str| CITED.lines().any(|line| line.starts_with(&format!("## {number}. ")));
    let wrong = |line: &str| {
        line.split("`RULES.md` ").skip(1).any(|after| {
            let cited = after.split(|letter: char| !letter.is_ascii_digit() && !", ".contains(letter)).next();
            let mut numbers =
                cited.unwrap_or_default().split(", ").map(str::trim).filter(|it| !it.is_empty());
            numbers.any(|number| !is_rule(number))
        })
    };
    lines_where(text, wrong)
}

fn lines_where(text: &str, is: impl Fn(&str) -> bool) -> Vec<usize> {
    (1..).zip(text.lines()).filter(|(_, line)| is(line)).map(|(at, _)| at).collect()
}

fn with_words(text: &str, words: &[&str]) -> Vec<usize> {
    lines_where(text, |line| words.iter().any(|word| line.contains(word)))
}

/// As [`with_words`], but not in comments, nor in the tests at the end of a file.
fn code_with(text: &str, words: &[&str]) -> Vec<usize> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    lines_where(code, |line| {
        !line.trim_start().starts_with("//") && words.iter().any(|word| line.contains(word))
    })
}

/// Where functions begin that are too long. Goes by the format: a body ends at a brace under its `fn`.
fn long_functions(text: &str) -> Vec<usize> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = (0..lines.len()).filter(|at| begins_function(lines[*at]));
    let length = |start: &usize| {
        let body = &lines[*start..];
        let opens = body.iter().find(|line| line.ends_with(['{', ';', '}']));
        let indent = body[0].len() - body[0].trim_start().len();
        let ends = |line: &&str| line.trim_start() == "}" && line.len() == indent + 1;
        match opens.is_some_and(|line| line.ends_with('{')) {
            true => body.iter().position(ends).map_or(body.len(), |end| end + 1),
            false => 1,
        }
    };
    starts.filter(|start| length(start) > FUNCTION_LINES_MAX).map(|start| start + 1).collect()
}

fn begins_function(line: &str) -> bool {
    let words = line.split_whitespace().take_while(|word| !word.starts_with("//"));
    let mut words =
        words.skip_while(|word| word.starts_with("pub") || ["const", "async", "unsafe"].contains(word));
    words.next() == Some("fn")
}

/// The files of the repository that are wanted, by their paths from the top, with their texts.
fn files(wanted: fn(&str) -> bool) -> Vec<(String, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(top, top, wanted, &mut found);
    found.sort();
    found
}

fn walk(at: &Path, top: &Path, wanted: fn(&str) -> bool, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(at).expect("folder") {
        let path = entry.expect("entry").path();
        let name = path.strip_prefix(top).expect("inside").to_string_lossy().replace('\\', "/");
        let made = name.starts_with('.') || name == "target" || name == "results";
        if path.is_dir() && !made {
            walk(&path, top, wanted, found);
        } else if path.is_file() && wanted(&name) {
            found.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
}

#[test]
fn every_file_keeps_every_rule() {
    let found = files(|path| RULES.iter().any(|rule| (rule.applies)(path)));
    assert!(found.iter().any(|(path, _)| path == THIS), "the walk missed this very file");
    let mut broken = String::new();
    for (path, text) in &found {
        for rule in RULES.iter().filter(|rule| (rule.applies)(path)) {
            for line in (rule.broken)(text) {
                broken += &format!("{path}:{line}: {}: {}\n", rule.name, rule.instead);
            }
        }
    }
    assert!(broken.is_empty(), "\n{broken}");
}

#[test]
fn no_link_is_dead() {
    let found = files(|path| path.ends_with(".md"));
    assert!(found.len() > 3, "the walk missed most: {found:?}");
    for (path, text) in found {
        let links = text.split("](").skip(1).filter_map(|after| after.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path).with_file_name("").join(link);
            assert!(file.exists(), "{path}: the link {link} leads nowhere");
        }
    }
}

/// The names of the rules that a file of this path and text would break.
fn breaks(path: &str, text: &str) -> Vec<&'static str> {
    let rules = RULES.iter().filter(|rule| (rule.applies)(path) && !(rule.broken)(text).is_empty());
    rules.map(|rule| rule.name).collect()
}

#[test]
fn every_rule_bites() {
    let open = "//! What it is for.\n";
    let lines = |count: usize| "    f();\n".repeat(count);
    let function = |head: &str, count: usize| format!("{open}{head}\n{}}}\n", lines(count));
    let cases: [(&str, String, &str); 23] = [
        ("src/a.rs", format!("{open}{}", lines(500)), "long file"),
        ("src/a.rs", function("fn a() {", 69), "long function"),
        ("tests/a.rs", function("pub(crate) async fn a(\n    b: u8,\n) {", 67), "long function"),
        (
            "src/a.rs",
            format!("{open}impl A {{\n    const fn a() {{\n{}    }}\n}}\n", lines(69)),
            "long function",
        ),
        ("src/a.css", "é".repeat(111), "long line"),
        ("src/a.rs", "fn a() {}\n".to_owned(), "silent file"),
        ("src/a.rs", format!("{open}// TODO: more\n"), "unfinished"),
        ("tests/a.rs", format!("{open}    unimplemented!()\n"), "unfinished"),
        ("src/a.rs", format!("{open}    a().unwrap();\n"), "panic in the product"),
        ("src/a/b.rs", format!("{open}    a().expect(\"b\");\n"), "panic in the product"),
        ("tests/a.rs", format!("{open}#[allow(dead_code)]\n"), "silenced lint"),
        ("tests/a.rs", format!("{open}#[ignore = \"slow\"]\n"), "ignored test"),
        ("src/core/generator/a.rs", format!("{open}use std::fs::File;\n"), "effect in a pure module"),
        ("src/core/checker/a/b.rs", format!("{open}use std::time::Instant;\n"), "effect in a pure module"),
        ("src/core/conductor/a.rs", format!("{open}    tokio::spawn(a);\n"), "effect in a pure module"),
        ("src/core/seed.rs", format!("{open}use std::{{fs, io}};\n"), "grouped import in a pure module"),
        (
            "src/specimen/world.rs",
            format!("{open}use dissent_core::history::schema::Merge;\n"),
            "checker in the specimen",
        ),
        ("src/core/checker/a.rs", format!("{open}use specimen::world::World;\n"), "specimen in the checker"),
        ("src/run/engine.rs", format!("{open}    specimen::serve();\n"), "specimen in the checker"),
        ("src/a.rs", format!("{open}// So it must be (`{}` 7, 99).\n", "RULES.md"), "citation of no rule"),
        ("nemesis/none.toml", "hunts = \"nothing\"\n".to_owned(), "silent catalogue file"),
        ("README.md", "cargo test\n".to_owned(), "front page without the demo"),
        ("README.md", "cargo run --release -- demo\n".to_owned(), "front page without the tests"),
    ];
    for (path, text, name) in &cases {
        assert_eq!(breaks(path, text), [*name], "{path}: {text}");
    }
    let shown = |rule: &Rule| cases.iter().any(|(_, _, name)| *name == rule.name);
    assert!(RULES.iter().all(shown), "a rule without a case");
}

#[test]
fn no_rule_bites_what_is_right() {
    let open = "//! What it is for.\n";
    let lines = |count: usize| "    f();\n".repeat(count);
    let tests = "\n#[cfg(test)]\nmod tests {\n    a().unwrap();\n}\n";
    for (path, text) in [
        ("src/a.rs", format!("{open}{}", lines(499))),
        ("src/a.rs", format!("{open}fn a() {{\n{}}}\n", lines(68))),
        ("src/a.rs", format!("{open}trait A {{\n    fn a(&self) -> B;\n{}}}\n", lines(80))),
        ("src/a.rs", format!("{open}// {}\n", "é".repeat(107))),
        ("src/a.rs", format!("{open}// never .unwrap() here\n    a().unwrap_or(b);\n{tests}")),
        ("src/a.rs", format!("{open}#[expect(dead_code, reason = \"b\")]\n")),
        ("src/run/engine.rs", format!("{open}use std::time::Instant;\nuse std::{{fs, io}};\n")),
        ("src/simulator/a.rs", format!("{open}use specimen::world::World;\n")),
        ("src/core/checker/a.rs", format!("{open}    name(\"specimen-segments\");\n")),
        ("workloads/steady.toml", format!("# What it hunts.\nhunts = \"{}\"\n", "a".repeat(200))),
        ("tests/check/a.txt", format!("TODO {}\n", "a".repeat(200))),
    ] {
        assert_eq!(breaks(path, &text), [""; 0], "{path}: {text}");
    }
}
