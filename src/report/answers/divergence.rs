//! The text of a divergence. Every sentence keeps the two oracles apart: replicas *differ*; they are *wrong*
//! only if a model says what is right (`RULES.md` 5).
//!
//! ```text
//! three replicas:  a x=1   b x=1   c x=2     there is no model, and only c merged the late op
//! "c is wrong" makes a tired person reload the only good copy from a bad one; "c differs" does not.
//! ```

use super::answer::calibration;
use super::answer::{Answer, certainty, scope, steps};
use super::known_issues::novelty;
use super::{explanation, spread};
use crate::report::format::{Clock, capitalised, count, counted, joined, len, listed, modelled, spaced};
use dissent_core::checker::verdict::{
    Anomaly, CaptureState, Course, Divergence, Explanation, Finding, LogPoint, MissingState, Pattern,
    RootCause, RowEvidence, ShownCause, ShownRow, Side, Verdict,
};
use dissent_core::history::row::CopyState;
use dissent_core::history::schema::Value;
use dissent_core::history::stored_name::stored_name;

/// Keys named before the rest is only counted.
pub(in crate::report) const KEYS_LISTED: usize = 20;

/// The finding in one sentence. What must not be done comes first.
pub(in crate::report) fn headline(d: &Divergence) -> String {
    let keys = counted(d.key_count(), "key");
    let wrong = joined(&d.last.wrong);
    let right = right(&d.last);
    match (d.course, d.last.pattern, d.last.side) {
        (Course::Healed, pattern, _) => {
            format!("{}, healed: {wrong} {} on {keys}, and no longer {}", kind(pattern), was(d), still(d))
        }
        (_, _, Side::Majority) => last_right_copy(&right, &keys),
        (_, Pattern::Unanimous, Side::All) => match d.last.comparable.as_slice() {
            [only] => {
                format!("agree but wrong: {only}, the only comparable replica, is wrong on {keys}")
            }
            all => format!("agree but wrong: all {} replicas show the same wrong rows for {keys}", all.len()),
        },
        (_, pattern @ Pattern::OneDiffers, Side::Minority | Side::Unknown) => {
            format!(
                "{}: {wrong} {} on {keys}; the other {} replicas agree",
                kind(pattern),
                verb(d, len(&d.last.wrong)),
                right.len()
            )
        }
        (_, pattern, side) => format!(
            "{}: {wrong} {} on {keys}; {}",
            kind(pattern),
            verb(d, len(&d.last.wrong)),
            match side {
                Side::All => "no replica is right".to_owned(),
                _ => pattern_words(&d.last),
            },
        ),
    }
}

/// The name of a pattern in headlines.
fn kind(pattern: Pattern) -> &'static str {
    if pattern == Pattern::OneDiffers { "lone divergence" } else { "divergence" }
}

/// If three replicas are wrong and one is right, the dissenter must be protected.
fn last_right_copy(right: &[String], keys: &str) -> String {
    match right {
        [] => format!("no replica holds a good copy of {keys}: do not reload, rebalance or restart any"),
        [only] => {
            format!("{only} holds the last good copy of {keys}: do not reload, rebalance or restart it")
        }
        several => format!(
            "{} hold the last good copies of {keys}: do not reload, rebalance or restart them",
            joined(several),
        ),
    }
}

/// All answers on a divergence.
pub(in crate::report) fn answers(
    d: &Divergence,
    finding: &Finding,
    verdict: &Verdict,
    clock: &Clock,
) -> Vec<Answer> {
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
    let cause = d.explanation.iter().map(|explanation| explanation::why(explanation));
    answers.splice(4..4, d.missing.iter().map(missing_state).chain(cause));
    answers
}

fn real(d: &Divergence, verdict: &Verdict) -> Answer {
    let (noun, compared) = match is_flag(d) {
        true => ("compared current flag", verdict.compared.flags),
        false => ("compared row", verdict.compared.rows),
    };
    let found = d.roots + d.inherited + d.copied;
    let verb = verb(d, found);
    let short = format!("yes: {} of {} {verb} {}", count(found), counted(compared, noun), scope(verdict));
    let oracle = match modelled(d) {
        true => "The replicas were compared with each other and with the rows computed from the log.",
        false => "The replicas were compared only with each other: no model says which is right.",
    };
    let because = std::iter::once(oracle.to_owned()).chain(positions(&d.last));
    Answer::new("Is it real?", "is it real", short).because(because.collect())
}

