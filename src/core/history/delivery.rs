//! How a client sends an op.

use serde::{Deserialize, Serialize};

/// How an op is sent. The client of any target can do each of these, so the cluster needs no part in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Once, and its answer is heard.
    #[default]
    Once,
    /// Twice in a row, as by a client that retries. The second answer is heard.
    Twice,
    /// Once, and its answer is not heard: the outcome is unknown, although the op happened.
    Unanswered,
    /// Never: the outcome is unknown, although the op did not happen.
    Lost,
}

impl Delivery {
    /// How often the op is sent.
    pub fn copies(self) -> usize {
        match self {
            Delivery::Lost => 0,
            Delivery::Once | Delivery::Unanswered => 1,
            Delivery::Twice => 2,
        }
    }

    /// Whether an answer is heard.
    pub fn is_answered(self) -> bool {
        matches!(self, Delivery::Once | Delivery::Twice)
    }

    /// Whether nothing goes wrong.
    pub fn is_once(&self) -> bool {
        *self == Delivery::Once
    }
}
