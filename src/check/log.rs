//! Every acknowledged op lies in the log. Entries are looked at, not ops: a retried write may lie at two
//! offsets, and is there all the same (`semantics` 2).

use super::fingerprint::fingerprint;
use super::history::History;
use super::ledger::Ledger;
use super::verdict::{CheckName, CheckResult, Finding, FindingKind, LostAck, Status};
use crate::record::event::Outcome;
use std::collections::BTreeMap;

/// Looks for acknowledged ops that are not in the log. Of a log that may not have been read to its end only
/// ops that were acknowledged below that end are asked for.
pub(super) fn check(
    history: &History<'_>,
    ledgers: &[Ledger],
    log_is_complete: bool,
) -> (CheckResult, Vec<Finding>) {
    let mut logged: Vec<(u32, u64)> = Vec::new();
    for ledger in ledgers {
        logged.extend(ledger.lines.iter().map(|line| (ledger.partition, line.op)));
    }
    logged.sort_unstable();
    let mut compared = 0;
    let mut lost: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for op in &history.ops {
        let Some((_, Outcome::Ok, off)) = op.done else { continue };
        let end = ledgers.get(op.partition as usize).map_or(0, Ledger::end);
        if !log_is_complete && off.is_none_or(|off| off >= end) {
            continue;
        }
        compared += 1;
        if logged.binary_search(&(op.partition, op.id)).is_err() {
            lost.entry(op.partition).or_default().push(op.id);
        }
    }
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
