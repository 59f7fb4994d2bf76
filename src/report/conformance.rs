//! The output of `dissent doctor --conformance`: which promises a store keeps.

use super::format::{counted, len, printable};
use super::terminal::{Ink, Style};
use crate::adapter::state::conformance::ConformanceFinding;
use serde_json::json;

/// The findings as text, one a line.
pub fn text(version: &str, findings: &[ConformanceFinding], style: Style) -> String {
    let mut out = format!("{}\n", printable(version));
    for ConformanceFinding { what, passed, detail } in findings {
        let mark = if *passed { style.paint(Ink::Green, "ok    ") } else { style.paint(Ink::Red, "FAILED") };
        out += &format!("  {mark}  {}: {}\n", printable(what), printable(detail));
    }
    let kept = findings.iter().filter(|finding| finding.passed).count() as u64;
    let broken = len(findings) - kept;
    let (ink, words) = match broken {
        0 => (Ink::Green, format!("conforms: {} kept", counted(len(findings), "promise"))),
        some => {
            (Ink::Red, format!("does not conform: {some} of {} broken", counted(len(findings), "promise")))
        }
    };
    out + &style.paint(ink, &words)
}

/// The findings as one JSON document.
pub fn json(version: &str, findings: &[ConformanceFinding], exit: u8) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&json!({"version": version, "conformance": findings, "exit_code": exit}))
}
