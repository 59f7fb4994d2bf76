//! The order in which pieces are taken away.

use super::candidate::{Candidate, Piece};
pub use super::minimal::First;
use super::minimal::minimal;
use super::simplify::Simplification;

/// Shrinks a candidate that holds. Without any one piece of the result it does not hold, unless trying was
/// stopped: the last round has tried each, and changed nothing.
///
/// Whole keys go first: most of them have nothing to do with the finding, and what is left is quick to try.
/// Times are simplified as soon as few are left: once nothing is close to anything else, whether a candidate
/// holds depends less on how long messages take, and more can be taken away.
pub fn shrink(start: Candidate, first: &mut First<'_, Candidate>) -> Candidate {
    let mut best = start;
    loop {
        let before = best.clone();
        for piece in Piece::ALL {
            let size = |candidate: &Candidate| candidate.count(piece);
            best = minimal(best, size, |candidate, range| candidate.without(piece, range), first);
            best = simplified(best, first);
        }
        if best != before {
            continue;
        }
        let farther = farther(&best);
        match first(&mut farther.iter().cloned()) {
            Some(at) => best = farther[at].clone(),
            None => return best,
        }
    }
}

/// Every change that leaves it holding.
fn simplified(mut best: Candidate, first: &mut First<'_, Candidate>) -> Candidate {
    for change in Simplification::ALL {
        if let Some(simpler) = best.simplified(change)
            && first(&mut std::iter::once(simpler.clone())).is_some()
        {
            best = simpler;
        }
    }
    best
}

/// Where no one step can be taken away: the candidate without two, or without one at simpler times. A step
/// that does nothing by itself may be there only since it delays another one.
fn farther(from: &Candidate) -> Vec<Candidate> {
    let mut all = Vec::new();
    for one in 0..from.steps() {
        let without_one = from.without(Piece::Step, one..one + 1);
        let pairs =
            (one..without_one.steps()).map(|other| without_one.without(Piece::Step, other..other + 1));
        let pairs: Vec<Candidate> = pairs.collect();
        for fewer in pairs.into_iter().chain([without_one]) {
            let simpler = Simplification::ALL.into_iter().find_map(|change| fewer.simplified(change));
            all.extend(std::iter::once(fewer).chain(simpler));
        }
    }
    all
}
