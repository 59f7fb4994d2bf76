//! One seed, many streams: every consumer of randomness draws from a named ChaCha8 stream of its own,
//! so that a new consumer never changes what an older one draws.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The seed of a run: printed first, stored, and enough to draw the whole plan again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

/// Who draws. The number is the stream's id and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// When ops arrive.
    Arrivals = 1,
    /// Which keys they write.
    Keys = 2,
    /// Which columns they write, and the values.
    Columns = 3,
    /// Which replica and partition a fault is for.
    Select = 4,
    /// How far a step of the plan is moved in time.
    Jitter = 5,
    /// The simulated cluster's own delays.
    World = 6,
    /// Which captured row a self-test changes.
    SelfTest = 7,
    /// Which ops delete.
    Deletes = 8,
}

impl Seed {
    /// The generator of one consumer.
    pub fn stream(self, stream: Stream) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(stream as u64);
        rng
    }
}

/// A number below `bound` (which must not be 0), by multiplication (Lemire 2019, without the rejection
/// step: the bias is below 2^-32 for the small bounds used here, and every draw costs one word).
pub fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    let wide = u64::from(rng.next_u32()) * u64::from(bound);
    (wide >> 32) as u32
}
