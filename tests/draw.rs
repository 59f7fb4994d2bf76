//! Properties that hold for whatever a seed draws. A failure names its seed, and `PROPERTY_SEED` runs it
//! alone.

use dissent_core::seed::{Seed, Stream, below};
use rand_chacha::ChaCha8Rng;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Checks a property for the seeds 0, 1, ..
#[expect(clippy::print_stderr, reason = "shown beside the failure")]
pub(crate) fn holds(cases: u64, property: impl Fn(&mut Draw)) {
    let alone = std::env::var("PROPERTY_SEED").ok().map(|seed| seed.parse().expect("a seed"));
    for seed in alone.map_or(0..cases, |seed: u64| seed..seed + 1) {
        let mut draw = Draw::of(seed);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(&mut draw))) {
            eprintln!("the property fails for PROPERTY_SEED={seed}");
            resume_unwind(panic);
        }
    }
}

/// The source of random choices for a case.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// What this seed draws.
    pub(crate) fn of(seed: u64) -> Draw {
        Draw(Seed(seed).stream(Stream::World))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        below(&mut self.0, u32::try_from(bound).expect("a small bound")) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
