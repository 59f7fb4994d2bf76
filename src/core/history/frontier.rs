//! Progress frontiers: what a target declares of each, and one look at one of them (`RULES.md` 7).

use super::time::Nanos;
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

/// How a frontier follows from what feeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combines {
    /// Any input moves it, as writers of one shard do: it is where the foremost has been.
    Any,
    /// It waits for all of them: it is never above the slowest.
    All,
}

/// Which number stands for the end of an upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamEnd {
    /// The next one, which nothing has yet.
    #[default]
    Next,
    /// The last one that is there.
    Last,
}

/// What the number of an upstream's end is, as the target declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upstream {
    /// Whether it is the next offset or the last.
    pub end: UpstreamEnd,
    /// The partition of the input log whose offsets it and the frontier are; none: they are others.
    pub partition: Option<u32>,
    /// Whether it also counts what is no entry for readers: markers of transactions, what was aborted.
    pub markers: bool,
    /// Whether it also counts the writes of others: what is beyond the frontier may be none of its own.
    pub others: bool,
    /// Whether the object itself reports it: then it may stand still with the object.
    pub own: bool,
    /// How old it may be, where it is asked for only now and then.
    pub age: Option<Nanos>,
}

impl Upstream {
    /// Whether nothing is declared of it.
    pub fn is_plain(&self) -> bool {
        *self == Upstream::default()
    }
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
    /// How it follows from what feeds it; none: not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combines: Option<Combines>,
    /// What its upstream's end counts.
    #[serde(default, skip_serializing_if = "Upstream::is_plain")]
    pub upstream: Upstream,
    /// Where it is to end: sealed before that is a doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<u64>,
    /// Whether it is there from the beginning of the run: then looks at it are owed, although nothing was
    /// ever seen of it. Another is owed from its first look on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_start: bool,
}

impl Frontier {
    /// The upper of a shard: it outlives all processes, never goes back, and any writer moves it.
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
            combines: Some(Combines::Any),
            upstream: Upstream::default(),
            ends_at: None,
            from_start: true,
        }
    }
}

/// One look at one frontier, read in the order u1, f, u2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontierReading {
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
