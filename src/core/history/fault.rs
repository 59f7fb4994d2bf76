//! Faults: what can go wrong on purpose, and the schedule steps that say where and when. What is true of each
//! kind is in `fault_catalogue.rs`.

use super::duration;
use super::time::Nanos;
use arrayvec::ArrayString;
use serde::{Deserialize, Serialize};

/// The name of a schedule step, as in the plan's TOML.
pub type StepId = String;

/// The name of a fault of the target file, and words for its commands, separated by spaces.
pub type CommandLine = ArrayString<48>;

/// The name of the fault in the target file; empty if there is none.
pub fn command_name(line: &CommandLine) -> &str {
    line.split(' ').find(|word| !word.is_empty()).unwrap_or_default()
}

/// A transition of a segment on a replica, as a coordination service orders it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// Start to consume the segment.
    OfflineToConsuming,
    /// The segment is committed: register the committed copy.
    ConsumingToOnline,
}

/// A path between a writer and the shard it shares. Each one can be delayed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Queue {
    /// From the input log to the writer.
    Input,
    /// From the shard to the writer.
    Feedback,
    /// From the writer to the shard.
    Append,
}

/// What a node exchanges messages with. A plan calls it as the cluster's records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// The controller of servers that hold segments.
    Controller,
    /// The service of writers that share a shard.
    Service,
}

/// What becomes of the messages between a node and its peer. A lost message is sent again after a while, and
/// so is one whose answer is lost: then it arrives twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum NetworkMode {
    /// Nothing passes, either way.
    Partition,
    /// Nothing reaches the node. What it sends arrives.
    CutIncoming,
    /// Nothing leaves the node.
    CutOutgoing,
    /// Each message takes up to so many milliseconds longer. One may overtake another.
    DelayMs(u64),
    /// So many percent of the messages are lost, each by itself.
    DropPercent(u64),
    /// So many messages pass in a second, both ways together. The others wait for their turn.
    ThrottlePerSecond(u64),
}

impl NetworkMode {
    /// Its name, without its measure.
    pub fn name(self) -> &'static str {
        match self {
            NetworkMode::Partition => "partition",
            NetworkMode::CutIncoming => "cut-incoming",
            NetworkMode::CutOutgoing => "cut-outgoing",
            NetworkMode::DelayMs(_) => "delay",
            NetworkMode::DropPercent(_) => "drop",
            NetworkMode::ThrottlePerSecond(_) => "throttle",
        }
    }
}

/// What can go wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// Withhold one message of the coordination service from its receiver.
    HoldMessage(Transition),
    /// Kill -9; the cure starts the process again.
    Restart,
    /// SIGSTOP; the cure is SIGCONT.
    Pause,
    /// This replica wins the next commit of the partition.
    CommitWinner,
    /// Downloads of one committed segment are slow, for every replica that fetches it.
    SlowDownload,
    /// The whole table moves from this replica to one that held nothing of it.
    Rebalance,
    /// No replica consumes; at the cure all resume. This is the system's own switch.
    PauseConsumption,
    /// Every replica replaces its own copy of one segment by the committed copy.
    Reload,
    /// One more writer of a shared shard starts and appends beside the others. It stays.
    SecondWriter,
    /// A writer leaves for good.
    DropWriter,
    /// A new generation of a writer starts cold and read-only. At the cure it is promoted, and all other
    /// writers leave.
    Cutover,
    /// A writer's input is held back.
    Lag {
        /// How far behind it is held.
        timestamps: u64,
    },
    /// Whatever passes through one of a writer's queues is delayed.
    DelayQueue {
        /// The queue that is delayed.
        queue: Queue,
        /// The longest delay, in milliseconds.
        ms: u64,
    },
    /// A session at one replica holds a lock on the run's table, so that the replica cannot apply what it
    /// receives; the cure ends the session.
    LockTable,
    /// A reader at one standby keeps an old snapshot open, so that replay has to wait for it; the cure ends
    /// the session.
    LongSnapshot,
    /// One replica skips one transaction, as an operator makes it do to get past a conflict.
    SkipTransaction,
    /// A fault that the target file describes by commands. The first word is its name there; its commands get
    /// the others as `$1`, `$2` and so on.
    Command(#[cfg_attr(feature = "schema", schemars(with = "String"))] CommandLine),
    /// The network between a node and one peer is cut or disturbed. Readers still reach the node.
    Network {
        /// The other end.
        peer: Peer,
        /// What becomes of messages.
        mode: NetworkMode,
    },
    /// What a node does takes longer. It still answers.
    SlowNode {
        /// So many times as long.
        times: u64,
    },
    /// The wall clock of a node jumps; the cure sets it right.
    ClockJump {
        /// By so many milliseconds: forwards, or back if negative.
        ms: i64,
    },
    /// The disk of a node is full, so that it cannot store copies of segments until the cure.
    DiskFull,
}

