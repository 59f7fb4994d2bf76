//! What to generate, and why that may fail.

use super::plant::Plant;
use crate::config::error::ConfigError;
use dissent_core::seed::Seed;
use dissent_store::writing::StoreError;

/// The specification of a generated run.
#[derive(Clone, Debug)]
pub struct SynthSpec {
    /// The number of rows on every replica, over all partitions.
    pub rows: u64,
    /// The number of replicas.
    pub replicas: u32,
    /// The seed, which decides everything else.
    pub seed: Seed,
    /// The planted fault.
    pub plant: Plant,
}

/// Why no folder was generated.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The plant does not fit the number of replicas.
    #[error("plant {plant} takes {wanted} replicas: pass --replicas")]
    Replicas {
        /// The planted fault.
        plant: Plant,
        /// The required number of replicas, in words.
        wanted: &'static str,
    },
    /// There is no row to plant a fault in.
    #[error("{rows} rows leave no key with two rows in the last segment: pass more with --rows")]
    Rows {
        /// The number of rows as requested.
        rows: u64,
    },
    /// The catalogue's workload could not be loaded.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
