//! A divergence in words. Every sentence keeps the two oracles apart: replicas *differ*; only where a
//! model says what is right are they *wrong* (`RULES.md` 5).
//!
//! ```text
//! three replicas:  a x=1   b x=1   c x=2     nobody folded the log, and c alone merged the late op
//! "c is wrong" sends a tired person to reload the one right copy from a wrong one; "c differs" does not.
//! ```

use super::answers::{Answer, certainty, scope, steps};
use super::format::{Clock, capitalised, count, counted, joined, len, listed, modelled, name, spaced};
use super::known::novelty;
use super::no_findings::calibration;
use dissent_core::checker::verdict::{
    Anomaly, CaptureState, Course, Divergence, Finding, LogPoint, MissingState, Pattern, RootCause,
    RowEvidence, ShownRow, Side, Verdict,
};
use dissent_core::history::row::CopyState;
use dissent_core::history::schema::Value;

/// Keys named before the rest is only counted.
pub(super) const KEYS_LISTED: usize = 20;

/// The finding in one sentence; what must not be done comes before everything else.
pub(super) fn headline(d: &Divergence) -> String {
    let keys = counted(len(&d.keys), "key");
    let wrong = joined(&d.last.wrong);
    let right = right(&d.last);
    match (d.course, d.last.pattern, d.last.side) {
        (Course::Healed, pattern, _) => {
            format!("{}, healed: {wrong} {} on {keys}, and no longer {}", kind(pattern), was(d), still(d))
        }
        (_, _, Side::Majority) => last_right_copy(&right, &keys),
        (_, Pattern::Unanimous, Side::All) => match d.last.comparable.as_slice() {
            [only] => {
                format!("agree but wrong: {only}, the one comparable replica, is wrong on {keys}")
            }
            all => format!("agree but wrong: all {} replicas show the same wrong rows of {keys}", all.len()),
        },
        (_, pattern @ Pattern::OneDiffers, Side::Minority | Side::Unknown) => {
            format!(
                "{}: {wrong} {} on {keys}, the other {} replicas agree",
                kind(pattern),
                is(d),
                right.len()
            )
        }
        (_, pattern, side) => format!(
            "{}: {wrong} {} on {keys}; {}",
            kind(pattern),
            is(d),
            match side {
                Side::All => "no replica is right".to_owned(),
                _ => pattern_words(&d.last),
            },
        ),
    }
}

/// What such a pattern is called.
fn kind(pattern: Pattern) -> &'static str {
    if pattern == Pattern::OneDiffers { "lone divergence" } else { "divergence" }
}

/// At 3 wrong : 1 right the lone dissenter is the one to protect.
fn last_right_copy(right: &[String], keys: &str) -> String {
    match right {
        [] => format!("no replica holds a right copy of {keys}: do not reload, rebalance or restart any"),
        [only] => {
            format!("{only} holds the last right copy of {keys}: do not reload, rebalance or restart it")
        }
        several => format!(
            "{} hold the last right copies of {keys}: do not reload, rebalance or restart them",
            joined(several),
        ),
    }
}

/// All answers on a divergence.
pub(super) fn answers(d: &Divergence, finding: &Finding, verdict: &Verdict, clock: &Clock) -> Vec<Answer> {
    let mut answers = vec![
        real(d, verdict),
        replica(d),
        since(d, clock),
        data(d),
        course(d, clock),
        novelty(finding, verdict),
        next_steps(d, clock),
        sureness(d, verdict),
    ];
    if let Some(missing) = &d.missing {
        answers.insert(4, missing_state(missing));
    }
    answers
}

fn real(d: &Divergence, verdict: &Verdict) -> Answer {
    let (noun, compared) = match is_flag(d) {
        true => ("current flag", verdict.compared.flags),
        false => ("row", verdict.compared.rows),
    };
    let short = format!(
        "yes: {} {} of {} compared {}",
        counted(d.roots + d.inherited + d.copied, noun),
        adjective(d),
        count(compared),
        scope(verdict),
    );
    let oracle = match modelled(d) {
        true => "They were compared with each other and with the log, folded by the model.",
        false => "They were compared with each other only: no model says who is right.",
    };
    Answer::new("Is it real?", "is it real", short).because(vec![oracle.to_owned()])
}

