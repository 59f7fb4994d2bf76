//! Histories in, verdicts out: every rule of the judge has a case under `tests/check/`.
//!
//! A case is a history that a reviewer can judge without code, `----`, and the expected verdict. The language
//! is described in `tests/check/README.md`. `= log` rows come from the fold in `check/naive.rs`, which
//! replays a key from nothing for every row, so that the judge's fold is tested against another one.

mod coverage;
mod explained;
mod freezes;
mod frontiers;
mod meta;
pub(crate) mod naive;
pub(crate) mod parse;
mod reads;

use dissent_core::checker::judge::{Oracle, judge, judge_seeing};
use dissent_core::checker::verdict::{
    Divergence, Finding, FindingKind, Frozen, PrecedingEvent, Progress, Status, Verdict, VerdictOutcome,
};
use dissent_core::history::check_name::CheckName;
use dissent_core::history::time::Nanos;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[test]
fn every_case_is_judged_as_it_says() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/check");
    let folder = std::env::var_os("DISSENT_CASES").map_or(own, PathBuf::from);
    let mut cases: Vec<_> = std::fs::read_dir(folder)
        .expect("the cases' folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no cases");
    let mut failures = String::new();
    for path in &cases {
        let text = std::fs::read_to_string(path).expect("a case");
        let name = path.file_stem().expect("a name").to_string_lossy();
        let told = std::panic::catch_unwind(|| run(&text));
        if let Err(difference) = told.unwrap_or_else(|_| Err("the case cannot be read, see above".to_owned()))
        {
            writeln!(failures, "\n== {name}\n{difference}").expect("a string");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn a_verdict_is_the_same_every_time() {
    let case = parse::case(include_str!("check/late-registration.txt"));
    let once = serde_json::to_string(&judge(&case.record)).expect("json");
    for _ in 0..8 {
        assert_eq!(once, serde_json::to_string(&judge(&case.record)).expect("json"));
    }
}

/// Only the model sees what has spread to all replicas. Peers alone see a replica that still differs, but
/// call nobody wrong.
#[test]
fn peers_alone_do_not_see_what_all_agree_on() {
    let by_peers = |text| judge_seeing(&parse::case(text).record, Oracle::PeersAlone, &mut |_, _| {});
    let spread = by_peers(include_str!("check/course-spread.txt"));
    assert_eq!((spread.outcome, spread.findings.len()), (VerdictOutcome::Pass, 0), "{:?}", describe(&spread));
    let model = spread.checks.iter().find(|check| check.name == CheckName::Model).expect("it is told");
    assert_eq!(model.status, Status::NotApplicable);
    assert!(model.reason.as_deref().expect("and why").contains("was not judged"));
    let standing = by_peers(include_str!("check/late-registration.txt"));
    assert_eq!(standing.outcome, VerdictOutcome::Fail);
    assert!(describe(&standing).iter().any(|line| line.contains("last=one-differs/unknown")));
}

/// A case without its history or its comment tests nothing.
fn run(text: &str) -> Result<(), String> {
    let (_, expected) = text.split_once("\n----\n").ok_or("no ---- line")?;
    if !text.starts_with("# ") {
        return Err("the first line must say which rule, and why".to_owned());
    }
    let verdict = judge(&parse::case(text).record);
    let actual = describe(&verdict);
    let expected: Vec<&str> = expected.lines().filter(|line| !line.trim().is_empty()).collect();
    let differences = compare(&expected, &actual);
    if differences.is_empty() {
        return Ok(());
    }
    let mut report = String::new();
    for difference in differences {
        writeln!(report, "{difference}").expect("a string");
    }
    writeln!(report, "-- the verdict was").expect("a string");
    for line in &actual {
        writeln!(report, "   {line}").expect("a string");
    }
    Err(report)
}

/// Lines of a verdict that a case may ask for, in any order.
const ANY_ORDER: [&str; 19] = [
    "check",
    "compared",
    "exposure",
    "evidence",
    "shown",
    "joined",
    "state",
    "lagging",
    "waiting",
    "healed",
    "cause",
    "setup",
    "guard",
    "timeline",
    "moment",
    "commit",
    "replaced",
    "risk",
    "last-right",
];

/// Findings and doubts must match in number and order; checks and counts are compared only if the case asks
/// for them. All words of an expected line must be in the actual one.
fn compare(expected: &[&str], actual: &[String]) -> Vec<String> {
    let kind = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let mut differences = Vec::new();
    for exact in ["PASS", "FAIL", "INCONCLUSIVE", "finding", "doubt"] {
        let wanted: Vec<_> = expected.iter().filter(|line| kind(line) == exact).collect();
        let found: Vec<_> = actual.iter().filter(|line| kind(line) == exact).collect();
        if wanted.len() != found.len() {
            differences.push(format!("{exact}: {} expected, {} found", wanted.len(), found.len()));
        }
        for (wanted, found) in wanted.iter().zip(&found) {
            let lacks = lacking(wanted, found);
            if !lacks.is_empty() {
                differences.push(format!("expected {wanted}\n   found {found}\n   without {lacks:?}"));
            }
        }
    }
    for wanted in expected {
        if ANY_ORDER.contains(&kind(wanted).as_str())
            && !actual.iter().any(|found| kind(found) == kind(wanted) && lacking(wanted, found).is_empty())
        {
            differences.push(format!("expected {wanted}"));
        }
    }
    let known = ["PASS", "FAIL", "INCONCLUSIVE", "finding", "doubt"];
    for odd in expected.iter().map(|line| kind(line)) {
        if !known.contains(&odd.as_str()) && !ANY_ORDER.contains(&odd.as_str()) {
            differences.push(format!("{odd} is no word of a verdict"));
        }
    }
    differences
}

fn lacking<'w>(wanted: &'w str, found: &str) -> Vec<&'w str> {
    fn bare(word: &str) -> &str {
        word.trim_end_matches([',', ':'])
    }
    let found: BTreeSet<&str> = found.split_whitespace().map(bare).collect();
    wanted.split_whitespace().filter(|word| !found.contains(bare(word))).collect()
}

