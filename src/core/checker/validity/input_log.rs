//! The input log as it was read back: whether every acknowledged op is in it, and how far it can be trusted.
//! The check looks at entries, not at ops: a retried write may be at two offsets and still counts as being
//! there (`RULES.md` 2, 10).

use crate::checker::tables::acks::{Acks, placement_hash};
use crate::checker::tables::history::History;
use crate::checker::tables::log_index::LogIndex;
use crate::checker::verdict::fingerprint::fingerprint;
use crate::checker::verdict::{CheckResult, Doubt, DoubtKind, Finding, FindingKind, LostAck, Status};
use crate::history::check_name::CheckName;
use crate::history::event::OpOutcome;
use crate::history::row::Entry;
use crate::history::run_record::{EventRef, RunRecord};
use roaring::RoaringTreemap;
use std::collections::BTreeMap;

/// How much of the log was read back, as far as the record shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogExtent {
    /// All of it, to its end.
    Whole,
    /// It may have been longer: beyond its end nothing can be proved.
    Partial,
}

/// How far the log can be trusted.
pub(crate) struct LogValidity {
    pub(crate) extent: LogExtent,
    /// By partition: the first offset that holds another op than the one acknowledged there; `u64::MAX` if
    /// none does.
    pub(crate) contradicted: Vec<u64>,
    /// Contradictions between the log and our own ops.
    pub(crate) doubts: Vec<Doubt>,
}

impl LogValidity {
    /// Compares the log with what was sent and acknowledged.
    pub(crate) fn of(record: &dyn RunRecord, history: &History<'_>, log_indexes: &[LogIndex]) -> LogValidity {
        let is_cut_off = history.has_lost_a_server()
            || history.doubts.iter().any(|doubt| doubt.kind == DoubtKind::Interrupted);
        let mut trust = LogValidity {
            extent: match record.damage().is_empty() && !is_cut_off && !history.log_failed {
                true => LogExtent::Whole,
                false => LogExtent::Partial,
            },
            contradicted: vec![u64::MAX; log_indexes.len()],
            doubts: Vec::new(),
        };
        let acks = &history.acks;
        if log_indexes
            .iter()
            .any(|log_index| logged_placements(log_index, acks) != acked_placements(log_index, acks))
        {
            trust.contradict(record, log_indexes);
        }
        log_indexes.iter().for_each(|log_index| trust.doubts.extend(foreign(record, history, log_index)));
        trust
    }

    /// Looks for ops that are not at the offset at which they were acknowledged. An op that is nowhere is a
    /// lost acknowledgement, and is reported as that.
    fn contradict(&mut self, record: &dyn RunRecord, log_indexes: &[LogIndex]) {
        let mut sent: BTreeMap<u64, u32> = BTreeMap::new();
        let mut moved: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        record.scan_events(&mut |_, event| match event {
            EventRef::Invoked { op, partition, .. } => drop(sent.insert(op, partition)),
            EventRef::Completed { op, outcome, off } => {
                let acknowledged = sent.remove(&op).zip(off).filter(|_| outcome == OpOutcome::Ok);
                let Some((partition, off)) = acknowledged else { return };
                let Some(log_index) = log_indexes.get(partition as usize) else { return };
                if log_index.at(off).is_some_and(|at| log_index.entry(at).op == op) {
                    return;
                }
                let lowest = &mut self.contradicted[partition as usize];
                *lowest = off.min(*lowest);
                if log_index.logged.contains(op) {
                    let known = moved.entry(partition).or_insert((off, op));
                    *known = (off, op).min(*known);
                }
            }
            EventRef::Other(_) => {}
        });
        self.doubts.extend(moved.into_iter().map(|(partition, (off, op))| Doubt {
            kind: DoubtKind::UnmetAssumption,
            detail: format!(
                "op {op} was acknowledged at offset {off} of partition {partition}, and the log as it was \
                 read back has it elsewhere: from there on nobody is called wrong by that log"
            ),
        }));
    }
}

