//! The verdict while it is being built: the results of the checks so far.

use super::findings::assemble::sort;
use super::verdict::outcome::outcome;
use super::verdict::{
    CheckResult, Compared, Doubt, DoubtKind, Exposure, Finding, Progress, Status, VERSION, Verdict,
    VerdictOutcome,
};
use crate::history::check_name::CheckName;
use std::any::Any;

/// Results, findings and doubts, in the order in which they were added.
#[derive(Default)]
pub(super) struct VerdictBuilder {
    pub(super) checks: Vec<CheckResult>,
    pub(super) findings: Vec<Finding>,
    pub(super) doubts: Vec<Doubt>,
    pub(super) compared: Compared,
    pub(super) exposure: Vec<Exposure>,
    pub(super) progress: Progress,
}

impl VerdictBuilder {
    /// Adds the result of a check, with the doubts that it raised.
    pub(super) fn add(&mut self, (result, doubts): (CheckResult, Vec<Doubt>)) {
        self.checks.push(result);
        self.doubts.extend(doubts);
    }

    /// Adds the result of a check.
    pub(super) fn check(
        &mut self,
        name: CheckName,
        status: Status,
        compared: u64,
        unit: &str,
        reason: Option<String>,
    ) {
        self.checks.push(CheckResult { name, status, compared, unit: unit.to_owned(), reason });
    }

    /// Adds a check that fails if it found anything, and is unknown if it compared nothing.
    pub(super) fn count(&mut self, name: CheckName, found: bool, compared: u64, unit: &str) {
        let status = match (found, compared) {
            (true, _) => Status::Fail,
            (false, 0) => Status::Unknown,
            (false, _) => Status::Pass,
        };
        let reason = (compared == 0).then(|| format!("no {unit} were compared"));
        self.check(name, status, compared, unit, reason);
    }

    /// Adds a check that does not apply to this run.
    pub(super) fn not_applicable(&mut self, name: CheckName, reason: &str) {
        self.check(name, Status::NotApplicable, 0, "", Some(reason.to_owned()));
    }

    /// Adds to the number of owed reads, with doubts about those that are missing.
    pub(super) fn owe(&mut self, owed: u64, doubts: Vec<Doubt>) {
        if !self.checks.iter().any(|check| check.name == CheckName::Owed) {
            self.check(CheckName::Owed, Status::Pass, 0, "reads", None);
        }
        if let Some(check) = self.checks.iter_mut().find(|check| check.name == CheckName::Owed) {
            check.compared += owed;
            if let Some(doubt) = doubts.first() {
                check.status = Status::Unknown;
                check.reason.get_or_insert_with(|| doubt.detail.clone());
            }
        }
        self.doubts.extend(doubts);
    }

    /// Marks checks that panicked as unknown. A panic is a bug of ours.
    pub(super) fn panicked(&mut self, names: &[CheckName], panic: &(dyn Any + Send)) {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        for &name in names {
            self.check(name, Status::Unknown, 0, "", Some(format!("the check panicked: {text}")));
        }
        let detail = format!("{names:?} panicked, a bug of this program: {text}");
        self.doubts.push(Doubt { kind: DoubtKind::CheckFailed, detail });
    }

    /// Concludes the verdict of a run whose plan requires these checks.
    pub(super) fn conclude(mut self, required: &[CheckName]) -> Verdict {
        self.checks.sort_by_key(|check| check.name);
        sort(&mut self.findings);
        // A process that died explains what else is missing, so it comes first.
        self.doubts.sort_by_key(|doubt| doubt.kind != DoubtKind::ServerDied);
        let mut verdict = Verdict {
            version: VERSION,
            outcome: VerdictOutcome::Inconclusive,
            checks: self.checks,
            findings: self.findings,
            doubts: self.doubts,
            compared: self.compared,
            exposure: self.exposure,
            progress: self.progress,
            comparison: None,
            known: None,
        };
        let found = verdict.findings.iter().any(|finding| !finding.kind.may_be_lag());
        verdict.outcome = outcome(&verdict, required, found);
        verdict
    }
}