/// Where the replicas stood by their own word, at the last capture.
fn positions(state: &CaptureState) -> Option<String> {
    let mut positions = state.positions.iter();
    let (_, first) = positions.next()?;
    if positions.all(|(_, position)| position == first) {
        return Some(format!("All of them had consumed the same: position {}.", count(*first)));
    }
    let each = state.positions.iter().map(|(replica, at)| format!("{replica} {}", count(*at)));
    let each: Vec<String> = each.collect();
    Some(format!("Their positions: {}. Rows above a replica's position were not compared.", each.join(", ")))
}

fn replica(d: &Divergence) -> Answer {
    let verb = if d.course == Course::Healed { was(d) } else { verb(d, len(&d.last.wrong)) };
    let origin = match modelled(d) && d.replicas != d.last.wrong {
        true => format!("; it began on {}", joined(&d.replicas)),
        false => String::new(),
    };
    let short =
        format!("{} {verb} in partition {}: {}{origin}", joined(&d.last.wrong), d.partition, what_words(d),);
    let mut more = vec![format!("{}.", capitalised(&pattern_words(&d.last)))];
    if modelled(d) && !is_flag(d) {
        more.push(format!(
            "{} went wrong on {}; {} merged correctly onto them; {} copied.",
            counted(d.roots, "row"),
            joined(&d.replicas),
            were(d.inherited, "later row"),
            were(d.copied, "row"),
        ));
    }
    // The headline of a lone divergence names its replica, unless it began elsewhere or is over.
    let lone = d.last.pattern == Pattern::OneDiffers && d.replicas == d.last.wrong;
    let told = lone && d.last.side != Side::Majority && d.course != Course::Healed;
    Answer::new("Which replica?", "which replica", short).because(more).page_only(told)
}

fn since(d: &Divergence, clock: &Clock) -> Answer {
    let at = |point: LogPoint| match point.t {
        Some(t) => format!("{}, offset {}", clock.dated(t), count(point.off)),
        None => format!("offset {}, whose write was never acknowledged", count(point.off)),
    };
    let or_unknown = |point: Option<LogPoint>| point.map_or_else(|| "not known".to_owned(), at);
    Answer::new("Since when?", "since when", or_unknown(d.since)).because(vec![
        format!("Last {} row: {}.", if modelled(d) { "wrong" } else { "differing" }, or_unknown(d.until)),
        "Times are when dissent saw its writes acknowledged; no node's clock is used.".to_owned(),
    ])
}

