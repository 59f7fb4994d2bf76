//! Who differs on one key, and how.
//!
//! If a replica shows several rows of the key, they are its versions, and each is compared with the same
//! version of the others. Otherwise the whole row is:
//! ```text
//! a v1 v2     v1 is compared with b's v1, and v2 is missing on b
//! b v1
//!
//! a v2        a and b differ; by their versions, b has the older row
//! b v1
//! ```

use super::judge::Basis;
use super::rows::{Expected, KeyRows, ReplicaRow};
use crate::checker::verdict::pattern::{classes, pattern, sizes};
use crate::checker::verdict::{Anomaly, Pattern};
use crate::history::schema::Value;
use crate::history::schema::rules::Absence;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is wrong with the rows of one key, or with one version of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyAnomaly {
    pub(super) what: Anomaly,
    /// The replicas with this anomaly.
    pub(super) odd: Vec<usize>,
    /// All replicas with any anomaly here.
    pub(super) wrong: Vec<usize>,
    pub(super) comparable: Vec<usize>,
    pub(super) pattern: Pattern,
    /// The columns in which rows differ.
    pub(super) columns: Vec<usize>,
    /// By replica, the row that was compared.
    pub(super) shown: Vec<Option<ReplicaRow>>,
    pub(super) expected: Option<ReplicaRow>,
    /// Whether there is a referee.
    pub(super) modelled: bool,
    /// Whether it cannot be lag, by the rows alone: they show the same version with different contents.
    pub(super) same_version: bool,
    /// Whether an odd replica shows an older version than another one.
    pub(super) older: bool,
}

/// What one replica shows, as one vote.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Vote<'r> {
    /// These rows, sorted: more than one only where rows of a key have no versions, or a version has several.
    Rows(Vec<&'r ReplicaRow>),
    /// No row.
    Absent,
    /// No row, and that is right.
    Excused(Absence),
}

/// What is wrong with this key, and how many rows were absent for a good reason.
pub(super) fn classify(basis: &Basis, rows: &KeyRows) -> (Vec<KeyAnomaly>, BTreeMap<Absence, u64>) {
    let mut excused = BTreeMap::new();
    let mut anomalies = Vec::new();
    let has_versions = basis.version.is_some() && rows.shown.iter().flatten().any(|rows| rows.len() > 1);
    let versions = if has_versions { versions(basis, rows) } else { vec![None] };
    let newest = versions.len() - 1;
    for (at, version) in versions.iter().enumerate() {
        let votes: Vec<Option<Vote<'_>>> = rows
            .shown
            .iter()
            .map(|shown| Some(vote(basis, rows, shown.as_deref()?, version.as_ref())))
            .collect();
        for vote in votes.iter().flatten() {
            if let Vote::Excused(absence) = vote {
                *excused.entry(*absence).or_default() += 1;
            }
        }
        // A referee knows the newest row only.
        let expected = if at == newest { &rows.expected } else { &Expected::Unknown };
        anomalies.extend(compare(basis, &votes, expected));
    }
    (anomalies, excused)
}

/// All versions of a key, ascending.
fn versions(basis: &Basis, rows: &KeyRows) -> Vec<Option<Value>> {
    let all = rows.shown.iter().flatten().flatten();
    let mut versions: Vec<Value> = all.filter_map(|row| basis.version_of(row)).cloned().collect();
    versions.sort_by(version_order);
    versions.dedup();
    versions.into_iter().map(Some).collect()
}

/// The order of two versions: numbers by their size, whatever their types; all else by its text.
pub(super) fn version_order(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Long(long) => Some(*long as f64),
        Value::Double(double) => Some(double.get()),
        _ => None,
    };
    match (a, b) {
        (Value::Long(a), Value::Long(b)) => a.cmp(b),
        _ => match number(a).zip(number(b)) {
            Some((a, b)) => a.total_cmp(&b),
            None => a.cmp(b),
        },
    }
}

