//! How often something happened, and how sure one may be of that.

/// The quantile of the normal distribution for an interval that covers 95 %.
const Z: f64 = 1.959_963_984_540_054;
/// An interval that covers with 95 % leaves out what is 20 times less likely than the mixture.
const LN_20: f64 = 2.995_732_273_553_991;
/// A bound is found by halving this many times, which is all that a double can tell apart.
const HALVINGS: u32 = 60;

/// A part of some trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// The trials in which it happened.
    pub hits: u64,
    /// The trials of which it is known whether it happened.
    pub trials: u64,
    /// Further trials of which nobody knows. Each of them may have been a hit or not.
    pub unknown: u64,
}

/// Between two probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower end, from 0.
    pub low: f64,
    /// The upper end, to 1.
    pub high: f64,
}

impl Rate {
    /// The part of the known trials. None without any.
    pub fn share(&self) -> Option<f64> {
        (self.trials > 0).then(|| self.hits as f64 / self.trials as f64)
    }

    /// The interval that covers the probability with 95 %, for a number of trials that was chosen beforehand
    /// (E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927). The
    /// ends allow for the unknown trials to be all hits, or none.
    pub fn interval(&self) -> Interval {
        self.bounds(wilson)
    }

    /// The same for trials that may end at any time, such as when the result looks good: it covers at all
    /// times together with 95 % (H. Robbins, "Statistical methods related to the law of the iterated
    /// logarithm", 1970, with a Beta(1/2, 1/2) mixture). It is wider.
    pub fn anytime_interval(&self) -> Interval {
        self.bounds(anytime)
    }

    fn bounds(&self, interval: fn(u64, u64) -> Interval) -> Interval {
        let all = self.trials + self.unknown;
        Interval { low: interval(self.hits, all).low, high: interval(self.hits + self.unknown, all).high }
    }
}

fn wilson(hits: u64, trials: u64) -> Interval {
    if trials == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let (n, share) = (trials as f64, hits as f64 / trials as f64);
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    Interval {
        low: if hits == 0 { 0.0 } else { middle - half },
        high: if hits == trials { 1.0 } else { middle + half },
    }
}

fn anytime(hits: u64, trials: u64) -> Interval {
    let misses = trials - hits;
    let sum = |count: u64, first: f64| (0..count).map(|i| (i as f64 + first).ln()).sum::<f64>();
    let mixture = sum(hits, 0.5) + sum(misses, 0.5) - sum(trials, 1.0);
    let is_covered = |p: f64| {
        let of = |count: u64, p: f64| if count == 0 { 0.0 } else { count as f64 * p.ln() };
        mixture - of(hits, p) - of(misses, 1.0 - p) < LN_20
    };
    let share = if trials == 0 { 0.5 } else { hits as f64 / trials as f64 };
    // Covered at `inside`; the other end may be covered too, and is then the bound.
    let bound = |mut inside: f64, mut outside: f64| {
        if is_covered(outside) {
            return outside;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            if is_covered(middle) { inside = middle } else { outside = middle }
        }
        outside
    };
    Interval { low: bound(share, 0.0), high: bound(share, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(hits: u64, trials: u64, unknown: u64) -> Rate {
        Rate { hits, trials, unknown }
    }

    fn near(interval: Interval, low: f64, high: f64) -> bool {
        (interval.low - low).abs() < 5e-5 && (interval.high - high).abs() < 5e-5
    }

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // R: prop.test(k, n, correct = FALSE)$conf.int
        assert!(near(rate(0, 2870, 0).interval(), 0.0, 0.001_337));
        assert!(near(rate(1, 10, 0).interval(), 0.017_88, 0.404_15));
        assert!(near(rate(50, 100, 0).interval(), 0.403_83, 0.596_17));
        assert!(near(rate(10, 10, 0).interval(), 0.722_47, 1.0));
        assert!(near(rate(0, 0, 0).interval(), 0.0, 1.0));
    }

    #[test]
    fn unknown_trials_widen_both_ends() {
        let known = rate(50, 100, 0).interval();
        let some = rate(50, 100, 20).interval();
        assert!(some.low < known.low && some.high > known.high, "{some:?}");
        assert_eq!(rate(0, 0, 5).interval(), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn an_interval_for_any_time_is_wider_and_narrows() {
        let at = |trials: u64| rate(trials / 5, trials, 0).anytime_interval();
        for trials in [5, 50, 500, 5_000] {
            let (fixed, any) = (rate(trials / 5, trials, 0).interval(), at(trials));
            assert!(any.low <= fixed.low && any.high >= fixed.high, "{trials}: {any:?} {fixed:?}");
            assert!(any.low <= 0.2 && 0.2 <= any.high);
        }
        assert!(at(5_000).high - at(5_000).low < 0.05);
        assert_eq!(rate(0, 0, 0).anytime_interval(), Interval { low: 0.0, high: 1.0 });
        assert!(rate(0, 1_000, 0).anytime_interval().high < 0.01);
    }

    /// Looks after every trial, as an impatient reader does: the interval must hold at all looks together.
    #[test]
    fn it_covers_at_every_look_in_most_series() {
        use crate::seed::{Seed, Stream, below};
        let is_covered = |seed: u64| {
            let mut draw = Seed(seed).stream(Stream::Sample);
            let mut hits = 0;
            (1..=300).all(|trials| {
                hits += u64::from(below(&mut draw, 100) < 5);
                let interval = rate(hits, trials, 0).anytime_interval();
                interval.low <= 0.05 && 0.05 <= interval.high
            })
        };
        let missed = (0..200).filter(|seed| !is_covered(*seed)).count();
        assert!(missed <= 10, "{missed} of 200 series left the interval; at most 5 % may");
    }
}
