//! Why a frontier does not move, and what waits behind it (`RULES.md` 7). It follows from samples alone
//! where nodes log nothing, and from their events where they do. No time of one node is compared with
//! another's.

use super::explanation::{Confidence, EventPoint};
use super::object_kind::ObjectKind;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};

/// Why an object does not move, and what waits behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FreezeExplanation {
    /// What it waits for.
    pub waits_for: WaitsFor,
    /// The object with what holds it back and what it holds back: a graph, those that wait after those that
    /// they wait for. The last is the readers.
    pub chain: Vec<ChainLink>,
    /// What a restart did.
    pub restart: RestartEffect,
    /// What would have been needed to conclude more, as kinds of events that no node logged.
    #[serde(default)]
    pub not_logged: Vec<String>,
}

/// What an object waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum WaitsFor {
    /// That the frontier it feeds comes to a value which that one has passed. It never will: it only grows.
    PassedValue(Box<PassedValue>),
    /// That the frontier it feeds comes to it. This is back-pressure: it moves on when that one does.
    Downstream {
        /// The frontier that it feeds.
        object: String,
        /// The position of that frontier.
        position: u64,
    },
    /// That the objects that feed it move.
    Inputs {
        /// Those that hold it back; none if none is known.
        objects: Vec<String>,
    },
    /// More input. It logs what it buffers, and buffers nothing at the value where it stands.
    MoreInput,
    /// Nothing on record tells.
    Unknown,
}

/// A value that pins an object, because the frontier that it feeds has passed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PassedValue {
    /// The frontier that it feeds, which others move too.
    pub shared: String,
    /// The value that pins it.
    pub value: u64,
    /// The last sampling that showed both frontiers at one value; `None` if none did in this incarnation.
    pub last_equal: Option<SeenAt>,
    /// When the shared frontier was certainly not beyond the value yet. A sample is read after the one
    /// before it was recorded, so this is the record of the sample before `last_not_beyond`.
    pub after: Option<Nanos>,
    /// The last sample that showed the shared frontier not beyond the value; `None` if it was beyond in all.
    pub last_not_beyond: Option<SeenAt>,
    /// The first sample that showed it beyond.
    pub first_beyond: SeenAt,
    /// The append that moved it past the value; `None` if no node logged it.
    pub passed_by: Option<PassingAppend>,
    /// The event with which the object took the value up, and where the shared frontier was as far as it
    /// knew.
    pub buffered: Option<LoggedAt>,
    /// The object's own append that lost against the one that passed it, and where that found the shared
    /// frontier.
    pub lost_append: Option<LoggedAt>,
    /// The first decision by which it kept what had been passed.
    pub drain: Option<DrainDecision>,
    /// Whether an event shows that it keeps what was passed, or only the samples agree with that.
    pub confidence: Confidence,
}

/// A position in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SeenAt {
    /// The time of the sample, on the run's clock.
    pub t: Nanos,
    /// The position.
    pub position: u64,
}

/// An event, and the position of the shared frontier in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoggedAt {
    /// The event.
    pub event: EventPoint,
    /// The position.
    pub position: u64,
}

/// The append that moved a shared frontier past a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PassingAppend {
    /// The event, on the node that logged it.
    pub event: EventPoint,
    /// Who made the append.
    pub writer: String,
    /// The incarnation of its process, if logged.
    pub incarnation: Option<u64>,
    /// The shared frontier before.
    pub from: u64,
    /// The shared frontier after.
    pub to: u64,
}

/// What an object decided about the entries that it buffers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DrainDecision {
    /// The event.
    pub event: EventPoint,
    /// Where the shared frontier was as far as the object knew.
    pub position: u64,
    /// How many entries the shared frontier had passed.
    pub passed: u64,
    /// How many of those it kept.
    pub kept: u64,
}

/// What a restart did to a freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RestartEffect {
    /// It moved on in a new incarnation.
    Cleared,
    /// A new incarnation stood at the same position.
    DidNotClear,
    /// It was not restarted while it stood.
    NotTried,
}

/// An object in the chain of those that wait for each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChainLink {
    /// Its name; for readers, of what they read.
    pub object: String,
    /// Its kind; `None` for readers.
    pub kind: Option<ObjectKind>,
    /// Its part.
    pub role: ChainRole,
    /// Its position at the end of the freeze; `None` for readers.
    pub position: Option<u64>,
    /// When it was sampled last, if it has left.
    pub last_seen: Option<Nanos>,
    /// The objects of the chain that it waits for.
    pub waits_for: Vec<String>,
}

/// The part of an object in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ChainRole {
    /// It holds back what waits for it, and waits for nothing in the chain.
    Root,
    /// It waits for another one.
    Dependant,
    /// It goes on, because something else moves it.
    GoesOn,
    /// It fed another one and was not sampled any more.
    Left,
}

impl FreezeExplanation {
    /// The objects that hold back the others.
    pub fn roots(&self) -> impl Iterator<Item = &ChainLink> {
        self.chain.iter().filter(|link| link.role == ChainRole::Root)
    }

    /// The objects that wait for others.
    pub fn dependants(&self) -> impl Iterator<Item = &ChainLink> {
        self.chain.iter().filter(|link| link.role == ChainRole::Dependant)
    }
}
