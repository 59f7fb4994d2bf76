//! The text of a comparison of contents: dumps that were brought, or a cluster that was only read. There
//! is no run, so nothing is said of times, offsets and causes; what could not be said is said.

use super::answer::{Answer, DOUBTS_NAMED, certainty, doubt_line, steps};
use super::divergence::{KEYS_LISTED, no_side, pattern_words, right, verb, what_words};
use super::known_issues::novelty;
use crate::report::format::{bytes, capitalised, count, counted, joined, len, listed, modelled};
use dissent_core::checker::verdict::{
    AuditExtent, ChunkCount, Comparison, Divergence, DoubtKind, Finding, Pattern, Settled, Side, Unsaid,
    Verdict,
};

/// A comparison without findings, in one sentence.
pub(super) fn headline(verdict: &Verdict) -> String {
    format!(
        "0 of {} differ, across {}",
        counted(verdict.compared.rows, "row"),
        counted(verdict.compared.replicas.len() as u64, "replica"),
    )
}

/// What differs and may be lag, in one sentence.
pub(super) fn lag_headline(d: &Divergence) -> String {
    let verb = if d.last.wrong.len() == 1 { "differs" } else { "differ" };
    format!("{} {verb} on {}, which may be lag", joined(&d.last.wrong), counted(d.key_count(), "key"))
}

/// All answers on a divergence.
pub(super) fn answers(d: &Divergence, finding: &Finding, verdict: &Verdict, c: &Comparison) -> Vec<Answer> {
    vec![
        real(d, verdict),
        replica(d, c),
        data(d),
        lag(d.may_be_lag, c),
        unsaid(c),
        novelty(finding, verdict),
        next(d, c),
        sure(d, verdict),
    ]
}

/// All answers where nothing differs.
pub(super) fn pass_answers(verdict: &Verdict, c: &Comparison) -> Vec<Answer> {
    vec![
        amount(verdict, c),
        unsaid(c),
        certainty(
            "valid for the contents as they were read, and for the columns that were compared".to_owned(),
            verdict,
        ),
    ]
}

/// All answers where nothing is proved.
pub(super) fn inconclusive_answers(verdict: &Verdict, c: &Comparison) -> Vec<Answer> {
    let seen = verdict.doubts.iter().take(DOUBTS_NAMED).map(doubt_line).collect();
    let next = verdict.doubts.first().map(|doubt| match (doubt.kind, &c.audit) {
        (DoubtKind::Interrupted, _) => "go on with `dissent audit .. --resume FOLDER`",
        (DoubtKind::NotSettled, Some(_)) => "audit again, with a longer --wait or more --tries",
        (DoubtKind::NotSettled, None) => "dump the replicas once more, with more time between the dumps",
        (DoubtKind::Unreadable | DoubtKind::Unread, _) => {
            "find out why it could not be read, and read it again"
        }
        (DoubtKind::Uncalibrated, Some(_)) => "check the merge functions, and where the log begins",
        (DoubtKind::Uncalibrated, None) => {
            "check the merge functions, and where the log begins; if it has the first event of every key, \
             say so (--log-is-whole)"
        }
        _ => "read the doubts: each says what is missing",
    });
    let mut answers = vec![Answer::lines("What was seen?", "seen", seen)];
    answers.extend(next.map(|next| steps(vec![next.to_owned()])));
    answers.extend([amount(verdict, c), unsaid(c)]);
    answers
}

/// How much was compared.
pub(in crate::report) fn amount(verdict: &Verdict, c: &Comparison) -> Answer {
    let each: Vec<String> =
        c.rows.iter().map(|(replica, rows)| format!("{replica} {}", count(*rows))).collect();
    let short = format!(
        "{} of {}",
        counted(verdict.compared.rows, "row"),
        counted(verdict.compared.replicas.len() as u64, "replica"),
    );
    let what = if c.audit.is_some() { "Rows of" } else { "Rows read" };
    let mut more = vec![format!("{what}: {}.", listed(&each, KEYS_LISTED))];
    more.extend(c.audit.as_ref().map(extent));
    more.push(match c.audit.as_ref().is_none_or(|audit| audit.digests) {
        true => format!(
            "Digests were compared, and then {} one by one, where digests differ.",
            counted(c.keys_compared, "key"),
        ),
        false => format!("All rows were read: {}.", counted(c.keys_compared, "key")),
    });
    let left_out = [
        (c.keys_moving, "changed between the two reads"),
        (c.keys_above_positions, "were written above the least position of a replica"),
    ];
    more.extend(
        left_out
            .into_iter()
            .filter(|(keys, _)| *keys > 0)
            .map(|(keys, why)| format!("{} {why}, and were left out.", counted(keys, "key"))),
    );
    Answer::new("How much was compared?", "compared", short).because(more)
}

