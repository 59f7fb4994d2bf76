//! One chunk: digests first; where they differ, the rows; where those differ, the same keys again, until
//! every replica has consumed what was written before.
//!
//! ```text
//! digests   a 7f  b 7f  c 90             a bucket of keys differs
//! rows      a k=1 b k=1 c k=0            so k differs: c may be wrong, or late
//! first     a k=1 b k=1 c k=0            now the upstream ends at 70; wait until a, b and c are at 70
//! second    a k=1 b k=1 c k=0            nothing moved, and c has consumed the write of k=1: c differs
//! ```
//! If any replica shows another row the second time, the key moves, and is tried again. A key that is
//! right in the end was late: no finding.

use super::referee::LogReferee;
use crate::adapter::contents::{BucketDigest, Chunk, Contents, ContentsRow, Scope, shown_key};
use crate::adapter::throttle::{Amount, Gate};
use crate::target_error::TargetError;
use dissent_core::checker::comparison::{KeyRows, ReplicaRow};
use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// About how many rows of a bucket are read where digests differ.
const BUCKET_ROWS: u64 = 100;
/// The largest number of buckets of a chunk.
const BUCKETS_MAX: u64 = 4_096;
/// Keys in one query.
const KEYS_AT_A_TIME: usize = 500;
/// The time between two questions for a position.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ChunkOutcome {
    /// Its rows agree, or differ and stand still.
    Settled,
    /// Some rows differ, and moved in every try.
    Moving,
    /// It could not be read.
    Unread,
}

/// What an audit found in a chunk. It is on disk before the next chunk begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ChunkRecord {
    /// The number of the chunk.
    pub(super) chunk: u32,
    pub(super) outcome: ChunkOutcome,
    /// Rows by replica, as counted first.
    pub(super) rows: BTreeMap<String, u64>,
    /// How often keys were read twice.
    pub(super) tries: u32,
    /// Keys that were compared one by one.
    pub(super) keys: u64,
    /// Keys that all replicas show as the log says, without a look at each of them twice.
    #[serde(default)]
    pub(super) as_expected: u64,
    /// Keys that still moved in the end.
    pub(super) moving: u64,
    /// Replicas that did not reach the upstream's end in time.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) behind: BTreeSet<String>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Whether the replicas computed digests.
    pub(super) digests: bool,
    /// Whether every replica has a position.
    pub(super) positions: bool,
    /// The keys that differ.
    pub(super) differing: Vec<KeyRows>,
}

/// The chunks that are done, by number.
pub(super) type Records = BTreeMap<u32, ChunkRecord>;

/// How chunks are audited.
pub(super) struct ChunkAuditor<'a> {
    pub(super) contents: &'a dyn Contents,
    pub(super) gate: &'a Gate,
    pub(super) replicas: &'a [String],
    /// How long replicas may take to reach the upstream's end.
    pub(super) wait: Duration,
    /// The time between two reads of replicas without positions.
    pub(super) settle: Duration,
    /// How often a key that moves is read twice.
    pub(super) tries: u32,
    /// Whether errors may quote values.
    pub(super) shows_values: bool,
    pub(super) queries: &'a AtomicU64,
    /// Replicas that did not reach the upstream's end in time, and where they stood.
    pub(super) stuck: Mutex<BTreeMap<String, u64>>,
}

/// By key: by replica, its rows.
type Aligned = BTreeMap<String, Vec<Vec<ContentsRow>>>;

