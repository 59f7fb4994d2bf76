//! How far a run relies on the checksums that replicas tell of their committed copies (`RULES.md` 4).

use serde::{Deserialize, Serialize};

/// Which copies are counted by their checksum instead of being read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TrustChecksums {
    /// None: every copy is read.
    #[default]
    None,
    /// Those with the same checksum as a copy that was read, except for a few that the seed draws. These are
    /// read too, and prove the rule or refute it.
    Sampled,
    /// All with the same checksum as a copy that was read. Nothing proves the rule.
    All,
}

impl TrustChecksums {
    pub(crate) fn is_none(&self) -> bool {
        *self == TrustChecksums::None
    }
}