impl FaultKind {
    /// The number that says by how much it is. `None` for a fault without one, or with one that may be
    /// negative.
    pub fn measure_mut(&mut self) -> Option<&mut u64> {
        match self {
            FaultKind::Lag { timestamps: measure }
            | FaultKind::DelayQueue { ms: measure, .. }
            | FaultKind::SlowNode { times: measure }
            | FaultKind::Network {
                mode:
                    NetworkMode::DelayMs(measure)
                    | NetworkMode::DropPercent(measure)
                    | NetworkMode::ThrottlePerSecond(measure),
                ..
            } => Some(measure),
            _ => None,
        }
    }
}

/// A fault with everything filled in: plain data, and enough to cure it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The kind of fault.
    pub kind: FaultKind,
    /// The replica it acts on.
    pub replica: String,
    /// The partition, for kinds that act on one.
    pub partition: Option<u32>,
    /// The sequence number of the segment, for kinds that act on one.
    pub seq: Option<u32>,
}

/// What makes a step begin or end. Conditions refer to the log and to the *other* replicas, never to the
/// victim's own progress: with such a plan, a guard that waits would deadlock (`RULES.md` 11).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    /// This long after the load began.
    At(
        #[serde(with = "duration")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
        Nanos,
    ),
    /// This many boundaries were crossed since the load began.
    Boundaries(u32),
    /// All other assigned replicas hold the step's segment as committed.
    OthersCommitted,
    /// The log has this many entries past the start of the segment after the step's one, or this much
    /// time has passed since that segment opened.
    EventsInNext {
        /// Number of entries.
        events: u64,
        /// Time since the segment opened.
        #[serde(with = "duration")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
        or_after: Nanos,
        /// The step whose segment is meant; `None`: its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<StepId>,
    },
    /// This long after the step began.
    After(
        #[serde(with = "duration")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
        Nanos,
    ),
    /// An earlier step of the plan is over, or has begun, and this much time has passed since.
    AfterStep {
        /// The earlier step. If it has several faults: all of them.
        step: StepId,
        /// What of it counts.
        #[serde(default)]
        edge: StepEdge,
        /// The time since then.
        #[serde(default, with = "duration")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "duration::schema"))]
        wait: Nanos,
    },
}

/// A moment of a step that another one waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum StepEdge {
    /// Its fault is cured, or could not begin.
    #[default]
    End,
    /// Its fault is in force, or could not begin.
    Begin,
}

/// Which segment of a partition is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SegmentStage {
    /// The one that is being consumed.
    Consuming,
    /// The last one that was committed.
    Committed,
}

/// What a replica must be to be hit, if that is not known before the step begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VictimRole {
    /// It leads.
    Leader,
    /// It is assigned this segment of the step's partition.
    HolderOf(SegmentStage),
    /// An earlier step, which has a role, has hit it.
    VictimOf(StepId),
}

/// One step: a fault with its victim drawn, and its two conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// As the plan names it; with `-1`, `-2` and so on if the plan's step has several faults.
    pub id: StepId,
    /// The kind of fault.
    pub kind: FaultKind,
    /// The replica that was drawn. If it must have a role, the first one that has it is hit, from this one on
    /// in the order of the roster.
    pub replica: String,
    /// What the replica must be when the step begins. Until one is, the step waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<VictimRole>,
    /// The partition that was drawn; `None` for a fault of all partitions.
    pub partition: Option<u32>,
    /// When it begins.
    pub begin: Condition,
    /// When it is cured. The end of the load cures it in any case.
    pub until: Condition,
}

impl Step {
    /// Whether it is one of the faults of this step of a plan.
    pub fn is_of(&self, planned: &str) -> bool {
        is_of(&self.id, planned)
    }
}

/// Whether a step with this name is one of the faults of this step of a plan.
pub fn is_of(id: &str, planned: &str) -> bool {
    let rest = id.strip_prefix(planned);
    rest.is_some_and(|rest| {
        let number = rest.strip_prefix('-').unwrap_or_default();
        rest.is_empty() || !number.is_empty() && number.bytes().all(|letter| letter.is_ascii_digit())
    })
}
