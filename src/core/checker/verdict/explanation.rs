//! The judge's conclusions on why rows are wrong: the break of an order, the guard that let it happen
//! (`RULES.md` 9). All of it follows from what nodes logged; what they did not log is named.

use crate::history::lifecycle::LifecycleRecord;
use crate::history::time::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a finding's roots came to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Explanation {
    /// What the events show of the root with the lowest offset, and of all roots with the same cause.
    pub cause: ShownCause,
    /// The causes of the other roots, if `cause` does not explain them all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<ShownCause>,
    /// The guard that should have kept the order; of `cause`.
    pub guard: Guard,
    /// What this replica and a healthy one did, side by side: first the replica with the roots, then the
    /// peer. Only events that matter, in program order.
    pub timelines: Vec<NodeTimeline>,
    /// What would have been needed to conclude more, as kinds of events that no node logged.
    #[serde(default)]
    pub not_logged: Vec<String>,
}

/// What the events show to be the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ShownCause {
    /// The rows were merged before the segment that they build on was visible.
    OrderingBreak(Box<OrderingBreak>),
    /// The order was kept, and the keys were lost from the metadata afterwards.
    DroppedKeys(Box<DroppedKeys>),
    /// The rows are not merged at all: the consumer waits for a guard that nothing tests again.
    NeverBegan(Box<NeverBegan>),
    /// The events do not show a cause.
    NotShown {
        /// Why not.
        reason: NotShown,
    },
}

/// Why no cause is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NotShown {
    /// No root row: the wrong rows were all copied, so the break lies on a replica that was not compared.
    NoRoot,
    /// Rows do not tell which state was missing.
    NoMissingSegment,
    /// The replica logged nothing of the segments in question.
    NoEvents,
    /// Every segment that the rows build on was visible before they were merged: another cause.
    OrderWasKept,
}

/// An event that a conclusion names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventPoint {
    /// The node.
    pub node: String,
    /// The incarnation of its process.
    pub incarnation: u64,
    /// Its position in the node's program order.
    pub seq: u64,
    /// The node's clock, in milliseconds.
    pub node_ms: u64,
    /// The kind of the event.
    pub kind: String,
    /// The segment.
    pub segment: Option<String>,
}

impl From<&LifecycleRecord> for EventPoint {
    fn from(record: &LifecycleRecord) -> EventPoint {
        EventPoint {
            node: record.replica.clone(),
            incarnation: record.incarnation,
            seq: record.seq,
            node_ms: record.node_ms,
            kind: record.kind.clone(),
            segment: record.segment.clone(),
        }
    }
}

/// The first ordering break: the rows of `dependent` were merged before `dependency` was visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OrderingBreak {
    /// The replica on which the order broke.
    pub replica: String,
    /// Its incarnation at that time.
    pub incarnation: u64,
    /// The root row with the lowest offset.
    pub anchor: Anchor,
    /// The segments that hold the missing ops, in sequence.
    pub dependencies: Vec<String>,
    /// The event that made the last of them visible; `None` if it never happened.
    pub visible: Option<EventPoint>,
    /// The segment whose rows were merged too early.
    pub dependent: String,
    /// The event that began its consumption.
    pub began: EventPoint,
    /// How long after that the dependency became visible, in milliseconds of the replica's clock.
    pub late_by_ms: Option<u64>,
    /// Whether the order is certain, or the two only overlap.
    pub strength: BreakStrength,
    /// Whether the break predicts just the wrong rows.
    pub prediction: Prediction,
    /// The peers that did it in the right order.
    pub witnesses: Vec<String>,
    /// The peers that cannot testify, and why.
    pub no_witnesses: BTreeMap<String, NoWitness>,
    /// What led to it, and is not the break itself.
    pub setup: Option<Setup>,
}

/// The wrong row that an explanation starts from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Anchor {
    /// The key.
    pub key: String,
    /// Its offset in the log.
    pub off: u64,
}

/// How well an order is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum BreakStrength {
    /// The replica's own program order, or offsets that it logged, show that the row came first.
    Ordered,
    /// The row was merged while the segment was becoming visible: either may have come first.
    Concurrent,
}

/// How the rows that a break must have made wrong compare with those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Prediction {
    /// The roots of the finding.
    pub roots: u64,
    /// How many of them the break predicts.
    pub explained: u64,
    /// The rows that the break predicts to be wrong.
    pub predicted: u64,
    /// How many of those were found wrong, in this finding or in another one of the partition.
    pub found: u64,
    /// The first offset that was merged in the wrong order.
    pub from: u64,
    /// One past the last offset that was.
    pub to: u64,
    /// Whether `to` was logged by the replica; otherwise it was estimated from what dissent itself saw.
    pub logged: bool,
}

impl Prediction {
    /// Whether it predicts all roots and nothing else.
    pub fn is_exact(&self) -> bool {
        self.roots > 0 && self.explained == self.roots && self.found == self.predicted
    }
}

/// Why a peer is no witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NoWitness {
    /// It broke the same order.
    SameOrder,
    /// It restarted in between, so its program order is cut.
    Restarted,
    /// It downloaded the dependent segment, and merged nothing.
    Downloaded,
    /// It logged nothing of the two.
    NoEvents,
}