fn replica(d: &Divergence) -> Answer {
    let verb = if d.course == Course::Healed { was(d) } else { is(d) };
    let origin = match modelled(d) && d.replicas != d.last.wrong {
        true => format!("; it began on {}", joined(&d.replicas)),
        false => String::new(),
    };
    let short =
        format!("{} {verb} in partition {}: {}{origin}", joined(&d.last.wrong), d.partition, what_words(d),);
    let mut more = vec![format!("{}.", capitalised(&pattern_words(&d.last)))];
    if modelled(d) && !is_flag(d) {
        more.push(format!(
            "{} made wrong where they are, {} merged rightly onto those, {} downloaded.",
            counted(d.roots, "row"),
            count(d.inherited),
            count(d.copied),
        ));
    }
    // A lone divergence names its replica in the headline, unless it began elsewhere or is over.
    let lone = d.last.pattern == Pattern::OneDiffers && d.replicas == d.last.wrong;
    let told = lone && d.last.side != Side::Majority && d.course != Course::Healed;
    Answer::new("Which replica?", "which replica", short).because(more).page_only(told)
}

fn since(d: &Divergence, clock: &Clock) -> Answer {
    let at = |point: LogPoint| match point.t {
        Some(t) => format!("{}, offset {}", clock.both(t), count(point.off)),
        None => format!("offset {}, whose write was never acknowledged to us", count(point.off)),
    };
    Answer::new("Since when?", "since when", at(d.since)).because(vec![
        format!("Last {} row: {}.", adjective(d), at(d.until)),
        "Times are those of our own writes' acknowledgements, never a node's clock.".to_owned(),
    ])
}

fn data(d: &Divergence) -> Answer {
    let seen = match (d.course, d.keys_visible) {
        (_, 0) => "no user's query sees it, only a raw read".to_owned(),
        (Course::Healed, n) => format!("a user's query saw {} of them", count(n)),
        (_, n) => format!("a user's query sees {} of them", count(n)),
    };
    let keys = counted(len(&d.keys), "key");
    let columns = match d.columns.as_slice() {
        [] => String::new(),
        columns => format!(", columns {}", listed(columns, 3)),
    };
    let mut more = vec![
        format!("Keys: {}.", listed(&d.keys, KEYS_LISTED)),
        format!("Segments: {}.", listed(&d.segments, KEYS_LISTED)),
    ];
    if d.columns.len() > 3 {
        more.push(format!("Columns: {}.", listed(&d.columns, KEYS_LISTED)));
    }
    if d.shows_defaults {
        more.push(
            "Some cells show the type's default: those keys were born in the missing state.".to_owned(),
        );
    }
    if d.shows_stale {
        more.push("Some cells show an older value of the same key.".to_owned());
    }
    let short = format!("{keys} ({}){columns}; {seen}", listed(&d.keys, 1));
    Answer::new("Which data, and do users see it?", "which data", short).because(more)
}

fn missing_state(missing: &MissingState) -> Answer {
    let segments = listed(&missing.segments, 4);
    let ops = counted(missing.ops, "merge");
    let short = match missing.class {
        RootCause::WholeSegment => format!("merged as if segment {segments} did not exist: {ops} missing"),
        RootCause::PartlyRegistered => {
            format!("merged with only the first part of segment {segments}: {ops} missing")
        }
        RootCause::DroppedKey => {
            format!("merged as if the keys were new: all before is missing ({ops}, segment {segments})")
        }
        RootCause::AppliedTwice => {
            format!("none: {ops} too many, events of segment {segments} took effect twice")
        }
        RootCause::Unexplained => format!("{ops} missing that form no whole: unexplained"),
        RootCause::NoProvenance => "the rows do not tell which ops they were merged from".to_owned(),
    };
    Answer::new("Which state was missing?", "what misses", short)
}

