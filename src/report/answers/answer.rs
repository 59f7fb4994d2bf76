//! A question and its answer, and what answers of every kind say alike.

use crate::report::format::{bytes, count, counted, excused, len, printable};
use dissent_core::checker::verdict::{
    ByChecksum, CheckResult, Doubt, DoubtKind, Finding, FindingKind, Status, Verdict,
};
use dissent_core::history::check_name::CheckName;
use dissent_core::history::event::ReadTraffic;
use dissent_core::history::stored_name::stored_name;

/// Doubts listed in the answers; the page has a section with more.
pub(in crate::report) const DOUBTS_NAMED: usize = 3;

/// A question and its answer.
pub(in crate::report) struct Answer {
    /// The question, as the page asks it.
    pub(in crate::report) question: &'static str,
    /// The question in one or two words, for the terminal.
    pub(in crate::report) label: &'static str,
    /// The answer: lower-case, since it may begin with the name of a replica.
    pub(in crate::report) short: Vec<String>,
    /// Details, in sentences.
    pub(in crate::report) more: Vec<String>,
    /// Whether the terminal leaves it out, because the headline or the last line already says it.
    pub(in crate::report) page_only: bool,
}

impl Answer {
    /// An answer of one line.
    pub(in crate::report) fn new(question: &'static str, label: &'static str, short: String) -> Self {
        Self::lines(question, label, vec![short])
    }

    /// An answer of several lines.
    pub(in crate::report) fn lines(question: &'static str, label: &'static str, short: Vec<String>) -> Self {
        Self { question, label, short, more: Vec::new(), page_only: false }
    }

    pub(in crate::report) fn page_only(mut self, page_only: bool) -> Self {
        self.page_only = page_only;
        self
    }

    /// The same with details.
    pub(in crate::report) fn because(mut self, more: Vec<String>) -> Self {
        self.more.extend(more);
        self
    }
}

/// How much was compared, and whether the replicas had caught up.
pub(in crate::report) fn basis(verdict: &Verdict) -> String {
    format!("{} compared {}", counted(verdict.compared.rows, "row"), scope(verdict))
}

/// What was compared, and whether the replicas had caught up.
pub(in crate::report) fn scope(verdict: &Verdict) -> String {
    let stopped = |finding: &Finding| matches!(finding.kind, FindingKind::Frozen(_));
    let unsettled = |doubt: &Doubt| {
        matches!(doubt.kind, DoubtKind::NotSettled | DoubtKind::Interrupted | DoubtKind::ServerDied)
    };
    format!(
        "({}, {}, {}{})",
        counted(len(&verdict.compared.replicas), "replica"),
        counted(verdict.compared.captures.into(), "capture"),
        match verdict.doubts.iter().any(unsettled) || verdict.findings.iter().any(stopped) {
            true => "not all caught up",
            false => "all caught up",
        },
        excused(&verdict.compared.excused)
            .map_or(String::new(), |absent| format!("; not compared: {absent}")),
    )
}

/// What to do now, in order.
pub(in crate::report) fn steps(in_order: Vec<String>) -> Answer {
    let several = in_order.len() > 1;
    let numbered = in_order.into_iter().enumerate().map(|(i, step)| match several {
        true => format!("{}. {step}", i + 1),
        false => step,
    });
    Answer {
        question: "What to do in the next five minutes?",
        label: "do now",
        short: numbered.collect(),
        more: Vec::new(),
        page_only: false,
    }
}

/// How certain the verdict is and what could disprove it, with the first doubts.
pub(in crate::report) fn certainty(ground_and_otherwise: String, verdict: &Verdict) -> Answer {
    let mut short = vec![ground_and_otherwise];
    short.extend(verdict.compared.by_checksum.as_ref().map(by_checksum));
    short.extend(verdict.compared.traffic.as_ref().map(traffic));
    short.extend(verdict.doubts.iter().take(DOUBTS_NAMED).map(doubt_line));
    if verdict.doubts.len() > DOUBTS_NAMED {
        let rest = (verdict.doubts.len() - DOUBTS_NAMED) as u64;
        short.push(format!("and {}", counted(rest, "more doubt")));
    }
    Answer {
        question: "How sure is it, and what could disprove it?",
        label: "how sure",
        short,
        more: Vec::new(),
        page_only: false,
    }
}

/// What reading the target took.
fn traffic(took: &ReadTraffic) -> String {
    format!("reading took {} and {}", counted(took.queries, "query"), bytes(took.bytes))
}

/// How much was counted by checksums instead of being read.
fn by_checksum(counted_so: &ByChecksum) -> String {
    let ByChecksum { copies, rows, cross_read_copies, cross_read_rows } = *counted_so;
    let proof = match cross_read_copies {
        0 => "no copy was read to prove it".to_owned(),
        _ => format!(
            "to prove it, {} of {} {} read too",
            counted(cross_read_copies, "copy"),
            counted(cross_read_rows, "row"),
            if cross_read_copies == 1 { "was" } else { "were" },
        ),
    };
    format!(
        "{} of {} were counted because their checksum equals that of a copy that was read; {proof}",
        counted(rows, "row"),
        counted(copies, "committed copy")
    )
}

/// A doubt in one line.
pub(in crate::report) fn doubt_line(doubt: &Doubt) -> String {
    format!("doubt: {}: {}", stored_name(&doubt.kind), printable(&doubt.detail))
}

/// Whether the model agreed with the target on the calibration set, as a sentence.
pub(in crate::report) fn calibration(verdict: &Verdict) -> String {
    let passed = |check: &&CheckResult| check.name == CheckName::Calibration && check.status == Status::Pass;
    match verdict.checks.iter().find(passed) {
        Some(check) => format!(
            "Before any fault, the target and the model gave the same results ({} {}).",
            count(check.compared),
            check.unit,
        ),
        None => "The model was not calibrated in this run.".to_owned(),
    }
}