/// What delayed the dependency, compared with the peers. This led to the break and is not the break.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Setup {
    /// The segment.
    pub segment: String,
    /// The transition that was late, such as `offline-to-consuming`.
    pub transition: String,
    /// Between which two of its events the time was lost.
    pub edge: Edge,
    /// How long that took here, in milliseconds.
    pub took_ms: u64,
    /// How long it took on the peers, in milliseconds.
    pub peers_ms: BTreeMap<String, u64>,
    /// How the transition ended here, if it was skipped or failed.
    pub outcome: Option<String>,
    /// The events of the transition, in program order.
    pub events: Vec<EventPoint>,
    /// What merges could see when the dependent segment was begun, as the nodes counted it themselves.
    pub snapshot: Option<LoggedCount>,
    /// How many rows were consumed before the end of the log was reached.
    pub catch_up: Option<LoggedCount>,
}

/// Two consecutive events of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// The message lay in a queue.
    CreatedToStarted,
    /// The transition ran, or waited for a guard.
    StartedToFinished,
}

/// A count that each node logged itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LoggedCount {
    /// The count on the replica.
    pub here: u64,
    /// The counts on its peers.
    pub peers: BTreeMap<String, u64>,
}

/// Keys that were lost from the metadata although the order was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DroppedKeys {
    /// The replica.
    pub replica: String,
    /// Its incarnation at that time.
    pub incarnation: u64,
    /// The root row with the lowest offset.
    pub anchor: Anchor,
    /// The event after which the keys were gone: the replica's own record of it, or a replaced copy.
    pub event: EventPoint,
    /// How many keys the replica itself counted as dropped.
    pub keys: Option<u64>,
    /// How far the replica had consumed beyond the committed end, if it logged that.
    pub beyond_end: Option<u64>,
}

/// A consumption that never began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NeverBegan {
    /// The replica.
    pub replica: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The segment that it should consume.
    pub dependent: String,
    /// The earlier segments that were not visible when the guard was last tested.
    pub dependencies: Vec<String>,
    /// The last test of the guard.
    pub tested: EventPoint,
    /// What made the last of those segments visible since; `None` if it still is not.
    pub visible: Option<EventPoint>,
    /// What delayed them.
    pub setup: Option<Setup>,
}

/// What the `gate` events say of the guard of the dependent segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Guard {
    /// What it did.
    pub state: GuardState,
    /// What it tests, in the target's own words.
    pub name: Option<String>,
    /// The event that says so.
    pub event: Option<EventPoint>,
    /// When it was evaluated, in milliseconds of the replica's clock.
    pub evaluated_ms: Option<u64>,
    /// How long the consumer waited for it, in milliseconds.
    pub waited_ms: Option<u64>,
    /// What released the consumer, as logged.
    pub released_by: Option<String>,
    /// How many segments it waits for, and how many of them it saw registered.
    pub counts: Option<(u64, u64)>,
    /// The fields on which its evaluations differ: the unit that it protects.
    pub enforced_scope: Vec<String>,
    /// The fields that the order needs.
    pub required_scope: Vec<String>,
    /// How sure that is.
    pub confidence: Confidence,
}

/// What a guard did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum GuardState {
    /// No node logs a gate: nothing can be said.
    NotLogged,
    /// It was open since an earlier time, and was not evaluated for this segment.
    NotEvaluated,
    /// It was evaluated, but for something else than the missing segment.
    WrongSubject,
    /// It gave up waiting.
    TimedOut,
    /// A signal released it while the segment was missing.
    SignalTooEarly,
    /// The node logs its gates and logged none here: the order was assumed.
    OrderAssumed,
    /// It is shut and nothing tests it again.
    NeverTestedAgain,
    /// It was evaluated for the right subject, and held: another cause.
    Kept,
}

/// How sure a conclusion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// An event says it.
    Shown,
    /// It follows from the times that one node logged.
    ConsistentWithTimes,
    /// No event says anything.
    NotObservable,
}

/// What one node did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct NodeTimeline {
    /// The node.
    pub node: String,
    /// Whether it is the one with the roots.
    pub broken: bool,
    /// How far its clock is estimated to run ahead of the run's clock, in milliseconds: at least and at
    /// most. Nothing is concluded from it.
    pub skew_ms: Option<(i64, i64)>,
    /// Its events, in program order.
    pub events: Vec<TimelineEvent>,
}

/// One event of a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TimelineEvent {
    /// When it happened: milliseconds of the node's clock after `began` of the break, less than 0 before it.
    pub at_ms: i64,
    /// When dissent learned of it, on the run's clock; `None` if it was brought in later.
    pub seen: Option<Nanos>,
    /// The event.
    pub event: EventPoint,
    /// Its role in the explanation.
    pub role: EventRole,
    /// The numbers and words that it carries, by name.
    pub detail: BTreeMap<String, String>,
}

/// The role of an event in an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EventRole {
    /// It made the dependency visible (A).
    Dependency,
    /// It began the consumption that needed it (B).
    Dependent,
    /// It belongs to what led to the break.
    Setup,
    /// The guard.
    Gate,
    /// It counts what could be seen.
    Count,
    /// Anything else that happened to the two segments.
    Other,
}
