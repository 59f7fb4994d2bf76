//! Anomalies of keys, grouped into findings. What is kept of each finding is bounded.

use super::basis::Basis;
use super::classify::KeyAnomaly;
use super::rows::ReplicaRow;
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::pattern::side;
use crate::checker::verdict::{
    Anomaly, CaptureState, Course, Divergence, Finding, FindingKind, Origin, Pattern, RootCause, RowEvidence,
    ShownRow, Side,
};
use crate::history::schema::Value;
use crate::history::time::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// Keys named in a finding. The others are counted.
const KEYS_MAX: usize = 10_000;
/// Rows kept as evidence of a finding.
const EVIDENCE_MAX: usize = 6;

/// What one finding has in common: the wrong rows with the same anomaly on the same replicas, that group
/// alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    may_be_lag: bool,
    what: Anomaly,
    odd: Vec<usize>,
    wrong: Vec<usize>,
    comparable: Vec<usize>,
    pattern: Pattern,
    modelled: bool,
}

/// What was gathered of one finding.
#[derive(Debug, Default)]
struct Gathered {
    keys: BTreeSet<String>,
    more_keys: u64,
    /// The key that was added last. Several of its versions may be wrong.
    latest: Option<String>,
    columns: BTreeSet<usize>,
    rows: u64,
    older: bool,
    evidence: Vec<RowEvidence>,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<Kind, Gathered>);

impl Findings {
    /// Adds what is wrong with a key, or with one version of it.
    pub(super) fn add(&mut self, basis: &Basis, key: &str, anomaly: &KeyAnomaly) {
        let kind = Kind {
            may_be_lag: anomaly.may_be_lag,
            what: anomaly.what,
            odd: anomaly.odd.clone(),
            wrong: anomaly.wrong.clone(),
            comparable: anomaly.comparable.clone(),
            pattern: anomaly.pattern,
            modelled: anomaly.modelled,
        };
        let gathered = self.0.entry(kind).or_default();
        // The least keys are kept, in whatever order they come.
        if gathered.latest.as_deref() != Some(key) {
            gathered.latest = Some(key.to_owned());
            gathered.keys.insert(key.to_owned());
            if gathered.keys.len() > KEYS_MAX {
                gathered.keys.pop_last();
                gathered.more_keys += 1;
            }
        }
        gathered.columns.extend(&anomaly.columns);
        gathered.rows += anomaly.odd.len() as u64;
        gathered.older |= anomaly.older;
        let place = gathered.evidence.partition_point(|row| row.key.as_str() <= key);
        if place < EVIDENCE_MAX {
            gathered.evidence.insert(place, evidence(basis, key, anomaly));
            gathered.evidence.truncate(EVIDENCE_MAX);
        }
    }

    /// The findings. Their order is the verdict's.
    pub(super) fn conclude(self, basis: &Basis) -> Vec<Finding> {
        let findings = self.0.into_iter().map(|(kind, gathered)| {
            let kind = FindingKind::Divergence(Box::new(divergence(basis, &kind, gathered)));
            Finding { fingerprint: fingerprint(&kind), kind }
        });
        findings.collect()
    }
}

fn divergence(basis: &Basis, kind: &Kind, gathered: Gathered) -> Divergence {
    let names = |places: &[usize]| places.iter().map(|&at| basis.replicas[at].clone()).collect::<Vec<_>>();
    let right = kind.comparable.iter().copied().filter(|at| !kind.wrong.contains(at)).collect::<Vec<_>>();
    let state = CaptureState {
        positions: basis.positions.clone(),
        capture: 1,
        t: Nanos(0),
        pattern: kind.pattern,
        side: match kind.modelled {
            true => side(kind.wrong.len(), kind.comparable.len()),
            false => Side::Unknown,
        },
        wrong: names(&kind.odd),
        comparable: names(&kind.comparable),
        right: names(&right),
    };
    Divergence {
        what: kind.what,
        root_cause: RootCause::NoProvenance,
        partition: 0,
        flags: false,
        replicas: names(&kind.odd),
        last: state.clone(),
        first: state,
        course: Course::Standing,
        moved_away: Vec::new(),
        keys_visible: 0,
        keys: gathered.keys.into_iter().collect(),
        more_keys: gathered.more_keys,
        columns: gathered.columns.iter().map(|&at| basis.columns[at].name.clone()).collect(),
        segments: Vec::new(),
        roots: gathered.rows,
        inherited: 0,
        copied: 0,
        since: None,
        until: None,
        missing: None,
        shows_defaults: false,
        shows_stale: gathered.older,
        may_be_lag: kind.may_be_lag,
        evidence: gathered.evidence,
        explanation: None,
        spread: None,
    }
}

fn evidence(basis: &Basis, key: &str, anomaly: &KeyAnomaly) -> RowEvidence {
    let named = |row: &ReplicaRow| -> BTreeMap<String, Value> {
        basis.columns.iter().map(|column| column.name.clone()).zip(row.cols.iter().cloned()).collect()
    };
    let shown = basis.replicas.iter().enumerate().map(|(at, replica)| ShownRow {
        replica: replica.clone(),
        read: None,
        state: None,
        row: anomaly.shown[at].as_ref().map(named),
        wrong: anomaly.odd.contains(&at),
        stale: Vec::new(),
        current: anomaly.shown[at].is_some(),
    });
    RowEvidence {
        key: key.to_owned(),
        off: None,
        segment: String::new(),
        origin: Origin::Root,
        expected: anomaly.expected.as_ref().map(named),
        shown: shown.collect(),
        columns: anomaly.columns.iter().map(|&at| basis.columns[at].name.clone()).collect(),
    }
}
