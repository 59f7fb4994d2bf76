//! What kind of object progresses.

use crate::history::frontier::FrontierKind;
use serde::{Deserialize, Serialize};

/// The kind of an object that progresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ObjectKind {
    /// The lowest offset of a partition that a replica is assigned and does not cover.
    ConsumingPosition,
    /// The upper of a shard: readers may see only what is below it.
    ShardUpper,
    /// A writer's output: it will never again emit anything below this point.
    WriterOutput,
}

impl From<FrontierKind> for ObjectKind {
    fn from(kind: FrontierKind) -> ObjectKind {
        match kind {
            FrontierKind::ShardUpper => ObjectKind::ShardUpper,
            FrontierKind::WriterOutput => ObjectKind::WriterOutput,
        }
    }
}