/// The verdict as lines of words.
fn describe(verdict: &Verdict) -> Vec<String> {
    let mut lines = vec![word(&verdict.outcome)];
    verdict.findings.iter().for_each(|finding| describe_finding(finding, &mut lines));
    for doubt in &verdict.doubts {
        lines.push(format!("doubt {} {}", word(&doubt.kind), doubt.detail));
    }
    for check in &verdict.checks {
        lines.push(format!(
            "check {} {} compared={} {}",
            word(&check.name),
            word(&check.status),
            check.compared,
            check.unit
        ));
    }
    let compared = &verdict.compared;
    let mut line = format!(
        "compared entries={} keys={} offsets={} rows={} flags={} segments={} replicas={}",
        compared.entries,
        compared.keys,
        compared.offsets,
        compared.rows,
        compared.flags,
        compared.segments,
        compared.replicas.join(",")
    );
    for (replica, offsets) in &compared.not_loaded {
        write!(line, " not-loaded={replica}:{offsets}").expect("a string");
    }
    for (reason, rows) in &compared.excused {
        write!(line, " excused={}:{rows}", word(reason)).expect("a string");
    }
    lines.push(line);
    for exposure in &verdict.exposure {
        lines.push(format!("exposure {} {} of {}", exposure.what, exposure.count, exposure.demanded));
    }
    describe_progress(&verdict.progress, &mut lines);
    lines
}

fn describe_finding(finding: &Finding, lines: &mut Vec<String>) {
    match &finding.kind {
        FindingKind::Divergence(divergence) => {
            lines.push(format!("finding {} {}", finding.fingerprint, describe_divergence(divergence)));
            for row in &divergence.evidence {
                let mut line =
                    format!("evidence @{} {} {}", row.off.expect("a log"), row.key, word(&row.origin));
                for (column, value) in row.expected.iter().flatten() {
                    write!(line, " {column}={}", naive::spell(value)).expect("a string");
                }
                lines.push(line);
                for shown in &row.shown {
                    let mut line = format!("shown @{} {}", row.off.expect("a log"), shown.replica);
                    let marks = [("wrong", shown.wrong), ("current", shown.current)];
                    marks
                        .iter()
                        .filter(|mark| mark.1)
                        .for_each(|mark| write!(line, " {}", mark.0).expect("ok"));
                    if !shown.stale.is_empty() {
                        write!(line, " stale={}", shown.stale.join(",")).expect("a string");
                    }
                    for (column, value) in shown.row.iter().flatten() {
                        write!(line, " {column}={}", naive::spell(value)).expect("a string");
                    }
                    lines.push(line);
                }
            }
            divergence.explanation.iter().for_each(|it| explained::describe_explanation(it, lines));
            divergence.spread.iter().for_each(|it| explained::describe_spread(it, lines));
        }
        FindingKind::Frozen(frozen) => {
            lines.push(format!("finding {} {}", finding.fingerprint, describe_frozen(frozen)));
            lines.extend(frozen.joined.iter().map(|it| format!("joined {}", describe_frozen(it))));
            frozen.explanation.iter().for_each(|it| explained::describe_explanation(it, lines));
        }
        FindingKind::Regressed(it) => lines.push(format!(
            "finding {} {} from={} to={} at={}s after={}s times={}",
            finding.fingerprint,
            it.object,
            it.from,
            it.to,
            seconds(it.t),
            seconds(it.after),
            it.times
        )),
        FindingKind::Ahead(it) => lines.push(format!(
            "finding {} {} position={} upper={} input={} at={}s samples={}",
            finding.fingerprint,
            it.object,
            it.position,
            it.upper,
            it.input.as_deref().unwrap_or("-"),
            seconds(it.t),
            it.samples
        )),
        FindingKind::LostAck(lost) => {
            let ops: Vec<String> = lost.ops.iter().map(u64::to_string).collect();
            lines.push(format!("finding {} p{} ops={}", finding.fingerprint, lost.partition, ops.join(",")));
        }
    }
}

