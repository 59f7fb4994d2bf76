//! The pieces of `junit.xml`.
//!
//! Written by hand: the crate for it (`quick-junit`) adds clocks and random identifiers, which would make the
//! output of the same evidence differ, and a dozen packages for one page of code.

use jiff::Timestamp;
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

/// A test suite.
pub(super) struct Suite<'s> {
    /// Its number in the document.
    pub(super) number: usize,
    pub(super) name: &'s str,
    /// Its package. Dots make levels.
    pub(super) package: &'s str,
    /// The class of its cases.
    pub(super) class: &'s str,
    /// When it began, in UTC.
    pub(super) started: &'s str,
    pub(super) seconds: f64,
    pub(super) properties: Vec<(&'s str, &'s str)>,
    pub(super) cases: &'s [Case],
    /// What is told besides.
    pub(super) told: &'s str,
}

impl Suite<'_> {
    /// The suite as XML.
    pub(super) fn text(&self) -> String {
        let count =
            |wanted: fn(&CaseResult) -> bool| self.cases.iter().filter(|case| wanted(&case.result)).count();
        let mut out = format!(
            "  <testsuite id=\"{}\" name=\"{}\" package=\"{}\" timestamp=\"{}\" hostname=\"localhost\" \
             time=\"{:.3}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\">\n    <properties>\n",
            self.number,
            escaped(self.name),
            escaped(self.package),
            escaped(&without_zone(self.started)),
            self.seconds,
            self.cases.len(),
            count(|result| matches!(result, CaseResult::Failed { .. })),
            count(|result| matches!(result, CaseResult::Unknown { .. })),
            count(|result| matches!(result, CaseResult::Skipped { .. })),
        );
        // Writing to a string cannot fail.
        for (key, value) in &self.properties {
            let (key, value) = (escaped(key), escaped(value));
            let _ = writeln!(out, "      <property name=\"{key}\" value=\"{value}\"/>");
        }
        out.push_str("    </properties>\n");
        // A case has no time of its own, and CI systems add up those of the cases.
        let each = self.seconds / self.cases.len().max(1) as f64;
        self.cases.iter().for_each(|case| case.push(self.class, each, &mut out));
        let told = escaped(self.told);
        let _ = writeln!(out, "    <system-out>{told}</system-out>\n    <system-err/>\n  </testsuite>");
        out
    }
}

/// The text before the first suite.
pub const OPENING: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n";
/// The text after the last suite.
pub const END: &str = "</testsuites>\n";

impl Case {
    /// Adds it as XML. `seconds` is its share of the suite's time.
    fn push(&self, class: &str, seconds: f64, out: &mut String) {
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

/// A time in UTC as the schema wants it: without a zone.
fn without_zone(time: &str) -> String {
    let parsed: Result<Timestamp, _> = time.parse();
    parsed.map_or_else(|_| time.to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string())
}

/// Text for an element or an attribute. Control characters and non-characters are left out: XML 1.0 cannot
/// hold them, not even escaped.
fn escaped(text: &str) -> String {
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
