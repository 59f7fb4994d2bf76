//! Trials: write to a key, and see what every replica shows of it.

use super::finding::{ConformanceFinding, ProofLimits};
use crate::adapter::state::{StateRow, StateStore};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::{Column, Merge, Schema, Value};
use dissent_core::history::stored_name::stored_name;
use dissent_core::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time between two looks at a replica.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// How much of a value is told.
const SHOWN_CHARS: usize = 60;

/// How many differences are told.
const DIFFERENCES: usize = 3;

/// What is done to a key.
#[derive(Clone, Debug)]
pub(super) enum TrialStep {
    /// It is written with these columns.
    Set(Vec<(String, Value)>),
    /// It is deleted.
    Delete,
}

/// Writes to one key, and what a replica must show afterwards.
#[derive(Clone, Debug)]
pub(super) struct Trial {
    /// What it proves. Trials of one name make one finding.
    pub(super) what: String,
    pub(super) key: String,
    pub(super) steps: Vec<TrialStep>,
    /// The columns that have a value; `None`: there is no row.
    pub(super) expected: Option<Vec<(String, Value)>>,
    /// The op id and the comparison value of the only step, if they matter.
    pub(super) numbers: Option<(u64, i64)>,
}

/// A store under proof, with its table.
pub(super) struct Bench<'s> {
    pub(super) store: &'s dyn StateStore,
    pub(super) limits: ProofLimits,
    pub(super) schema: Schema,
    pub(super) findings: Vec<ConformanceFinding>,
    /// By key, the row that every replica must show; `None`: none.
    expected: BTreeMap<String, Option<StateRow>>,
    /// Keys whose writes were not acknowledged. They may show anything.
    undecided: BTreeSet<String>,
    last_op: u64,
}

/// Where a replica shows something else.
struct Difference {
    key: String,
    words: String,
}

