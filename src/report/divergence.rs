//! A divergence in words. Every sentence keeps the two oracles apart: replicas *differ*; only where a model
//! says what is right are they *wrong* (`semantics` 5).
//!
//! ```text
//! three replicas:  a x=1   b x=1   c x=2     nobody folded the log, and c alone merged the late op
//! "c is wrong" would send a tired person to reload the one right copy from a wrong one; "c differs" does not.
//! ```

use super::answers::{
    Answer, at_point, basis, calibration, capitalised, certainty, novelty, steps,
};
use super::words::{Clock, count, counted, joined, len, listed, modelled, name, spaced};
use crate::check::verdict::{
    Course, Divergence, Finding, MissingState, Pattern, RootCause, Side, Standing, Verdict, What,
};
use crate::record::row::CopyState;

/// Keys named before the rest is only counted.
pub(super) const KEYS_LISTED: usize = 20;

/// The finding in one sentence; what must not be done comes before everything else.
pub(super) fn headline(d: &Divergence) -> String {
    let keys = counted(len(&d.keys), "key");
    let wrong = joined(&d.last.wrong);
    let right = right(&d.last);
    match (d.course, d.last.pattern, d.last.side) {
        (Course::Healed, pattern, _) => format!(
            "{}, healed: {wrong} {} on {keys}, and no replica {} any more; queries in between saw it",
            if pattern == Pattern::OneDiffers {
                "lone divergence"
            } else {
                "divergence"
            },
            was(d),
            if modelled(d) { "is wrong" } else { "differs" },
        ),
        (_, _, Side::Majority) => last_right_copy(&right, &keys),
        (_, Pattern::Unanimous, Side::All) => match d.last.comparable.as_slice() {
            [only] => {
                format!("agree but wrong: {only}, the one comparable replica, is wrong on {keys}")
            }
            all => format!(
                "agree but wrong: all {} replicas show the same wrong rows of {keys}",
                all.len()
            ),
        },
        (_, Pattern::OneDiffers, Side::Minority) => format!(
            "lone divergence: {wrong} is wrong on {keys}, the other {} replicas agree",
            right.len(),
        ),
        (_, Pattern::OneDiffers, Side::Unknown) => format!(
            "lone divergence: {wrong} differs on {keys}, the other {} replicas agree",
            right.len(),
        ),
        (_, pattern, side) => format!(
            "{}: {wrong} {} on {keys}; {}",
            if pattern == Pattern::OneDiffers {
                "lone divergence"
            } else {
                "divergence"
            },
            is(d),
            match side {
                Side::All => "no replica is right".to_owned(),
                _ => pattern_words(&d.last),
            },
        ),
    }
}

/// At 3 wrong : 1 right the lone dissenter is the one to protect.
fn last_right_copy(right: &[String], keys: &str) -> String {
    match right {
        [only] => format!(
            "{only} holds the last right copy of {keys}: do not reload, rebalance or restart it"
        ),
        several => format!(
            "{} hold the last right copies of {keys}: do not reload, rebalance or restart them",
            joined(several),
        ),
    }
}

/// All answers on a divergence.
pub(super) fn answers(
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
        novelty(finding),
        steps(next_steps(d, clock)),
        sureness(d, verdict),
    ];
    if let Some(missing) = &d.missing {
        answers.insert(4, missing_state(missing));
    }
    answers
}

fn real(d: &Divergence, verdict: &Verdict) -> Answer {
    let bad = d.roots + d.inherited + d.copied;
    let noun = if is_flag(d.what) {
        "current flag"
    } else {
        "row"
    };
    let verb = if modelled(d) { "wrong" } else { "unequal" };
    let oracle = match modelled(d) {
        true => "They were compared with each other and with the log, folded by the model.",
        false => "They were compared with each other only: no model says who is right.",
    };
    Answer::new(
        "Is it real?",
        "is it real",
        format!(
            "yes: {} {verb} ({}); {}",
            counted(bad, noun),
            what_words(d),
            basis(verdict)
        ),
    )
    .because(vec![oracle.to_owned()])
}

