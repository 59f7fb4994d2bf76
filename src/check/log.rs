//! Every acknowledged op lies in the log. Entries are looked at, not ops: a retried write may lie at two
//! offsets, and is there all the same (`semantics` 2).

use super::acks::{Acks, Ids};
use super::fingerprint::fingerprint;
use super::history::History;
use super::ledger::Ledger;
use super::verdict::{CheckName, CheckResult, Finding, FindingKind, LostAck, Status};
use crate::record::evidence::Recorded;
use std::collections::BTreeMap;

/// Looks for acknowledged ops that are not in the log. Of a log that may not have been read to its end only
/// ops that were acknowledged below that end are asked for.
pub(super) fn check(
    evidence: &dyn Recorded,
    history: &History<'_>,
    ledgers: &[Ledger],
    log_is_complete: bool,
) -> (CheckResult, Vec<Finding>) {
    let below;
    let acks = if log_is_complete {
        &history.acks
    } else {
        let end = |partition: u32| ledgers.get(partition as usize).map_or(0, Ledger::end);
        below = Acks::read(evidence, |partition, off| off.is_some_and(|off| off < end(partition)));
        &below
    };
    let mut compared = 0;
    let mut lost: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (&partition, acked) in &acks.of {
        let mut logged = Ids::default();
        let ops = ledgers.get(partition as usize).into_iter().flat_map(Ledger::ops);
        ops.for_each(|op| logged.insert(op));
        compared += acked.len();
        lost.insert(partition, acked.without(&logged));
    }
    lost.retain(|_, ops| !ops.is_empty());
    let findings: Vec<Finding> = lost
        .into_iter()
        .map(|(partition, ops)| FindingKind::LostAck(LostAck { partition, ops }))
        .map(|kind| Finding { fingerprint: fingerprint(&kind), kind })
        .collect();
    let status = match (findings.is_empty(), compared) {
        (false, _) => Status::Fail,
        (true, 0) => Status::Unknown,
        (true, _) => Status::Pass,
    };
    let reason = (compared == 0).then(|| "no op was acknowledged".to_owned());
    let result = CheckResult { name: CheckName::Log, status, compared, unit: "ops".to_owned(), reason };
    (result, findings)
}