fn describe_frozen(it: &Frozen) -> String {
    let moved =
        it.last_move.map_or("-".to_owned(), |it| format!("{}..{}@{}s", it.from, it.to, seconds(it.t)));
    let before = it.before.as_ref().map_or("-".to_owned(), |it| match it {
        PrecedingEvent::Phase { phase, .. } => format!("phase:{}", word(phase)),
        PrecedingEvent::FaultBegin { step, .. } => format!("begin:{step}"),
        PrecedingEvent::CureBegin { step, .. } => format!("cure:{step}"),
        PrecedingEvent::Cured { step, .. } => format!("cured:{step}"),
        PrecedingEvent::Incarnation { incarnation, .. } => format!("incarnation:{incarnation}"),
    });
    format!(
        "{} p{} position={} of={} segment={} watched={}s threshold={}s \
         baseline={} status={} object={} grade={} course={} since={}s pinned-by={} unseen={} moved={moved} \
         upstream+{} beyond={} before={before} then={} cause={} incarnation={} times={}{}",
        it.replica.as_deref().unwrap_or("-"),
        it.partition.map_or("-".to_owned(), |partition| partition.to_string()),
        it.position,
        it.log_end,
        it.segment.as_deref().unwrap_or("-"),
        seconds(it.watched),
        seconds(it.threshold),
        it.baseline,
        it.status,
        it.object.replace(' ', "-"),
        word(&it.grade),
        word(&it.course),
        seconds(it.since),
        if it.pinned_by.is_empty() { "-".to_owned() } else { it.pinned_by.join(",") },
        it.unseen.map_or("-".to_owned(), |it| format!("{}+{}/{}", it.from, it.entries, it.keys)),
        it.upstream_moved,
        it.invisible.map_or("-".to_owned(), |units| units.to_string()),
        it.status_at_freeze,
        word(&it.cause),
        it.incarnation,
        it.times,
        it.freeze_explanation.as_ref().map_or(String::new(), |it| freezes::describe_freeze(it)),
    )
}

fn seconds(t: Nanos) -> u64 {
    t.0 / 1_000_000_000
}

fn describe_progress(progress: &Progress, lines: &mut Vec<String>) {
    for (state, count) in &progress.states {
        lines.push(format!("state {} {count}", word(state)));
    }
    for it in &progress.lagging {
        let left = it.catches_up_in.map_or("-".to_owned(), |left| format!("{}s", seconds(left)));
        let (behind, slope) = (it.behind, it.slope_milli);
        lines.push(format!("lagging {} behind={behind} slope={slope}m catches-up={left}", it.object));
    }
    for it in &progress.waiting {
        let (object, watched) = (it.object.replace(' ', "-"), seconds(it.watched));
        lines.push(format!(
            "waiting {object} position={} since={}s watched={watched}s",
            it.position,
            seconds(it.since)
        ));
    }
    for it in &progress.healed {
        let within = it.within.map_or(String::new(), |within| format!(" within={}s", seconds(within)));
        lines.push(format!(
            "healed {} watched={}s{within}",
            it.object.replace(' ', "-"),
            seconds(it.watched)
        ));
    }
}

fn describe_divergence(it: &Divergence) -> String {
    let mut text = format!(
        "p{} replicas={} course={} last={}/{} wrong={} comparable={} at={} first={}/{} first-wrong={} \
         first-at={} keys={} visible={} columns={} segments={} roots={} inherited={} copied={} \
         since=@{} until=@{} rows={}",
        it.partition,
        it.replicas.join(","),
        word(&it.course),
        word(&it.last.pattern),
        word(&it.last.side),
        it.last.wrong.join(","),
        it.last.comparable.join(","),
        it.last.capture,
        word(&it.first.pattern),
        word(&it.first.side),
        it.first.wrong.join(","),
        it.first.capture,
        it.keys.join(","),
        it.keys_visible,
        it.columns.join(","),
        it.segments.join(","),
        it.roots,
        it.inherited,
        it.copied,
        it.offsets().expect("a log").0,
        it.offsets().expect("a log").1,
        it.evidence.len(),
    );
    match &it.missing {
        Some(missing) => write!(text, " missing={}:{}", missing.segments.join(","), missing.ops),
        None => write!(text, " missing=-"),
    }
    .expect("a string");
    if !it.moved_away.is_empty() {
        write!(text, " moved-away={}", it.moved_away.join(",")).expect("a string");
    }
    write!(text, " right={}", it.last.right.join(",")).expect("a string");
    let signs = [("defaults", it.shows_defaults), ("stale", it.shows_stale)];
    for (sign, _) in signs.iter().filter(|sign| sign.1) {
        write!(text, " {sign}").expect("a string");
    }
    for (sign, _) in signs.iter().filter(|sign| !sign.1) {
        write!(text, " no-{sign}").expect("a string");
    }
    text
}

fn word(choice: &impl Serialize) -> String {
    let value = serde_json::to_value(choice).expect("a closed choice");
    value.as_str().expect("a word").to_owned()
}
