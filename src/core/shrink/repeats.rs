//! How often a try is repeated where the same plan does not always show the same finding.

/// The chance at which a finding that is still there may be called lost.
const DOUBT: f64 = 0.05;

/// How many tries in a row must miss a finding until it is lost at 95 %, if it was seen in `hits` of `tries`.
/// The rate is taken by Laplace's rule of succession, so that three hits of three are no certainty.
pub fn misses_until_lost(hits: u32, tries: u32) -> u32 {
    let rate = f64::from(hits + 1) / f64::from(tries + 2);
    let (mut misses, mut chance) = (0, 1.0);
    while chance > DOUBT {
        chance *= 1.0 - rate;
        misses += 1;
    }
    misses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_a_finding_is_the_more_tries_it_takes_to_lose_it() {
        for (hits, tries, misses) in [(3, 3, 2), (1, 1, 3), (3, 5, 4), (1, 2, 5), (3, 10, 8), (1, 10, 17)] {
            assert_eq!(misses_until_lost(hits, tries), misses, "{hits} of {tries}");
        }
    }
}
