//! Which of several configurations a seed runs. The choice depends on the seed and on the number of values
//! alone, so that the same plan and seed give the same run, whatever the runs before it found.
//!
//! The seeds are cut into blocks. A block is a covering array: for any two settings, each value of the one
//! meets each value of the other in some seed of it. Which value is which is drawn anew for every block, so
//! further blocks try other combinations of three settings and more.

use crate::seed::{Seed, Stream, below};
use std::collections::BTreeSet;

/// Two settings and a value of each: the first setting is the lower one.
type Pair = ((usize, usize), (usize, usize));

/// A choice of one value for each of several settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairwiseDraw {
    /// The number of values of each setting; none is 0.
    sizes: Vec<usize>,
    /// The choices of a block.
    rows: Vec<Vec<usize>>,
}

impl PairwiseDraw {
    /// A draw from so many values of each setting. None of the numbers may be 0.
    pub fn new(sizes: &[usize]) -> PairwiseDraw {
        let mut left: BTreeSet<Pair> = pairs(sizes).collect();
        let mut rows: Vec<Vec<usize>> = Vec::new();
        while let Some(first) = left.first().copied() {
            let row = row_with(first, sizes, &left);
            left.retain(|pair| !pairs_of(&row).any(|met| met == *pair));
            rows.push(row);
        }
        if sizes.len() < 2 {
            rows = (0..sizes.first().copied().unwrap_or(1)).map(|value| vec![value; sizes.len()]).collect();
        }
        PairwiseDraw { sizes: sizes.to_vec(), rows }
    }

    /// The number of values of each setting.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The number of combinations.
    pub fn combinations(&self) -> usize {
        self.sizes.iter().product()
    }

    /// How many seeds a block has. In twice as many seeds in a row lies a whole block.
    pub fn block(&self) -> usize {
        self.rows.len()
    }

    /// The number of pairs of values of two settings.
    pub fn pairs(&self) -> usize {
        pairs(&self.sizes).count()
    }

    /// The pairs that these seeds draw.
    pub fn pairs_met(&self, seeds: impl Iterator<Item = Seed>) -> usize {
        seeds.flat_map(|seed| pairs_of(&self.values(seed)).collect::<Vec<_>>()).collect::<BTreeSet<_>>().len()
    }

    /// The number of the combination that a seed draws. The last setting changes fastest.
    pub fn combination(&self, seed: Seed) -> usize {
        self.values(seed).iter().zip(&self.sizes).fold(0, |number, (value, size)| number * size + value)
    }

    /// The value of each setting that a seed draws.
    fn values(&self, seed: Seed) -> Vec<usize> {
        let block = self.rows.len() as u64;
        let row = &self.rows[(seed.0 % block) as usize];
        let mut rng = Seed(seed.0 / block).stream(Stream::Configuration);
        let renamed = row.iter().zip(&self.sizes).map(|(value, size)| {
            let mut names: Vec<usize> = (0..*size).collect();
            for last in (1..*size).rev() {
                names.swap(last, below(&mut rng, last as u32 + 1) as usize);
            }
            names[*value]
        });
        renamed.collect()
    }
}

/// All pairs of values.
fn pairs(sizes: &[usize]) -> impl Iterator<Item = Pair> {
    let both = (0..sizes.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    both.flat_map(move |(first, second)| {
        let of_second = move |one| (0..sizes[second]).map(move |other| ((first, one), (second, other)));
        (0..sizes[first]).flat_map(of_second)
    })
}

/// The pairs that a choice has.
fn pairs_of(row: &[usize]) -> impl Iterator<Item = Pair> {
    let both = (0..row.len()).flat_map(|second| (0..second).map(move |first| (first, second)));
    both.map(|(first, second)| ((first, row[first]), (second, row[second])))
}

/// A choice with a given pair. Every other setting gets the value with the most pairs that are left.
fn row_with(pair: Pair, sizes: &[usize], left: &BTreeSet<Pair>) -> Vec<usize> {
    let mut chosen: Vec<Option<usize>> = vec![None; sizes.len()];
    for (setting, value) in [pair.0, pair.1] {
        chosen[setting] = Some(value);
    }
    for setting in 0..sizes.len() {
        let gain = |value: &usize| {
            let others = chosen.iter().enumerate().filter_map(|(other, chosen)| Some((other, (*chosen)?)));
            let new = others.filter(|other| {
                let own = (setting, *value);
                left.contains(&if other.0 < setting { (*other, own) } else { (own, *other) })
            });
            new.count()
        };
        if chosen[setting].is_none() {
            // Of equal values the first one.
            chosen[setting] = (0..sizes[setting]).rev().max_by_key(gain);
        }
    }
    chosen.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_seeds_has_every_pair_of_values() {
        for (sizes, most) in
            [(&[5, 8, 4, 3][..], 50), (&[3, 3, 3, 3], 14), (&[2, 7], 14), (&[4], 4), (&[], 1)]
        {
            let draw = PairwiseDraw::new(sizes);
            let block = draw.block() as u64;
            assert!(block <= most, "{sizes:?}: {block}");
            for first in [0, 7 * block] {
                assert_eq!(draw.pairs_met((first..first + block).map(Seed)), draw.pairs(), "{sizes:?}");
            }
            // A window that begins anywhere has a whole block in it.
            assert_eq!(draw.pairs_met((13..13 + 2 * block - 1).map(Seed)), draw.pairs(), "{sizes:?}");
        }
    }

    #[test]
    fn further_blocks_try_every_combination() {
        let draw = PairwiseDraw::new(&[3, 4, 2, 2]);
        let drawn: BTreeSet<usize> = (0..800).map(|seed| draw.combination(Seed(seed))).collect();
        assert_eq!((drawn.len(), draw.combinations()), (48, 48));
    }
}
