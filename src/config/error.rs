//! Errors in files and settings, with the place in the text and the allowed names.

use dissent_core::nearest::advise;
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
    /// A file with several errors, in the order of its text.
    #[error("{}", .0.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<ConfigError>),
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
    /// A plan that draws its faults, for a target that can do none of them.
    #[error("the plan draws its faults, and {target} allows none that can be drawn")]
    #[diagnostic(help("permit some under [allow] in its file, or choose another plan"))]
    NothingToDraw {
        /// The name of the target.
        target: String,
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
