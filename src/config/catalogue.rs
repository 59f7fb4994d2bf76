//! The files that come with the program.

/// A file in the program.
#[derive(Clone, Copy, Debug)]
pub struct EmbeddedFile {
    /// Its name: the file's stem.
    pub name: &'static str,
    /// Its text, which opens with what it hunts.
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
pub const WORKLOADS: &[EmbeddedFile] =
    embedded!("workloads": "partial-upsert", "steady", "upsert-burst", "upsert-feed");

/// The files under `nemesis/`.
pub const NEMESES: &[EmbeddedFile] = embedded!(
    "nemesis": "cold-cutover", "failover", "lag", "late-skip", "late-transition", "mixed", "none",
    "pause-and-slow-download", "pause-consumption", "pause-one", "rebalance-one", "restart-one",
    "session-expiry", "warm-active-active"
);
