//! Goal: the judge folds as `RULES.md` 3 says. Method: random logs (nulls, ties, out of order, tombstones,
//! retries, several segments) as cases of `tests/check`, whose rows come from another fold that replays a key
//! from nothing for every row. A failing case prints itself, and can be kept there as it is.

use crate::check::naive;
use crate::check::parse::case;
use crate::draw::{Draw, holds};
use dissent_core::checker::judge::judge;
use dissent_core::checker::verdict::{Anomaly, Divergence, FindingKind, VerdictOutcome};
use dissent_core::history::row::Entry;
use dissent_core::history::run_record::MemoryRecord;
use dissent_core::history::schema::{Type, Value};
use std::collections::BTreeSet;
use std::fmt::Write as _;

const CASES: u64 = 300;
const REPLICAS: [&str; 4] = ["a", "b", "c", "d"];
const COLUMNS: [&str; 13] = [
    "overwrite",
    "overwrite:string",
    "overwrite:long-list",
    "ignore",
    "ignore:string",
    "increment",
    "append",
    "append:string-list",
    "union",
    "union:string-list",
    "max",
    "min",
    "ignore:string-list",
];

#[test]
fn the_fold_gives_what_a_naive_fold_gives() {
    holds(CASES, |draw| {
        let log = Log::draw(draw);
        let text = log.history("");
        let record = case(&text).record;
        let verdict = judge(&record);
        assert_eq!(verdict.findings, [], "{text}");
        assert_eq!(verdict.outcome, VerdictOutcome::Pass, "{:?}\n{text}", verdict.doubts);
        let rows = record.log[0].len() * REPLICAS.len();
        assert_eq!(verdict.compared.rows, rows as u64, "{text}");
    });
}

#[test]
fn one_wrong_cell_of_one_replica_is_the_one_finding() {
    holds(CASES, |draw| {
        let log = Log::draw(draw);
        let record = case(&log.history("")).record;
        let Some((entry, column, value)) = wrong_cell(draw, &log, &record) else { return };
        let text = log.history(&format!("@{} {column}={value}", entry.off));
        let found = only_finding(&text);
        assert_eq!(
            (found.what, found.offsets().expect("a log").0),
            (Anomaly::WrongValue, entry.off),
            "{text}"
        );
        assert_eq!(found.columns, [column], "{text}");
        assert_eq!(found.keys, [entry.key.to_string()], "{text}");
        assert_eq!(found.replicas, ["d"], "{text}");
    });
}

#[test]
fn one_row_less_on_one_replica_is_the_one_finding() {
    holds(CASES, |draw| {
        let log = Log::draw(draw);
        let record = case(&log.history("")).record;
        let entry = draw.pick(&record.log[0]);
        let text = log.history(&format!("@{} -", entry.off));
        let found = only_finding(&text);
        assert_eq!((found.what, found.offsets().expect("a log").0), (Anomaly::Missing, entry.off), "{text}");
        assert_eq!(
            (found.first.wrong, found.keys),
            (vec!["d".to_owned()], vec![entry.key.to_string()]),
            "{text}"
        );
    });
}

#[test]
fn what_may_be_absent_is_excused_and_nothing_else() {
    holds(CASES, |draw| {
        let log = Log::draw(draw);
        let head = rules(draw);
        let record = case(&log.history_with(&head, &|_, _| String::new())).record;
        let (rules, entries) = (&record.meta.schema.rules, &record.log[0]);
        let may_lack = |entry: &Entry| naive::may_be_absent(rules, entries, entry);
        let mut absent: BTreeSet<(&str, u64)> = BTreeSet::new();
        for replica in REPLICAS {
            let lacked = entries.iter().filter(|entry| may_lack(entry) && draw.once_in(2));
            absent.extend(lacked.map(|entry| (replica, entry.off)));
        }
        let lacking = |absent: &BTreeSet<(&str, u64)>| {
            log.history_with(&head, &|replica, range| {
                let here =
                    absent.iter().filter(|(of, off)| *of == replica && range.contains(&(*off as usize)));
                let gone: Vec<String> = here.map(|(_, off)| format!("@{off} -")).collect();
                if gone.is_empty() { String::new() } else { format!(" but {}", gone.join("; ")) }
            })
        };
        let text = lacking(&absent);
        let verdict = judge(&case(&text).record);
        assert_eq!(verdict.findings, [], "{text}");
        let excused: u64 = verdict.compared.excused.values().sum();
        assert!(excused >= absent.len() as u64, "{:?}\n{text}", verdict.compared);
        let owed: Vec<&Entry> = entries.iter().filter(|entry| !may_lack(entry)).collect();
        if owed.is_empty() {
            return;
        }
        let entry = draw.pick(&owed);
        absent.insert(("d", entry.off));
        let text = lacking(&absent);
        let found = only_finding(&text);
        assert_eq!((found.what, found.offsets().expect("a log").0), (Anomaly::Missing, entry.off), "{text}");
        assert_eq!(found.keys, [entry.key.to_string()], "{text}");
    });
}

/// What the table may lack, except by age, and what an event of a deleted key means.
fn rules(draw: &mut Draw) -> String {
    let mut lines = String::new();
    for reason in ["superseded", "tombstones", "late", "duplicates"] {
        if draw.once_in(2) {
            writeln!(lines, "may-be-absent {reason}").expect("a string");
        }
    }
    if draw.once_in(2) {
        lines.push_str("event-of-deleted dropped\n");
    }
    lines
}