/// What a replica shows of a version; of the key, if no version is asked for.
fn vote<'r>(basis: &Basis, rows: &'r KeyRows, shown: &'r [ReplicaRow], version: Option<&Value>) -> Vote<'r> {
    let of_version = shown.iter().filter(|row| version.is_none() || basis.version_of(row) == version);
    let mut of_version: Vec<&ReplicaRow> = of_version.collect();
    of_version.sort_by(|a, b| a.cols.cmp(&b.cols));
    match of_version.is_empty() {
        false => Vote::Rows(of_version),
        true => absence(basis, rows, shown, version).map_or(Vote::Absent, Vote::Excused),
    }
}

/// The declared reason why a replica may lack a row; none if there is none.
fn absence(basis: &Basis, rows: &KeyRows, shown: &[ReplicaRow], version: Option<&Value>) -> Option<Absence> {
    let newer = |row: &ReplicaRow| match (basis.version_of(row), version) {
        (Some(own), Some(version)) => version_order(own, version) == Ordering::Greater,
        _ => false,
    };
    let all = || rows.shown.iter().flatten().flatten();
    let newest = all().max_by(|a, b| match (basis.version_of(a), basis.version_of(b)) {
        (Some(a), Some(b)) => version_order(a, b),
        _ => a.deleted.cmp(&b.deleted),
    });
    let is_of_version = |row: &&ReplicaRow| version.is_none() || basis.version_of(row) == version;
    let holds = |absence: Absence| match absence {
        Absence::Superseded | Absence::Late => shown.iter().any(newer),
        Absence::Tombstones => newest.is_some_and(|row| row.deleted),
        Absence::Expired => all().filter(is_of_version).all(|row| row.expired),
        Absence::Duplicates => false,
    };
    basis.may_be_absent.iter().copied().find(|absence| holds(*absence))
}

