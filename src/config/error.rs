//! What can be wrong with a file or a setting, with the place in the text and the names that would do.

use miette::{NamedSource, SourceSpan};
use std::sync::Arc;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// Neither embedded nor a path.
    #[error("no {kind} is called `{name}`")]
    UnknownName {
        /// `workload` or `nemesis`.
        kind: &'static str,
        /// What was asked for.
        name: String,
        /// The nearest name, and all of them.
        #[help]
        help: String,
    },
    /// A path that cannot be read.
    #[error("cannot read the {kind} file {path}: {source}")]
    Unreadable {
        /// `workload` or `nemesis`.
        kind: &'static str,
        /// The path as given.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file that does not parse, or makes no sense.
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
    /// A `--set` that cannot be used.
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

/// A value that parses and makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where, as keys and positions with dots between: `column.2.merge`.
    pub at: String,
    /// What is wrong.
    pub problem: String,
    /// What would be right.
    pub help: String,
}

impl Wrong {
    /// Refuses with these words unless `holds`.
    pub(super) fn unless(holds: bool, at: &str, problem: &str, help: &str) -> Result<(), Wrong> {
        if holds { Ok(()) } else { Err(Wrong::new(at, problem, help)) }
    }

    /// Puts the three together.
    pub(super) fn new(at: impl Into<String>, problem: impl Into<String>, help: impl Into<String>) -> Wrong {
        Wrong { at: at.into(), problem: problem.into(), help: help.into() }
    }
}

/// Lists what is allowed, after the nearest to what was written, if one is near.
pub fn advise(written: &str, allowed: &[&str]) -> String {
    let list = allowed.join(", ");
    match nearest(written, allowed) {
        Some(near) => format!("did you mean `{near}`? allowed: {list}"),
        None => format!("allowed: {list}"),
    }
}

/// The allowed name that a typing error is most likely to have come from: fewest letters apart, and no
/// more than a third of the longer of the two (so `rate` is no guess for `pool`).
fn nearest<'a>(written: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let near = allowed.iter().map(|name| (letters_apart(written, name), *name)).min()?;
    let longer = written.chars().count().max(near.1.chars().count());
    (3 * near.0 <= longer.max(3)).then_some(near.1)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour to make one word of
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

/// Takes the list of names out of serde's message, which is `unknown field `x`, expected one of `a`, `b``,
/// and makes advice of it. Other messages stay as they are, without advice.
pub(super) fn split_names(message: &str) -> (String, Option<String>) {
    let Some((problem, expected)) = message.split_once(", expected ") else {
        return (message.to_owned(), None);
    };
    let quoted = |text| str::split(text, '`').skip(1).step_by(2).collect::<Vec<&str>>();
    match quoted(problem).first() {
        Some(written) if problem.starts_with("unknown ") => {
            (problem.to_owned(), Some(advise(written, &quoted(expected))))
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
    fn names_are_taken_out_of_a_message() {
        assert_eq!(
            split_names("unknown field `rat`, expected one of `rate`, `load`"),
            ("unknown field `rat`".to_owned(), Some("did you mean `rate`? allowed: rate, load".to_owned()))
        );
        assert_eq!(split_names("missing field `rate`"), ("missing field `rate`".to_owned(), None));
        let kept = "invalid type: string \"x\", expected u32";
        assert_eq!(split_names(kept), (kept.to_owned(), None));
    }
}
