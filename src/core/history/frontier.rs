//! Progress frontiers: what a target declares of each, and one sample of one of them (`RULES.md` 7).

use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// What a frontier is a frontier of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontierKind {
    /// A writer's output: it will never again emit anything below this point.
    WriterOutput,
    /// The upper of a shard: readers may see only what is below it.
    ShardUpper,
}

/// Whether a frontier and its upstream count the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// Both can be compared. The frontier is behind if its number is below the upstream's.
    Same,
    /// They cannot be compared, since one is a timestamp, for example, and the other an offset. All that can
    /// be seen is that one moves while the other does not.
    Foreign,
}

/// How a frontier depends on the frontiers that feed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InputMerge {
    /// Any input moves it, as with the writers of one shard: it is where the foremost input has been.
    Any,
    /// It waits for all inputs: it is never above the slowest.
    All,
}

/// Which number an upstream reports as its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamEnd {
    /// The next number, which nothing has yet.
    #[default]
    Next,
    /// The last number that exists.
    Last,
}

/// How to read the number of an upstream's end, as the target declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Upstream {
    /// Whether it is the next offset or the last.
    pub end: UpstreamEnd,
    /// The partition of the input log whose offsets the upstream and the frontier count. `None` if they count
    /// something else.
    pub partition: Option<u32>,
    /// Whether it also counts what readers never get: transaction markers and aborted entries.
    pub markers: bool,
    /// Whether it also counts writes of others. What is beyond the frontier may then not be for this object.
    pub others: bool,
    /// Whether the object itself reports it. It may then stall together with the object.
    pub own: bool,
    /// How old the number may be, if the upstream is polled only now and then.
    pub age: Option<Nanos>,
}

impl Upstream {
    /// Whether the target declares nothing about it.
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
    /// The process that it belongs to; `None` if it outlives all processes.
    pub replica: Option<String>,
    /// Whether it can be compared with its upstream.
    pub domain: Domain,
    /// Whether it may never go back, not even over a restart.
    pub durable: bool,
    /// The frontier that it feeds. While that one moves, a freeze of this one is latent.
    pub feeds: Option<String>,
    /// Frontiers of one group move together: each is a witness for the others.
    pub group: String,
    /// The target declares that it heals a freeze of this length by itself.
    pub heals_within: Option<Nanos>,
    /// How it depends on the frontiers that feed it; `None` if not declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combines: Option<InputMerge>,
    /// What its upstream's end counts.
    #[serde(default, skip_serializing_if = "Upstream::is_plain")]
    pub upstream: Upstream,
    /// Where it is to end. If it is sealed before that, there is a doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<u64>,
    /// Whether it exists from the beginning of the run. Samples of it are then owed even if none was ever
    /// taken; any other frontier is owed from its first sample on.
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
            combines: Some(InputMerge::Any),
            upstream: Upstream::default(),
            ends_at: None,
            from_start: true,
        }
    }
}

/// One sample of one frontier, read in the order u1, f, u2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontierReading {
    /// The frontier's name.
    pub object: String,
    /// The upstream's end, read first.
    pub u1: u64,
    /// The frontier. `None` once it is sealed, so that nothing will ever come any more. 0 if never written.
    pub f: Option<u64>,
    /// The upstream's end, read last.
    pub u2: u64,
    /// The status that the object reports.
    pub status: String,
    /// The incarnation of its process; 0 if it has none.
    pub incarnation: u64,
}