fn data(d: &Divergence) -> Answer {
    let seen = match (d.course, d.keys_visible) {
        (_, 0) => "no user query sees this, only raw reads".to_owned(),
        (Course::Healed, n) => format!("user queries saw {} of them", count(n)),
        (_, n) => format!("user queries see {} of them", count(n)),
    };
    let keys = counted(d.key_count(), "key");
    let columns = match d.columns.as_slice() {
        [] => String::new(),
        columns => format!(", columns {}", listed(columns, 3)),
    };
    let mut more = vec![format!("Keys: {}.", listed(&d.keys, KEYS_LISTED))];
    if !d.segments.is_empty() {
        more.push(format!("Segments: {}.", listed(&d.segments, KEYS_LISTED)));
    }
    if d.columns.len() > 3 {
        more.push(format!("Columns: {}.", listed(&d.columns, KEYS_LISTED)));
    }
    if d.shows_defaults {
        more.push(
            "Some cells show the type's default: their keys were created in the missing state.".to_owned(),
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
    let (noun, was) = if missing.segments.len() == 1 { ("segment", "was") } else { ("segments", "were") };
    let (ops, are) = (counted(missing.ops, "merge"), if missing.ops == 1 { "is" } else { "are" });
    let short = match missing.class {
        RootCause::WholeSegment => format!("{noun} {segments} {was} not visible; {ops} {are} missing"),
        RootCause::PartlyRegistered => {
            format!("only the first part of {noun} {segments} was visible; {ops} {are} missing")
        }
        RootCause::DroppedKey => {
            format!("the keys were treated as new: {ops} of earlier rows {are} missing ({noun} {segments})")
        }
        RootCause::AppliedTwice => {
            format!("none: events of {noun} {segments} were applied twice, {ops} too many")
        }
        RootCause::Unexplained => format!("{ops} {are} missing, in no pattern that dissent knows"),
        RootCause::NoProvenance => "unknown: the rows do not list the ops they were merged from".to_owned(),
    };
    Answer::new("Which state was missing?", "missing state", short)
}

fn course(d: &Divergence, clock: &Clock) -> Answer {
    let share = |s: &CaptureState| format!("{} of {}", s.wrong.len(), s.comparable.len());
    let (first, last) = (share(&d.first), share(&d.last));
    let short = match d.course {
        Course::Standing => format!("no, and not repaired: {last} replicas throughout"),
        Course::Healed => format!("healed: {last} replicas when last seen, none at the end"),
        Course::Spreading => format!("spreading: {first} replicas at first, {last} at the end"),
        Course::Spread => format!("spread: {first} replicas at first, {last} at the end"),
    };
    let seen = |s: &CaptureState| format!("capture {}, {}", s.capture, clock.both(s.t));
    let mut more = vec![format!("First seen in {}; last seen in {}.", seen(&d.first), seen(&d.last))];
    if !d.moved_away.is_empty() {
        more.push(format!(
            "{} no longer {} these rows: the affected copies are gone since the move.",
            joined(&d.moved_away),
            if d.moved_away.len() == 1 { "holds" } else { "hold" },
        ));
    }
    more.extend(about_to_vanish(d));
    Answer::new("Is it spreading?", "spreading", short).because(more)
}

/// What evidence is about to vanish, as a sentence.
fn about_to_vanish(d: &Divergence) -> Option<String> {
    match &d.spread {
        Some(spread) if modelled(d) => {
            Some(format!("About to vanish: {}.", spread::risks(spread).join("; ")))
        }
        _ => (d.course != Course::Healed && uncommitted(d)).then(|| {
            "The evidence may vanish: some of these rows are in an uncommitted segment. Its commit will \
             either replace them or copy them to every replica."
                .to_owned()
        }),
    }
}

/// The next five minutes: contain the damage, save the evidence, and only then look for the cause.
pub(super) fn next_steps(d: &Divergence, clock: &Clock) -> Answer {
    let wrong = joined(&d.last.wrong);
    let right = joined(&right(&d.last));
    let began = joined(&d.replicas);
    let segment = d.segments.last().map_or("the segment", String::as_str);
    let first = count(d.offsets().map_or(0, |(first, _)| first));
    let at = format!("offset {first} of partition {}", d.partition);
    let from = format!("partition {} from offset {first} on", d.partition);
    let save = format!("save the raw rows and logs of {began} before any restart");
    let in_order = match (d.course, d.last.side) {
        (Course::Healed, _) => {
            let it = if d.last.wrong.len() == 1 { "it" } else { "they" };
            vec![format!("find out what {wrong} returned while {it} {}", was(d)), save]
        }
        (_, Side::Majority) => vec![
            format!("copy the raw rows of {right} to a safe place now"),
            match d.segments.is_empty() {
                true => format!("let nothing be copied over {right}, and no other replica become primary"),
                false => {
                    format!("stop commits and downloads of {segment}: they may overwrite the last good copy")
                }
            },
            format!("make sure retention keeps {from}: a replay is the other way to recover"),
        ],
        (_, Side::All) => vec![
            format!("make sure retention keeps {from}: a replay is the only way to recover"),
            "do not trust the agreement of the replicas: they agree on wrong rows".to_owned(),
            save,
        ],
        (_, Side::Unknown) => vec![
            no_side(&d.last).to_owned(),
            format!("replay the log by hand up to {at}: that shows which replica is right"),
            format!("save the raw rows and logs of {} before any restart", joined(&d.last.comparable)),
        ],
        (_, Side::Minority | Side::Half) => vec![
            format!("route queries for partition {} to {right}", d.partition),
            match uncommitted(d) {
                _ if d.segments.is_empty() => {
                    format!("do not let {wrong} become primary; later rebuild it from {right}")
                }
                true => format!("delay the commit of {segment}: if {wrong} wins it, all copy its rows"),
                false => format!("stop downloads of {segment} until you know whose copy they fetch"),
            },
            save,
        ],
    };
    let shown = |it: &Explanation| !matches!(it.cause, ShownCause::NotShown { .. });
    if d.explanation.as_deref().is_some_and(shown) {
        return steps(in_order);
    }
    steps(in_order).because(vec![format!(
        "Then compare the logs of {began} with those of a healthy replica, from {} on: look for steps that \
         ran in a different order.",
        clock.at(d.began().unwrap_or(d.first.t)),
    )])
}

fn sureness(d: &Divergence, verdict: &Verdict) -> Answer {
    let short = match d.last.side {
        Side::Unknown => {
            "certain that they differ, but not which is right. Void if the target allows replicas to differ \
             by a rule that dissent does not know"
                .to_owned()
        }
        Side::Minority | Side::Half => format!(
            "the log and the other replicas agree; wrong only if {} alone {} right",
            joined(&d.last.wrong),
            if d.last.wrong.len() == 1 { "is" } else { "are" },
        ),
        Side::Majority | Side::All => {
            "the model says which is right. Wrong if the table merges differently than the workload says"
                .to_owned()
        }
    };
    let answer = certainty(short, verdict);
    if modelled(d) { answer.because(vec![calibration(verdict)]) } else { answer }
}

/// The replicas that hold right copies of all rows or, if no replica has all, of some. Old verdicts do not
/// name them.
pub(in crate::report) fn right(standing: &CaptureState) -> Vec<String> {
    if !standing.right.is_empty() {
        return standing.right.clone();
    }
    standing.comparable.iter().filter(|replica| !standing.wrong.contains(replica)).cloned().collect()
}

/// What was found, in words that fit with and without a model.
pub(in crate::report) fn what_words(d: &Divergence) -> &'static str {
    match d.what {
        Anomaly::Missing => "rows are missing",
        Anomaly::Extra if d.flags => "keys that are not in the log are current",
        Anomaly::Extra => "rows that are not in the log",
        Anomaly::WrongValue => "wrong values",
        Anomaly::Differs => "values differ",
        Anomaly::DuplicateCurrent => "a key has more than one current row",
        Anomaly::StaleCurrent => "a superseded row is still current",
        Anomaly::NoCurrent => "a live key has no current row",
        Anomaly::Resurrected => "deleted keys came back",
        Anomaly::DuplicateRow => "more than one row for the same log entry",
    }
}

/// Whether the finding is about current flags rather than rows. Old verdicts do not say so.
pub(in crate::report) fn is_flag(d: &Divergence) -> bool {
    d.flags || matches!(d.what, Anomaly::DuplicateCurrent | Anomaly::StaleCurrent | Anomaly::NoCurrent)
}

/// What to do first while nothing tells which side is right.
pub(super) fn no_side(standing: &CaptureState) -> &'static str {
    match standing.pattern {
        Pattern::Undecided => "do not pick a side yet: either may be the one that lost data",
        _ => "do not pick a side yet: the larger group may be the one that lost data",
    }
}

