//! What an audit would cost, by one chunk of each kind.
//!
//! Of some chunks replicas have a digest, of others the rows are read though nothing differs:
//! ```text
//! digests   3 chunks, the first brought 200 B                 600 B
//! rows      2 chunks of 50,000 rows, 100 of them brought 9 kB    9 MB
//! ```

use super::{AuditSpec, wanted};
use crate::adapter::contents::{Chunk, ChunkExtent, Contents, Scope};
use crate::run::error::RunError;
use crate::target_error::TargetError;
use std::time::Duration;
use tokio::time::Instant;

/// The most rows that are read to tell how large a row is, if any chunk has fewer.
const SAMPLE_ROWS: u64 = 10_000;

/// What an audit would do, if nothing differs. Neither the log nor the samples of positions count.
#[derive(Clone, Debug)]
pub struct Estimate {
    /// The table.
    pub table: String,
    /// About how many rows it has on one replica, and bytes.
    pub rows: u64,
    /// About how many bytes it has on one replica.
    pub bytes: u64,
    /// The replicas.
    pub replicas: Vec<String>,
    /// Chunks of the table, and those that would be looked at.
    pub chunks: (u64, u64),
    /// Chunks whose rows are read though nothing differs.
    pub read_whole: u64,
    /// Queries.
    pub queries: u64,
    /// How long they would take.
    pub time: Duration,
    /// Bytes that would come in.
    pub received: u64,
    /// Bytes that would come in more for the largest chunk whose digests differ. None if that is not known.
    pub if_one_differs: Option<u64>,
}

/// Estimates an audit by its first chunk; where chunks differ in what is read of them, by one of each kind.
pub async fn estimate(spec: &AuditSpec, contents: &dyn Contents) -> Result<Estimate, RunError> {
    let chunks = contents.chunks(spec.chunk_rows).await?;
    let wanted = wanted(spec, &chunks);
    let taken = chunks.iter().filter(|chunk| wanted.contains(&chunk.number));
    let taken = taken.map(|chunk| (chunk, contents.extent(chunk)));
    let is_whole = |(_, extent): &(&Chunk, Option<ChunkExtent>)| extent.is_some_and(|it| !it.has_digest);
    let (whole, others): (Vec<_>, Vec<_>) = taken.partition(is_whole);
    let rows_of = |(_, extent): &(&Chunk, Option<ChunkExtent>)| extent.map_or(0, |extent| extent.rows);
    let of_others = match others.first() {
        Some((first, _)) => Some(Measured::of(contents, first).await?),
        None => None,
    };
    let of_whole = match sample(whole.iter().map(|chunk| (chunk.0, rows_of(chunk)))) {
        Some(chunk) => Some(Measured::of(contents, chunk).await?),
        None => None,
    };
    let (n, rows) = (others.len() as u64, whole.iter().map(rows_of).sum::<u64>());
    let reads_others = of_others.as_ref().is_some_and(|measured| measured.rows > 0);
    let table = contents.table();
    let mut estimate = Estimate {
        table: table.name.clone(),
        rows: table.rows,
        bytes: table.bytes,
        replicas: contents.replicas(),
        chunks: (chunks.len() as u64, wanted.len() as u64),
        read_whole: whole.len() as u64 + if reads_others { n } else { 0 },
        queries: 0,
        time: Duration::ZERO,
        received: 0,
        if_one_differs: None,
    };
    if let Some(first) = &of_others {
        estimate.add(first, n, (n, 1));
    }
    if let Some(sampled) = &of_whole {
        // Rows that are gone since the plan was made tell nothing of the others.
        let chunks = whole.len() as u64;
        let times = if sampled.rows > 0 { (rows * sampled.holders, sampled.rows) } else { (chunks, 1) };
        estimate.add(sampled, chunks, times);
        let largest = others.iter().map(rows_of).max().filter(|rows| *rows > 0 && sampled.rows > 0);
        let holders = of_others.map_or(0, |first| first.holders);
        estimate.if_one_differs =
            largest.map(|rows| scaled(sampled.received, (rows * holders, sampled.rows)));
    }
    Ok(estimate)
}

/// The chunk that tells best how large a row is, of those with so many rows: one that is not small, since an
/// answer has a size of its own, and does not take long.
fn sample<'c>(chunks: impl Iterator<Item = (&'c Chunk, u64)>) -> Option<&'c Chunk> {
    let with_rows = chunks.filter(|(_, rows)| *rows > 0);
    let best = with_rows.min_by_key(|(_, rows)| (*rows > SAMPLE_ROWS, rows.abs_diff(SAMPLE_ROWS)));
    best.map(|(chunk, _)| chunk)
}

impl Estimate {
    /// Adds as many chunks of a kind; what they bring is so many times what one did, as a fraction.
    fn add(&mut self, one: &Measured, chunks: u64, times: (u64, u64)) {
        self.queries += one.queries * chunks;
        self.received += scaled(one.received, times);
        let took = scaled(u64::try_from(one.took.as_nanos()).unwrap_or(u64::MAX), times);
        self.time = self.time.saturating_add(Duration::from_nanos(took));
    }
}

/// So many times a number, as a fraction.
fn scaled(number: u64, (times, of): (u64, u64)) -> u64 {
    u64::try_from(u128::from(number) * u128::from(times) / u128::from(of)).unwrap_or(u64::MAX)
}

