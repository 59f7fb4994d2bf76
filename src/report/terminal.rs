//! The verdict for a terminal: about ten lines that a tired person understands, and one line to grep for.

use super::answers::answer::Answer;
use super::answers::divergence::right;
use super::answers::known_issues;
use super::answers::{answers, finding_headline, headline};
use super::format::{Clock, counted, len, listed, printable, repeat, seed, span};
use dissent_core::checker::verdict::{
    CheckResult, Course, Divergence, DoubtKind, Finding, FindingKind, Frozen, LogPoint, ObjectKind, Side,
    Status, Verdict, VerdictOutcome,
};
use dissent_core::history::run_record::RunMeta;
use dissent_core::history::stored_name::stored_name;

/// The style of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether the terminal shows colours.
    pub colour: bool,
    /// Maximum width of a line, in columns. A longer word is not broken.
    pub width: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 80 }
    }
}

/// Width of the label in front of an answer, in columns.
const LABEL: usize = 15;
/// Further findings with a line of their own.
const ALSO: usize = 3;

/// The summary of a run, ending in a newline. Long lines are wrapped.
pub fn summary(verdict: &Verdict, meta: &RunMeta, style: Style) -> String {
    let clock = Clock::of(meta);
    let ink = Ink::of(verdict.outcome);
    let word = style.paint(ink, &stored_name(&verdict.outcome));
    let mut out = format!("{word}  {}\n", printable(&headline(verdict)));
    for answer in answers(verdict, &clock).into_iter().filter(|answer| !answer.page_only) {
        push_answer(&mut out, &answer, style);
    }
    let also =
        if verdict.outcome == VerdictOutcome::Fail { len(&verdict.findings).saturating_sub(1) } else { 0 };
    for finding in verdict.findings.iter().skip(1).take((also as usize).min(ALSO)) {
        let short = format!("{}: {}", finding.fingerprint, finding_headline(finding));
        push_answer(&mut out, &Answer::new("What else?", "also", short), style);
    }
    if also > ALSO as u64 {
        let rest = also - ALSO as u64;
        let short = format!("{} more in the report", counted(rest, "finding"));
        push_answer(&mut out, &Answer::new("What else?", "also", short), style);
    }
    // The command stays on one line, so that it can be copied.
    out.push_str(&format!("  {}{}\n", style.label("run again"), printable(&repeat(meta))));
    out
}

/// The one line to grep for: outcome first, then what it is about, then `key=value` pairs. No newline.
pub fn last_line(verdict: &Verdict, meta: &RunMeta, report_path: Option<&str>) -> String {
    let clock = Clock::of(meta);
    let mut words = vec![stored_name(&verdict.outcome)];
    match (verdict.findings.first(), verdict.outcome) {
        (Some(finding), VerdictOutcome::Fail) => words.extend(finding_words(finding, verdict, &clock)),
        (_, VerdictOutcome::Pass) => words.extend(compared_words(verdict)),
        (..) => {
            words.push(reason_word(verdict));
            words.extend(gone(verdict));
            words.extend(compared_words(verdict));
        }
    }
    if verdict.known.is_some() {
        words.push(format!("known={}", known_issues::count(verdict)));
    }
    if verdict.findings.len() > 1 {
        words.push(format!("findings={}", verdict.findings.len()));
    }
    words.extend(seed(meta).map(|seed| format!("seed={seed}")));
    words.extend(report_path.map(|path| format!("report={path}")));
    printable(&words.join(" "))
}

