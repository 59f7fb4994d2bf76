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

use super::basis::Basis;
use super::beginning::proved;
use super::rows::{ExpectedState, KeyRows, ReplicaRow};
use super::version::{is_number, version_order};
use crate::checker::verdict::pattern::{classes, pattern, sizes};
use crate::checker::verdict::{Anomaly, Pattern, Settled};
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
    /// Whether it may be a write that some replica has not got yet.
    pub(super) may_be_lag: bool,
    /// Whether an odd replica shows an older version than another one.
    pub(super) older: bool,
}

/// What one replica shows, as one vote.
#[derive(Clone, Debug, PartialEq, Eq)]
enum RowVote<'r> {
    /// These rows, sorted: more than one only where rows of a key have no versions, or a version has
    /// several.
    Rows(Vec<&'r ReplicaRow>),
    /// No row.
    Absent,
    /// No row, and that is right.
    Excused(Absence),
}

/// What a comparison of the rows of one key found.
#[derive(Debug, Default)]
pub(super) struct KeyJudgement {
    /// What is wrong.
    pub(super) anomalies: Vec<KeyAnomaly>,
    /// How many rows were absent for a good reason.
    pub(super) excused: BTreeMap<Absence, u64>,
    /// Whether replicas differ from a log in what its missing beginning may explain: there the peers judged.
    pub(super) leaves_open: bool,
}

/// Compares the rows of one key.
pub(super) fn classify(basis: &Basis, rows: &KeyRows) -> KeyJudgement {
    let mut found = KeyJudgement::default();
    let has_versions = basis.version.is_some() && rows.shown.iter().flatten().any(|rows| rows.len() > 1);
    let versions = if has_versions { versions(basis, rows) } else { vec![None] };
    let newest = versions.len() - 1;
    for (at, version) in versions.iter().enumerate() {
        let votes: Vec<Option<RowVote<'_>>> = rows
            .shown
            .iter()
            .map(|shown| Some(vote(basis, rows, shown.as_deref()?, version.as_ref())))
            .collect();
        for vote in votes.iter().flatten() {
            if let RowVote::Excused(absence) = vote {
                *found.excused.entry(*absence).or_default() += 1;
            }
        }
        // A referee knows the newest row only.
        let expected = if at == newest { &rows.expected } else { &ExpectedState::Unknown };
        let (anomalies, leaves_open) = compare(basis, &votes, expected);
        found.anomalies.extend(anomalies);
        found.leaves_open |= leaves_open;
    }
    found
}

/// All versions of a key, ascending.
fn versions(basis: &Basis, rows: &KeyRows) -> Vec<Option<Value>> {
    let all = rows.shown.iter().flatten().flatten();
    let mut versions: Vec<Value> = all.filter_map(|row| basis.version_of(row)).cloned().collect();
    versions.sort_by(version_order);
    versions.dedup();
    versions.into_iter().map(Some).collect()
}

/// What a replica shows of a version; of the key, if no version is asked for.
fn vote<'r>(
    basis: &Basis,
    rows: &'r KeyRows,
    shown: &'r [ReplicaRow],
    version: Option<&Value>,
) -> RowVote<'r> {
    let of_version = shown.iter().filter(|row| version.is_none() || basis.version_of(row) == version);
    let mut of_version: Vec<&ReplicaRow> = of_version.collect();
    of_version.sort_by(|a, b| a.cols.cmp(&b.cols));
    match of_version.is_empty() {
        false => RowVote::Rows(of_version),
        true => absence(basis, rows, shown, version).map_or(RowVote::Absent, RowVote::Excused),
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

/// What is wrong, and whether anything is left to the peers that a whole referee would judge.
fn compare(
    basis: &Basis,
    votes: &[Option<RowVote<'_>>],
    expected: &ExpectedState,
) -> (Vec<KeyAnomaly>, bool) {
    let voters: Vec<usize> =
        (0..votes.len()).filter(|&at| !matches!(votes[at], None | Some(RowVote::Excused(_)))).collect();
    let all = Ballot::of(basis, votes, voters, vec![true; basis.columns.len()]);
    let shown: Vec<&ReplicaRow> = all.cast.iter().flat_map(|vote| vote.rows()).copied().collect();
    let is_older_key = *expected == ExpectedState::Never && !basis.referee_is_whole;
    if *expected == ExpectedState::Unknown || is_older_key {
        let anomalies = all.anomalies(&by_peers(&all.cast, &all.groups), None);
        return (anomalies, is_older_key && !shown.is_empty());
    }
    let proved = match expected {
        ExpectedState::Row(right) => proved(basis, &shown, right),
        _ => basis.refereed.clone(),
    };
    let open: Vec<bool> = proved.iter().map(|proved| !proved).collect();
    let leaves_open = proved != basis.refereed;
    let refereed = Ballot { columns: proved, ..all.clone() };
    let what: Vec<_> = all.cast.iter().map(|vote| by_referee(&refereed, vote, expected)).collect();
    let mut anomalies = refereed.anomalies(&what, Some(expected));
    if open.contains(&true) {
        let with_rows = all.voters.iter().zip(&all.cast).filter(|(_, vote)| vote.len() > 0);
        let peers = Ballot::of(basis, votes, with_rows.map(|(at, _)| *at).collect(), open);
        anomalies.extend(peers.anomalies(&by_peers(&peers.cast, &peers.groups), None));
    }
    (anomalies, leaves_open)
}

/// The votes on one row, in some of its columns.
#[derive(Clone)]
struct Ballot<'b> {
    basis: &'b Basis,
    /// By replica.
    votes: &'b [Option<RowVote<'b>>],
    /// The replicas that vote, and what each of them cast.
    voters: Vec<usize>,
    cast: Vec<&'b RowVote<'b>>,
    /// By voter: its group.
    groups: Vec<usize>,
    /// By column: whether it counts here.
    columns: Vec<bool>,
}

