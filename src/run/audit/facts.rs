//! What is known of an audit besides its chunks, and the verdict that follows from both.

use super::chunk::{ChunkOutcome, ChunkRecord, Records};
use super::referee::LogReferee;
use dissent_core::checker::comparison::{Basis, Comparer};
use dissent_core::checker::positions::{PositionsFound, judge_positions};
use dissent_core::checker::verdict::{AuditExtent, Doubt, DoubtKind, Settled, Verdict};
use dissent_core::history::event::{Event, TimedEvent};
use dissent_core::history::run_record::{MemoryRecord, RunMeta};
use dissent_core::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything but the chunks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AuditFacts {
    /// Target, table, replicas.
    pub(super) meta: RunMeta,
    /// Chunks of the whole table.
    pub(super) chunks: u64,
    /// Chunks to be looked at: all, those of a sample, or of a part.
    pub(super) wanted: BTreeSet<u32>,
    /// Whether they are a sample.
    pub(super) sampled: bool,
    /// The replica that takes the writes.
    pub(super) authority: Option<String>,
    /// By column, whether the log says what it should be. None without a log.
    pub(super) refereed: Option<Vec<bool>>,
    /// Why the log does not say it of some columns.
    pub(super) off: Vec<(String, String)>,
    /// Queries that were sent.
    pub(super) queries: u64,
    /// Bytes of rows and digests that came in.
    pub(super) received: u64,
}

impl AuditFacts {
    /// Notes which columns the log does not tell, as far as it was read.
    pub(super) fn note_off(&mut self, referee: Option<&LogReferee>) {
        self.refereed = referee.map(|referee| referee.refereed.clone());
        self.off = referee.map_or_else(Vec::new, |referee| referee.off.clone());
    }

    /// Adds another part of the same audit. What the log did not tell one of them, it told none.
    pub(super) fn join(&mut self, other: &AuditFacts) {
        self.wanted.extend(&other.wanted);
        self.queries += other.queries;
        self.received += other.received;
        let columns = self.refereed.iter_mut().flatten().zip(other.refereed.iter().flatten());
        columns.for_each(|(own, other)| *own &= other);
        let more: Vec<_> = other.off.iter().filter(|off| !self.off.contains(off)).cloned().collect();
        self.off.extend(more);
    }

    /// The verdict on the chunks that are done.
    pub(super) fn judge(&self, done: &Records, samples: Vec<TimedEvent>) -> Verdict {
        let mut extent = AuditExtent {
            chunks: self.chunks,
            sampled: self.sampled.then_some(self.wanted.len() as u64),
            authority: self.authority.clone(),
            left_out: self.meta.left_out.clone(),
            queries: self.queries,
            received: self.received,
            digests: self.of_table(done).any(|record| record.digests),
            ..AuditExtent::default()
        };
        let mut rows: BTreeMap<String, u64> = BTreeMap::new();
        for record in self.of_table(done) {
            for (replica, count) in &record.rows {
                *rows.entry(replica.clone()).or_default() += count;
            }
            let count = match record.outcome {
                ChunkOutcome::Settled => &mut extent.settled,
                ChunkOutcome::Moving => &mut extent.moving,
                ChunkOutcome::Unread => &mut extent.unread,
            };
            count.chunks += 1;
            count.rows += record.rows.values().copied().max().unwrap_or_default();
        }
        let mut comparer = Comparer::new(self.basis(done, rows));
        let differing = || done.values().flat_map(|record| &record.differing);
        if self.refereed.is_some() {
            differing().for_each(|rows| comparer.calibrate(rows));
            comparer.end_calibration();
        }
        for rows in differing() {
            comparer.compare(rows);
        }
        let keys = done.values().map(|record| record.keys).sum();
        let positions = (!samples.is_empty()).then(|| self.positions(samples));
        comparer.conclude_audit(extent, keys, self.doubts(done), positions)
    }

    /// The records of the table's chunks. One more may be about keys that no chunk shows.
    fn of_table<'r>(&self, done: &'r Records) -> impl Iterator<Item = &'r ChunkRecord> {
        let chunks = self.chunks;
        done.values().filter(move |record| u64::from(record.chunk) < chunks)
    }

    /// What the samples of positions tell. Others write on, so nobody is expected to have caught up at the
    /// end.
    fn positions(&self, mut events: Vec<TimedEvent>) -> PositionsFound {
        let last = events.last().map_or(Nanos(0), |event| event.t);
        events.push(TimedEvent { t: last, event: Event::Settled { all: true, waited: Nanos(0) } });
        let of = |event: &TimedEvent| match &event.event {
            Event::Sample { partition, .. } => *partition + 1,
            _ => 1,
        };
        let partitions = events.iter().map(of).max().unwrap_or(1);
        let meta = RunMeta { partitions, ..self.meta.clone() };
        let of_none = partitions as usize;
        judge_positions(&MemoryRecord {
            meta,
            events,
            log: vec![Vec::new(); of_none],
            rows: vec![Vec::new(); of_none],
            current_rows: vec![Vec::new(); of_none],
        })
    }

    fn basis(&self, done: &Records, rows: BTreeMap<String, u64>) -> Basis {
        let schema = &self.meta.schema;
        Basis {
            replicas: self.meta.roster.clone(),
            columns: schema.columns.clone(),
            version: schema.position(&schema.comparison),
            may_be_absent: schema.rules.may_be_absent.clone(),
            tolerance: 0.0,
            settled: match done.values().all(|record| record.positions) {
                true => Settled::Covered,
                false => Settled::ReadTwice,
            },
            positions: BTreeMap::new(),
            version_is_position: false,
            has_referee: self.refereed.is_some(),
            // What a log without its beginning cannot say, the audit leaves out of what it expects.
            referee_is_whole: true,
            refereed: self.refereed.clone().unwrap_or_else(|| vec![true; schema.columns.len()]),
            rows_as_expected: done.values().map(|record| record.as_expected).sum(),
            rows,
        }
    }

    fn doubts(&self, done: &Records) -> Vec<Doubt> {
        let unread = done.values().filter_map(|record| {
            let detail = format!("chunk {}: {}", record.chunk, record.error.as_ref()?);
            Some(Doubt { kind: DoubtKind::Unreadable, detail })
        });
        let off = self.off.iter().map(|(column, why)| {
            let detail = format!("the log does not say what {column} should be: {why}");
            Doubt { kind: DoubtKind::Uncalibrated, detail }
        });
        unread.chain(off).chain(moving(done)).chain(self.unfinished(done)).collect()
    }

    fn unfinished(&self, done: &Records) -> Option<Doubt> {
        let left = self.wanted.iter().filter(|number| !done.contains_key(number)).count();
        let detail = format!("{left} of {} chunks were not looked at", self.wanted.len());
        (left > 0).then_some(Doubt { kind: DoubtKind::Interrupted, detail })
    }
}

fn moving(done: &Records) -> Option<Doubt> {
    let keys: u64 = done.values().map(|record| record.moving).sum();
    let behind: BTreeSet<&str> =
        done.values().flat_map(|record| &record.behind).map(String::as_str).collect();
    let behind: Vec<&str> = behind.into_iter().collect();
    let detail = match behind.is_empty() {
        true => format!("{keys} keys differ, and changed in every try"),
        false => {
            format!("{keys} keys differ, and {} did not reach the upstream's end in time", behind.join(", "))
        }
    };
    (keys > 0).then_some(Doubt { kind: DoubtKind::NotSettled, detail })
}
