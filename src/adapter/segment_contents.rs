//! The contents of a cluster of segments, by the same reads that a run uses: raw rows by segment, and the
//! current row of each key by partition.
//!
//! A raw row is known by its offset, so all versions of a key are compared one by one. Equal raw rows say
//! nothing of the current view, which is read for itself.

use super::capabilities::{Capabilities, InputLog, RawReads, SegmentCatalogue};
use super::contents::{
    Chunk, Contents, ContentsRow, ContentsTable, LogRead, PositionSample, Scope, TableEvent,
};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::row::{Coverage, Entry, Row, Segment};
use dissent_core::history::schema::{Column, Merge, Schema, Type, Value};
use dissent_core::history::time::Nanos;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The columns that every row has, before those of the table.
const OFFSET: usize = 0;
const COMPARISON: usize = 1;
/// About how many bytes a row has.
const ROW_BYTES: u64 = 100;

/// A table whose replicas can be read segment by segment.
pub(super) struct SegmentContents {
    capabilities: Capabilities,
    segments: Vec<Segment>,
    table: ContentsTable,
    defaults: Vec<Value>,
    raw: Arc<dyn RawReads>,
    log: Option<Arc<dyn InputLog>>,
    frozen_floor: Nanos,
    received: AtomicU64,
}

impl SegmentContents {
    /// The table of a cluster.
    pub(super) async fn open(
        capabilities: Capabilities,
        schema: &Schema,
        frozen_floor: Nanos,
    ) -> Result<SegmentContents, TargetError> {
        let lacks = |what: &str| TargetError::Refused {
            at: capabilities.name.clone(),
            cause: format!("it has no {what}, so there are no copies to compare"),
        };
        let catalogue: Arc<dyn SegmentCatalogue> =
            capabilities.segments.clone().ok_or_else(|| lacks("segments"))?;
        let raw = capabilities.raw_reads.clone().ok_or_else(|| lacks("raw reads"))?;
        let segments = catalogue.segments().await?;
        let own = |name: &str| Column::data(name, Type::Long, Merge::Overwrite);
        let own = [own("offset"), own(&schema.comparison), own(&schema.op)];
        let defaults = own.iter().map(|_| Value::Null);
        let defaults =
            defaults.chain(schema.columns.iter().map(|column| column.ty.default_value())).collect();
        let rows: u64 = segments.iter().filter_map(|it| Some(it.end? - it.start)).sum();
        let table = ContentsTable {
            name: schema.table.clone(),
            key: vec![schema.key.clone()],
            columns: own.into_iter().chain(schema.columns.iter().cloned()).collect(),
            left_out: Vec::new(),
            version: Some(OFFSET),
            rules: schema.rules.clone(),
            rows,
            bytes: rows * ROW_BYTES,
        };
        let log = capabilities.log.clone();
        let received = AtomicU64::new(0);
        Ok(SegmentContents { capabilities, segments, table, defaults, raw, log, frozen_floor, received })
    }

    fn row(&self, row: Row) -> ContentsRow {
        let own = [row.off.cast_signed(), row.cmp, row.op.cast_signed()].map(Value::Long);
        self.received.fetch_add(ROW_BYTES, Ordering::Relaxed);
        ContentsRow {
            key: row.key.to_string(),
            cols: own.into_iter().chain(row.cols).collect(),
            deleted: false,
        }
    }

    async fn raw_rows(
        &self,
        replica: &str,
        coverage: &Coverage,
        segment: &str,
    ) -> Result<Vec<Row>, TargetError> {
        let Some(cover) = coverage.covers.iter().find(|cover| cover.segment == segment) else {
            let cause = format!("it does not hold {segment}");
            return Err(TargetError::Refused { at: replica.to_owned(), cause });
        };
        let mut rows = Vec::new();
        self.raw.rows(replica, segment, cover.start, cover.end, &mut |row| rows.push(row)).await?;
        Ok(rows)
    }

    /// The current rows of a partition: for each key the rows that the replica flags.
    async fn current_rows(&self, replica: &str, partition: u32) -> Result<Vec<Row>, TargetError> {
        let coverage = self.raw.coverage(replica).await?;
        let mut flags: BTreeMap<u64, Arc<str>> = BTreeMap::new();
        self.raw
            .current_rows(replica, partition, 0, &mut |current| {
                flags.extend(current.offs.iter().map(|off| (*off, current.key.clone())));
            })
            .await?;
        let mut rows = Vec::new();
        for cover in coverage.covers.iter().filter(|cover| cover.partition == partition) {
            for row in self.raw_rows(replica, &coverage, &cover.segment).await? {
                // A flag may be younger than the coverage; its row is then read the next time.
                if flags.get(&row.off) == Some(&row.key) {
                    rows.push(row);
                }
            }
        }
        Ok(rows)
    }

    fn partition_of(&self, chunk: &Chunk) -> u32 {
        chunk.bounds["partition"].as_u64().and_then(|partition| u32::try_from(partition).ok()).unwrap_or(0)
    }