/// The placements of acknowledged ops according to the log, as one number.
fn logged_placements(log_index: &LogIndex, acks: &Acks) -> u64 {
    let Some(acked) = acks.acked.get(&log_index.partition) else { return 0 };
    let entries = log_index.entries().filter(|entry| acked.contains(entry.op));
    entries.fold(0, |sum: u64, entry| sum.wrapping_add(placement_hash(entry.op, entry.off)))
}

/// The placements of acknowledged ops according to the acknowledgements, as one number.
fn acked_placements(log_index: &LogIndex, acks: &Acks) -> u64 {
    acks.placement_sums.get(&log_index.partition).copied().unwrap_or(0)
}

/// Entries with our op ids that are not ours: of an op that was never sent, or of one op with two contents.
fn foreign(record: &dyn RunRecord, history: &History<'_>, log_index: &LogIndex) -> Option<Doubt> {
    let partition = log_index.partition;
    let none = RoaringTreemap::new();
    let sent = history.acks.invoked.get(&partition).unwrap_or(&none);
    let never_sent = (&log_index.logged - sent).min();
    let op = never_sent.or_else(|| with_two_contents(record, log_index))?;
    let detail = match never_sent {
        Some(_) => format!("the log of partition {partition} holds op {op}, which was never sent"),
        None => format!("the log of partition {partition} holds op {op} twice, with different contents"),
    };
    let detail = format!("{detail}: somebody else writes to this table");
    Some(Doubt { kind: DoubtKind::UnmetAssumption, detail })
}

fn with_two_contents(record: &dyn RunRecord, log_index: &LogIndex) -> Option<u64> {
    if log_index.repeated.is_empty() {
        return None;
    }
    let mut first = BTreeMap::new();
    let repeated = record.log(log_index.partition).filter(|entry| log_index.repeated.contains(&entry.op));
    for entry in repeated {
        let (op, entry) = (entry.op, Entry { off: 0, ..entry.into_owned() });
        if *first.entry(op).or_insert_with(|| entry.clone()) != entry {
            return Some(op);
        }
    }
    None
}

/// Looks for acknowledged ops that are not in the log. If the log may not have been read to its end, only ops
/// that were acknowledged below its known end are checked; if it could not be read at all, none.
/// `lost`: by partition, acknowledged ops that no replica shows, where the log is our own.
pub(crate) fn check(
    record: &dyn RunRecord,
    history: &History<'_>,
    log_indexes: &[LogIndex],
    extent: LogExtent,
    mut lost: BTreeMap<u32, Vec<u64>>,
) -> (CheckResult, Vec<Finding>) {
    let below;
    let acks = if extent == LogExtent::Whole {
        &history.acks
    } else {
        let end = |partition: u32| log_indexes.get(partition as usize).map_or(0, LogIndex::end);
        let counts =
            |partition, off: Option<u64>| !history.log_failed && off.is_some_and(|off| off < end(partition));
        below = Acks::read(record, counts);
        &below
    };
    let none = RoaringTreemap::new();
    let logged =
        |partition: u32| log_indexes.get(partition as usize).map_or(&none, |log_index| &log_index.logged);
    let compared = acks.acked.values().map(RoaringTreemap::len).sum();
    for (&partition, acked) in &acks.acked {
        lost.entry(partition).or_default().extend(acked - logged(partition));
    }
    lost.retain(|_, ops| !ops.is_empty());
    let everywhere = history.meta.schema.rules.has_own_log();
    let findings: Vec<Finding> = lost
        .into_iter()
        .map(|(partition, ops)| FindingKind::LostAck(LostAck { everywhere, partition, ops }))
        .map(|kind| Finding { fingerprint: fingerprint(&kind), kind })
        .collect();
    let status = match (findings.is_empty(), compared) {
        (false, _) => Status::Fail,
        (true, 0) => Status::Unknown,
        (true, _) => Status::Pass,
    };
    let reason = (compared == 0).then(|| match history.log_failed {
        true => "the log could not be read back".to_owned(),
        false => "no op was acknowledged".to_owned(),
    });
    let result = CheckResult { name: CheckName::Log, status, compared, unit: "ops".to_owned(), reason };
    (result, findings)
}
