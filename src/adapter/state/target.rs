//! A state store as the target of a run: its rows by key become raw rows at offsets of a log, and its
//! positions become coverage of that log.

use super::muted::MutedReplicas;
use super::settling::{Settling, content_hash};
use super::shown_rows::ShownRows;
use super::{ReplicaState, StateRow, StateStore};
use crate::adapter::capabilities::{Client, Completion, InputLog, RawReads, RowSink, SegmentCatalogue};
use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::conductor::{CurrentRowsAnswer, SessionLog};
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::row::{CopyState, Cover, Coverage, CurrentRow, Entry, Observed, Row, Segment};
use dissent_core::history::schema::Schema;
use dissent_core::history::schema::rules::Retention;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// The only partition.
const PARTITION: u32 = 0;

/// How many writes are under way at once at most. The others wait.
const WRITES_MAX: usize = 64;

/// A store with the table of a run.
pub(super) struct StateTarget {
    store: Arc<dyn StateStore>,
    schema: Arc<Schema>,
    muted: Arc<MutedReplicas>,
    writes: Arc<Semaphore>,
    log: Mutex<SessionLog>,
    shown: Mutex<BTreeMap<String, ShownRows>>,
    settling: Mutex<Settling>,
}

impl StateTarget {
    pub(super) fn new(store: Arc<dyn StateStore>, schema: &Schema, muted: Arc<MutedReplicas>) -> StateTarget {
        StateTarget {
            store,
            schema: Arc::new(schema.clone()),
            muted,
            writes: Arc::new(Semaphore::new(WRITES_MAX)),
            log: Mutex::default(),
            shown: Mutex::default(),
            settling: Mutex::default(),
        }
    }

    fn log(&self) -> MutexGuard<'_, SessionLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with what was shown of a replica.
    fn with_shown<T>(&self, replica: &str, act: impl FnOnce(&mut ShownRows) -> T) -> T {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        act(shown.entry(replica.to_owned()).or_default())
    }

    fn settling(&self) -> MutexGuard<'_, Settling> {
        self.settling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A row of the store as a raw row of the log.
    fn placed(&self, row: StateRow) -> Row {
        let off = self.log().place(&row.key, row.op);
        let StateRow { key, op, cmp, cols } = row;
        Row { off, key: key.into(), op, cmp, cols, doc: 0 }
    }

    /// All rows that a replica shows now.
    async fn newest_rows(&self, replica: &str) -> Result<Vec<Row>, TargetError> {
        let mut rows = Vec::new();
        self.store.rows(&self.schema, replica, &mut |row| rows.push(row)).await?;
        let mut rows: Vec<Row> = rows.into_iter().map(|row| self.placed(row)).collect();
        rows.sort_by_key(|row| row.off);
        Ok(rows)
    }

    /// Reads what has come to a replica's history since it was last asked.
    async fn read_history(&self, replica: &str) -> Result<(), TargetError> {
        let from = self.with_shown(replica, |shown| shown.history_from());
        let mut rows = Vec::new();
        let next = self.store.history(&self.schema, replica, from, &mut |row| rows.push(row)).await?;
        let rows: Vec<Row> = rows.into_iter().map(|row| self.placed(row)).collect();
        self.with_shown(replica, |shown| shown.add_history(from, next, rows));
        Ok(())
    }

    /// How far a replica covers the log. One that tells no position covers what had ended when two whole
    /// reads of it, some time apart, showed the same (`RULES.md` 15).
    async fn covered(&self, replica: &str, position: Option<u64>) -> Result<u64, TargetError> {
        if let Some(position) = position {
            return Ok(self.log().covered(position));
        }
        let (ended, is_idle) = (self.log().ended(), self.log().is_idle());
        if self.settling().is_due(replica, ended, is_idle) {
            let content = content_hash(&self.newest_rows(replica).await?);
            self.settling().take(replica, ended, content);
        }
        Ok(self.settling().covered(replica))
    }
}