    fn event(&self, entry: Entry) -> TableEvent {
        let own = [entry.off.cast_signed(), entry.cmp, entry.op.cast_signed()].map(Value::Long);
        let cols = own.into_iter().chain(entry.cols).collect();
        TableEvent { key: entry.key.to_string(), cols, deleted: entry.tombstone }
    }
}

/// The end of what a replica holds of a partition without a gap.
fn end_of(coverage: &Coverage, partition: u32) -> Option<u64> {
    coverage.covers.iter().filter(|cover| cover.partition == partition).map(|cover| cover.end).max()
}

#[async_trait]
impl Contents for SegmentContents {
    fn version(&self) -> String {
        self.capabilities.version.clone()
    }

    fn replicas(&self) -> Vec<String> {
        self.capabilities.roster.clone()
    }

    fn table(&self) -> &ContentsTable {
        &self.table
    }

    async fn holders(&self, chunk: &Chunk) -> Result<Vec<String>, TargetError> {
        let name = chunk.bounds["segment"].as_str();
        let partition = self.partition_of(chunk);
        let of_chunk = self.segments.iter().filter(|segment| match name {
            Some(name) => segment.name == name,
            None => segment.partition == partition,
        });
        let assigned: Vec<&String> = of_chunk.flat_map(|segment| &segment.replicas).collect();
        Ok(self.capabilities.roster.iter().filter(|replica| assigned.contains(replica)).cloned().collect())
    }

    /// One chunk for the raw rows of each segment, and one for the current rows of each partition.
    async fn chunks(&self, _rows: u64) -> Result<Vec<Chunk>, TargetError> {
        let raw = self
            .segments
            .iter()
            .map(|segment| json!({ "segment": segment.name, "partition": segment.partition }));
        let mut partitions: Vec<u32> = self.segments.iter().map(|segment| segment.partition).collect();
        partitions.dedup();
        let current = partitions.into_iter().map(|partition| json!({ "partition": partition }));
        let all = (0..).zip(raw.chain(current));
        Ok(all.map(|(number, bounds)| Chunk { number, bounds }).collect())
    }

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        scope: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        let rows = match chunk.bounds["segment"].as_str() {
            Some(segment) => {
                let coverage = self.raw.coverage(replica).await?;
                self.raw_rows(replica, &coverage, segment).await?
            }
            None => self.current_rows(replica, self.partition_of(chunk)).await?,
        };
        let is_asked = |row: &Row| match scope {
            Scope::Keys(keys) => keys.iter().any(|key| **key == *row.key),
            Scope::All | Scope::Bucket { .. } => true,
        };
        Ok(rows.into_iter().filter(is_asked).map(|row| self.row(row)).collect())
    }

    async fn upstream(&self, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        let Some(log) = &self.log else { return Ok(None) };
        Ok(log.ends().await?.get(self.partition_of(chunk) as usize).copied())
    }

    async fn position(&self, replica: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        Ok(end_of(&self.raw.coverage(replica).await?, self.partition_of(chunk)))
    }

    fn frozen_floor(&self) -> Nanos {
        self.frozen_floor
    }

    async fn positions(&self) -> Result<Vec<PositionSample>, TargetError> {
        let Some(log) = &self.log else { return Ok(Vec::new()) };
        let before = log.ends().await?;
        let mut coverages = Vec::new();
        for replica in &self.capabilities.roster {
            // One that does not answer is left out: that is told of its chunks.
            if let Ok(coverage) = self.raw.coverage(replica).await {
                coverages.push((replica, coverage));
            }
        }
        let after = log.ends().await?;
        let samples = coverages.iter().flat_map(|(replica, coverage)| {
            let ends = (0..).zip(before.iter().zip(&after));
            ends.filter_map(move |(partition, (u1, u2))| {
                Some(PositionSample {
                    replica: (*replica).clone(),
                    partition,
                    u1: *u1,
                    f: end_of(coverage, partition)?,
                    u2: *u2,
                    status: coverage.status.clone(),
                    incarnation: coverage.incarnation,
                })
            })
        });
        Ok(samples.collect())
    }

    fn is_current(&self, chunk: &Chunk) -> bool {
        chunk.bounds["segment"].is_null()
    }

    fn shown_default(&self, column: usize) -> Value {
        self.defaults[column].clone()
    }

    fn log_order(&self) -> Option<usize> {
        Some(COMPARISON)
    }

    async fn log(
        &self,
        from: Option<&[u64]>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<Option<LogRead>, TargetError> {
        let Some(log) = &self.log else { return Ok(None) };
        let ends = log.ends().await?;
        for (partition, end) in (0..).zip(&ends) {
            let begin = from.and_then(|from| from.get(partition as usize)).copied().unwrap_or(0);
            log.read(partition, begin, *end, &mut |entry| out(self.event(entry))).await?;
        }
        Ok(Some(LogRead { next: ends, whole: true, off: Vec::new() }))
    }

    fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}
