//! Producing to one partition of the topic. Records that arrive during a request go together in the next one,
//! so the write rate is not limited to the request rate.

use rskafka::record::Record;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

/// The maximum number of records per request.
const BATCH_MAX: usize = 2_000;

/// A waiting record and the receiver of its offset. The receiver gets nothing if the request fails.
type Waiting = (Record, oneshot::Sender<i64>);

/// The records that wait to be produced to one partition.
#[derive(Default)]
pub(super) struct ProduceQueue {
    waiting: Mutex<Vec<Waiting>>,
    /// The holder of this lock sends for all waiting records.
    sending: tokio::sync::Mutex<()>,
}

impl ProduceQueue {
    /// Produces records in order, through `send` or through another caller's. Returns their offsets, where
    /// they are known.
    pub(super) async fn produce<S, F, E>(&self, records: Vec<Record>, send: S) -> Vec<Option<i64>>
    where
        S: Fn(Vec<Record>) -> F,
        F: Future<Output = Result<Vec<i64>, E>>,
    {
        let (senders, receivers): (Vec<_>, Vec<_>) = records.iter().map(|_| oneshot::channel()).unzip();
        self.lock().extend(records.into_iter().zip(senders));
        let mut offs = Vec::with_capacity(receivers.len());
        for mut receiver in receivers {
            let off = loop {
                tokio::select! {
                    biased;
                    off = &mut receiver => break off.ok(),
                    _sending = self.sending.lock() => self.send_next(&send).await,
                }
            };
            offs.push(off);
        }
        offs
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request with the records that have waited longest.
    async fn send_next<S, F, E>(&self, send: &S)
    where
        S: Fn(Vec<Record>) -> F,
        F: Future<Output = Result<Vec<i64>, E>>,
    {
        let batch: Vec<Waiting> = {
            let mut waiting = self.lock();
            let count = waiting.len().min(BATCH_MAX);
            waiting.drain(..count).collect()
        };
        if batch.is_empty() {
            return;
        }
        let (records, senders): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        if let Ok(offs) = send(records).await {
            for (sender, off) in senders.into_iter().zip(offs) {
                // A caller that was cancelled does not wait any more.
                let _ = sender.send(off);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

    fn record(key: u8) -> Record {
        let timestamp = rskafka::chrono::DateTime::default();
        Record { key: Some(vec![key]), value: None, headers: BTreeMap::new(), timestamp }
    }

    /// A partition that assigns offsets and counts its requests. Its first requests fail.
    #[derive(Default)]
    struct Partition {
        queue: ProduceQueue,
        end: AtomicI64,
        requests: AtomicUsize,
        failing: usize,
    }

    impl Partition {
        async fn produce(&self, keys: &[u8]) -> Vec<Option<i64>> {
            let send = async |records: Vec<Record>| {
                tokio::task::yield_now().await;
                if self.requests.fetch_add(1, Ordering::Relaxed) < self.failing {
                    return Err(());
                }
                let count = records.len() as i64;
                let start = self.end.fetch_add(count, Ordering::Relaxed);
                Ok((start..start + count).collect())
            };
            self.queue.produce(keys.iter().copied().map(record).collect(), send).await
        }
    }

    #[tokio::test]
    async fn what_comes_while_a_request_is_under_way_goes_together() {
        let partition = Arc::new(Partition::default());
        let writers: Vec<_> = (0..100)
            .map(|key| {
                let partition = Arc::clone(&partition);
                tokio::spawn(async move { partition.produce(&[key]).await })
            })
            .collect();
        let mut offs = Vec::new();
        for writer in writers {
            offs.extend(writer.await.expect("no panic"));
        }
        offs.sort_unstable();
        assert_eq!(offs, (0..100).map(Some).collect::<Vec<_>>());
        assert!(partition.requests.load(Ordering::Relaxed) < 10);
    }

    #[tokio::test]
    async fn nobody_is_told_an_offset_of_a_request_that_failed_and_the_next_goes_on() {
        let partition = Partition { failing: 1, ..Partition::default() };
        assert_eq!(partition.produce(&[1, 2]).await, [None, None]);
        assert_eq!(partition.produce(&[3]).await, [Some(0)]);
    }
}