impl ChunkAuditor<'_> {
    /// Audits a chunk. What fails is recorded: the other chunks can still be read.
    pub(super) async fn audit(&self, chunk: &Chunk, referee: Option<&mut LogReferee>) -> ChunkRecord {
        let mut record = ChunkRecord::new(chunk.number);
        if let Err(error) = self.examine(chunk, referee, &mut record).await {
            record.fail(error, self.shows_values);
        }
        record
    }

    async fn examine(
        &self,
        chunk: &Chunk,
        referee: Option<&mut LogReferee>,
        record: &mut ChunkRecord,
    ) -> Result<(), TargetError> {
        let mut referee = referee.filter(|_| self.contents.is_current(chunk));
        let look = self.look(chunk).await?;
        let suspects = look.suspects(referee.as_deref_mut(), record).await?;
        if !suspects.is_empty() {
            look.confirm(suspects, referee, record).await?;
        }
        Ok(())
    }

    pub(super) async fn look<'l>(&'l self, chunk: &'l Chunk) -> Result<ChunkLook<'l>, TargetError> {
        let holders = self.within_limits(self.contents.holders(chunk), |_| 0).await?;
        Ok(ChunkLook { auditor: self, chunk, holders })
    }

    /// Asks within the target's limits. `rows` is how many rows the replica read for an answer.
    async fn within_limits<T>(
        &self,
        ask: impl Future<Output = Result<T, TargetError>>,
        rows: impl Fn(&T) -> u64,
    ) -> Result<T, TargetError> {
        let _turn = self.gate.acquire().await;
        self.queries.fetch_add(1, Ordering::Relaxed);
        self.gate.run(ask, |answer| Amount::of_rows(rows(answer))).await
    }
}

/// One chunk on the replicas that hold it.
pub(super) struct ChunkLook<'l> {
    auditor: &'l ChunkAuditor<'l>,
    chunk: &'l Chunk,
    pub(super) holders: Vec<String>,
}

