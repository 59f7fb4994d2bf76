//! Pattern and side: which replicas show the same, and how many are wrong (`RULES.md` 5).

use crate::checker::verdict::{Pattern, Side};

/// The pattern of groups of equal content, given their sizes.
pub(crate) fn pattern(sizes: &[usize]) -> Pattern {
    let replicas: usize = sizes.iter().sum();
    match (replicas, sizes.len()) {
        (_, 0 | 1) => Pattern::Unanimous,
        (2, _) => Pattern::Undecided,
        (n, groups) if groups == n => Pattern::AllDiffer,
        (n, 2) if sizes.contains(&(n - 1)) => Pattern::OneDiffers,
        _ => Pattern::Split,
    }
}

/// The side, by the share of the comparable replicas that are wrong.
pub(crate) fn side(wrong: usize, comparable: usize) -> Side {
    match (2 * wrong).cmp(&comparable) {
        std::cmp::Ordering::Less => Side::Minority,
        std::cmp::Ordering::Equal => Side::Half,
        std::cmp::Ordering::Greater if wrong < comparable => Side::Majority,
        std::cmp::Ordering::Greater => Side::All,
    }
}

/// Numbers `items` by class: equal items get the same number.
pub(crate) fn classes<T>(items: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<usize> {
    let mut numbers: Vec<usize> = Vec::with_capacity(items.len());
    for item in items {
        let known = items[..numbers.len()].iter().position(|earlier| same(earlier, item));
        let number = known.map_or(numbers.len(), |at| numbers[at]);
        numbers.push(number);
    }
    numbers
}

/// The sizes of the classes in `numbers`.
pub(crate) fn sizes(numbers: &[usize]) -> Vec<usize> {
    let mut firsts: Vec<usize> = numbers.to_vec();
    firsts.sort_unstable();
    firsts.dedup();
    firsts.iter().map(|first| numbers.iter().filter(|number| *number == first).count()).collect()
}
