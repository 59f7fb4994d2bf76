//! The verdict of a comparison: keys come in one by one, in any order, each once.

use super::basis::Basis;
use super::calibration::RefereeCalibration;
use super::classify::classify;
use super::findings::Findings;
use super::rows::{ExpectedState, KeyRows};
use crate::checker::positions::PositionsFound;
use crate::checker::verdict::{
    AuditExtent, Compared, Comparison, Doubt, DoubtKind, FindingKind, Settled, Unsaid, Verdict,
};
use crate::checker::verdict_builder::VerdictBuilder;
use crate::history::check_name::CheckName;
use crate::history::schema::Column;
use crate::history::schema::rules::Absence;
use std::collections::BTreeMap;

/// Compares keys, and keeps what a verdict needs. What it keeps is bounded, however many keys differ.
pub struct Comparer {
    basis: Basis,
    settled: Settled,
    findings: Findings,
    calibration: RefereeCalibration,
    /// Whether the referee knows all keys. Otherwise a key that it does not name is judged by the peers.
    knows_keys: bool,
    doubts: Vec<Doubt>,
    audit: Option<AuditExtent>,
    positions: Option<PositionsFound>,
    keys_compared: u64,
    keys_differing: u64,
    keys_moving: u64,
    /// Whether the referee left anything to the peers, since it may not know what was before.
    leaves_open: bool,
    /// Keys on which the peers agree then.
    keys_unproved: u64,
    keys_above_positions: u64,
    excused: BTreeMap<Absence, u64>,
}

impl Comparer {
    /// A comparison on this basis.
    pub fn new(basis: Basis) -> Comparer {
        Comparer {
            settled: basis.settled,
            basis,
            findings: Findings::default(),
            calibration: RefereeCalibration::default(),
            knows_keys: true,
            doubts: Vec::new(),
            audit: None,
            positions: None,
            keys_compared: 0,
            keys_differing: 0,
            keys_moving: 0,
            leaves_open: false,
            keys_unproved: 0,
            keys_above_positions: 0,
            excused: BTreeMap::new(),
        }
    }

    /// The columns that are compared.
    pub fn columns(&self) -> &[Column] {
        &self.basis.columns
    }

    /// Learns from a key which columns the referee may judge. Every key is looked at before any is compared.
    pub fn calibrate(&mut self, rows: &KeyRows) {
        self.calibration.add(&self.basis, rows);
    }

    /// Takes from the referee what it cannot judge. All keys were looked at.
    pub fn end_calibration(&mut self) {
        for (at, disagreed, keys) in self.calibration.off(self.basis.rows_as_expected) {
            self.basis.refereed[at] = false;
            let detail = format!(
                "the expected {} differs from what all replicas show on {disagreed} of {keys} keys, so it is \
                 not used: is its merge function another one, or does the log not have its beginning?",
                self.basis.columns[at].name,
            );
            self.doubts.push(Doubt { kind: DoubtKind::Uncalibrated, detail });
        }
        let unknown = self.calibration.unknown_keys(self.basis.rows_as_expected);
        if let Some((unknown, keys)) = unknown.filter(|_| self.basis.referee_is_whole) {
            self.knows_keys = false;
            let detail = format!(
                "{unknown} of {keys} keys that all replicas show are not expected at all, so that is no \
                 finding: \
                 does the log not have its beginning?"
            );
            self.doubts.push(Doubt { kind: DoubtKind::Uncalibrated, detail });
        }
    }

    /// Compares the rows of a key. Returns whether anything is wrong with them.
    pub fn compare(&mut self, rows: &KeyRows) -> bool {
        self.keys_compared += 1;
        if self.basis.is_above_positions(rows) {
            self.keys_above_positions += 1;
            return false;
        }
        let is_by_peers = !self.knows_keys && rows.expected == ExpectedState::Never;
        let by_peers = is_by_peers.then(|| KeyRows { expected: ExpectedState::Unknown, ..rows.clone() });
        let found = classify(&self.basis, by_peers.as_ref().unwrap_or(rows));
        for (reason, count) in found.excused {
            *self.excused.entry(reason).or_default() += count;
        }
        if found.anomalies.is_empty() && !found.leaves_open {
            return false;
        }
        if rows.is_moving() {
            self.keys_moving += 1;
            return false;
        }
        self.leaves_open |= found.leaves_open;
        if found.anomalies.is_empty() {
            self.keys_unproved += 1;
            return true;
        }
        self.keys_differing += 1;
        for anomaly in &found.anomalies {
            self.findings.add(&self.basis, &rows.key, anomaly);
        }
        true
    }