/// How much of a table was looked at, as a sentence.
fn extent(audit: &AuditExtent) -> String {
    let of =
        |count: &ChunkCount| format!("{} ({})", counted(count.chunks, "chunk"), counted(count.rows, "row"));
    let mut parts = vec![format!("settled {}", of(&audit.settled))];
    if audit.moving.chunks > 0 {
        parts.push(format!("moving {}", of(&audit.moving)));
    }
    if audit.unread.chunks > 0 {
        parts.push(format!("unread {}", of(&audit.unread)));
    }
    format!(
        "Of {}: {}; {} brought {}.",
        counted(audit.chunks, "chunk"),
        parts.join(", "),
        counted(audit.queries, "query"),
        bytes(audit.received),
    )
}

fn real(d: &Divergence, verdict: &Verdict) -> Answer {
    let rows = counted(verdict.compared.rows, "row");
    let verb = verb(d, d.roots);
    let short = match d.may_be_lag {
        true => format!("not known: {} of {rows} {verb}, and nothing rules out lag", count(d.roots)),
        false => format!("yes: {} of {rows} {verb}", count(d.roots)),
    };
    let oracle = match modelled(d) {
        true => "The replicas were compared with each other and with the rows that are expected.",
        false => "The replicas were compared only with each other: nothing says which is right.",
    };
    Answer::new("Is it real?", "is it real", short).because(vec![oracle.to_owned()])
}

/// The replica that takes the writes, if it is one of those that differ.
fn differing_primary<'a>(d: &Divergence, c: &'a Comparison) -> Option<&'a String> {
    let primary = c.audit.as_ref()?.authority.as_ref()?;
    d.last.wrong.contains(primary).then_some(primary)
}

fn replica(d: &Divergence, c: &Comparison) -> Answer {
    let verb = verb(d, len(&d.last.wrong));
    let mut short = format!("{} {verb}: {}", joined(&d.last.wrong), what_words(d));
    let mut more = vec![format!("{}.", capitalised(&pattern_words(&d.last)))];
    if let Some(primary) = differing_primary(d, c) {
        short += &format!("; {primary} takes the writes");
        more.push("What the others have may be copies of what it had before.".to_owned());
    }
    Answer::new("Which replica?", "which replica", short).because(more)
}

fn data(d: &Divergence) -> Answer {
    let columns = match d.columns.as_slice() {
        [] => String::new(),
        columns => format!(", columns {}", listed(columns, 3)),
    };
    let short = format!("{} ({}){columns}", counted(d.key_count(), "key"), listed(&d.keys, 1));
    let mut more = vec![format!("Keys: {}.", listed(&d.keys, KEYS_LISTED))];
    if d.columns.len() > 3 {
        more.push(format!("Columns: {}.", listed(&d.columns, KEYS_LISTED)));
    }
    if d.shows_stale {
        more.push("Some of them show an older version of the row.".to_owned());
    }
    Answer::new("Which data?", "which data", short).because(more)
}

/// Why it is not lag, or that it may be.
fn lag(may_be: bool, c: &Comparison) -> Answer {
    let short = match c.settled {
        Settled::BelowPositions if may_be => "it may be: whoever lacks a row had consumed more than whoever \
             shows it, and perhaps its deletion, or a version is no position"
            .to_owned(),
        Settled::Declared => "no: you say that nothing was written meanwhile (`--settled`)".to_owned(),
        Settled::EqualPositions => match c.positions.values().next() {
            Some(position) => {
                format!("no: all replicas had consumed the same, up to position {}", count(*position))
            }
            None => "no: all replicas had consumed the same".to_owned(),
        },
        Settled::BelowPositions => {
            "no: only rows below the least position of any replica were compared".to_owned()
        }
        Settled::Covered => {
            "no: every replica showed the same twice, and meanwhile consumed all that had been \
             written before"
                .to_owned()
        }
        Settled::ReadTwice => "no: every replica was read twice, and showed the same".to_owned(),
        Settled::Unknown if !may_be => {
            "no: they show one version of a row with different contents".to_owned()
        }
        Settled::Unknown => {
            "it may be: nothing tells whether all replicas had got the same writes".to_owned()
        }
    };
    let how = "To rule it out: `--position REPLICA=N`, a second dump of each replica with `--later`, or \
               `--settled` if nothing was written while the dumps were taken.";
    let more = if may_be && c.settled == Settled::Unknown { vec![how.to_owned()] } else { Vec::new() };
    Answer::new("Could it be lag?", "is it lag", short).because(more)
}

