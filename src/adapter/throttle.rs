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

/// Decides the pause after each query. It reads no clock: the caller passes the duration of each answer.
#[derive(Clone, Debug)]
pub(super) struct Throttle {
    rows_per_second: Option<u32>,
    back_off: bool,
    /// The usual duration of an answer, by the bit length of its number of rows. An answer of many rows is
    /// not slow just because one of few rows was faster.
    usual: BTreeMap<u32, Duration>,
    /// The number of consecutive slow answers.
    slow: u32,
}

impl Throttle {
    pub(super) fn new(limits: &Limits) -> Throttle {
        let (rows_per_second, back_off) = (limits.rows_per_second, limits.back_off);
        Throttle { rows_per_second, back_off, usual: BTreeMap::new(), slow: 0 }
    }

    /// The pause after an answer with this duration and this number of rows.
    pub(super) fn after(&mut self, took: Duration, rows: u64) -> Duration {
        let for_load = if self.back_off { self.back_off(took, rows) } else { Duration::ZERO };
        let due = self.rows_per_second.map_or(0.0, |limit| rows as f64 / f64::from(limit));
        let for_rows = Duration::try_from_secs_f64(due).unwrap_or(PAUSE_MAX).saturating_sub(took);
        for_load.max(for_rows)
    }

    /// The duration of the answer, times the number of consecutive slow answers.
    fn back_off(&mut self, took: Duration, rows: u64) -> Duration {
        let usual = self.usual.entry(u64::BITS - rows.leading_zeros()).or_insert(took);
        let is_slow = took > NOISE && took >= 2 * *usual;
        self.slow = if is_slow { self.slow.saturating_add(1) } else { 0 };
        let part = if is_slow { SLOW } else { USUAL };
        *usual = *usual * (part - 1) / part + took / part;
        took.saturating_mul(self.slow).min(PAUSE_MAX)
    }
}

/// Limits the queries to one target: how many run at a time, and the pause between them.
#[derive(Debug)]
pub(crate) struct Gate {
    turns: Semaphore,
    pace: std::sync::Mutex<Throttle>,
    /// No query starts before this time.
    not_before: Mutex<Instant>,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Gate {
        Gate {
            turns: Semaphore::new(limits.queries as usize),
            pace: std::sync::Mutex::new(Throttle::new(limits)),
            not_before: Mutex::new(Instant::now()),
        }
    }

    /// Waits until another query may run.
    pub(crate) async fn acquire(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// Asks after the pause and sets the next pause. A failed answer counts with its duration.
    pub(crate) async fn run<T, E>(
        &self,
        ask: impl Future<Output = Result<T, E>>,
        rows: impl Fn(&T) -> u64,
    ) -> Result<T, E> {
        let not_before = *self.not_before.lock().await;
        sleep_until(not_before).await;
        let begun = Instant::now();
        let answer = ask.await;
        let (took, rows) = (begun.elapsed(), answer.as_ref().map_or(0, rows));
        let pause = self.pace.lock().unwrap_or_else(PoisonError::into_inner).after(took, rows);
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
            assert_eq!(pace.after(ms(100), 0), ms(0));
        }
        pace
    }

    #[test]
    fn answers_that_take_twice_as_long_are_followed_by_pauses_that_grow_until_one_is_as_usual() {
        let mut pace = used_to(10, &Limits::default());
        assert_eq!(pace.after(ms(199), 0), ms(0));
        let mut pace = used_to(10, &Limits::default());
        let pauses: Vec<Duration> = (0..3).map(|_| pace.after(ms(300), 0)).collect();
        assert_eq!(pauses, [ms(300), ms(600), ms(900)]);
        assert_eq!(pace.after(ms(110), 0), ms(0), "normal again");
        assert_eq!(pace.after(ms(300), 0), ms(300), "and it begins anew");
    }

    #[test]
    fn a_pause_is_bounded_and_what_stays_slow_becomes_the_usual() {
        let mut pace = used_to(10, &Limits::default());
        let pauses: Vec<Duration> = (0..200).map(|_| pace.after(ms(900), 0)).collect();
        assert!(pauses.iter().all(|pause| *pause <= PAUSE_MAX));
        assert_eq!(pauses.last(), Some(&ms(0)));
    }

    #[test]
    fn answers_in_no_time_are_never_slow_and_back_off_can_be_switched_off() {
        let mut pace = Throttle::new(&Limits::default());
        assert_eq!((pace.after(ms(1), 0), pace.after(ms(19), 0)), (ms(0), ms(0)));
        let mut pace = used_to(3, &Limits { back_off: false, ..Limits::default() });
        assert_eq!(pace.after(ms(10_000), 0), ms(0));
    }

    #[test]
    fn an_answer_of_many_rows_is_not_slow_because_one_of_few_came_sooner() {
        let mut pace = used_to(3, &Limits::default());
        assert_eq!((pace.after(ms(900), 50_000), pace.after(ms(100), 0)), (ms(0), ms(0)));
        assert_eq!(pace.after(ms(1_900), 50_000), ms(1_900));
    }

    #[test]
    fn rows_are_spread_over_the_time_that_they_may_take() {
        let limits = Limits { rows_per_second: Some(1_000), ..Limits::default() };
        let mut pace = Throttle::new(&limits);
        assert_eq!(pace.after(ms(100), 500), ms(400));
        assert_eq!(pace.after(ms(100), 50), ms(0), "the answer itself took longer");
        assert_eq!(pace.after(ms(100), 0), ms(0));
    }
}
