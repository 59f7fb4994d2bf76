//! The pieces of `junit.xml`.
//!
//! Written by hand: the crate for it (`quick-junit`) adds clocks and random identifiers, which would make the
//! output of the same evidence differ, and a dozen packages for one page of code.

use std::fmt::Write as _;

/// A test case.
pub(super) struct Case {
    pub(super) name: String,
    pub(super) result: CaseResult,
}

/// How it ended.
pub(super) enum CaseResult {
    Passed,
    Failed { message: String, kind: String, text: String },
    Unknown { message: String },
    Skipped { message: String },
}

/// The text before the first suite.
pub const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"dissent\">\n";
/// The text after the last suite.
pub const END: &str = "</testsuites>\n";

impl Case {
    /// Adds it as XML. A case has no time of its own: `seconds` is its share of the suite's.
    pub(super) fn push(&self, class: &str, seconds: f64, out: &mut String) {
        let (class, name) = (escaped(class), escaped(&self.name));
        let head = format!("    <testcase classname=\"{class}\" name=\"{name}\" time=\"{seconds:.3}\"");
        let _ = match &self.result {
            CaseResult::Passed => writeln!(out, "{head}/>"),
            CaseResult::Failed { message, kind, text } => writeln!(
                out,
                "{head}>\n      <failure message=\"{}\" type=\"{}\">{}</failure>\n    </testcase>",
                escaped(message),
                escaped(kind),
                escaped(text)
            ),
            CaseResult::Unknown { message } => writeln!(
                out,
                "{head}>\n      <error message=\"{}\" type=\"unknown\"/>\n    </testcase>",
                escaped(message)
            ),
            CaseResult::Skipped { message } => {
                writeln!(out, "{head}>\n      <skipped message=\"{}\"/>\n    </testcase>", escaped(message))
            }
        };
    }
}

/// Text for an element or an attribute. Control characters and non-characters are left out: XML 1.0 cannot
/// hold them, not even escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => {}
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}
