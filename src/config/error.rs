//! Errors in files and settings, with the place in the text and the allowed names.

use miette::{NamedSource, SourceSpan};
use std::sync::Arc;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// Neither built in nor a path.
    #[error("no {kind} is called `{name}`")]
    UnknownName {
        /// `workload` or `nemesis`.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The nearest name, and all of them.
        #[help]
        help: String,
    },
    /// A built-in cluster, where the command needs one that outlives runs.
    #[error("`{name}` is built in, and exists only during a run")]
    #[diagnostic(help("give the path of a target file: `dissent init` writes one for your cluster"))]
    BuiltIn {
        /// As given.
        name: String,
    },
    /// Not a path, where the command needs a target file.
    #[error("`{name}` is not the path of a target file")]
    #[diagnostic(help("a path contains a `/` or ends in .toml; `dissent init` writes a target file"))]
    NoPath {
        /// As given.
        name: String,
    },
    /// A path that cannot be read.
    #[error("cannot read the {kind} file {path}: {error}")]
    Unreadable {
        /// `workload` or `nemesis`.
        kind: &'static str,
        /// The path as given.
        path: String,
        /// The error of the system.
        error: std::io::Error,
    },
    /// A file that does not parse, or is invalid.
    #[error("{place}: {problem}")]
    File {
        /// `file:line:column`.
        place: String,
        /// What is wrong there.
        problem: String,
        /// The file's text.
        #[source_code]
        text: Arc<NamedSource<String>>,
        /// The wrong part of it.
        #[label("here")]
        span: SourceSpan,
        /// What would be right.
        #[help]
        help: Option<String>,
    },
    /// A target file that does not allow an action.
    #[error("{path} does not allow dissent to {what}")]
    #[diagnostic(help("to allow it, add the line `{line} = true` under [allow]"))]
    NotAllowed {
        /// The file as given.
        path: String,
        /// The action.
        what: &'static str,
        /// The line that allows it.
        line: &'static str,
    },
    /// A target file without a line that a run needs.
    #[error("{path} does not give {what}")]
    #[diagnostic(help("add `{line}`"))]
    MissingLine {
        /// The file as given.
        path: String,
        /// What the line gives.
        what: &'static str,
        /// The line.
        line: &'static str,
    },
    /// An option with an invalid value.
    #[error("{flag}: {problem}")]
    Flag {
        /// The option and its value, as given.
        flag: String,
        /// What is wrong with the value.
        problem: String,
    },
    /// An invalid `--set`.
    #[error("--set {pair}: {problem}")]
    Setting {
        /// The argument as given.
        pair: String,
        /// What is wrong with it.
        problem: String,
        /// What would be right.
        #[help]
        help: Option<String>,
    },
}

/// A value that parses, but is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// Its place, as keys and positions separated by dots: `column.2.merge`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: String,
}

impl InvalidValue {
    /// Returns this error unless `holds`.
    pub fn unless(holds: bool, at: &str, problem: &str, help: &str) -> Result<(), InvalidValue> {
        if holds { Ok(()) } else { Err(InvalidValue::new(at, problem, help)) }
    }

    /// Creates the error.
    pub fn new(at: impl Into<String>, problem: impl Into<String>, help: impl Into<String>) -> InvalidValue {
        InvalidValue { at: at.into(), problem: problem.into(), help: help.into() }
    }
}

/// Lists the allowed names, after the nearest one if any is near.
pub fn advise(written: &str, allowed: &[&str]) -> String {
    let list = allowed.join(", ");
    match nearest(written, allowed) {
        Some(near) => format!("did you mean `{near}`? allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

/// The allowed name that was most likely meant: the one with the fewest differing letters, at most a third
/// of the longer name (so `rate` is not suggested for `pool`).
pub fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let near = allowed.iter().map(|name| (letters_apart(written, name), *name)).min()?;
    let longer = written.chars().count().max(near.1.chars().count());
    (3 * near.0 <= longer.max(3)).then_some(near.1)
}

/// The few nearest names, nearest first.
pub fn nearest_few<'a>(written: &str, known: impl Iterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let mut apart: Vec<(usize, &str)> = known.map(|name| (letters_apart(written, name), name)).collect();
    apart.sort_unstable();
    apart.into_iter().take(most).map(|(_, name)| name).collect()
}

/// How many letters must be inserted, deleted, changed or swapped with their neighbour to turn one word into
/// the other (Damerau, "A technique for computer detection and correction of spelling errors", 1964).
fn letters_apart(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut table = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let changed = table[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
                changed.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1)
            };
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                table[i][j] = table[i][j].min(table[i - 2][j - 2] + 1);
            }
        }
    }
    table[one.len()][other.len()]
}

/// Rewords messages of serde and toml for users, with a hint. The list of names in `unknown field `x`,
/// expected one of `a`, `b`` becomes advice.
pub(super) fn reword(message: &str) -> (String, Option<String>) {
    if message.starts_with("invalid type: unit variant") {
        return ("this choice needs a value".to_owned(), Some("write { choice = value }".to_owned()));
    }
    if message.starts_with("wanted exactly 1 element") {
        return (
            "exactly one choice is required".to_owned(),
            Some("write { choice = value }, with one choice".to_owned()),
        );
    }
    if let Some(field) = message.strip_prefix("missing field `") {
        return (message.to_owned(), Some(format!("add a line `{} = ..`", field.trim_end_matches('`'))));
    }
    let quoted = |text| str::split(text, '`').skip(1).step_by(2).collect::<Vec<&str>>();
    match message.split_once(", expected ") {
        Some((problem, expected)) if problem.starts_with("unknown ") => {
            let written = quoted(problem).concat();
            (problem.to_owned(), Some(advise(&written, &quoted(expected))))
        }
        _ => (message.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_only_when_it_is_near() {
        let allowed = ["late-transition", "none", "restart-one"];
        for (written, near) in [
            ("late-transitoin", Some("late-transition")),
            ("non", Some("none")),
            ("restart-on", Some("restart-one")),
            ("split-brain", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &allowed), near, "{written}");
        }
        assert_eq!(advise("x", &["a", "bcd"]), "did you mean `a`? allowed: a, bcd");
    }

    #[test]
    fn distances_between_words() {
        for (one, other, distance) in [
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
            ("guard", "gaurd", 1),
            ("ab", "ba", 1),
        ] {
            assert_eq!(letters_apart(one, other), distance, "{one} {other}");
            assert_eq!(letters_apart(other, one), distance, "{other} {one}");
        }
    }

    #[test]
    fn messages_of_serde_and_toml_become_a_users() {
        let number = "invalid type: string \"x\", expected u32";
        for (message, problem, help) in [
            (
                "unknown field `rat`, expected one of `rate`, `load`",
                "unknown field `rat`",
                Some("did you mean `rate`? allowed: rate, load"),
            ),
            ("missing field `rate`", "missing field `rate`", Some("add a line `rate = ..`")),
            (
                "invalid type: unit variant, expected newtype variant",
                "this choice needs a value",
                Some("write { choice = value }"),
            ),
            (number, number, None),
        ] {
            assert_eq!(reword(message), (problem.to_owned(), help.map(str::to_owned)));
        }
    }
}