fn compare(basis: &Basis, votes: &[Option<Vote<'_>>], expected: &Expected) -> Vec<KeyAnomaly> {
    let voters: Vec<usize> =
        (0..votes.len()).filter(|&at| !matches!(votes[at], None | Some(Vote::Excused(_)))).collect();
    let cast: Vec<&Vote<'_>> = voters.iter().filter_map(|&at| votes[at].as_ref()).collect();
    let groups = classes(&cast, |a, b| alike(basis, a, b));
    let (what, modelled): (Vec<Option<Anomaly>>, bool) = match expected {
        Expected::Unknown => (by_peers(&cast, &groups), false),
        known => (cast.iter().map(|vote| by_referee(basis, vote, known)).collect(), true),
    };
    let wrong: Vec<usize> = (0..voters.len()).filter(|&at| what[at].is_some()).map(|at| voters[at]).collect();
    let mut kinds: Vec<Anomaly> = what.iter().flatten().copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let shown: Vec<Option<ReplicaRow>> =
        votes.iter().map(|vote| vote.as_ref().and_then(Vote::row).cloned()).collect();
    let expected = match expected {
        Expected::Row(row) => Some(row.clone()),
        _ => None,
    };
    let anomaly = |kind: Anomaly| {
        let odd: Vec<usize> =
            (0..voters.len()).filter(|&at| what[at] == Some(kind)).map(|at| voters[at]).collect();
        KeyAnomaly {
            what: kind,
            columns: columns(basis, &cast, expected.as_ref(), kind),
            same_version: same_version(basis, &cast),
            older: is_older(basis, &odd, &cast, &shown),
            odd,
            wrong: wrong.clone(),
            comparable: voters.clone(),
            pattern: pattern(&sizes(&groups)),
            shown: shown.clone(),
            expected: expected.clone(),
            modelled,
        }
    };
    kinds.into_iter().map(anomaly).collect()
}

/// By vote: who is not in the largest group. If no group is the largest, everybody differs.
fn by_peers(cast: &[&Vote<'_>], groups: &[usize]) -> Vec<Option<Anomaly>> {
    let size = |group: usize| groups.iter().filter(|other| **other == group).count();
    let most = groups.iter().map(|group| size(*group)).max().unwrap_or(0);
    let largest: Vec<usize> = groups.iter().copied().filter(|group| size(*group) == most).collect();
    let is_tied = largest.windows(2).any(|pair| pair[0] != pair[1]);
    if !is_tied && most == groups.len() {
        return vec![None; cast.len()];
    }
    let leading = largest.first().and_then(|group| groups.iter().position(|other| other == group));
    let leading = leading.map_or(0, |at| cast[at].len());
    let judged = cast.iter().zip(groups).map(|(vote, group)| match (vote.len(), leading) {
        _ if is_tied => Some(Anomaly::Differs),
        _ if Some(group) == largest.first() => None,
        (2.., 1) => Some(Anomaly::DuplicateRow),
        (0, _) => Some(Anomaly::Missing),
        (_, 0) => Some(Anomaly::Extra),
        _ => Some(Anomaly::Differs),
    });
    judged.collect()
}

/// What a referee says of a vote.
fn by_referee(basis: &Basis, vote: &Vote<'_>, expected: &Expected) -> Option<Anomaly> {
    match (vote.row(), expected) {
        (Some(_), _) if vote.len() > 1 => Some(Anomaly::DuplicateRow),
        (None, Expected::Row(row)) => (!row.deleted).then_some(Anomaly::Missing),
        (Some(row), Expected::Row(right)) => (!same_row(basis, row, right)).then_some(Anomaly::WrongValue),
        (Some(row), Expected::Deleted) => (!row.deleted).then_some(Anomaly::Resurrected),
        (Some(_), Expected::Never) => Some(Anomaly::Extra),
        _ => None,
    }
}

fn alike(basis: &Basis, a: &Vote<'_>, b: &Vote<'_>) -> bool {
    match (a, b) {
        (Vote::Rows(a), Vote::Rows(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_row(basis, a, b))
        }
        (Vote::Absent, Vote::Absent) => true,
        _ => false,
    }
}

fn same_row(basis: &Basis, a: &ReplicaRow, b: &ReplicaRow) -> bool {
    a.cols.iter().zip(&b.cols).all(|(a, b)| basis.same(a, b))
}

/// The columns in which any two rows differ, or any row from the expected one.
fn columns(basis: &Basis, cast: &[&Vote<'_>], expected: Option<&ReplicaRow>, kind: Anomaly) -> Vec<usize> {
    if matches!(kind, Anomaly::Missing | Anomaly::Extra | Anomaly::DuplicateRow) {
        return Vec::new();
    }
    let rows: Vec<&ReplicaRow> = cast.iter().filter_map(|vote| vote.row()).chain(expected).collect();
    let Some((first, others)) = rows.split_first() else { return Vec::new() };
    let differs = |&at: &usize| others.iter().any(|row| !basis.same(&first.cols[at], &row.cols[at]));
    (0..first.cols.len()).filter(differs).collect()
}

/// Whether all show a row, and all of the same version.
fn same_version(basis: &Basis, cast: &[&Vote<'_>]) -> bool {
    let versions: Option<Vec<&Value>> =
        cast.iter().map(|vote| vote.row().and_then(|row| basis.version_of(row))).collect();
    versions.is_some_and(|all| all.windows(2).all(|pair| version_order(pair[0], pair[1]).is_eq()))
}

fn is_older(basis: &Basis, odd: &[usize], cast: &[&Vote<'_>], shown: &[Option<ReplicaRow>]) -> bool {
    let newest = cast.iter().filter_map(|vote| vote.row().and_then(|row| basis.version_of(row)));
    let Some(newest) = newest.max_by(|a, b| version_order(a, b)) else { return false };
    let own = odd.iter().filter_map(|&at| shown[at].as_ref().and_then(|row| basis.version_of(row)));
    own.into_iter().any(|version| version_order(version, newest).is_lt())
}

impl<'r> Vote<'r> {
    fn row(&self) -> Option<&'r ReplicaRow> {
        match self {
            Vote::Rows(rows) => rows.first().copied(),
            Vote::Absent | Vote::Excused(_) => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Vote::Rows(rows) => rows.len(),
            Vote::Absent | Vote::Excused(_) => 0,
        }
    }
}