/// What one chunk cost.
struct Measured {
    holders: u64,
    queries: u64,
    took: Duration,
    received: u64,
    /// Rows read, on all replicas; 0 if their digests were enough.
    rows: u64,
}

impl Measured {
    /// Reads a chunk as an audit does, one replica after the other.
    async fn of(contents: &dyn Contents, chunk: &Chunk) -> Result<Measured, TargetError> {
        let (begun, before) = (Instant::now(), contents.received());
        let holders = contents.holders(chunk).await?;
        let (mut have_digests, mut rows) = (true, 0);
        for replica in &holders {
            have_digests &= contents.digests(replica, chunk, 1).await?.is_some();
        }
        if !have_digests {
            for replica in &holders {
                rows += contents.rows(replica, chunk, Scope::All).await?.len() as u64;
            }
        }
        let n = holders.len() as u64;
        Ok(Measured {
            holders: n,
            queries: 1 + if have_digests { n } else { 2 * n },
            took: begun.elapsed(),
            received: contents.received() - before,
            rows,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::contents::{BucketDigest, ContentsRow, ContentsTable};
    use crate::run::audit::test_data::spec;
    use crate::run::audit::two_partitions::TwoPartitions;
    use async_trait::async_trait;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Bytes of a digest, and of a row.
    const DIGEST_BYTES: u64 = 16;
    const ROW_BYTES: u64 = 8;
    /// Bytes of an answer besides its rows.
    const ANSWER_BYTES: u64 = 1_000;

    /// A table in chunks of so many rows, of which some have digests.
    struct Mixed {
        extents: Vec<ChunkExtent>,
        table: TwoPartitions,
        received: AtomicU64,
    }

    #[async_trait]
    impl Contents for Mixed {
        fn version(&self) -> String {
            self.table.version()
        }

        fn replicas(&self) -> Vec<String> {
            self.table.replicas()
        }

        fn table(&self) -> &ContentsTable {
            self.table.table()
        }

        async fn chunks(&self, _: u64) -> Result<Vec<Chunk>, TargetError> {
            let numbers = (0..).zip(&self.extents).map(|(number, _)| number);
            Ok(numbers.map(|number| Chunk { number, bounds: number.into() }).collect())
        }

        fn extent(&self, chunk: &Chunk) -> Option<ChunkExtent> {
            Some(self.extents[chunk.number as usize])
        }

        async fn digests(
            &self,
            _: &str,
            chunk: &Chunk,
            _: u32,
        ) -> Result<Option<Vec<BucketDigest>>, TargetError> {
            if !self.extents[chunk.number as usize].has_digest {
                return Ok(None);
            }
            self.received.fetch_add(DIGEST_BYTES, Ordering::Relaxed);
            Ok(Some(Vec::new()))
        }

        async fn rows(&self, _: &str, chunk: &Chunk, _: Scope<'_>) -> Result<Vec<ContentsRow>, TargetError> {
            let rows = self.extents[chunk.number as usize].rows;
            self.received.fetch_add(ANSWER_BYTES + rows * ROW_BYTES, Ordering::Relaxed);
            let row = |id: u64| ContentsRow { key: id.to_string(), cols: Vec::new(), deleted: false };
            Ok((0..rows).map(row).collect())
        }

        async fn upstream(&self, _: &Chunk) -> Result<Option<u64>, TargetError> {
            Ok(None)
        }

        async fn position(&self, _: &str, _: &Chunk) -> Result<Option<u64>, TargetError> {
            Ok(None)
        }

        fn received(&self) -> u64 {
            self.received.load(Ordering::Relaxed)
        }
    }

    async fn estimated(extents: &[(u64, bool)]) -> Estimate {
        let extents = extents.iter().map(|&(rows, has_digest)| ChunkExtent { rows, has_digest }).collect();
        let contents = Mixed { extents, table: TwoPartitions::default(), received: AtomicU64::new(0) };
        estimate(&spec(), &contents).await.expect("an estimate")
    }

    #[tokio::test]
    async fn chunks_whose_rows_are_read_count_by_their_rows_and_the_others_by_their_digests() {
        let chunks = [(20_000, true), (20_000, false), (500, true), (1, false), (700, true), (9_999, false)];
        let found = estimated(&chunks).await;
        let digests = 3 * 2 * DIGEST_BYTES;
        // By the chunk of 9,999 rows: a larger one takes longer, and an answer of one row is mostly no row.
        let sampled = 2 * (ANSWER_BYTES + 9_999 * ROW_BYTES);
        assert_eq!((found.chunks, found.read_whole), ((6, 6), 3));
        assert_eq!(found.received, digests + sampled * 30_000 / 9_999);
        assert_eq!(found.queries, 3 * (1 + 2) + 3 * (1 + 2 + 2));
        assert_eq!(found.if_one_differs, Some(sampled * 20_000 / 9_999));
    }

    #[tokio::test]
    async fn without_rows_to_sample_it_is_not_known_what_a_chunk_that_differs_costs() {
        let found = estimated(&[(1_000, true), (500, true)]).await;
        assert_eq!((found.received, found.read_whole), (2 * 2 * DIGEST_BYTES, 0));
        assert_eq!(found.if_one_differs, None);
    }

    #[tokio::test]
    async fn a_system_without_digests_has_all_rows_read() {
        let found = estimate(&spec(), &TwoPartitions::default()).await.expect("an estimate");
        assert_eq!((found.chunks, found.read_whole, found.queries), ((2, 2), 2, 2 * (1 + 2 + 2)));
    }
}
