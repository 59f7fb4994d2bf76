//! What the rows of replicas are compared with.

/// What replicas are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Oracle {
    /// With each other, and with the fold of the log.
    #[default]
    PeersAndModel,
    /// Only with each other and only at the end, like a comparison of checksums. What all replicas agree on
    /// at the end is not judged.
    PeersAlone,
}
