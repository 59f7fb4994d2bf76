//! For tests: a cluster whose replicas can be late, or be down.

use super::chunk::ChunkAuditor;
use crate::adapter::contents::{Chunk, Contents, ContentsRow, ContentsTable, LogRead, Scope, TableEvent};
use crate::adapter::throttle::Gate;
use crate::config::limits::Limits;
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Column, Merge, Type, Value};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The key of each partition, of two cells.
pub(super) const KEYS: [&str; 2] = ["eu\u{1f}7", "us\u{1f}8"];

/// Two replicas that show the same, and two partitions with a chunk and a key each. The log has both keys.
pub(super) struct TwoPartitions {
    pub(super) replicas: Vec<String>,
    pub(super) gate: Gate,
    pub(super) queries: AtomicU64,
    pub(super) table: ContentsTable,
    /// By partition, how often a replica must be asked for its position until they show the key.
    pub(super) lags: [AtomicU64; 2],
    /// Whether the first partition cannot be read.
    pub(super) is_unreadable: bool,
    /// Columns that cannot be computed from what is in the log later.
    pub(super) off_later: Vec<(String, String)>,
}

/// A lag after which no replica shows the key, though all have consumed it.
pub(super) const NEVER: u64 = u64::MAX;

impl Default for TwoPartitions {
    fn default() -> TwoPartitions {
        let table = ContentsTable {
            name: "acct".to_owned(),
            key: vec!["region".to_owned(), "id".to_owned()],
            columns: vec![Column::data("x", Type::Long, Merge::Overwrite)],
            left_out: Vec::new(),
            version: None,
            rules: Rules::default(),
            rows: 2,
            bytes: 2,
        };
        TwoPartitions {
            replicas: vec!["a".to_owned(), "b".to_owned()],
            gate: Gate::new(&Limits::default()),
            queries: AtomicU64::new(0),
            table,
            lags: [0, 0].map(AtomicU64::new),
            is_unreadable: false,
            off_later: Vec::new(),
        }
    }
}

impl TwoPartitions {
    /// Whose replicas show the keys of their partitions after such lags.
    pub(super) fn late(lags: [u64; 2]) -> TwoPartitions {
        TwoPartitions { lags: lags.map(AtomicU64::new), ..TwoPartitions::default() }
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

    fn lag(&self, chunk: &Chunk) -> &AtomicU64 {
        &self.lags[chunk.number as usize]
    }
}

/// The value of every key.
fn cols() -> Vec<Value> {
    vec![Value::Long(1)]
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

    async fn rows(
        &self,
        replica: &str,
        chunk: &Chunk,
        _: Scope<'_>,
    ) -> Result<Vec<ContentsRow>, TargetError> {
        if self.is_unreadable && chunk.number == 0 {
            let cause = "no row: `me@here`".to_owned();
            return Err(TargetError::InvalidResponse { at: replica.to_owned(), cause });
        }
        let key = KEYS[chunk.number as usize].to_owned();
        let row = ContentsRow { key, cols: cols(), deleted: false };
        Ok(if self.lag(chunk).load(Ordering::Relaxed) == 0 { vec![row] } else { Vec::new() })
    }

    async fn upstream(&self, _: &Chunk) -> Result<Option<u64>, TargetError> {
        Ok(Some(1))
    }

    async fn position(&self, _: &str, chunk: &Chunk) -> Result<Option<u64>, TargetError> {
        let lag = self.lag(chunk).load(Ordering::Relaxed);
        if lag != NEVER {
            self.lag(chunk).store(lag.saturating_sub(1), Ordering::Relaxed);
        }
        Ok(Some(1))
    }

    async fn log(
        &self,
        from: Option<&[u64]>,
        out: &mut (dyn FnMut(TableEvent) + Send),
    ) -> Result<Option<LogRead>, TargetError> {
        let read = LogRead { next: vec![1, 1], whole: true, off: Vec::new() };
        if from.is_some() {
            return Ok(Some(LogRead { off: self.off_later.clone(), ..read }));
        }
        KEYS.iter().for_each(|key| out(TableEvent { key: (*key).to_owned(), cols: cols(), deleted: false }));
        Ok(Some(read))
    }

    fn received(&self) -> u64 {
        0
    }
}
