//! The part of the judge that concerns frontiers and shards: what a shard holds, and whether all that was
//! declared was looked at to the end.

use super::{Oracle, VerdictBuilder};
use crate::checker::owed::frontiers;
use crate::checker::safety::shard;
use crate::checker::safety::shard::ShardCompared;
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::{Doubt, Finding, FindingKind, FreezeCourse, NotVisible, Status};
use crate::history::check_name::CheckName;
use crate::history::run_record::RunRecord;
use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;

/// A shard that stands still to the end does not show what came to the log since.
pub(super) fn name_unseen(finding: &mut Finding, unseen: &BTreeMap<String, NotVisible>) {
    if let FindingKind::Frozen(frozen) = &mut finding.kind
        && frozen.course == FreezeCourse::Sticky
    {
        frozen.unseen = unseen.get(&frozen.object).copied().filter(|unseen| unseen.entries > 0);
    }
}

impl VerdictBuilder {
    /// What a shard holds, where rows lie in one.
    pub(super) fn compare_contents(
        &mut self,
        evidence: &dyn RunRecord,
        history: &History<'_>,
        log_is_whole: bool,
    ) -> Option<ShardCompared> {
        self.set_aside(CheckName::Calibration, "rows are whole: there is no merge to calibrate");
        self.set_aside(CheckName::Group, "there is one shard: no other copy to compare it with");
        self.set_aside(CheckName::Current, "a shard has current rows only: they are compared with the model");
        if self.oracle == Oracle::PeersAlone {
            self.set_aside(CheckName::Model, "what is in the shard was not judged");
            return None;
        }
        let compared = self.attempt(&[CheckName::Model], || shard::compare(evidence, history, log_is_whole));
        let mut compared = compared?;
        self.compared.rows = compared.rows;
        self.compared.replicas.extend(compared.unseen.keys().cloned());
        let not_loaded = compared.unseen.iter().filter(|(_, unseen)| unseen.entries > 0);
        self.compared.not_loaded.extend(not_loaded.map(|(shard, unseen)| (shard.clone(), unseen.entries)));
        self.count(CheckName::Model, !compared.findings.is_empty(), compared.rows, "rows");
        self.findings.append(&mut compared.findings);
        Some(compared)
    }

    /// Whether every frontier was looked at to the end, and every shard read.
    pub(super) fn look_for_looks(
        &mut self,
        history: &History<'_>,
        log_indexes: &[LogIndex],
        contents: Option<&ShardCompared>,
    ) {
        let known = frontiers::FrontiersOwed {
            history,
            log_indexes,
            contents,
            findings: &self.findings,
            doubts: &self.doubts,
        };
        let looks = catch_unwind(AssertUnwindSafe(|| frontiers::check(&known)));
        if let Some((owed, doubts)) = self.settle(&[CheckName::Owed], looks).filter(|(owed, _)| *owed > 0) {
            self.owe(owed, doubts);
        }
    }

    /// Adds to what was owed.
    fn owe(&mut self, owed: u64, doubts: Vec<Doubt>) {
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
}