fn course(d: &Divergence, clock: &Clock) -> Answer {
    let share = |s: &CaptureState| format!("{} of {}", s.wrong.len(), s.comparable.len());
    let (first, last) = (share(&d.first), share(&d.last));
    let short = match d.course {
        Course::Standing => format!("standing: {first} replicas at first, the same at the end"),
        Course::Healed => format!("healed: {last} replicas when last seen so, none at the end"),
        Course::Spreading => format!("spreading: {first} replicas at first, {last} at the end"),
        Course::Spread => format!("spread: {first} replicas at first, {last} at the end"),
    };
    let seen = |s: &CaptureState| format!("capture {}, {}", s.capture, clock.both(s.t));
    let mut more = vec![format!("First seen in {}; last in {}.", seen(&d.first), seen(&d.last))];
    if !d.moved_away.is_empty() {
        more.push(format!(
            "{} {} these rows any more: what was wrong there went with the move.",
            joined(&d.moved_away),
            if d.moved_away.len() == 1 { "is not assigned" } else { "are not assigned" },
        ));
    }
    if d.course != Course::Healed && uncommitted(d) {
        more.push(
            "Evidence may vanish: such rows lie in a segment that is not committed. The commit either \
             replaces them or hands them to every replica."
                .to_owned(),
        );
    }
    Answer::new("Is it spreading?", "spreading", short).because(more)
}

/// The next five minutes: contain first, save evidence, and only then look for the cause.
fn next_steps(d: &Divergence, clock: &Clock) -> Answer {
    let wrong = joined(&d.last.wrong);
    let right = joined(&right(&d.last));
    let began = joined(&d.replicas);
    let segment = d.segments.last().map_or("the segment", String::as_str);
    let from = format!("offset {} of partition {}", count(d.since.off), d.partition);
    let save = format!("save the raw rows and logs of {began} before any restart");
    let in_order = match (d.course, d.last.side) {
        (Course::Healed, _) => vec![format!("find out what {wrong} answered while it {}", was(d)), save],
        (_, Side::Majority) => vec![
            format!("copy the raw rows of {right} to a safe place now"),
            format!("stop commits and downloads of {segment}: they may overwrite the last right copy"),
            format!("see that the input log keeps {from}: it is the other way back"),
        ],
        (_, Side::All) => vec![
            format!("see that the input log keeps {from}: consuming it again is the only way back"),
            "do not trust that the replicas agree: they agree on wrong rows".to_owned(),
            save,
        ],
        (_, Side::Unknown) => vec![
            "take no side yet: the larger group may be the one that lost something".to_owned(),
            format!("fold the log by hand up to {from}: that tells who is right"),
            format!("save the raw rows and logs of {} before any restart", joined(&d.last.comparable)),
        ],
        (_, Side::Minority | Side::Half) => vec![
            format!("send queries for partition {} to {right}", d.partition),
            match uncommitted(d) {
                true => format!("hold back the commit of {segment}: if {wrong} wins it, all take its rows"),
                false => format!("let no replica download {segment} before it is known whose copy it is"),
            },
            save,
        ],
    };
    steps(in_order).because(vec![format!(
        "Then lay the log of {began} beside a healthy replica's from {}: what ran in another order?",
        clock.at(d.since.t.unwrap_or(d.first.t)),
    )])
}

fn sureness(d: &Divergence, verdict: &Verdict) -> Answer {
    let short = match d.last.side {
        Side::Unknown => {
            "sure that they differ, not who is right. It would not stand if the target may keep \
                          replicas apart by a rule that we do not know"
                .to_owned()
        }
        Side::Minority | Side::Half => format!(
            "peers and folded log agree; overturned only if {} alone kept the rules",
            joined(&d.last.wrong),
        ),
        Side::Majority | Side::All => {
            "the model says who is right. It would be overturned if the table merges \
                                       otherwise than the workload says"
                .to_owned()
        }
    };
    let answer = certainty(short, verdict);
    if modelled(d) { answer.because(vec![calibration(verdict)]) } else { answer }
}