impl<'b> Ballot<'b> {
    fn of(
        basis: &'b Basis,
        votes: &'b [Option<RowVote<'b>>],
        voters: Vec<usize>,
        columns: Vec<bool>,
    ) -> Ballot<'b> {
        let cast: Vec<&RowVote<'_>> = voters.iter().filter_map(|&at| votes[at].as_ref()).collect();
        let mut ballot = Ballot { basis, votes, voters, cast, groups: Vec::new(), columns };
        ballot.groups = classes(&ballot.cast, |a, b| ballot.alike(a, b));
        ballot
    }

    fn alike(&self, a: &RowVote<'_>, b: &RowVote<'_>) -> bool {
        match (a, b) {
            (RowVote::Rows(a), RowVote::Rows(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.same_row(a, b))
            }
            (RowVote::Absent, RowVote::Absent) => true,
            _ => false,
        }
    }

    fn same_row(&self, a: &ReplicaRow, b: &ReplicaRow) -> bool {
        let cells = a.cols.iter().zip(&b.cols).zip(&self.columns);
        cells.into_iter().all(|((a, b), counts)| !counts || self.basis.same(a, b))
    }

    /// What is wrong, by kind; `what` is by voter. What may be lag is told apart from what cannot.
    fn anomalies(&self, what: &[Option<Anomaly>], expected: Option<&ExpectedState>) -> Vec<KeyAnomaly> {
        let kind = |voter: usize| what[voter].map(|what| (what, self.may_be_lag(voter, expected)));
        let by_voter: Vec<Option<(Anomaly, bool)>> = (0..what.len()).map(kind).collect();
        let of = |is: &dyn Fn(Option<(Anomaly, bool)>) -> bool| -> Vec<usize> {
            let places = self.voters.iter().zip(&by_voter).filter(|(_, kind)| is(**kind));
            places.map(|(at, _)| *at).collect()
        };
        let mut kinds: Vec<(Anomaly, bool)> = by_voter.iter().flatten().copied().collect();
        kinds.sort_unstable();
        kinds.dedup();
        let shown: Vec<Option<ReplicaRow>> =
            self.votes.iter().map(|vote| vote.as_ref().and_then(RowVote::row).cloned()).collect();
        let right = right_row(expected);
        let anomaly = |(kind, may_be_lag): (Anomaly, bool)| {
            let odd = of(&|other| other == Some((kind, may_be_lag)));
            KeyAnomaly {
                what: kind,
                may_be_lag,
                columns: self.differing(right, kind),
                older: self.is_older(&odd),
                odd,
                wrong: of(&|kind| kind.is_some()),
                comparable: self.voters.clone(),
                pattern: pattern(&sizes(&self.groups)),
                shown: shown.clone(),
                expected: right.cloned(),
                modelled: expected.is_some(),
            }
        };
        kinds.into_iter().map(anomaly).collect()
    }

    /// Whether a voter may be wrong only because some replica, or the referee, has not got a write yet.
    fn may_be_lag(&self, voter: usize, expected: Option<&ExpectedState>) -> bool {
        let may_be = match self.basis.settled {
            Settled::Unknown => true,
            // A deletion has no version that could be above a position.
            Settled::BelowPositions => {
                expected == Some(&ExpectedState::Deleted)
                    || !self.has_positions()
                    || self.may_be_deleted_elsewhere(voter)
            }
            _ => false,
        };
        may_be && !self.is_contradicted(voter, expected)
    }

    /// Whether another replica, or the referee, has the same version with other contents: no lag explains
    /// that.
    fn is_contradicted(&self, voter: usize, expected: Option<&ExpectedState>) -> bool {
        let own = self.version(self.cast[voter]).filter(|own| **own != Value::Null);
        let others = (0..self.cast.len()).filter(|other| self.groups[*other] != self.groups[voter]);
        let others = others.filter_map(|other| self.version(self.cast[other]));
        let right = right_row(expected).and_then(|row| self.basis.version_of(row));
        own.is_some_and(|own| others.chain(right).any(|version| version_order(version, own).is_eq()))
    }

    /// Whether every row shown has a version that a position can be compared with.
    fn has_positions(&self) -> bool {
        let mut rows = self.cast.iter().filter(|vote| vote.len() > 0);
        rows.all(|vote| self.version(vote).is_some_and(is_number))
    }

    /// Whether whoever lacks the row had consumed more than whoever shows it: its deletion may lie between.
    fn may_be_deleted_elsewhere(&self, voter: usize) -> bool {
        let with_row = |other: &usize| self.cast[*other].len() > 0;
        let position = |other: usize| self.basis.positions.get(&self.basis.replicas[self.voters[other]]);
        let all = || 0..self.cast.len();
        let shows = all().filter(with_row).filter_map(position).max();
        let lacks = all().filter(|other| !with_row(other)).filter_map(position).min();
        let same = |other: usize| self.groups[other] == self.groups[voter];
        let is_disputed = with_row(&voter) && !all().filter(with_row).all(same);
        !is_disputed && shows.zip(lacks).is_some_and(|(shows, lacks)| shows < lacks)
    }

    /// The columns in which any two rows differ, or any row from the right one.
    fn differing(&self, right: Option<&ReplicaRow>, kind: Anomaly) -> Vec<usize> {
        if matches!(kind, Anomaly::Missing | Anomaly::Extra | Anomaly::DuplicateRow) {
            return Vec::new();
        }
        // Several rows of a key are compared in their order, the first ones with each other, and so on.
        let most = self.cast.iter().map(|vote| vote.len()).max().unwrap_or(0);
        let differs = |&at: &usize| {
            (0..most).any(|place| {
                let mut rows =
                    self.cast.iter().filter_map(|vote| vote.rows().get(place).copied()).chain(right);
                let first = rows.next();
                first.is_some_and(|first| rows.any(|row| !self.basis.same(&first.cols[at], &row.cols[at])))
            })
        };
        (0..self.columns.len()).filter(|&at| self.columns[at]).filter(differs).collect()
    }

    fn version(&self, vote: &RowVote<'b>) -> Option<&'b Value> {
        vote.row().and_then(|row| self.basis.version_of(row))
    }

    /// Whether any of these replicas shows an older version than another one.
    fn is_older(&self, odd: &[usize]) -> bool {
        let newest = self.cast.iter().filter_map(|vote| self.version(vote));
        let Some(newest) = newest.max_by(|a, b| version_order(a, b)) else { return false };
        let own = odd.iter().filter_map(|&at| self.version(self.votes[at].as_ref()?));
        own.into_iter().any(|version| version_order(version, newest).is_lt())
    }
}

