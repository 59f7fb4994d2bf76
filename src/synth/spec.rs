//! What to make up, and why it may not be possible.

use super::plant::Plant;
use crate::config::error::ConfigError;
use dissent_core::seed::Seed;
use dissent_store::writer::StoreError;

/// What to make up.
#[derive(Clone, Debug)]
pub struct SynthSpec {
    /// Rows on every replica, over all partitions.
    pub rows: u64,
    /// The number of replicas.
    pub replicas: u32,
    /// Decides everything else.
    pub seed: Seed,
    /// What is wrong.
    pub plant: Plant,
}

/// Why no folder was made up.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The plant does not fit the number of replicas.
    #[error("plant {plant} takes {wanted} replicas: pass --replicas")]
    Replicas {
        /// The plant.
        plant: Plant,
        /// How many it takes, in words.
        wanted: &'static str,
    },
    /// There is no row to plant a fault in.
    #[error("{rows} rows leave no key with two rows in the last segment: pass more with --rows")]
    Rows {
        /// As asked for.
        rows: u64,
    },
    /// The workload that it goes by.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
