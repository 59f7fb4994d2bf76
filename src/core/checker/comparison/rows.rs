//! The rows of one key on every replica.

use crate::history::schema::Value;
use serde::{Deserialize, Serialize};

/// A row as one replica shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicaRow {
    /// One value per column, in the order of the columns compared. Among them is the version.
    pub cols: Vec<Value>,
    /// Whether the row says that its key is deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Whether the row is past its time to live.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub expired: bool,
}

/// What a referee says of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedState {
    /// There is no referee, or it says nothing of this key.
    #[default]
    Unknown,
    /// The key has this row.
    Row(ReplicaRow),
    /// The key never had a row.
    Never,
    /// The key had a row, and it was deleted.
    Deleted,
}

/// All rows of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRows {
    /// The key, as reports show it.
    pub key: String,
    /// By replica: its rows of the key. None if they could not be read.
    pub shown: Vec<Option<Vec<ReplicaRow>>>,
    /// By replica: its rows of the key at an earlier read. Empty if there was none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Option<Vec<ReplicaRow>>>,
    /// What the referee says.
    #[serde(default)]
    pub expected: ExpectedState,
}

impl KeyRows {
    /// Whether a replica's rows changed between the two reads.
    pub(super) fn is_moving(&self) -> bool {
        self.earlier.iter().zip(&self.shown).any(|(earlier, now)| earlier.is_some() && earlier != now)
    }
}
