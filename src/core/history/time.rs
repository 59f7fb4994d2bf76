//! The clock of a run.

use serde::{Deserialize, Serialize};

/// A time since the start of the run, on the run's own monotonic clock, in nanoseconds; or a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Nanos(pub u64);

/// A time since the start of the run, stored as an object: it stands out from a duration, and there is room
/// for the wall clock beside it. Also reads the bare number of older records.
pub mod moment {
    use super::Nanos;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// A time of the run.
    #[derive(Serialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct Moment {
        /// Nanoseconds since the start of the run.
        t: Nanos,
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Stored {
        Moment { t: Nanos },
        Bare(Nanos),
    }

    /// Writes a time.
    pub fn serialize<S: Serializer>(t: &Nanos, to: S) -> Result<S::Ok, S::Error> {
        Moment { t: *t }.serialize(to)
    }

    /// Reads a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Nanos, D::Error> {
        Stored::deserialize(from).map(|stored| match stored {
            Stored::Moment { t } | Stored::Bare(t) => t,
        })
    }
}