/// The replicas that hold right copies: of all rows or, where no replica has all, of some. Verdicts of old do
/// not name them.
pub(super) fn right(standing: &CaptureState) -> Vec<String> {
    if !standing.right.is_empty() {
        return standing.right.clone();
    }
    standing.comparable.iter().filter(|replica| !standing.wrong.contains(replica)).cloned().collect()
}

/// What is wrong, in words that fit whether or not a model says so.
pub(super) fn what_words(d: &Divergence) -> &'static str {
    match d.what {
        Anomaly::Missing => "rows are missing",
        Anomaly::Extra if d.flags => "keys that the log does not have are current",
        Anomaly::Extra => "rows that the log does not have",
        Anomaly::WrongValue => "wrong values",
        Anomaly::Differs => "values differ",
        Anomaly::DuplicateCurrent => "more than one row of a key is current",
        Anomaly::StaleCurrent => "a superseded row is current",
        Anomaly::NoCurrent => "no row of a live key is current",
        Anomaly::Resurrected => "deleted keys came back",
        Anomaly::DuplicateRow => "more than one row for one entry of the log",
    }
}

/// Whether the finding is about current flags rather than rows. Verdicts of old do not say so.
pub(super) fn is_flag(d: &Divergence) -> bool {
    d.flags || matches!(d.what, Anomaly::DuplicateCurrent | Anomaly::StaleCurrent | Anomaly::NoCurrent)
}

/// The pattern of a standing in words.
pub(super) fn pattern_words(standing: &CaptureState) -> String {
    let n = standing.comparable.len();
    match standing.pattern {
        Pattern::Unanimous if n == 1 => "one replica is comparable".to_owned(),
        Pattern::Unanimous => format!("all {n} replicas agree"),
        Pattern::Undecided => "the two replicas are unequal".to_owned(),
        Pattern::OneDiffers => format!("one of {n} replicas differs, the rest are equal"),
        Pattern::AllDiffer => format!("no two of {n} replicas are equal"),
        Pattern::Split => format!("the {n} replicas fall into groups"),
    }
}

/// Pattern and side as they are spelled in the stored verdict, for tables.
pub(super) fn standing_words(standing: &CaptureState) -> String {
    match standing.side {
        Side::Unknown => format!("{}, side unknown", spaced(&name(&standing.pattern))),
        side => format!("{}, {} wrong", spaced(&name(&standing.pattern)), name(&side)),
    }
}

/// With a model a cell is wrong if the log folds to something else; without one, if its column was named.
pub(super) fn is_wrong(
    column: &str,
    got: &Value,
    shown: &ShownRow,
    row: &RowEvidence,
    d: &Divergence,
) -> bool {
    let named = row.columns.iter().any(|wrong| wrong == column);
    match &row.expected {
        _ if !shown.wrong => false,
        Some(expected) => expected.get(column).is_some_and(|expected| expected != got),
        None => named || modelled(d),
    }
}

fn uncommitted(d: &Divergence) -> bool {
    let consuming = |state: Option<CopyState>| state == Some(CopyState::Consuming);
    d.evidence.iter().flat_map(|row| &row.shown).any(|shown| shown.wrong && consuming(shown.state))
}

fn adjective(d: &Divergence) -> &'static str {
    if modelled(d) { "wrong" } else { "unequal" }
}

fn is(d: &Divergence) -> &'static str {
    match (modelled(d), d.last.wrong.len()) {
        (true, 1) => "is wrong",
        (true, _) => "are wrong",
        (false, 1) => "differs",
        (false, _) => "differ",
    }
}

fn was(d: &Divergence) -> &'static str {
    match (modelled(d), d.last.wrong.len()) {
        (true, 1) => "was wrong",
        (true, _) => "were wrong",
        (false, _) => "differed",
    }
}

fn still(d: &Divergence) -> &'static str {
    match (modelled(d), d.last.wrong.len()) {
        (true, 1) => "is",
        (true, _) => "are",
        (false, 1) => "does",
        (false, _) => "do",
    }
}
