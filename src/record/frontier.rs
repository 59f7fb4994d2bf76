//! Progress frontiers: what a target declares of each, and one look at one of them (`semantics` 7).

use super::row::Nanos;
use serde::{Deserialize, Serialize};

/// What a frontier is a frontier of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontierKind {
    /// What one writer will not emit before any more.
    WriterOutput,
    /// The upper of a shard: what readers may see lies below it.
    ShardUpper,
}

/// Whether a frontier and its upstream count the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// Both can be compared: behind is a number below the upstream's.
    Same,
    /// One is a timestamp, say, and the other an offset: only that one moves while the other does not can be
    /// seen.
    Foreign,
}

/// A frontier that the target shows, as it declares it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// Its name, unique in the run.
    pub object: String,
    /// What it is a frontier of.
    pub kind: FrontierKind,
    /// The process that it belongs to; none for one that outlives all processes.
    pub replica: Option<String>,
    /// Whether it can be compared with its upstream.
    pub domain: Domain,
    /// Whether it may never go back, not even over a restart.
    pub durable: bool,
    /// The frontier that it ends in: while that one moves, a freeze here is latent.
    pub feeds: Option<String>,
    /// Frontiers of one name here move together: each is a witness of the others.
    pub group: String,
    /// The target heals a freeze of this length by itself, as it declares.
    pub heals_within: Option<Nanos>,
}

impl Frontier {
    /// The upper of a shard: it outlives all processes, and never goes back.
    pub fn of_shard(object: &str) -> Frontier {
        Frontier {
            object: object.to_owned(),
            kind: FrontierKind::ShardUpper,
            replica: None,
            domain: Domain::Same,
            durable: true,
            feeds: None,
            group: object.to_owned(),
            heals_within: None,
        }
    }
}

/// One look at one frontier, read in the order u1, f, u2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The frontier's name.
    pub object: String,
    /// The upstream's end before.
    pub u1: u64,
    /// The frontier; none once it is sealed: nothing will ever come any more. 0: never written.
    pub f: Option<u64>,
    /// The upstream's end after.
    pub u2: u64,
    /// The status that the object reports.
    pub status: String,
    /// The incarnation of its process; 0 where it has none.
    pub incarnation: u64,
}
