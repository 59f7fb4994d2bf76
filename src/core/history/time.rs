//! The clock of a run.

use serde::{Deserialize, Serialize};

/// A time since the start of the run, on the run's own monotonic clock, in nanoseconds; or a duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub u64);
