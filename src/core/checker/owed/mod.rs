//! What a pass rests on was read (`RULES.md` 10). Other checks judge the reads that exist;
//! this one asks which reads should exist: of every replica that is assigned a segment its rows over the
//! whole of that segment, in reads that chain without a gap, and its current flags.

mod flags;
pub(super) mod frontiers;
mod rows;
mod seen;

use crate::checker::safety::current_rows::CurrentRows;
use crate::checker::tables::copies::CopyTimeline;
use crate::checker::tables::history::{History, ReadHeader};
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::{CheckResult, Doubt, DoubtKind, Status};
use crate::history::check_name::CheckName;
use crate::history::row::Soundness;
use std::collections::BTreeMap;

/// The reads of one partition, as the other checks used them.
pub(super) struct Reads<'r> {
    pub(super) log_index: &'r LogIndex,
    pub(super) timeline: &'r CopyTimeline,
    pub(super) flags: &'r CurrentRows<'r>,
}

/// What one replica owes.
struct OwedRead {
    replica: usize,
    kind: DoubtKind,
    /// What is not known of it, and why: segment, range, and the read that should have brought it.
    detail: String,
    /// Whether this replica's other debts without a reason of their own go into the same doubt.
    joins: bool,
}

/// Names what was owed and is not there.
pub(super) fn check(history: &History<'_>, partitions: &[Reads<'_>]) -> (CheckResult, Vec<Doubt>) {
    let mut debts = Vec::new();
    let mut owed = 0;
    for reads in partitions {
        owed += rows::owed(history, reads, &mut debts);
        owed += flags::owed(history, reads, &mut debts);
    }
    seen::owed(history, &mut debts);
    let doubts = as_doubts(history, debts);
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

/// One doubt for each reason, and one for all that a replica owes without any.
fn as_doubts(history: &History<'_>, debts: Vec<OwedRead>) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = Vec::new();
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    for debt in debts {
        match joined.get(&debt.replica).filter(|_| debt.joins) {
            Some(&at) => {
                doubts[at].detail.push_str("; ");
                doubts[at].detail.push_str(&debt.detail);
            }
            None => {
                if debt.joins {
                    joined.insert(debt.replica, doubts.len());
                }
                let name = &history.meta.roster[debt.replica];
                let detail = if debt.joins { format!("{name}: {}", debt.detail) } else { debt.detail };
                doubts.push(Doubt { kind: debt.kind, detail });
            }
        }
    }
    doubts
}

/// The doubt about a read that did not count and that nothing made up for; none for a copy that only changed
/// while it was read.
fn of_unsound(history: &History<'_>, look: &ReadHeader, of: &str) -> Option<OwedRead> {
    let replica = &history.meta.roster[look.replica];
    let capture = history.captures[look.capture].number;
    let offset = format!("{of} partition {} on {replica}, capture {capture}", look.partition);
    let (kind, detail) = match look.soundness {
        Soundness::Truncated => (
            DoubtKind::TruncatedRead,
            format!("{offset}: {} rows are not the target's own count", look.count),
        ),
        Soundness::Failed if !seen::is_excused(history, look) => {
            (DoubtKind::Unreadable, format!("{offset}: no answer"))
        }
        _ => return None,
    };
    Some(OwedRead { replica: look.replica, kind, detail, joins: false })
}