#[async_trait]
impl Client for StateTarget {
    async fn write(&self, ops: &[Op]) -> Vec<Completion> {
        let offs: Vec<u64> = ops.iter().map(|op| self.log().send(op)).collect();
        let mut writing = JoinSet::new();
        for (at, op) in ops.iter().cloned().enumerate() {
            let (store, schema, writes) =
                (Arc::clone(&self.store), Arc::clone(&self.schema), Arc::clone(&self.writes));
            writing.spawn(async move {
                let _turn = writes.acquire().await;
                (at, store.write(&schema, &op).await)
            });
        }
        // A write whose task was lost may have happened.
        let mut outcomes = vec![OpOutcome::Unknown; ops.len()];
        while let Some(written) = writing.join_next().await {
            if let Ok((at, outcome)) = written {
                outcomes[at] = outcome;
            }
        }
        let mut log = self.log();
        let ended = ops.iter().zip(offs).zip(outcomes).map(|((op, off), outcome)| {
            log.end(op.id, outcome);
            // Replicas have settled once they cover this place too, whatever became of the op.
            Completion { outcome, off: Some(off) }
        });
        ended.collect()
    }
}

#[async_trait]
impl InputLog for StateTarget {
    /// What had ended before the upstream's end was read lies at or below that. Without that end, replicas
    /// cover no more than before.
    async fn ends(&self) -> Result<Vec<u64>, TargetError> {
        let ended = self.log().ended();
        match self.store.upstream().await {
            Ok(Some(position)) => self.log().mark(ended, position),
            Ok(None) => {}
            Err(_) if self.muted.is_disturbed() => {}
            Err(error) => return Err(error),
        }
        Ok(vec![ended])
    }

    async fn read(
        &self,
        _partition: u32,
        from: u64,
        end: u64,
        out: RowSink<'_, Entry>,
    ) -> Result<(), TargetError> {
        self.log().entries(from, end).cloned().for_each(out);
        Ok(())
    }
}

#[async_trait]
impl SegmentCatalogue for StateTarget {
    async fn segments(&self) -> Result<Vec<Segment>, TargetError> {
        Ok(vec![Segment {
            name: self.schema.table.clone(),
            partition: PARTITION,
            seq: 0,
            start: 0,
            end: None,
            crc: None,
            replicas: self.store.replicas(),
        }])
    }

    async fn force_commit(&self) -> Result<(), TargetError> {
        let cause = "it has no segments that end".to_owned();
        Err(TargetError::Refused { at: self.schema.table.clone(), cause })
    }
}

#[async_trait]
impl RawReads for StateTarget {
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError> {
        self.muted.check(replica)?;
        let ReplicaState { incarnation, status, position, leads } = self.store.replica(replica).await?;
        self.with_shown(replica, |shown| shown.begin_life(incarnation));
        let end = self.covered(replica, position).await?;
        let cover = Cover {
            segment: self.schema.table.clone(),
            partition: PARTITION,
            seq: 0,
            start: 0,
            end,
            state: CopyState::Consuming,
            registered: Observed::Known(true),
            copy: incarnation,
            rows: 0,
            position,
            checksum: None,
        };
        Ok(Coverage { incarnation, status, covers: vec![cover], leads })
    }

    async fn rows(
        &self,
        replica: &str,
        _segment: &str,
        from: u64,
        to: u64,
        out: RowSink<'_, Row>,
    ) -> Result<(), TargetError> {
        self.muted.check(replica)?;
        if self.store.retains() == Retention::NewestRowAndHistory {
            self.read_history(replica).await?;
            self.with_shown(replica, |shown| shown.history(from, to)).into_iter().for_each(out);
            return Ok(());
        }
        let rows = self.newest_rows(replica).await?;
        self.with_shown(replica, |shown| shown.see(&rows));
        rows.into_iter().for_each(out);
        Ok(())
    }

    async fn current_rows(
        &self,
        replica: &str,
        _partition: u32,
        since: u64,
        out: RowSink<'_, CurrentRow>,
    ) -> Result<CurrentRowsAnswer, TargetError> {
        self.muted.check(replica)?;
        // Where only the newest rows can be read, what was read of them is the current view, too.
        if !self.with_shown(replica, |shown| shown.is_fresh()) {
            let rows = self.newest_rows(replica).await?;
            self.with_shown(replica, |shown| shown.see(&rows));
        }
        let (answer, changes) = self.with_shown(replica, |shown| shown.changes(since));
        changes.into_iter().for_each(out);
        Ok(answer)
    }
}