fn right_row(expected: Option<&ExpectedState>) -> Option<&ReplicaRow> {
    match expected {
        Some(ExpectedState::Row(row)) => Some(row),
        _ => None,
    }
}

/// By vote: who is not in the largest group. If no group is the largest, everybody differs.
fn by_peers(cast: &[&RowVote<'_>], groups: &[usize]) -> Vec<Option<Anomaly>> {
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
fn by_referee(ballot: &Ballot<'_>, vote: &RowVote<'_>, expected: &ExpectedState) -> Option<Anomaly> {
    match (vote.row(), expected) {
        (Some(_), _) if vote.len() > 1 => Some(Anomaly::DuplicateRow),
        (None, ExpectedState::Row(row)) => (!row.deleted).then_some(Anomaly::Missing),
        (Some(row), ExpectedState::Row(right)) => {
            (!ballot.same_row(row, right)).then_some(Anomaly::WrongValue)
        }
        (Some(row), ExpectedState::Deleted) => (!row.deleted).then_some(Anomaly::Resurrected),
        (Some(_), ExpectedState::Never) => Some(Anomaly::Extra),
        _ => None,
    }
}

impl<'r> RowVote<'r> {
    fn row(&self) -> Option<&'r ReplicaRow> {
        self.rows().first().copied()
    }

    fn rows(&self) -> &[&'r ReplicaRow] {
        match self {
            RowVote::Rows(rows) => rows,
            RowVote::Absent | RowVote::Excused(_) => &[],
        }
    }

    fn len(&self) -> usize {
        self.rows().len()
    }
}
