//! Whether a replica that tells no position has settled: two whole reads of it, some time apart, showed the
//! same, and nothing was written in between.

use dissent_core::history::row::Row;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;
use tokio::time::Instant;

/// The time between the two reads.
const SETTLE: Duration = Duration::from_secs(2);

/// The shortest time between two reads for this purpose.
const READ_INTERVAL: Duration = Duration::from_millis(500);

/// The first of a series of equal reads.
#[derive(Debug)]
struct SteadyContent {
    ended: u64,
    content: u64,
    since: Instant,
    last: Instant,
}

/// What is known of each replica.
#[derive(Debug, Default)]
pub(super) struct Settling {
    steady: BTreeMap<String, SteadyContent>,
    covered: BTreeMap<String, u64>,
}

impl Settling {
    /// Whether a replica is to be read: everything sent has ended, it does not cover that yet, and it was not
    /// read just now.
    pub(super) fn is_due(&self, replica: &str, ended: u64, is_idle: bool) -> bool {
        let is_new = self.covered(replica) < ended;
        let read = self.steady.get(replica).filter(|steady| steady.ended == ended);
        is_idle && is_new && read.is_none_or(|steady| steady.last.elapsed() >= READ_INTERVAL)
    }

    /// Takes a whole read, made when the ops below `ended` had ended.
    pub(super) fn take(&mut self, replica: &str, ended: u64, content: u64) {
        let now = Instant::now();
        let same = self.steady.get_mut(replica).filter(|it| (it.ended, it.content) == (ended, content));
        match same {
            Some(steady) => {
                steady.last = now;
                if steady.since.elapsed() >= SETTLE {
                    self.covered.insert(replica.to_owned(), ended);
                }
            }
            None => {
                let steady = SteadyContent { ended, content, since: now, last: now };
                self.steady.insert(replica.to_owned(), steady);
            }
        }
    }

    /// How far the replica has settled.
    pub(super) fn covered(&self, replica: &str) -> u64 {
        self.covered.get(replica).copied().unwrap_or(0)
    }
}

/// A hash of all rows, in their order.
pub(super) fn content_hash(rows: &[Row]) -> u64 {
    let mut hasher = DefaultHasher::new();
    rows.hash(&mut hasher);
    hasher.finish()
}