fn replica(d: &Divergence) -> Answer {
    let here = match d.course {
        Course::Healed => format!("{} {}", joined(&d.last.wrong), was(d)),
        _ => format!("{} {}", joined(&d.last.wrong), is(d)),
    };
    let origin = match modelled(d) && d.replicas != d.last.wrong {
        true => format!("; it began on {}", joined(&d.replicas)),
        false => String::new(),
    };
    let mut more = vec![format!("{}.", capitalised(&pattern_words(&d.last)))];
    if modelled(d) {
        more.push(format!(
            "{} made wrong where they are, {} merged rightly onto those, {} downloaded.",
            counted(d.roots, "row"),
            count(d.inherited),
            count(d.copied),
        ));
    }
    Answer::new(
        "Which replica?",
        "which replica",
        format!("{here}, in partition {}{origin}", d.partition),
    )
    .because(more)
}

fn since(d: &Divergence, clock: &Clock) -> Answer {
    let adjective = if modelled(d) { "wrong" } else { "unequal" };
    Answer::new(
        "Since when?",
        "since when",
        at_point(clock, d.since.t, d.since.off),
    )
    .because(vec![
        format!(
            "Last {adjective} row: {}.",
            at_point(clock, d.until.t, d.until.off)
        ),
        "Times are those of our own writes' acknowledgements, never a node's clock.".to_owned(),
    ])
}

fn data(d: &Divergence) -> Answer {
    let mut more = vec![
        format!("Keys: {}.", listed(&d.keys, KEYS_LISTED)),
        format!("Columns: {}.", listed(&d.columns, KEYS_LISTED)),
        format!("Segments: {}.", listed(&d.segments, KEYS_LISTED)),
    ];
    if d.shows_defaults {
        more.push(
            "Some cells show the type's default: those keys were born in the missing state."
                .to_owned(),
        );
    }
    if d.shows_stale {
        more.push("Some cells show an older value of the same key.".to_owned());
    }
    let seen = match (d.course, d.keys_visible) {
        (_, 0) => "no user's query sees them, only a raw read does".to_owned(),
        (Course::Healed, n) => format!("a user's query saw {} of them", count(n)),
        (_, n) => format!("a user's query sees {} of them", count(n)),
    };
    Answer::new(
        "Which data, and do users see it?",
        "which data",
        format!(
            "{} ({}), columns {}, segment {}; {seen}",
            counted(len(&d.keys), "key"),
            listed(&d.keys, 3),
            listed(&d.columns, 4),
            listed(&d.segments, 2),
        ),
    )
    .because(more)
}

fn missing_state(missing: &MissingState) -> Answer {
    let segments = listed(&missing.segments, 4);
    let ops = counted(missing.ops, "merge");
    let short = match missing.class {
        RootCause::WholeSegment => {
            format!("the rows were merged as if segment {segments} did not exist ({ops} missing)")
        }
        RootCause::PartlyRegistered => {
            format!(
                "the rows were merged with only the first part of segment {segments} ({ops} missing)"
            )
        }
        RootCause::DroppedKey => {
            format!(
                "the keys had been dropped: all before the row is missing ({ops}, segment {segments})"
            )
        }
        RootCause::Unexplained => format!("{ops} missing that form no whole: unexplained"),
        RootCause::NoProvenance => {
            "the rows do not tell which ops they were merged from".to_owned()
        }
    };
    Answer::new("What was missing when it went wrong?", "what misses", short)
}

fn course(d: &Divergence, clock: &Clock) -> Answer {
    let seen =
        |standing: &Standing| format!("capture {}, {}", standing.capture, clock.both(standing.t));
    let share = |s: &Standing| format!("{} of {}", s.wrong.len(), s.comparable.len());
    let short = match d.course {
        Course::Standing => format!("standing: {} at first and at last", share(&d.last)),
        Course::Healed => format!(
            "healed: {} at worst seen last, none at the end",
            share(&d.last)
        ),
        Course::Spreading => format!(
            "spreading: {} at first, {} now",
            share(&d.first),
            share(&d.last)
        ),
        Course::Spread => format!(
            "spread: {} at first, all {} now",
            share(&d.first),
            d.last.comparable.len()
        ),
    };
    let mut more = vec![format!(
        "First seen in {}; last in {}.",
        seen(&d.first),
        seen(&d.last)
    )];
    if d.course != Course::Healed && uncommitted(d) {
        more.push(
            "Evidence may vanish: a segment with such rows is not committed yet. Its next commit either \
             replaces the rows or hands them to every replica."
                .to_owned(),
        );
    }
    Answer::new("Is it spreading?", "spreading", short).because(more)
}

