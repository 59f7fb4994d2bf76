//! Whether everything that a pass rests on was read (`RULES.md` 10). Other checks judge the reads that exist;
//! this one asks which reads should exist. Every replica that is assigned a segment owes its rows over the
//! whole segment, in reads that chain without a gap, and its current flags.

mod after_faults;
mod flags;
mod frontiers;
mod owed_read;
mod rows;

pub(super) use frontiers::FrontiersOwed;
pub(super) use owed_read::Reads;

use crate::checker::tables::history::History;
use crate::checker::verdict::{CheckResult, Doubt, Status};
use crate::history::check_name::CheckName;
use owed_read::OwedRead;
use std::collections::BTreeMap;

/// Adds a doubt for everything that was owed and is missing.
pub(super) fn check(history: &History<'_>, partitions: &[Reads<'_>]) -> (CheckResult, Vec<Doubt>) {
    let mut owed_reads = Vec::new();
    let mut owed = 0;
    for reads in partitions {
        owed += rows::owed(history, reads, &mut owed_reads);
        owed += flags::owed(history, reads, &mut owed_reads);
    }
    after_faults::owed(history, &mut owed_reads);
    let doubts = as_doubts(history, owed_reads);
    let status = if doubts.is_empty() && owed > 0 { Status::Pass } else { Status::Unknown };
    let reason = doubts.first().map(|doubt| doubt.detail.clone());
    let result = CheckResult {
        name: CheckName::Owed,
        status,
        compared: owed,
        unit: "reads".to_owned(),
        reason: reason.or_else(|| (owed == 0).then(|| "no replica is assigned anything".to_owned())),
    };
    (result, doubts)
}

/// One doubt for each read with a reason of its own, and one per replica for all its other owed reads.
fn as_doubts(history: &History<'_>, owed_reads: Vec<OwedRead>) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = Vec::new();
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    for owed_read in owed_reads {
        match joined.get(&owed_read.replica).filter(|_| owed_read.joins) {
            Some(&at) => {
                doubts[at].detail.push_str("; ");
                doubts[at].detail.push_str(&owed_read.detail);
            }
            None => {
                if owed_read.joins {
                    joined.insert(owed_read.replica, doubts.len());
                }
                let name = &history.meta.roster[owed_read.replica];
                let detail =
                    if owed_read.joins { format!("{name}: {}", owed_read.detail) } else { owed_read.detail };
                doubts.push(Doubt { kind: owed_read.kind, detail });
            }
        }
    }
    doubts
}
