//! The order in which pieces are taken away.

use super::candidate::{Candidate, Piece};
pub use super::minimal::First;
use super::minimal::minimal;
use super::simplify::Simplification;

/// Shrinks a candidate that holds. Without any one piece of the result it does not hold, unless trying was
/// stopped: the last round has tried each, and changed nothing.
///
/// Whole keys go first: most of them have nothing to do with the finding, and what is left is quick to try.
pub fn shrink(start: Candidate, first: &mut First<'_, Candidate>) -> Candidate {
    let mut best = start;
    loop {
        let before = best.clone();
        for piece in Piece::ALL {
            let size = |candidate: &Candidate| candidate.count(piece);
            best = minimal(best, size, |candidate, range| candidate.without(piece, range), first);
        }
        for change in Simplification::ALL {
            if let Some(simpler) = best.simplified(change)
                && first(&mut std::iter::once(simpler.clone())).is_some()
            {
                best = simpler;
            }
        }
        if best == before {
            return best;
        }
    }
}