fn only_finding(text: &str) -> Divergence {
    let verdict = judge(&case(text).record);
    assert_eq!(verdict.findings.len(), 1, "{:#?}\n{text}", verdict.findings);
    let FindingKind::Divergence(found) = &verdict.findings[0].kind else { panic!("{text}") };
    assert_eq!(found.last.wrong, ["d"], "{text}");
    Divergence::clone(found)
}

/// An entry, a column, and a value that no event gives it. The columns of a tombstone's row mean nothing, and
/// the model is off for a column that is wrong in calibration (the first op).
fn wrong_cell(draw: &mut Draw, log: &Log, record: &MemoryRecord) -> Option<(Entry, String, &'static str)> {
    let entry = draw.pick(&record.log[0]);
    let (name, how) = draw.pick(&log.columns);
    let value = if how.contains(":string") { "wrong" } else { "999" };
    (!entry.tombstone && entry.op > 1).then(|| (entry.clone(), name.clone(), value))
}

/// A log as lines of a case.
struct Log {
    columns: Vec<(String, String)>,
    entries: Vec<String>,
    /// Where segments begin.
    starts: Vec<usize>,
}

impl Log {
    fn draw(draw: &mut Draw) -> Log {
        let columns: Vec<(String, String)> =
            (0..=draw.below(6)).map(|at| (format!("c{at}"), (*draw.pick(&COLUMNS)).to_owned())).collect();
        let length = 1 + draw.below(24);
        let keys = 1 + draw.below(4);
        let disorder = draw.below(3);
        let mut cmp = 0;
        let mut sent: Vec<String> = Vec::new();
        let entries = (0..length).map(|off| {
            // A retried produce puts one op at two offsets.
            if !sent.is_empty() && draw.once_in(8) {
                let op = draw.below(sent.len());
                return format!("@{off} {} op={}", sent[op], op + 1);
            }
            cmp = match disorder {
                0 => cmp + 1,
                1 => cmp + draw.below(2),
                _ => draw.below(6),
            };
            let mut op = format!("k{} cmp={cmp}", draw.below(keys));
            if draw.once_in(7) {
                op.push_str(" delete");
            }
            for (name, how) in &columns {
                if draw.once_in(2) {
                    write!(op, " {name}={}", value(draw, how)).expect("a string");
                }
            }
            sent.push(op);
            format!("@{off} {}", sent[sent.len() - 1])
        });
        let entries = entries.collect();
        let mut starts: Vec<usize> = (0..draw.below(3)).map(|_| draw.below(length)).chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();
        Log { columns, entries, starts }
    }

    /// A history in which every replica shows what the log folds to, except for how `d` differs.
    fn history(&self, exception: &str) -> String {
        let at = exception.split_whitespace().next();
        let at = at.map(|off| off[1..].parse::<usize>().expect("an offset"));
        self.history_with("", &|replica, range| match at {
            Some(off) if replica == "d" && range.contains(&off) => format!(" but {exception}"),
            _ => String::new(),
        })
    }

    /// A history under these rules, in which each replica shows what the log folds to, except for this.
    fn history_with(&self, rules: &str, but: &dyn Fn(&str, std::ops::Range<usize>) -> String) -> String {
        let columns: Vec<String> = self.columns.iter().map(|(name, how)| format!("{name}={how}")).collect();
        let columns = columns.join(" ");
        let mut text = format!("# property\ncolumns {columns}\nworkload out-of-order\n{rules}");
        let end = self.entries.len();
        let ends = self.starts[1..].iter().copied().chain([end]);
        let segments: Vec<(usize, usize)> = self.starts.iter().copied().zip(ends).collect();
        for (seq, (start, segment_end)) in segments.iter().enumerate() {
            let upper = if *segment_end == end { String::new() } else { segment_end.to_string() };
            writeln!(text, "segment s{seq} {start}..{upper} a b c d").expect("a string");
        }
        for entry in &self.entries {
            writeln!(text, "log {entry}").expect("a string");
        }
        writeln!(text, "capture").expect("a string");
        for (seq, (start, end)) in segments.into_iter().enumerate() {
            for replica in REPLICAS {
                let but = but(replica, start..end);
                writeln!(text, "rows {replica} s{seq} {start}..{end} = log{but}").expect("a string");
            }
        }
        text
    }
}

/// A value that is no default, out of so few that unions and maxima meet equal ones.
fn value(draw: &mut Draw, how: &str) -> String {
    let word = |draw: &mut Draw| ["p", "q", "r", "z"][draw.below(4)].to_owned();
    let long = |draw: &mut Draw| match draw.below(12) {
        0 => i64::MAX.to_string(),
        1 => (i64::MIN + 1).to_string(),
        other => (other as i64 - 4).to_string(),
    };
    let one: &dyn Fn(&mut Draw) -> String = if how.contains("string") { &word } else { &long };
    let is_list = how.ends_with("list") || ["append", "union"].contains(&how);
    let count = if is_list { 1 + draw.below(3) } else { 1 };
    (0..count).map(|_| one(draw)).collect::<Vec<String>>().join(",")
}

/// Goal: the default of a type is recognized without making one, and nothing else is.
#[test]
fn only_its_own_default_is_the_default_of_a_type() {
    let others = [Value::Null, Value::Long(0), Value::Boolean(true), Value::double(0.5)];
    let lists = [Value::Longs([1].into()), Value::Strings([].into()), Value::String("x".into())];
    let values: Vec<Value> =
        Type::ALL.map(Type::default_value).into_iter().chain(others).chain(lists).collect();
    for ty in Type::ALL {
        for value in &values {
            assert_eq!(ty.is_default(value), ty.default_value() == *value, "{ty:?} {value:?}");
        }
    }
}