impl<'s> Bench<'s> {
    pub(super) fn new(store: &'s dyn StateStore, limits: ProofLimits, schema: Schema) -> Bench<'s> {
        let (expected, undecided) = (BTreeMap::new(), BTreeSet::new());
        Bench { store, limits, schema, findings: Vec::new(), expected, undecided, last_op: 0 }
    }

    /// Adds a finding.
    pub(super) fn found(&mut self, what: &str, seen: Result<String, String>) {
        let passed = seen.is_ok();
        let detail = seen.unwrap_or_else(|detail| detail);
        self.findings.push(ConformanceFinding { what: what.to_owned(), passed, detail });
    }

    /// The next op on a key.
    pub(super) fn op(&mut self, key: &str, cols: Vec<(String, Value)>) -> Op {
        self.last_op += 1;
        let (id, cmp) = (self.last_op, self.last_op.cast_signed());
        let cols = row_of(&self.schema, &cols);
        Op { id, partition: 0, key: key.into(), cmp, cols, delete: false, due: Nanos(0) }
    }

    /// Expects the row that an acknowledged op makes of a key, given the columns that have a value then.
    pub(super) fn want(&mut self, op: &Op, cols: Option<Vec<Value>>) {
        let row = cols.map(|cols| StateRow { key: op.key.to_string(), op: op.id, cmp: op.cmp, cols });
        self.expected.insert(op.key.to_string(), row);
    }

    /// Expects nothing of a key any more.
    pub(super) fn forget(&mut self, key: &str) {
        self.expected.remove(key);
        self.undecided.insert(key.to_owned());
    }

    /// Carries out trials, waits until the replicas show them, and adds a finding for each name.
    pub(super) async fn prove(&mut self, trials: Vec<Trial>) {
        let mut problems: Vec<(&str, Option<String>)> = Vec::new();
        for trial in &trials {
            problems.push((&trial.what, self.carry_out(trial).await.err()));
        }
        let keys: BTreeSet<&str> = trials.iter().map(|trial| trial.key.as_str()).collect();
        let differences = self.settle(|key| keys.contains(key)).await;
        for trial in &trials {
            let of_trial = differences.iter().filter(|it| it.key == trial.key || it.key.is_empty());
            problems.extend(of_trial.map(|it| (trial.what.as_str(), Some(it.words.clone()))));
        }
        let mut names: Vec<&str> = trials.iter().map(|trial| trial.what.as_str()).collect();
        names.dedup();
        for name in names {
            let of_name = problems.iter().filter(|(what, _)| *what == name);
            let (count, mut told) = (of_name.clone().count(), BTreeSet::new());
            told.extend(of_name.filter_map(|(_, problem)| problem.clone()));
            let passed = format!("{count} keys on {} replicas", self.store.replicas().len());
            self.found(name, if told.is_empty() { Ok(passed) } else { Err(joined(told.into_iter())) });
        }
    }

    async fn carry_out(&mut self, trial: &Trial) -> Result<(), String> {
        for step in &trial.steps {
            let (cols, delete) = match step {
                TrialStep::Set(cols) => (cols.clone(), false),
                TrialStep::Delete => (Vec::new(), true),
            };
            let mut op = Op { delete, ..self.op(&trial.key, cols) };
            (op.id, op.cmp) = trial.numbers.unwrap_or((op.id, op.cmp));
            let outcome = self.store.write(&self.schema, &op).await;
            if outcome != OpOutcome::Ok {
                self.forget(&trial.key);
                let words = unacknowledged(self.store, outcome);
                return Err(format!("a write to key {} was {words}", shown(&trial.key)));
            }
            let cols = trial.expected.as_ref().map(|cols| row_of(&self.schema, cols));
            self.want(&op, cols);
        }
        Ok(())
    }

    /// Reads all rows of all replicas, and adds a finding on whether they are what was written.
    pub(super) async fn all_rows(&mut self, what: &str) {
        let differences = self.settle(|_| true).await;
        let rows = self.expected.values().flatten().count();
        let seen = match differences.is_empty() {
            true => Ok(format!("{rows} rows on {} replicas", self.store.replicas().len())),
            false => Err(joined(differences.into_iter().map(|it| it.words))),
        };
        self.found(what, seen);
    }

    /// Waits until every replica shows what is expected of some keys, but not for ever. What is still
    /// different then is returned.
    async fn settle(&self, of: impl Fn(&str) -> bool) -> Vec<Difference> {
        let mut differences = Vec::new();
        let until = Instant::now() + self.limits.settle;
        for replica in self.store.replicas() {
            loop {
                let now = self.differences(&replica, &of).await;
                if now.is_empty() || Instant::now() >= until {
                    differences.extend(now);
                    break;
                }
                sleep(POLL_INTERVAL).await;
            }
        }
        differences
    }

    async fn differences(&self, replica: &str, of: impl Fn(&str) -> bool) -> Vec<Difference> {
        let difference = |key: &str, words: String| {
            let words = format!("{replica}: {words}");
            Difference { key: key.to_owned(), words }
        };
        let rows = match rows(self.store, &self.schema, replica).await {
            Ok(rows) => rows,
            Err(error) => return vec![difference("", error)],
        };
        let mut found = Vec::new();
        for (key, expected) in self.expected.iter().filter(|(key, _)| of(key)) {
            let words = match (expected, rows.get(key)) {
                (Some(expected), Some(row)) => unlike(&self.schema, expected, row),
                (Some(_), None) => Some("it is not there".to_owned()),
                (None, Some(row)) => Some(format!("op {} is there, though it must not be", row.op)),
                (None, None) => None,
            };
            found.extend(words.map(|words| difference(key, format!("key {}: {words}", shown(key)))));
        }
        let known = |key: &str| self.expected.contains_key(key) || self.undecided.contains(key);
        let strange = rows.keys().filter(|key| of(key) && !known(key));
        found.extend(strange.map(|key| difference(key, format!("key {} was never written", shown(key)))));
        found
    }
}

/// What became of a write instead, and why.
pub(super) fn unacknowledged(store: &dyn StateStore, outcome: OpOutcome) -> String {
    let outcome = stored_name(&outcome);
    store.refusal().map_or_else(|| outcome.clone(), |why| format!("{outcome}: {why}"))
}

/// The rows of a replica by key. A key that is there twice is an error.
pub(super) async fn rows(
    store: &dyn StateStore,
    schema: &Schema,
    replica: &str,
) -> Result<BTreeMap<String, StateRow>, String> {
    let mut rows = BTreeMap::new();
    let mut twice = None;
    let mut keep = |row: StateRow| {
        let key = row.key.clone();
        if rows.insert(key.clone(), row).is_some() {
            twice = Some(key);
        }
    };
    store.rows(schema, replica, &mut keep).await.map_err(|error| error.to_string())?;
    match twice {
        Some(key) => Err(format!("key {} is there twice", shown(&key))),
        None => Ok(rows),
    }
}

/// One value per column of the schema.
fn row_of(schema: &Schema, cols: &[(String, Value)]) -> Vec<Value> {
    let value = |column: &Column| cols.iter().find(|(name, _)| *name == column.name).map(|(_, value)| value);
    schema.columns.iter().map(|column| value(column).cloned().unwrap_or_default()).collect()
}

/// How a row differs from what it must be.
fn unlike(schema: &Schema, expected: &StateRow, row: &StateRow) -> Option<String> {
    if (row.op, row.cmp) != (expected.op, expected.cmp) {
        let (op, cmp) = (expected.op, expected.cmp);
        return Some(format!("op {} and cmp {} instead of {op} and {cmp}", row.op, row.cmp));
    }
    let values = schema.columns.iter().zip(expected.cols.iter().zip(&row.cols));
    let mut unlike = values.filter(|(column, (expected, seen))| !alike(column, expected, seen));
    let (column, (expected, seen)) = unlike.next()?;
    Some(format!("{} is {} instead of {}", column.name, told(seen), told(expected)))
}

/// Whether a replica may show this. The order of a set does not matter, and an empty list has no type.
fn alike(column: &Column, expected: &Value, seen: &Value) -> bool {
    let as_set = |value: &Value| match value {
        Value::Longs(longs) => Vec::from_iter(longs.iter().map(i64::to_string).collect::<BTreeSet<_>>()),
        Value::Strings(strings) => {
            Vec::from_iter(strings.iter().map(|text| text.to_string()).collect::<BTreeSet<_>>())
        }
        _ => Vec::new(),
    };
    let is_list = |value: &Value| matches!(value, Value::Longs(_) | Value::Strings(_));
    let are_lists = is_list(expected) && is_list(seen);
    expected == seen
        || are_lists && column.merge == Merge::Union && as_set(expected) == as_set(seen)
        || are_lists && as_set(expected).is_empty() && as_set(seen).is_empty()
}

fn joined(words: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = words.collect();
    let more = all.len().saturating_sub(DIFFERENCES);
    let told = all[..all.len() - more].join("; ");
    if more == 0 { told } else { format!("{told}; and {more} more") }
}

fn told(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Long(long) => long.to_string(),
        Value::String(string) => shown(string),
        list => start(&format!("{list:?}")),
    }
}

/// A string, quoted.
pub(super) fn shown(string: &str) -> String {
    match start(string) {
        whole if whole == string => format!("{whole:?}"),
        cut => format!("{cut:?} of {} bytes", string.len()),
    }
}

fn start(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}