impl ChunkLook<'_> {
    /// The keys whose rows are not the same on all replicas, or not what the log says, as far as one look
    /// tells.
    async fn suspects(
        &self,
        referee: Option<&mut LogReferee>,
        record: &mut ChunkRecord,
    ) -> Result<Vec<String>, TargetError> {
        let Some(whole) = self.digests(1).await? else {
            record.digests = false;
            let aligned = self.aligned(Scope::All, &self.holders).await?;
            for (at, replica) in self.holders.iter().enumerate() {
                let rows = aligned.values().map(|rows| rows[at].len() as u64).sum();
                record.rows.insert(replica.clone(), rows);
            }
            return Ok(self.of_all(aligned, referee, record));
        };
        let counts = whole.iter().map(|digests| rows_of(digests));
        record.rows = self.holders.iter().cloned().zip(counts).collect();
        let is_equal = is_same(&whole, 0);
        if is_equal && referee.is_none() {
            return Ok(Vec::new());
        }
        let most = record.rows.values().copied().max().unwrap_or_default();
        let buckets = most.div_ceil(BUCKET_ROWS).clamp(1, BUCKETS_MAX) as u32;
        let parts = if referee.is_some() { None } else { self.digests(buckets).await? };
        let Some(parts) = parts else {
            // Where all have the same digest, the rows of one are those of all.
            let asked = if is_equal { &self.holders[..1] } else { &self.holders };
            let mut aligned = self.aligned(Scope::All, asked).await?;
            if is_equal {
                aligned.values_mut().for_each(|rows| rows.resize(self.holders.len(), rows[0].clone()));
            }
            return Ok(self.of_all(aligned, referee, record));
        };
        let mut suspects = Vec::new();
        for bucket in (0..buckets).filter(|bucket| !is_same(&parts, *bucket as usize)) {
            let aligned = self.aligned(Scope::Bucket { bucket, of: buckets }, &self.holders).await?;
            record.keys += aligned.len() as u64;
            suspects.extend(self.suspicious(aligned, None).into_keys());
        }
        Ok(suspects)
    }

    /// The suspects among all keys of the chunk.
    fn of_all(
        &self,
        aligned: Aligned,
        referee: Option<&mut LogReferee>,
        record: &mut ChunkRecord,
    ) -> Vec<String> {
        record.keys = aligned.len() as u64;
        let suspects: Vec<String> = match referee {
            Some(referee) => {
                aligned.keys().for_each(|key| referee.saw(key));
                self.suspicious(aligned, Some(referee)).into_keys().collect()
            }
            None => self.suspicious(aligned, None).into_keys().collect(),
        };
        record.as_expected = record.keys - suspects.len() as u64;
        suspects
    }

    /// The keys that are not the same on all replicas, or not what the log says.
    fn suspicious(&self, aligned: Aligned, referee: Option<&LogReferee>) -> Aligned {
        let is_odd = |key: &String, rows: &Vec<Vec<ContentsRow>>| {
            let differ = rows.windows(2).any(|pair| pair[0] != pair[1]);
            differ || referee.is_some_and(|referee| !referee.bears_out(self.auditor.contents, key, &rows[0]))
        };
        aligned.into_iter().filter(|(key, rows)| is_odd(key, rows)).collect()
    }

    /// Reads keys twice, until each is the same everywhere and as the log says, or stands still.
    async fn confirm(
        &self,
        mut pending: Vec<String>,
        mut referee: Option<&mut LogReferee>,
        record: &mut ChunkRecord,
    ) -> Result<(), TargetError> {
        for _ in 0..self.auditor.tries.max(1) {
            let first = self.suspicious(self.of_keys(&pending).await?, referee.as_deref());
            pending = first.keys().cloned().collect();
            if pending.is_empty() {
                break;
            }
            record.tries += 1;
            let behind = self.wait_for_upstream(record).await?;
            if let Some(referee) = &mut referee {
                referee.read_on(self.auditor.contents).await?;
            }
            let second = self.of_keys(&pending).await?;
            let mut moving = Vec::new();
            for (key, now) in self.suspicious(second, referee.as_deref()) {
                // Who is behind shows what it has not consumed yet.
                match behind.is_empty() && first.get(&key) == Some(&now) {
                    true => record.differing.push(self.key_rows(
                        key.clone(),
                        &first[&key],
                        now,
                        referee.as_deref(),
                    )),
                    false => moving.push(key),
                }
            }
            record.behind.extend(behind);
            pending = moving;
        }
        if !pending.is_empty() {
            record.moving += pending.len() as u64;
            record.outcome = ChunkOutcome::Moving;
        }
        Ok(())
    }

    /// Waits until every replica has consumed what is acknowledged now. Returns those that have not in time.
    pub(super) async fn wait_for_upstream(
        &self,
        record: &mut ChunkRecord,
    ) -> Result<BTreeSet<String>, TargetError> {
        let end = self.auditor.within_limits(self.auditor.contents.upstream(self.chunk), |_| 0).await?;
        let until = Instant::now() + self.auditor.wait;
        let mut behind: BTreeSet<String> = self.holders.iter().cloned().collect();
        let mut has_no_position = end.is_none();
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(end) = end {
            for replica in behind.clone() {
                let position = self.auditor.contents.position(&replica, self.chunk);
                match self.auditor.within_limits(position, |_| 0).await? {
                    Some(position) if position < end => {
                        seen.insert(replica, position);
                    }
                    position => {
                        has_no_position |= position.is_none();
                        behind.remove(&replica);
                    }
                }
            }
            // Who has not moved since it was waited for in vain is not waited for again.
            let is_stuck = |replica: &String| {
                let stuck = self.auditor.stuck.lock().unwrap_or_else(PoisonError::into_inner);
                stuck.get(replica).is_some_and(|position| seen.get(replica) == Some(position))
            };
            if behind.iter().all(is_stuck) || Instant::now() > until {
                break;
            }
            sleep(PAUSE).await;
        }
        seen.retain(|replica, _| behind.contains(replica));
        self.auditor.stuck.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
        if has_no_position {
            record.positions = false;
            sleep(self.auditor.settle).await;
        }
        Ok(if end.is_some() { behind } else { BTreeSet::new() })
    }

    async fn digests(&self, buckets: u32) -> Result<Option<Vec<Vec<BucketDigest>>>, TargetError> {
        let each = self.holders.iter().map(|replica| async move {
            let digests = self.auditor.contents.digests(replica, self.chunk, buckets);
            self.auditor.within_limits(digests, |digests| digests.as_deref().map_or(0, rows_of)).await
        });
        let all = try_join_all(each).await?;
        Ok(all.into_iter().collect())
    }

    /// The rows of these keys. A key without any row is there too.
    pub(super) async fn of_keys(&self, keys: &[String]) -> Result<Aligned, TargetError> {
        let mut all = Aligned::new();
        for some in keys.chunks(KEYS_AT_A_TIME) {
            all.append(&mut self.aligned(Scope::Keys(some), &self.holders).await?);
        }
        for key in keys {
            all.entry(key.clone()).or_insert_with(|| vec![Vec::new(); self.holders.len()]);
        }
        Ok(all)
    }

    /// The rows of all replicas, by key.
    async fn aligned(&self, scope: Scope<'_>, asked: &[String]) -> Result<Aligned, TargetError> {
        let each = asked.iter().map(|replica| async move {
            let rows = self.auditor.contents.rows(replica, self.chunk, scope);
            self.auditor.within_limits(rows, |rows| rows.len() as u64).await
        });
        let mut aligned = Aligned::new();
        for (at, rows) in try_join_all(each).await?.into_iter().enumerate() {
            for row in rows {
                let of_key = aligned.entry(row.key.clone());
                of_key.or_insert_with(|| vec![Vec::new(); asked.len()])[at].push(row);
            }
        }
        aligned.values_mut().flatten().for_each(|rows| rows.sort());
        Ok(aligned)
    }

    /// The rows of a key by replica. One that does not hold the chunk was not asked.
    pub(super) fn key_rows(
        &self,
        key: String,
        first: &[Vec<ContentsRow>],
        second: Vec<Vec<ContentsRow>>,
        referee: Option<&LogReferee>,
    ) -> KeyRows {
        let cols = second.iter().flatten().next().map(|row| row.cols.as_slice());
        let expected = referee.map(|referee| referee.expected(self.auditor.contents, &key, cols));
        let row = |row: ContentsRow| ReplicaRow { cols: row.cols, deleted: row.deleted, expired: false };
        let by_replica = |rows: Vec<Vec<ContentsRow>>| -> Vec<Option<Vec<ReplicaRow>>> {
            let held: BTreeMap<&String, Vec<ContentsRow>> = self.holders.iter().zip(rows).collect();
            let of = |replica| held.get(replica).map(|rows| rows.iter().cloned().map(row).collect());
            self.auditor.replicas.iter().map(of).collect()
        };
        let expected = expected.unwrap_or_default();
        let (shown, earlier) = (by_replica(second), by_replica(first.to_vec()));
        KeyRows { key: shown_key(&key), shown, earlier, expected }
    }
}

