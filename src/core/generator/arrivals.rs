//! When ops are due. Poisson arrivals are drawn with integers only, so that a seed gives the same times on
//! every platform: `f64::ln` differs between libraries in the last digit, and the differences add up.

use crate::history::time::Nanos;
use crate::seed::{Seed, Stream};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// Intervals of the quantile table. Linear interpolation between its points is off by less than 2 in a
/// million.
const PIECES: usize = 256;

/// `QUANTILES[i]` is -ln(1 - i / 512) in units of 2^-32: the quantiles of the exponential distribution with
/// mean 1, from 0 up to its median, ln 2.
static QUANTILES: [u64; PIECES + 1] = quantiles();

/// -ln(1 - x) = x + x^2/2 + x^3/3 + .. (Mercator's series), in units of 2^-56 until the terms vanish.
const fn quantiles() -> [u64; PIECES + 1] {
    let mut table = [0; PIECES + 1];
    let mut i = 0;
    while i <= PIECES {
        let (mut power, mut order, mut sum) = (1u128 << 56, 1, 0u128);
        while power > 0 {
            power = power * i as u128 / (2 * PIECES as u128);
            sum += power / order;
            order += 1;
        }
        table[i] = (sum >> 24) as u64;
        i += 1;
    }
    table
}

/// A sample of the exponential distribution with mean 1, in units of 2^-32.
///
/// The distribution has no memory: beyond its median it is the whole distribution again. So a fair coin is
/// tossed until it shows heads, each tail adds one median, and a quantile below the median is added last.
/// This keeps the table short without cutting off the tail.
fn exponential(rng: &mut ChaCha8Rng) -> u64 {
    let mut tails = 0;
    loop {
        let coins = rng.next_u32();
        tails += u64::from(coins.leading_zeros());
        if coins != 0 {
            break;
        }
    }
    let word = rng.next_u32();
    let (piece, along) = ((word >> 24) as usize, u64::from(word & 0x00ff_ffff));
    let (from, to) = (QUANTILES[piece], QUANTILES[piece + 1]);
    tails * QUANTILES[PIECES] + from + (((to - from) * along) >> 24)
}

pub(super) struct Arrivals {
    rng: ChaCha8Rng,
    /// The mean wait, in units of 2^-32 nanoseconds.
    mean: u64,
    /// When the last op is due, in units of 2^-64 nanoseconds: rounding each wait would bias high rates.
    due: u128,
}

impl Arrivals {
    /// A rate of 0 counts as 1, though the check of a workload refuses it.
    pub(super) fn new(rate_hz: u32, seed: Seed) -> Arrivals {
        let mean = (1_000_000_000 << 32) / u64::from(rate_hz.max(1));
        Arrivals { rng: seed.stream(Stream::Arrivals), mean, due: 0 }
    }

    /// When the next op is due, since the load began.
    pub(super) fn next_due(&mut self) -> Nanos {
        self.due += u128::from(exponential(&mut self.rng)) * u128::from(self.mean);
        Nanos((self.due >> 64) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_ends_at_the_median_and_rises() {
        assert_eq!(QUANTILES[0], 0);
        assert_eq!(QUANTILES[PIECES], 2_977_044_471, "ln 2 times 2^32, rounded down");
        assert!(QUANTILES.is_sorted_by(|one, other| one < other));
    }

    #[test]
    fn waits_have_the_mean_of_the_rate_and_the_shape_of_an_exponential() {
        const OPS: u64 = 100_000;
        for rate_hz in [1, 400, 1_000_000] {
            let mut arrivals = Arrivals::new(rate_hz, Seed(3));
            let mean = 1_000_000_000 / u64::from(rate_hz);
            let (mut last, mut over_mean, mut over_five) = (0, 0, 0);
            for _ in 0..OPS {
                let due = arrivals.next_due().0;
                over_mean += u64::from(due - last > mean);
                over_five += u64::from(due - last > 5 * mean);
                last = due;
            }
            assert!((last / OPS).abs_diff(mean) * 50 <= mean, "mean wait {} ns for {mean} ns", last / OPS);
            assert!(over_mean.abs_diff(36_788) <= 736, "1/e of the waits are over the mean, not {over_mean}");
            assert!(over_five.abs_diff(674) <= 135, "1/e^5 are over five times the mean, not {over_five}");
        }
    }
}