fn finding_words(finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<String> {
    let mut words = what_words(&finding.kind, clock);
    words.push(finding.fingerprint.clone());
    words.extend(known_issues::word(verdict, finding));
    if let FindingKind::Divergence(divergence) = &finding.kind {
        words.extend(side_words(divergence));
    }
    words
}

fn what_words(kind: &FindingKind, clock: &Clock) -> Vec<String> {
    match kind {
        FindingKind::Divergence(d) => divergence_words(d, clock),
        FindingKind::Frozen(f) => frozen_words(f, clock),
        FindingKind::Regressed(r) => vec![
            "regressed".to_owned(),
            r.object.clone(),
            format!("from={} to={}", r.from, r.to),
            format!("at {}", clock.at(r.t)),
        ],
        FindingKind::Ahead(a) => vec![
            "ahead".to_owned(),
            a.object.clone(),
            format!("at={} upper={}", a.position, a.upper),
            format!("since {}", clock.at(a.t)),
        ],
        FindingKind::LostAck(lost) => vec![
            "lost-ack".to_owned(),
            counted(len(&lost.ops), "op"),
            format!("partition={}", lost.partition),
        ],
    }
}

/// A consuming position is named by its replica and segment, any other frontier by its own name.
fn frozen_words(f: &Frozen, clock: &Clock) -> Vec<String> {
    let mut words = vec!["frozen".to_owned()];
    if f.kind == ObjectKind::ConsumingPosition {
        words.extend(f.replica.clone());
        words.push(f.segment.clone().unwrap_or_else(|| "no-segment".to_owned()));
        words.push(format!("at offset={}", f.position));
    } else {
        words.extend([
            f.object.clone(),
            stored_name(&f.grade),
            stored_name(&f.course),
            format!("at={}", f.position),
        ]);
    }
    words.extend(f.invisible.map(|behind| format!("behind={behind}")));
    words.push(format!("since {} for {}", clock.at(f.since), span(f.watched).replace(' ', "")));
    words
}

/// Names the replicas where it began: they stay the same while the damage spreads.
fn divergence_words(d: &Divergence, clock: &Clock) -> Vec<String> {
    let segment = match d.segments.as_slice() {
        [] if d.since.is_none() => stored_name(&d.what),
        [] => "no-segment".to_owned(),
        [only] => only.clone(),
        [first, rest @ ..] => format!("{first}+{}", rest.len()),
    };
    vec![
        stored_name(&d.last.pattern),
        listed(&d.replicas, 4).replace(", ", ","),
        counted(d.key_count(), "key"),
        segment,
    ]
    .into_iter()
    .chain(d.since.map(|point| since(point, clock)))
    .chain([stored_name(&d.course)])
    .collect()
}

/// If the majority is wrong, also names the replicas that must not be touched.
fn side_words(d: &Divergence) -> Vec<String> {
    let mut words = vec![format!("side={}", stored_name(&d.last.side))];
    if d.last.side == Side::Majority && d.course != Course::Healed {
        words.push(format!("last-right={}", right(&d.last).join(",")));
    }
    words
}

/// When the first wrong row was acknowledged, or else its log offset.
fn since(point: LogPoint, clock: &Clock) -> String {
    match point.t {
        Some(t) => format!("since {}", clock.at(t)),
        None => format!("since offset={}", point.off),
    }
}

fn compared_words(verdict: &Verdict) -> Vec<String> {
    let compared = &verdict.compared;
    let mut words = vec![
        format!("{} rows", compared.rows),
        format!("{} replicas", compared.replicas.len()),
        format!("{} captures", compared.captures),
    ];
    if !compared.excused.is_empty() {
        words.push(format!("{} excused", compared.excused.values().sum::<u64>()));
    }
    words
}

/// Why a verdict is inconclusive, in one word: the first doubt, else the first check that could not run.
fn reason_word(verdict: &Verdict) -> String {
    let unknown = |check: &&CheckResult| check.status == Status::Unknown;
    match (verdict.doubts.first(), verdict.checks.iter().find(unknown)) {
        (Some(doubt), _) => stored_name(&doubt.kind),
        (None, Some(check)) => format!("unknown-{}", stored_name(&check.name)),
        (None, None) => "nothing-compared".to_owned(),
    }
}

/// Who died: the doubt begins with the name.
fn gone(verdict: &Verdict) -> Option<String> {
    let death = verdict.doubts.first().filter(|doubt| doubt.kind == DoubtKind::ServerDied)?;
    death.detail.split_once(':').map(|(server, _)| server.replace(' ', "-"))
}

pub(super) fn push_answer(out: &mut String, answer: &Answer, style: Style) {
    let mut label = style.label(answer.label);
    for line in &answer.short {
        for part in wrapped(&printable(line), style.width.saturating_sub(LABEL + 2)) {
            out.push_str(&format!("  {label}{part}\n"));
            label = " ".repeat(LABEL);
        }
    }
}

/// Breaks a line between words.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        let used = lines[last].chars().count();
        if used > 0 && used + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            if used > 0 {
                lines[last].push(' ');
            }
            lines[last].push_str(word);
        }
    }
    lines
}

#[derive(Clone, Copy)]
pub(super) enum Ink {
    Green,
    Yellow,
    Red,
    Faint,
}

impl Ink {
    fn of(outcome: VerdictOutcome) -> Self {
        match outcome {
            VerdictOutcome::Pass => Self::Green,
            VerdictOutcome::Inconclusive => Self::Yellow,
            VerdictOutcome::Fail => Self::Red,
        }
    }

    /// Select Graphic Rendition (ECMA-48, 8.3.117).
    fn code(self) -> &'static str {
        match self {
            Self::Green => "1;32",
            Self::Yellow => "1;33",
            Self::Red => "1;31",
            Self::Faint => "2",
        }
    }
}

impl Style {
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{}m{text}\x1b[0m", ink.code()),
            false => text.to_owned(),
        }
    }

    pub(super) fn label(self, label: &str) -> String {
        self.paint(Ink::Faint, &format!("{label:<LABEL$}"))
    }
}
