//! Whether positions and frontiers move, where that is all that was recorded: an audit of a cluster that
//! others write to (`RULES.md` 7).

use super::liveness::{self, LivenessFound, ReadBack};
use super::safety::newest_rows::NewestRowsCompared;
use super::tables::history::History;
use super::tables::log_index::LogIndex;
use super::validity::input_log::{LogExtent, LogValidity};
use super::verdict::{CheckResult, Doubt, Finding, Progress};
use crate::history::run_record::RunRecord;

/// What samples tell.
pub struct PositionsFound {
    pub(super) result: CheckResult,
    pub(super) progress: Progress,
    pub(super) findings: Vec<Finding>,
    pub(super) doubts: Vec<Doubt>,
}

/// Judges the samples of a record that has nothing else.
pub fn judge_positions(record: &dyn RunRecord) -> PositionsFound {
    let history = History::gather(record, &mut |_, _| {});
    let partitions = 0..record.meta().partitions;
    let log_indexes: Vec<LogIndex> = partitions.map(|partition| LogIndex::read(record, partition)).collect();
    let log = LogValidity {
        extent: LogExtent::Partial,
        contradicted: vec![u64::MAX; log_indexes.len()],
        doubts: Vec::new(),
    };
    let contents = NewestRowsCompared::default();
    let read_back = ReadBack { log_indexes: &log_indexes, log: &log, contents: &contents };
    let LivenessFound { result, progress, findings, doubts } = liveness::check(&history, &read_back);
    PositionsFound { result, progress, findings, doubts }
}