fn unsaid(c: &Comparison) -> Answer {
    let is_audit = c.audit.is_some();
    let words = c.unsaid.iter().map(|unsaid| unsaid_words(*unsaid, is_audit).to_owned());
    let lines: Vec<String> = words.chain(columns(c)).chain(sample(c)).collect();
    let lines = if lines.is_empty() { vec!["nothing that was asked".to_owned()] } else { lines };
    Answer::lines("What could not be said?", "not said", lines)
}

fn unsaid_words(unsaid: Unsaid, is_audit: bool) -> &'static str {
    match (unsaid, is_audit) {
        (Unsaid::Lag, _) => "whether it is lag: no positions and no second dumps were given",
        (Unsaid::NobodyOutvoted, _) => "which of two is right: with two replicas nobody is outvoted",
        (Unsaid::AgreeButWrong, false) => {
            "whether all agree on wrong rows: that takes the expected rows (--model) or the log (--log)"
        }
        (Unsaid::AgreeButWrong, true) => {
            "whether all agree on wrong rows: that takes the input log, where there is one (--log)"
        }
        (Unsaid::BeforeTheLog, _) => {
            "who is wrong where a key may be older than the log: that takes a log with the first event of \
             every key (--log-is-whole)"
        }
        (Unsaid::Newer, false) => "which row is newer: no column orders the rows of a key (--version)",
        (Unsaid::Newer, true) => "which row is newer: the table has no column that orders the rows of a key",
    }
}

/// Columns that were not compared.
fn columns(c: &Comparison) -> Option<String> {
    let left_out = &c.audit.as_ref()?.left_out;
    (!left_out.is_empty()).then(|| format!("whether these columns differ: {}", left_out.join("; ")))
}

/// How much of the table was not looked at, and how sure one may be of it.
fn sample(c: &Comparison) -> Option<String> {
    let audit = c.audit.as_ref()?;
    let taken = audit.sampled?;
    let left = counted(audit.chunks.saturating_sub(taken), "chunk");
    Some(match c.keys_differing {
        0 => format!(
            "{left} of {}: with 0 of {} in the sample, fewer than {} of 100 differ (95 %, Wilson)",
            count(audit.chunks),
            count(taken),
            percent_below(taken),
        ),
        _ => format!("{left} of {} were not looked at", count(audit.chunks)),
    })
}

/// The upper end of Wilson's interval at 95 % for none of `n`, in percent, with one decimal rounded up.
fn percent_below(n: u64) -> String {
    const Z_SQUARED: f64 = 1.959_964 * 1.959_964;
    let tenths = (1_000.0 * Z_SQUARED / (n as f64 + Z_SQUARED)).ceil() as u64;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn next(d: &Divergence, c: &Comparison) -> Answer {
    let (wrong, right) = (joined(&d.last.wrong), joined(&right(&d.last)));
    let save = match c.audit {
        Some(_) => {
            format!("save the rows of these keys on every replica; do not restart or rebuild {wrong} before")
        }
        None => format!("save these dumps: they are the evidence; do not restart or rebuild {wrong} before"),
    };
    match (d.may_be_lag, d.last.side) {
        (true, _) => steps(vec![
            "dump every replica again, and compare both times with --later".to_owned(),
            "or note each replica's position before its dump, and give it with --position".to_owned(),
        ]),
        (_, Side::Unknown) => steps(vec![
            save,
            no_side(&d.last).to_owned(),
            match differing_primary(d, c) {
                Some(_) => "find the writes of these rows in the application or in a backup",
                None => "find the rows in the log or in the primary: that shows which replica is right",
            }
            .to_owned(),
        ]),
        (_, Side::All) => steps(vec![
            save,
            "do not trust the agreement of the replicas: they agree on wrong rows".to_owned(),
        ]),
        (_, Side::Majority) => steps(vec![
            format!("do not reload, rebalance or restart {right}: it holds the last good copy"),
            save,
        ]),
        (_, Side::Minority | Side::Half) => {
            steps(vec![save, format!("do not let {wrong} become primary; later rebuild it from {right}")])
        }
    }
}

fn sure(d: &Divergence, verdict: &Verdict) -> Answer {
    let short = match (d.may_be_lag, d.last.side, d.last.pattern) {
        (true, ..) => "they do differ in these dumps; that says nothing of the replicas as they are now",
        (_, Side::Unknown, Pattern::Undecided) => {
            "certain that they differ, but not which is right. Void if the replicas may rightly differ here"
        }
        (_, Side::Unknown, _) => {
            "certain that they differ; the larger group is not always right. Void if the replicas may \
             rightly differ here (--may-be-absent, --ignore)"
        }
        _ => "as sure as the expected rows are: wrong if those are, or are of another time",
    };
    certainty(short.to_owned(), verdict)
}