impl ChunkRecord {
    pub(super) fn new(chunk: u32) -> ChunkRecord {
        ChunkRecord {
            chunk,
            outcome: ChunkOutcome::Settled,
            rows: BTreeMap::new(),
            tries: 0,
            keys: 0,
            as_expected: 0,
            moving: 0,
            behind: BTreeSet::new(),
            error: None,
            digests: true,
            positions: true,
            differing: Vec::new(),
        }
    }

    /// Notes why the chunk could not be read.
    pub(super) fn fail(&mut self, error: TargetError, shows_values: bool) {
        let error = if shows_values { error } else { error.without_data() };
        self.outcome = ChunkOutcome::Unread;
        self.error = Some(error.to_string());
    }
}

/// The rows that digests were computed of.
fn rows_of(digests: &[BucketDigest]) -> u64 {
    digests.iter().map(|digest| digest.rows).sum()
}

fn is_same(digests: &[Vec<BucketDigest>], bucket: usize) -> bool {
    digests.windows(2).all(|pair| pair[0].get(bucket) == pair[1].get(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits::Limits;
    use crate::run::audit::two_partitions::TwoPartitions;

    #[tokio::test]
    async fn an_answer_that_cannot_be_understood_is_quoted_only_where_values_may_be_shown() {
        let contents = TwoPartitions { is_unreadable: true, ..TwoPartitions::default() };
        let chunks = contents.chunks(1).await.expect("chunks");
        for shows_values in [false, true] {
            let auditor = ChunkAuditor { shows_values, ..contents.auditor() };
            let error = auditor.audit(&chunks[0], None).await.error.expect("an error");
            assert!(error.starts_with("unexpected answer from a: "), "{error}");
            assert_eq!(error.contains("me@here"), shows_values, "{error}");
        }
    }

    #[tokio::test]
    async fn rows_count_towards_the_limit_of_rows_in_a_second() {
        let limits = Limits { rows_per_second: Some(20), ..Limits::default() };
        let contents = TwoPartitions { gate: Gate::new(&limits), ..TwoPartitions::default() };
        let chunks = contents.chunks(1).await.expect("chunks");
        let (auditor, begun) = (contents.auditor(), Instant::now());
        for _ in 0..3 {
            let record = auditor.audit(&chunks[0], None).await;
            assert_eq!((record.outcome, record.keys), (ChunkOutcome::Settled, 1));
        }
        assert!(begun.elapsed() >= Duration::from_millis(100), "a pause after each row but the last");
    }
}
