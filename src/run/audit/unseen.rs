//! Keys that should have rows, and that no chunk showed: the log tells of them.

use super::chunk::{ChunkAuditor, ChunkLook, ChunkOutcome, ChunkRecord};
use super::referee::LogReferee;
use crate::adapter::contents::Chunk;
use crate::target_error::TargetError;
use std::collections::BTreeSet;

impl ChunkAuditor<'_> {
    /// Looks for them in all chunks that show what is current. Their record has the number that is given.
    pub(super) async fn audit_unseen(
        &self,
        chunks: &[Chunk],
        referee: &mut LogReferee,
        number: u32,
    ) -> ChunkRecord {
        let mut record = ChunkRecord::new(number);
        if let Err(error) = self.examine_unseen(chunks, referee, &mut record).await {
            record.fail(&error);
        }
        record
    }

    /// A key that is not of a chunk has no row in it. So a key is missing if no chunk shows it, after the
    /// replicas of all chunks have consumed what was acknowledged.
    async fn examine_unseen(
        &self,
        chunks: &[Chunk],
        referee: &mut LogReferee,
        record: &mut ChunkRecord,
    ) -> Result<(), TargetError> {
        let mut looks = Vec::new();
        for chunk in chunks.iter().filter(|chunk| self.contents.is_current(chunk)) {
            looks.push(self.look(chunk).await?);
        }
        let Some(last) = looks.last() else { return Ok(()) };
        let mut unseen = shown_nowhere(&looks, referee.unseen()).await?;
        for _ in 0..self.tries.max(1) {
            if unseen.is_empty() {
                break;
            }
            record.tries += 1;
            let mut behind = BTreeSet::new();
            for look in &looks {
                behind.extend(look.wait_for_upstream(record).await?);
            }
            referee.read_on(self.contents).await?;
            unseen.retain(|key| referee.has_row(key));
            unseen = shown_nowhere(&looks, unseen).await?;
            if behind.is_empty() {
                let nothing = || vec![Vec::new(); last.holders.len()];
                let rows = |key| last.key_rows(key, &nothing(), nothing(), Some(referee));
                record.differing.extend(unseen.drain(..).map(rows));
            }
            record.behind.extend(behind);
        }
        if !unseen.is_empty() {
            record.moving = unseen.len() as u64;
            record.outcome = ChunkOutcome::Moving;
        }
        Ok(())
    }
}

/// Those of the keys that no replica shows in any chunk.
async fn shown_nowhere(looks: &[ChunkLook<'_>], mut keys: Vec<String>) -> Result<Vec<String>, TargetError> {
    for look in looks {
        let rows = look.of_keys(&keys).await?;
        keys.retain(|key| rows[key].iter().all(Vec::is_empty));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::contents::{
        BucketDigest, Contents, ContentsRow, ContentsTable, LogRead, Scope, TableEvent,
    };
    use crate::adapter::throttle::Gate;
    use crate::config::limits::Limits;
    use async_trait::async_trait;
    use dissent_core::history::schema::rules::Rules;
    use dissent_core::history::schema::{Column, Merge, Type, Value};
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    /// One replica and two partitions, with a chunk for each. The log has one key, of the first partition.
    struct TwoPartitions {
        table: ContentsTable,
        /// How often the replica must be asked for its position in the first partition, until it shows the
        /// key.
        lag: AtomicU64,
        /// Whether the first partition cannot be read.
        is_unreadable: bool,
    }

    impl TwoPartitions {
        fn new(lag: u64, is_unreadable: bool) -> TwoPartitions {
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
            TwoPartitions { table, lag: AtomicU64::new(lag), is_unreadable }
        }

        /// The record of the keys that no chunk showed.
        async fn audited(&self) -> ChunkRecord {
            let (gate, queries, replicas) =
                (Gate::new(&Limits::default()), AtomicU64::new(0), self.replicas());
            let auditor = ChunkAuditor {
                contents: self,
                gate: &gate,
                replicas: &replicas,
                wait: Duration::ZERO,
                settle: Duration::ZERO,
                tries: 1,
                queries: &queries,
                stuck: Mutex::default(),
            };
            let mut referee = LogReferee::read(self).await.expect("a log");
            let chunks = self.chunks(1).await.expect("chunks");
            auditor.audit_unseen(&chunks, &mut referee, 2).await
        }
    }

    #[async_trait]
    impl Contents for TwoPartitions {
        fn version(&self) -> String {
            "1".to_owned()
        }

        fn replicas(&self) -> Vec<String> {
            vec!["a".to_owned()]
        }

        fn table(&self) -> &ContentsTable {
            &self.table
        }

        async fn chunks(&self, _: u64) -> Result<Vec<Chunk>, TargetError> {
            Ok((0..2).map(|number| Chunk { number, bounds: number.into() }).collect())
        }

        async fn digests(
            &self,
            _: &str,
            _: &Chunk,
            _: u32,
        ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
            Ok(None)
        }

        async fn rows(
            &self,
            replica: &str,
            chunk: &Chunk,
            _: Scope<'_>,
        ) -> Result<Vec<ContentsRow>, TargetError> {
            match (chunk.number, self.is_unreadable) {
                (0, true) => {
                    Err(TargetError::Refused { at: replica.to_owned(), cause: "it is down".to_owned() })
                }
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

    fn differing(record: &ChunkRecord) -> Vec<&str> {
        record.differing.iter().map(|rows| rows.key.as_str()).collect()
    }

    #[tokio::test]
    async fn a_key_that_no_chunk_shows_after_all_have_caught_up_is_missing() {
        let record = TwoPartitions::new(u64::MAX, false).audited().await;
        assert_eq!((differing(&record), record.outcome), (vec!["k"], ChunkOutcome::Settled));
    }

    #[tokio::test]
    async fn a_key_is_not_missing_while_the_replicas_of_its_partition_catch_up() {
        let record = TwoPartitions::new(1, false).audited().await;
        assert_eq!((differing(&record), record.outcome), (Vec::new(), ChunkOutcome::Settled));
    }

    #[tokio::test]
    async fn a_key_is_not_missing_while_a_chunk_cannot_be_read() {
        let record = TwoPartitions::new(0, true).audited().await;
        assert_eq!((differing(&record), record.outcome), (Vec::new(), ChunkOutcome::Unread));
    }
}
