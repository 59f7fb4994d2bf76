//! The files that come with the program.

/// A file that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedFile {
    /// The stem of the file name.
    pub name: &'static str,
    /// The text. Its first line says what it is for.
    pub text: &'static str,
}

macro_rules! embedded {
    ($folder:literal: $($name:literal),*) => {
        &[$(EmbeddedFile {
            name: $name,
            text: include_str!(concat!("../../", $folder, "/", $name, ".toml")),
        }),*]
    };
}

/// The files under `workloads/`.
pub const WORKLOADS: &[EmbeddedFile] = embedded!(
    "workloads": "cold-keys", "every-type", "guarded", "hot-keys", "key-churn", "long-lived", "out-of-order",
    "partial-upsert", "steady", "ties", "tombstones", "upsert-burst", "upsert-feed", "wide-rows"
);

/// The files under `nemesis/`.
pub const NEMESES: &[EmbeddedFile] = embedded!(
    "nemesis": "cold-cutover", "failover", "flaky-network", "full-disk", "kill-one", "lag", "late-commit",
    "late-gap", "late-skip", "late-transition", "lock-one", "mixed", "none", "partition-one",
    "partition-writer", "pause-and-slow-download", "pause-consumption", "pause-one", "rebalance-one",
    "restart-in-rebalance", "restart-one", "rolling-restart", "session-expiry", "skip-one", "slow-one",
    "snapshot-one", "swarm", "warm-active-active", "wrong-clock"
);