/// The pattern of a standing in words.
pub(in crate::report) fn pattern_words(standing: &CaptureState) -> String {
    let n = standing.comparable.len();
    match standing.pattern {
        Pattern::Unanimous if n == 1 => "only one replica is comparable".to_owned(),
        Pattern::Unanimous => format!("all {n} replicas agree"),
        Pattern::Undecided => "the two replicas differ".to_owned(),
        Pattern::OneDiffers => format!("one of {n} replicas differs, the others agree"),
        Pattern::AllDiffer => format!("no two of the {n} replicas agree"),
        Pattern::Split => format!("the {n} replicas form groups that disagree"),
    }
}

/// Pattern and side as they are spelled in the stored verdict, for tables.
pub(in crate::report) fn standing_words(standing: &CaptureState) -> String {
    match standing.side {
        Side::Unknown => format!("{}, side unknown", spaced(&stored_name(&standing.pattern))),
        side => format!("{}, {} wrong", spaced(&stored_name(&standing.pattern)), stored_name(&side)),
    }
}

/// With a model, a cell is wrong if it differs from the expected row; without one, if its column was named.
pub(in crate::report) fn is_wrong(
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

/// `151 later rows were`, `1 row was`.
fn were(n: u64, noun: &str) -> String {
    format!("{} {}", counted(n, noun), if n == 1 { "was" } else { "were" })
}

/// What so many rows or replicas are.
pub(super) fn verb(d: &Divergence, n: u64) -> &'static str {
    match (modelled(d), n) {
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