    /// The verdict on an audit, which compared so many keys one by one, and sampled positions meanwhile.
    pub fn conclude_audit(
        mut self,
        extent: AuditExtent,
        keys: u64,
        doubts: Vec<Doubt>,
        positions: Option<PositionsFound>,
    ) -> Verdict {
        self.keys_compared = keys;
        self.positions = positions;
        self.doubts.extend(doubts);
        self.audit = Some(extent);
        self.conclude()
    }

    /// The verdict.
    pub fn conclude(mut self) -> Verdict {
        let mut verdict = VerdictBuilder::default();
        let replicas = self.basis.replicas.len();
        let findings = std::mem::take(&mut self.findings).conclude(&self.basis);
        let rows = self.basis.replicas.iter().filter_map(|replica| self.basis.rows.get(replica)).sum();
        verdict.compared = Compared {
            rows,
            replicas: self.basis.replicas.clone(),
            captures: 1,
            excused: self.excused.clone(),
            ..Compared::default()
        };
        let is_modelled = |kind: &FindingKind| matches!(kind, FindingKind::Divergence(d) if d.is_modelled());
        let by_peers = findings.iter().any(|finding| !is_modelled(&finding.kind));
        let by_model = findings.iter().any(|finding| is_modelled(&finding.kind));
        match replicas {
            0 | 1 => verdict.not_applicable(CheckName::Group, "there is only one replica"),
            _ => verdict.count(CheckName::Group, by_peers, rows, "rows"),
        }
        match self.basis.has_referee {
            true => verdict.count(CheckName::Model, by_model, rows, "rows"),
            false => verdict.not_applicable(CheckName::Model, "there are no expected rows, and no log"),
        }
        self.add_doubts(&mut verdict, findings.iter().any(|finding| finding.kind.may_be_lag()));
        verdict.findings = findings;
        if let Some(positions) = self.positions.take() {
            verdict.progress = positions.progress;
            verdict.findings.extend(positions.findings);
            verdict.add((positions.result, positions.doubts));
        }
        let comparison = Comparison {
            settled: self.settled,
            unsaid: self.unsaid(&verdict),
            rows: self.basis.rows.clone(),
            positions: self.basis.positions.clone(),
            audit: self.audit,
            keys_compared: self.keys_compared,
            keys_differing: self.keys_differing,
            keys_moving: self.keys_moving,
            keys_above_positions: self.keys_above_positions,
            excused: self.excused,
        };
        let mut verdict = verdict.conclude(&[]);
        verdict.comparison = Some(comparison);
        verdict
    }

    fn add_doubts(&self, verdict: &mut VerdictBuilder, may_be_lag: bool) {
        verdict.doubts.extend(self.doubts.iter().cloned());
        let mut doubt = |kind: DoubtKind, detail: String| verdict.doubts.push(Doubt { kind, detail });
        if may_be_lag {
            let detail = "rows differ, and nothing tells whether all replicas had got the same writes";
            doubt(DoubtKind::Unconfirmed, detail.to_owned());
        }
        if self.keys_moving > 0 {
            let detail = format!("{} keys differ, and changed between the two reads", self.keys_moving);
            doubt(DoubtKind::NotSettled, detail);
        }
        if self.keys_unproved > 0 {
            let detail = format!(
                "on {} of {} keys the replicas agree, and not with the log: that is no finding, since a key \
                 may be older than the log",
                self.keys_unproved, self.keys_compared,
            );
            doubt(DoubtKind::Uncalibrated, detail);
        }
        let is_all_above =
            self.keys_above_positions == self.keys_compared && self.basis.rows_as_expected == 0;
        if self.keys_above_positions > 0 && is_all_above {
            let detail = "all keys were written above the least position of a replica, so none was compared";
            doubt(DoubtKind::NoExposure, detail.to_owned());
        }
        let is_empty = |replica: &&String| self.basis.rows.get(*replica).is_none_or(|rows| *rows == 0);
        for replica in self.basis.replicas.iter().filter(is_empty) {
            doubt(DoubtKind::Unread, format!("{replica} shows no row at all"));
        }
    }

    fn unsaid(&self, verdict: &VerdictBuilder) -> Vec<Unsaid> {
        let lag = verdict.findings.iter().any(|finding| finding.kind.may_be_lag());
        let two = self.basis.replicas.len() == 2;
        let said = [
            (Unsaid::Lag, self.settled == Settled::Unknown && lag),
            (Unsaid::NobodyOutvoted, two && !self.basis.has_referee && !verdict.findings.is_empty()),
            (Unsaid::AgreeButWrong, !self.basis.has_referee),
            (Unsaid::BeforeTheLog, self.leaves_open),
            (Unsaid::Newer, self.basis.version.is_none() && !verdict.findings.is_empty()),
        ];
        said.into_iter().filter(|(_, is_so)| *is_so).map(|(unsaid, _)| unsaid).collect()
    }
}
