//! The read rate at a cluster: within the configured limits, and lower while the cluster is slow.

use crate::config::limits::Limits;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until};

/// An answer faster than this never counts as slow, because such times are mostly noise.
const NOISE: Duration = Duration::from_millis(20);

/// The maximum pause after one query.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The weight of a normal answer in the usual time is one part in this many.
const USUAL: u32 = 8;
/// The weight of a slow answer is one part in this many. So a table that only grew becomes the usual case in
/// the end.
const SLOW: u32 = 64;

/// How much an answer brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Amount {
    /// The rows that the target read for it.
    pub(crate) rows: u64,
    /// What its duration depends on: bytes where they are known, or else rows.
    pub(crate) size: u64,
}

impl Amount {
    /// An answer of which only the number of rows is known.
    pub(crate) fn of_rows(rows: u64) -> Amount {
        Amount { rows, size: rows }
    }
}

/// Decides the pause after each query. It reads no clock: the caller passes the duration of each answer.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    rows_per_second: Option<u32>,
    back_off: bool,
    /// The maximum number of queries at the same time.
    queries: u32,
    /// The usual duration of an answer, by the number of queries at the same time and by the bit length of
    /// its size. A large answer is not slow just because a small one was faster, nor is one beside others.
    usual: BTreeMap<(u32, u32), Duration>,
    /// The number of consecutive slow answers.
    slow: u32,
}

impl Throttle {
    pub(super) fn new(limits: &Limits) -> Throttle {
        let Limits { rows_per_second, back_off, queries, .. } = *limits;
        Throttle { rows_per_second, back_off, queries, usual: BTreeMap::new(), slow: 0 }
    }

    /// The pause after an answer of this duration. So many queries ran at the same time.
    pub(super) fn after(&mut self, took: Duration, came: Amount, running: u32) -> Duration {
        let for_load = if self.back_off { self.back_off(took, came.size, running) } else { Duration::ZERO };
        let due = self.rows_per_second.map_or(0.0, |limit| came.rows as f64 / f64::from(limit));
        let for_rows = Duration::try_from_secs_f64(due).unwrap_or(PAUSE_MAX).saturating_sub(took);
        for_load.max(for_rows)
    }

    /// The duration of the answer, times the number of consecutive slow answers. Those that may have run at
    /// the same time count as one.
    fn back_off(&mut self, took: Duration, size: u64, running: u32) -> Duration {
        let kind = (running, u64::BITS - size.leading_zeros());
        let usual = self.usual.entry(kind).or_insert(took);
        let is_slow = took > NOISE && took >= 2 * *usual;
        self.slow = if is_slow { self.slow.saturating_add(1) } else { 0 };
        let part = if is_slow { SLOW } else { USUAL };
        *usual = *usual * (part - 1) / part + took / part;
        took.saturating_mul(self.slow.div_ceil(self.queries)).min(PAUSE_MAX)
    }
}

/// Limits the queries to one target: how many run at a time, and the pause between them.
#[derive(Debug)]
pub(crate) struct Gate {
    turns: Semaphore,
    queries: u32,
    pace: std::sync::Mutex<Throttle>,
    /// No query starts before this time.
    not_before: Mutex<Instant>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Gate {
        Gate {
            turns: Semaphore::new(limits.queries as usize),
            queries: limits.queries,
            pace: std::sync::Mutex::new(Throttle::new(limits)),
            not_before: Mutex::new(Instant::now()),
        }
    }

