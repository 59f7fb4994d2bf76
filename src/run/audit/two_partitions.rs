//! For tests: a cluster whose replica can be late, or be down.

use super::chunk::ChunkAuditor;
use crate::adapter::contents::{
    BucketDigest, Chunk, Contents, ContentsRow, ContentsTable, LogRead, Scope, TableEvent,
};
use crate::adapter::throttle::Gate;
use crate::config::limits::Limits;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Type, Value};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One replica and two partitions, with a chunk for each. The log has one key, of the first partition.
pub(super) struct TwoPartitions {
    replicas: Vec<String>,
    gate: Gate,
    queries: AtomicU64,
    table: ContentsTable,
    /// How often it must be asked for its position in the first partition, until it shows the key.
    lag: AtomicU64,
    /// Whether the first partition cannot be read.
    is_unreadable: bool,
}

impl TwoPartitions {
    /// A cluster that lags and answers like this, read within limits.
    pub(super) fn new(lag: u64, is_unreadable: bool, limits: &Limits) -> TwoPartitions {
        let table = ContentsTable {
            name: "acct".to_owned(),
            key: vec!["id".to_owned()],
            columns: vec![Column::data("x", Type::Long, Merge::Overwrite)],
            left_out: Vec::new(),
            version: None,
            rules: Rules::default(),
            rows: 1,
            bytes: 1,
        };
        TwoPartitions {
            replicas: vec!["a".to_owned()],
            gate: Gate::new(limits),
            queries: AtomicU64::new(0),
            table,
            lag: AtomicU64::new(lag),
            is_unreadable,
        }
    }

    /// Tries once, and waits for nothing.
    pub(super) fn auditor(&self) -> ChunkAuditor<'_> {
        ChunkAuditor {
            contents: self,
            gate: &self.gate,
            replicas: &self.replicas,
            wait: Duration::ZERO,
            settle: Duration::ZERO,
            tries: 1,
            shows_values: false,
            queries: &self.queries,
            stuck: Mutex::default(),
        }
    }
}

#[async_trait]
impl Contents for TwoPartitions {
    fn version(&self) -> String {
        "1".to_owned()
    }

    fn replicas(&self) -> Vec<String> {
        self.replicas.clone()
    }

    fn table(&self) -> &ContentsTable {
        &self.table
    }

    async fn chunks(&self, _: u64) -> Result<Vec<Chunk>, TargetError> {
        Ok((0..2).map(|number| Chunk { number, bounds: number.into() }).collect())
    }

    async fn digests(&self, _: &str, _: &Chunk, _: u32) -> Result<Option<Vec<BucketDigest>>, TargetError> {
        Ok(None)
    }

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        _: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        match (chunk.number, self.is_unreadable) {
            (0, true) => Err(TargetError::InvalidResponse {
                at: replica.to_owned(),
                cause: "no row: `me@here`".to_owned(),
            }),
            (0, false) if self.lag.load(Ordering::Relaxed) == 0 => {
                Ok(vec![ContentsRow { key: "k".to_owned(), cols: vec![Value::Long(1)], deleted: false }])
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn upstream(&self, _: &Chunk) -> Result<Option<u64>, TargetError> {
        Ok(Some(1))
    }

    async fn position(&self, _: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        let lag = self.lag.load(Ordering::Relaxed);
        if chunk.number == 0 && lag != u64::MAX {
            self.lag.store(lag.saturating_sub(1), Ordering::Relaxed);
        }
        Ok(Some(1))
    }

    async fn log(
        &self,
        from: Option<&[u64]>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<Option<LogRead>, TargetError> {
        if from.is_none() {
            out(TableEvent { key: "k".to_owned(), cols: vec![Value::Long(1)], deleted: false });
        }
        Ok(Some(LogRead { next: vec![1, 0], whole: true, off: Vec::new() }))
    }

    fn received(&self) -> u64 {
        0
    }
}
