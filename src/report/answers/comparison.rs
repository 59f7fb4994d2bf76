//! The text of a comparison of contents: dumps that were brought, or a cluster that was only read. There is no
//! run, so nothing is said of times, offsets and causes; what could not be said is said.

use super::answer::{Answer, certainty, steps};
use super::divergence::{KEYS_LISTED, pattern_words, right, what_words};
use super::known_issues::novelty;
use crate::report::format::{capitalised, count, counted, joined, listed, modelled};
use dissent_core::checker::verdict::{
    Comparison, Divergence, Finding, Pattern, Settled, Side, Unsaid, Verdict,
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
        replica(d),
        data(d),
        lag(c),
        unsaid(c),
        novelty(finding, verdict),
        next(d),
        sure(d, verdict),
    ]
}

/// All answers where nothing differs.
pub(super) fn pass_answers(verdict: &Verdict, c: &Comparison) -> Vec<Answer> {
    let mut answers = vec![amount(verdict, c)];
    if c.settled != Settled::Unknown {
        answers.push(lag(c));
    }
    answers.extend([
        unsaid(c),
        certainty(
            "valid for the contents as they were read, and for the columns that were compared".to_owned(),
            verdict,
        ),
    ]);
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
    let mut more = vec![
        format!("Rows read: {}.", listed(&each, KEYS_LISTED)),
        format!(
            "Digests of all rows were compared, and then {} one by one, where digests differ.",
            counted(c.keys_compared, "key"),
        ),
    ];
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

fn real(d: &Divergence, verdict: &Verdict) -> Answer {
    let rows = counted(verdict.compared.rows, "row");
    let verb = match (modelled(d), d.roots) {
        (true, 1) => "is wrong",
        (true, _) => "are wrong",
        (false, 1) => "differs",
        (false, _) => "differ",
    };
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

fn replica(d: &Divergence) -> Answer {
    let verb = match (modelled(d), d.last.wrong.len()) {
        (true, 1) => "is wrong",
        (true, _) => "are wrong",
        (false, 1) => "differs",
        (false, _) => "differ",
    };
    let short = format!("{} {verb}: {}", joined(&d.last.wrong), what_words(d));
    Answer::new("Which replica?", "which replica", short)
        .because(vec![format!("{}.", capitalised(&pattern_words(&d.last)))])
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
fn lag(c: &Comparison) -> Answer {
    let short = match c.settled {
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
        Settled::Unknown => {
            "it may be: nothing tells whether all replicas had got the same writes".to_owned()
        }
    };
    let how = "To rule it out: `--position REPLICA=N`, a second dump of each replica with `--later`, or \
               `--settled` if nothing was written while the dumps were taken.";
    let more = if c.settled == Settled::Unknown { vec![how.to_owned()] } else { Vec::new() };
    Answer::new("Could it be lag?", "is it lag", short).because(more)
}

fn unsaid(c: &Comparison) -> Answer {
    let lines: Vec<String> = c.unsaid.iter().map(|unsaid| unsaid_words(*unsaid).to_owned()).collect();
    let lines = if lines.is_empty() { vec!["nothing that was asked".to_owned()] } else { lines };
    Answer::lines("What could not be said?", "not said", lines)
}

fn unsaid_words(unsaid: Unsaid) -> &'static str {
    match unsaid {
        Unsaid::Lag => "whether it is lag: no positions and no second dumps were given",
        Unsaid::NobodyOutvoted => "which of two is right: with two replicas nobody is outvoted",
        Unsaid::AgreeButWrong => {
            "whether all agree on wrong rows: that takes the expected rows (--model) or the log (--log)"
        }
        Unsaid::Newer => "which row is newer: no column orders the rows of a key (--version)",
    }
}

fn next(d: &Divergence) -> Answer {
    let (wrong, right) = (joined(&d.last.wrong), joined(&right(&d.last)));
    let save = format!("save these dumps: they are the evidence; do not restart or rebuild {wrong} before");
    match (d.may_be_lag, d.last.side) {
        (true, _) => steps(vec![
            "dump every replica again, and compare both times with --later".to_owned(),
            "or note each replica's position before its dump, and give it with --position".to_owned(),
        ]),
        (_, Side::Unknown) => steps(vec![
            save,
            "do not pick a side yet: the larger group may be the one that lost data".to_owned(),
            "find the rows in the log or in the primary: that shows which replica is right".to_owned(),
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