    /// Waits until another query may run.
    pub(crate) async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// The right to run another query. None if as many are running as may.
    pub(crate) fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.try_acquire().ok()
    }

    /// Waits until the pause after the last queries is over.
    pub(crate) async fn rested(&self) {
        let not_before = *self.not_before.lock().await;
        sleep_until(not_before).await;
    }

    /// The number of queries that run now.
    fn running(&self) -> u32 {
        self.queries.saturating_sub(u32::try_from(self.turns.available_permits()).unwrap_or(u32::MAX))
    }

    /// Asks after the pause and sets the next pause. A failed answer counts with its duration.
    pub(crate) async fn run<T, E>(
        &self,
        ask: impl Future<Output = Result<T, E>>,
        amount: impl Fn(&T) -> Amount,
    ) -> Result<T, E> {
        self.rested().await;
        let (begun, running) = (Instant::now(), self.running());
        let answer = ask.await;
        let running = running.max(self.running());
        let (took, came) = (begun.elapsed(), answer.as_ref().map_or(Amount::default(), amount));
        let pause = self.pace.lock().unwrap_or_else(PoisonError::into_inner).after(took, came, running);
        let next = Instant::now() + pause;
        let mut not_before = self.not_before.lock().await;
        *not_before = next.max(*not_before);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A throttle after this many answers of 100 ms.
    fn used_to(answers: u32, limits: &Limits) -> Throttle {
        let mut pace = Throttle::new(limits);
        for _ in 0..answers {
            assert_eq!(pace.after(ms(100), Amount::of_rows(0), 1), ms(0));
        }
        pace
    }

    #[test]
    fn answers_that_take_twice_as_long_are_followed_by_pauses_that_grow_until_one_is_as_usual() {
        let mut pace = used_to(10, &Limits::default());
        assert_eq!(pace.after(ms(199), Amount::of_rows(0), 1), ms(0));
        let mut pace = used_to(10, &Limits::default());
        let pauses: Vec<Duration> = (0..3).map(|_| pace.after(ms(300), Amount::of_rows(0), 1)).collect();
        assert_eq!(pauses, [ms(300), ms(600), ms(900)]);
        assert_eq!(pace.after(ms(110), Amount::of_rows(0), 1), ms(0), "normal again");
        assert_eq!(pace.after(ms(300), Amount::of_rows(0), 1), ms(300), "and it begins anew");
    }

    #[test]
    fn a_pause_is_bounded_and_what_stays_slow_becomes_the_usual() {
        let mut pace = used_to(10, &Limits::default());
        let pauses: Vec<Duration> = (0..200).map(|_| pace.after(ms(900), Amount::of_rows(0), 1)).collect();
        assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX));
        assert_eq!(pauses.last(), Some(&ms(0)));
    }

    #[test]
    fn answers_in_no_time_are_never_slow_and_back_off_can_be_switched_off() {
        let mut pace = Throttle::new(&Limits::default());
        assert_eq!(
            (pace.after(ms(1), Amount::of_rows(0), 1), pace.after(ms(19), Amount::of_rows(0), 1)),
            (ms(0), ms(0))
        );
        let mut pace = used_to(3, &Limits { back_off: false, ..Limits::default() });
        assert_eq!(pace.after(ms(10_000), Amount::of_rows(0), 1), ms(0));
    }

    #[test]
    fn an_answer_of_many_rows_is_not_slow_because_one_of_few_came_sooner() {
        let mut pace = used_to(3, &Limits::default());
        assert_eq!(
            (pace.after(ms(900), Amount::of_rows(50_000), 1), pace.after(ms(100), Amount::of_rows(0), 1)),
            (ms(0), ms(0))
        );
        assert_eq!(pace.after(ms(1_900), Amount::of_rows(50_000), 1), ms(1_900));
    }

    #[test]
    fn an_answer_of_wide_rows_is_not_slow_because_one_of_as_many_narrow_rows_came_sooner() {
        let mut pace = used_to(3, &Limits::default());
        assert_eq!(pace.after(ms(30), Amount { rows: 12_000, size: 1_000_000 }, 1), ms(0));
        assert_eq!(pace.after(ms(1_400), Amount { rows: 12_000, size: 18_000_000 }, 1), ms(0));
    }

    #[test]
    fn answers_that_ran_side_by_side_are_compared_with_such_and_are_slow_together() {
        let limits = Limits { queries: 4, ..Limits::default() };
        let (mut pace, none) = (used_to(3, &limits), Amount::of_rows(0));
        assert_eq!(pace.after(ms(350), none, 4), ms(0), "four share the target");
        let pauses: Vec<Duration> = (0..5).map(|_| pace.after(ms(1_000), none, 4)).collect();
        assert_eq!(pauses, [ms(1_000), ms(1_000), ms(1_000), ms(1_000), ms(2_000)]);
    }

    #[test]
    fn rows_are_spread_over_the_time_that_they_may_take() {
        let limits = Limits { rows_per_second: Some(1_000), ..Limits::default() };
        let mut pace = Throttle::new(&limits);
        assert_eq!(pace.after(ms(100), Amount::of_rows(500), 1), ms(400));
        assert_eq!(pace.after(ms(100), Amount::of_rows(50), 1), ms(0), "the answer itself took longer");
        assert_eq!(pace.after(ms(100), Amount::of_rows(0), 1), ms(0));
    }
}
