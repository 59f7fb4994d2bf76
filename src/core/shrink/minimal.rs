//! Delta debugging: parts are taken from a whole, ever smaller ones, as long as the rest still holds
//! (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).

use std::ops::Range;

/// Says which is the first of these that holds; `None` if none does, or if no more is tried. What it says
/// must depend on nothing but what it is given.
pub type First<'f, T> = dyn FnMut(&mut (dyn Iterator<Item = T> + Send)) -> Option<usize> + 'f;

/// Takes away as much as possible of `whole`, which has `size` parts: at first all of them, in the end each
/// part by itself. Without any one of the parts that are left it does not hold, unless trying was stopped.
pub(super) fn minimal<T: Sync + Send>(
    whole: T,
    size: impl Fn(&T) -> usize,
    without: impl Fn(&T, Range<usize>) -> T + Sync,
    first: &mut First<'_, T>,
) -> T {
    let mut rest = whole;
    let mut length = size(&rest).max(1);
    loop {
        let (mut from, mut is_smaller) = (0, false);
        loop {
            let all = size(&rest);
            let ranges = (from..all).step_by(length).map(|start| start..(start + length).min(all));
            let ranges: Vec<Range<usize>> = ranges.collect();
            let Some(gone) = first(&mut ranges.iter().map(|range| without(&rest, range.clone()))) else {
                break;
            };
            // What was refused before this place is tried again in the next round.
            from = ranges[gone].start;
            rest = without(&rest, ranges[gone].clone());
            is_smaller = true;
        }
        match length {
            1 if !is_smaller => return rest,
            _ => length = length.div_ceil(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream, below};

    fn position(
        candidates: &mut dyn Iterator<Item = Vec<u32>>,
        holds: impl Fn(&[u32]) -> bool,
    ) -> Option<usize> {
        candidates.enumerate().find(|(_, candidate)| holds(candidate)).map(|(at, _)| at)
    }

    /// Shrinks the numbers below `count`, and returns what is left and the number of tries.
    fn shrunk(count: u32, holds: impl Fn(&[u32]) -> bool) -> (Vec<u32>, usize) {
        let mut tries = 0;
        let without = |whole: &Vec<u32>, range: Range<usize>| {
            let mut rest = whole.clone();
            rest.drain(range);
            rest
        };
        let rest = minimal((0..count).collect(), Vec::len, without, &mut |candidates| {
            position(&mut candidates.inspect(|_| tries += 1), |candidate| holds(candidate))
        });
        (rest, tries)
    }

    #[test]
    fn what_is_needed_is_left_and_found_in_few_tries() {
        let needed = [3, 500, 501, 9_998];
        let (rest, tries) = shrunk(10_000, |all| needed.iter().all(|one| all.contains(one)));
        assert_eq!(rest, needed);
        assert!(tries < 300, "{tries} tries");
        assert!(shrunk(100, |_| true).0.is_empty());
        assert!(shrunk(0, |_| true).0.is_empty());
        assert_eq!(shrunk(5, |all| all.len() == 5).0, [0, 1, 2, 3, 4]);
    }

    /// Predicates that are not monotone: a part can be taken away only after a later one is gone.
    #[test]
    fn no_single_part_of_the_rest_can_be_taken_away() {
        for seed in 0..200 {
            let mut rng = Seed(seed).stream(Stream::Select);
            let count = 2 + below(&mut rng, 30);
            let (needed, either) = (below(&mut rng, count), below(&mut rng, count));
            let modulus = 2 + below(&mut rng, 5);
            let holds = |all: &[u32]| {
                let sum: u32 = all.iter().sum();
                all.contains(&needed) && (all.contains(&either) || sum.is_multiple_of(modulus))
            };
            let (rest, _) = shrunk(count, holds);
            assert!(holds(&rest), "seed {seed}: {rest:?}");
            for at in 0..rest.len() {
                let mut fewer = rest.clone();
                fewer.remove(at);
                assert!(!holds(&fewer), "seed {seed}: {rest:?} without {}", rest[at]);
            }
        }
    }

    #[test]
    fn once_nothing_more_is_tried_the_smallest_so_far_is_left() {
        let mut left = 3;
        let all: Vec<u32> = (0..64).collect();
        let without =
            |whole: &Vec<u32>, range: Range<usize>| [&whole[..range.start], &whole[range.end..]].concat();
        let rest = minimal(all, Vec::len, without, &mut |candidates| {
            left -= i32::from(left > 0);
            if left == 0 { None } else { position(candidates, |candidate| candidate.contains(&60)) }
        });
        assert!(rest.contains(&60) && (2..64).contains(&rest.len()), "{rest:?}");
    }
}