/// Steps for the next five minutes: contain first, save evidence, then look for the cause.
fn next_steps(d: &Divergence, clock: &Clock) -> Vec<String> {
    let wrong = joined(&d.last.wrong);
    let right = joined(&right(&d.last));
    let segment = d.segments.last().map_or("the segment", String::as_str);
    let from = format!("offset {} of partition {}", count(d.since.off), d.partition);
    let save = format!(
        "save the raw rows and logs of {} before any restart",
        joined(&d.replicas)
    );
    let look = format!(
        "lay the log of {} beside a healthy replica's from {}: what ran in another order?",
        joined(&d.replicas),
        clock.at(d.since.t.unwrap_or(d.first.t)),
    );
    if d.course == Course::Healed {
        let answered = format!(
            "find out what was answered by {wrong} between the first and last such capture"
        );
        return vec![answered, save, look];
    }
    match d.last.side {
        Side::Majority => vec![
            format!("copy the raw rows of {right} to a safe place now"),
            format!(
                "stop commits and downloads of {segment}: the next one may overwrite the last right copy"
            ),
            format!("see that the input log keeps {from}: it is the other way back"),
        ],
        Side::All => vec![
            format!(
                "see that the input log keeps {from}: to consume it again is the only way back"
            ),
            "do not trust agreement between replicas: they agree on wrong rows".to_owned(),
            save,
        ],
        Side::Unknown => vec![
            "take no side yet: the larger group may be the one that lost something".to_owned(),
            format!(
                "fold the log by hand for key {} up to {}",
                listed(&d.keys, 1),
                from
            ),
            format!(
                "save the raw rows and logs of {} before any restart",
                joined(&d.last.comparable)
            ),
        ],
        Side::Minority | Side::Half => vec![
            format!("send queries for partition {} to {right}", d.partition),
            format!(
                "hold back the commit of {segment}: if {wrong} wins it, the others take its rows"
            ),
            save,
            look,
        ],
    }
}

fn sureness(d: &Divergence, verdict: &Verdict) -> Answer {
    let (ground, otherwise) = match d.last.side {
        Side::Unknown => (
            "Sure that they differ, not who is right".to_owned(),
            "It would be wrong if the target may keep rows apart (say, compaction that we do not know of)".to_owned(),
        ),
        Side::Minority | Side::Half => (
            "Two oracles agree: the folded log gives what the other replicas show".to_owned(),
            format!("It would be wrong only if {} alone merged by the rules", joined(&d.last.wrong)),
        ),
        Side::Majority | Side::All => (
            "The model alone says who is right".to_owned(),
            "It would be wrong if the table merges otherwise than the workload says".to_owned(),
        ),
    };
    let mut answer = certainty(ground, otherwise, verdict);
    if modelled(d) {
        answer.more.push(calibration(verdict));
    }
    answer
}

/// The replicas that were comparable and not wrong.
pub(super) fn right(standing: &Standing) -> Vec<String> {
    standing
        .comparable
        .iter()
        .filter(|replica| !standing.wrong.contains(replica))
        .cloned()
        .collect()
}

/// What is wrong, in words that fit whether or not a model says so.
pub(super) fn what_words(d: &Divergence) -> &'static str {
    match d.what {
        What::Missing => "rows are missing",
        What::Extra => "rows that the log does not have",
        What::WrongValue if modelled(d) => "wrong values",
        What::WrongValue => "values differ",
        What::DuplicateCurrent => "more than one row of a key is current",
        What::StaleCurrent => "a superseded row is current",
        What::NoCurrent => "no row of a live key is current",
        What::Resurrected => "deleted keys came back",
    }
}

/// Whether the finding is about current flags rather than rows.
pub(super) fn is_flag(what: What) -> bool {
    matches!(
        what,
        What::DuplicateCurrent | What::StaleCurrent | What::NoCurrent
    )
}

/// The pattern of a standing in words.
pub(super) fn pattern_words(standing: &Standing) -> String {
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
pub(super) fn standing_words(standing: &Standing) -> String {
    match standing.side {
        Side::Unknown => format!("{}, side unknown", spaced(&name(&standing.pattern))),
        side => format!(
            "{}, {} wrong",
            spaced(&name(&standing.pattern)),
            name(&side)
        ),
    }
}

fn uncommitted(d: &Divergence) -> bool {
    let consuming = |state: Option<CopyState>| state == Some(CopyState::Consuming);
    d.evidence
        .iter()
        .flat_map(|row| &row.shown)
        .any(|shown| shown.wrong && consuming(shown.state))
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
