//! One seed, many streams. Every consumer of randomness draws from its own named ChaCha8 stream, so a new
//! consumer never changes what an older one draws.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The seed of a run. It is printed first and stored, and the whole plan can be drawn from it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Seed(pub u64);

/// The consumers of randomness. The number is the stream's id and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// When ops arrive.
    Arrivals = 1,
    /// Which keys they write.
    Keys = 2,
    /// Which columns they write, and the values.
    Columns = 3,
    /// Which replica and partition a fault hits.
    Select = 4,
    /// How far a step of the plan is shifted in time.
    Jitter = 5,
    /// The simulated cluster's own delays.
    World = 6,
    /// Which captured row a self-test changes.
    SelfTest = 7,
    /// Which ops are deletes.
    Deletes = 8,
    /// Which ops of a simulated run are never answered.
    Timeouts = 9,
    /// Which parts of a table an audit looks at.
    Sample = 10,
    /// Which copies are read although their checksum would do.
    CrossRead = 11,
    /// Which ops have a comparison value that ties or comes out of order.
    Comparisons = 12,
    /// Which ops are sent twice, or end without an answer.
    Deliveries = 13,
    /// Which replicas a fault hits besides the first, and in later rounds.
    FurtherVictims = 14,
    /// Which configuration a seed of a drawn arm runs.
    Configuration = 15,
    /// Which faults a plan that is drawn has, and when.
    Swarm = 16,
}

impl Seed {
    /// So many of `all` numbers from 0, each equally likely.
    pub fn sample(self, all: usize, count: usize) -> Vec<usize> {
        rand::seq::index::sample(&mut self.stream(Stream::Sample), all, count.min(all)).into_vec()
    }

    /// The random number generator of one consumer.
    pub fn stream(self, stream: Stream) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(stream as u64);
        rng
    }
}

/// A number below `bound`, which must not be 0, by multiplication (Lemire 2019, without the rejection step:
/// the bias is below 2^-32 for the small bounds used here, and every draw costs one word).
pub fn below(rng: &mut ChaCha8Rng, bound: u32) -> u32 {
    let wide = u64::from(rng.next_u32()) * u64::from(bound);
    (wide >> 32) as u32
}

/// A stable number for a name: FNV-1a over the parts, each ended by a byte that no text contains. It never
/// changes, since a later build must find what an earlier one named by it.
pub fn number_of(parts: &[&str]) -> u64 {
    const END: u8 = 0xff;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([END]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table, a mark or a run that an earlier build made is found under the same name.
    #[test]
    fn names_are_the_same_for_ever_and_parts_do_not_run_together() {
        assert_eq!(number_of(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(number_of(&["a"]), 0x089b_c907_b544_c769);
        assert_ne!(number_of(&["ab", "c"]), number_of(&["a", "bc"]));
    }
}
