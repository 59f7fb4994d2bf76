//! What positions promise, tried while writes go on. A replica whose position has reached an `upstream` must
//! show every write that was acknowledged before that `upstream` was asked for:
//!
//! ```text
//! write op 5: ok     upstream: 90     r2: position 90, but shows op 4
//! a run compares r2 at 90, finds op 5 missing, and calls r2 wrong: only its position was
//! ```

use super::trials::{Bench, POLL_INTERVAL, rows, shown, unacknowledged};
use crate::adapter::state::StateStore;
use dissent_core::history::event::{Op, OpOutcome};
use dissent_core::history::schema::Schema;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The number of writes, and of the keys that they go round.
const OPS: usize = 120;
const KEYS: usize = 6;

/// The time between two writes, so that reads fall between them.
const PAUSE: Duration = Duration::from_millis(5);

const NEVER_BACK: &str = "positions never go back";
const REACHED: &str = "a replica's position reaches the upstream";
const NOT_BEYOND: &str = "no replica's position lies beyond the upstream";
const VISIBLE: &str = "what a replica's position has passed is visible there";
const WRITES: &str = "writes are acknowledged while replicas are read";

/// What went wrong, by promise.
type Problems = BTreeMap<&'static str, String>;

/// Tries them.
pub(super) async fn prove(bench: &mut Bench<'_>) {
    match bench.store.upstream().await {
        Ok(Some(_)) => {}
        Ok(None) => {
            let told = "it has none: replicas are compared once they have come to rest";
            return bench.found("positions", Ok(told.to_owned()));
        }
        Err(error) => return bench.found("positions", Err(error.to_string())),
    }
    let ops: Vec<Op> = (0..OPS).map(|at| bench.op(&format!("position {}", at % KEYS), Vec::new())).collect();
    let (acknowledged, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (store, settle) = (bench.store, bench.limits.settle);
    let mut watch =
        PositionWatch { store, schema: &bench.schema, ops: &ops, settle, last: BTreeMap::new(), rounds: 0 };
    let writer = write_all(store, &bench.schema, &ops, &acknowledged, &ended);
    let (written, problems) = tokio::join!(writer, watch.until(&acknowledged, &ended));
    let (rounds, is_whole) = (watch.rounds, written.is_ok() && problems.is_empty());
    for what in [NEVER_BACK, REACHED, NOT_BEYOND, VISIBLE] {
        match problems.get(what) {
            Some(problem) => bench.found(what, Err(problem.clone())),
            // What was not tried to the end is no promise kept.
            None if is_whole => bench.found(what, Ok(format!("{rounds} looks during {OPS} writes"))),
            None => {}
        }
    }
    let is_written = written.is_ok();
    bench.found(WRITES, written);
    for op in ops.iter().skip(OPS - KEYS) {
        match is_written {
            true => bench.want(op, Some(op.cols.clone())),
            false => bench.forget(&op.key),
        }
    }
}

async fn write_all(
    store: &dyn StateStore,
    schema: &Schema,
    ops: &[Op],
    acknowledged: &AtomicUsize,
    ended: &AtomicBool,
) -> Result<String, String> {
    let mut written = Ok(format!("{OPS} writes"));
    for op in ops {
        let outcome = store.write(schema, op).await;
        if outcome != OpOutcome::Ok {
            let words = unacknowledged(store, outcome);
            written = Err(format!("op {} on key {} was {words}", op.id, shown(&op.key)));
            break;
        }
        acknowledged.fetch_add(1, Ordering::SeqCst);
        sleep(PAUSE).await;
    }
    ended.store(true, Ordering::SeqCst);
    written
}

/// Looks at replicas, one after the other.
struct PositionWatch<'p> {
    store: &'p dyn StateStore,
    schema: &'p Schema,
    ops: &'p [Op],
    settle: Duration,
    /// The last position of each replica; that of the upstream has no name.
    last: BTreeMap<String, u64>,
    rounds: u32,
}

impl PositionWatch<'_> {
    /// Looks until the writes have ended, and once more at every replica. Stops at the first problem.
    async fn until(&mut self, acknowledged: &AtomicUsize, ended: &AtomicBool) -> Problems {
        loop {
            let was_ended = ended.load(Ordering::SeqCst);
            for replica in self.store.replicas() {
                let before = acknowledged.load(Ordering::SeqCst);
                if let Err((what, problem)) = self.look(&replica, before).await {
                    return Problems::from([(what, format!("{replica}: {problem}"))]);
                }
                self.rounds += 1;
            }
            if was_ended {
                return Problems::new();
            }
        }
    }

    /// One look at one replica, when this many ops had been acknowledged before.
    async fn look(&mut self, replica: &str, before: usize) -> Result<(), (&'static str, String)> {
        let upstream = self.upstream().await?;
        let until = Instant::now() + self.settle;
        let position = loop {
            let position = self.position(replica).await?;
            if position >= upstream {
                break position;
            }
            if Instant::now() >= until {
                let settle = self.settle;
                return Err((REACHED, format!("{position} is still below {upstream} after {settle:?}")));
            }
            sleep(POLL_INTERVAL).await;
        };
        let shown = rows(self.store, self.schema, replica).await.map_err(|error| (VISIBLE, error))?;
        let end = self.upstream().await?;
        if position > end {
            return Err((NOT_BEYOND, format!("its position was {position}, and then the upstream {end}")));
        }
        let newest: BTreeMap<&str, u64> =
            self.ops[..before].iter().map(|op| (op.key.as_ref(), op.id)).collect();
        let is_older = |(key, id): &(&str, u64)| shown.get(*key).is_none_or(|row| row.op < *id);
        match newest.into_iter().find(is_older) {
            None => Ok(()),
            Some((key, id)) => {
                let seen = shown.get(key).map_or("nothing".to_owned(), |row| format!("op {}", row.op));
                let words = format!(
                    "its position {position} has passed {upstream}, which was asked for after op {id} was \
                     acknowledged, but key {key:?} shows {seen}"
                );
                Err((VISIBLE, words))
            }
        }
    }

    async fn upstream(&mut self) -> Result<u64, (&'static str, String)> {
        let upstream = self.store.upstream().await.map_err(|error| (REACHED, error.to_string()))?;
        let upstream = upstream.ok_or_else(|| (REACHED, "the upstream told no position".to_owned()))?;
        self.advance("", upstream)
    }

    async fn position(&mut self, replica: &str) -> Result<u64, (&'static str, String)> {
        let state = self.store.replica(replica).await.map_err(|error| (REACHED, error.to_string()))?;
        let position = state.position.ok_or_else(|| (REACHED, "it told no position".to_owned()))?;
        self.advance(replica, position)
    }

    fn advance(&mut self, of: &str, position: u64) -> Result<u64, (&'static str, String)> {
        match self.last.insert(of.to_owned(), position) {
            Some(last) if last > position => {
                let who = if of.is_empty() { "the upstream" } else { "it" };
                Err((NEVER_BACK, format!("{who} went from {last} to {position}")))
            }
            _ => Ok(position),
        }
    }
}
