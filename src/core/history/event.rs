//! Everything that happens in a run, as one closed enum. The same events go to disk, to the live status line
//! and to the judge. Rows and log entries are bulky and have files of their own.

use super::fault::{Fault, StepId};
use super::lifecycle::LifecycleRecord;
use super::row::{CoverageChange, CurrentRead, Read, Segment};
use super::schema::Value;
use super::time::Nanos;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An event with its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// When it happened, on the run's clock.
    pub t: Nanos,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What reading a target has taken since the run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReadTraffic {
    /// The queries that were answered, those that only found out who would answer included.
    pub queries: u64,
    /// The bytes of the answers.
    pub bytes: u64,
}

/// The phases of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The table is created and every replica answers.
    SetUp,
    /// A small data set is written without faults, to see whether model and target agree (`RULES.md` 3).
    Calibrate,
    /// The workload and the faults run.
    Load,
    /// The workload has ended, and every fault is cured.
    Heal,
    /// One canary is written to each partition. The run then waits until every replica has caught up, or
    /// until the deadline.
    Quiesce,
    /// All replicas are read.
    Capture,
    /// With `--probe-restart`: replicas that have not caught up are restarted, then quiesce and capture
    /// again.
    Probe,
    /// The plan's ending, if it has one: a commit with a chosen winner, then quiesce and capture again.
    Ending,
    /// The run is over.
    Done,
}

/// The outcome of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum OpOutcome {
    /// The op happened; it is in the log.
    Ok,
    /// The op certainly did not happen.
    Failed,
    /// The op may have happened.
    Unknown,
}

/// A keyed partial update that a session invoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Unique in the run. Ids ascend from 1 in the order of generation.
    pub id: u64,
    /// The partition it is written to.
    pub partition: u32,
    /// The key it updates.
    pub key: Arc<str>,
    /// Its comparison value, which decides the order of updates of a key.
    pub cmp: i64,
    /// One value per column of the schema; `Null` where the op does not set the column.
    pub cols: Vec<Value>,
    /// Whether it deletes the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// When it was due. Latency is measured from here.
    pub due: Nanos,
}

/// What can happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A phase began.
    Phase {
        /// The phase that began.
        phase: Phase,
    },
    /// An op was sent.
    Invoke {
        /// The op as it was sent.
        op: Op,
    },
    /// An op was answered. Its latency is the time from `Invoke` to here.
    Complete {
        /// The op's id.
        op: u64,
        /// The outcome.
        outcome: OpOutcome,
        /// Its offset in its partition's log, if the target reported one.
        off: Option<u64>,
    },
    /// A fault is about to begin; its cure is on disk.
    FaultBegin {
        /// The step of the schedule.
        step: StepId,
        /// The fault.
        fault: Fault,
        /// The end of every partition's log, as far as completions show it.
        log_ends: Vec<u64>,
    },
    /// The fault is in force, or failed to begin.
    FaultBegun {
        /// The step of the schedule.
        step: StepId,
        /// Why it failed to begin; `None` if it is in force.
        error: Option<String>,
    },
    /// The cure of a fault is about to be applied.
    CureBegin {
        /// The step of the schedule.
        step: StepId,
        /// The end of every partition's log, as far as completions show it.
        log_ends: Vec<u64>,
    },
    /// The cure is verified, or has failed.
    Cured {
        /// The step of the schedule.
        step: StepId,
        /// Why the cure failed (exit code 5); `None` if it is verified.
        error: Option<String>,
        /// Evidence that the fault had already ended when its cure began; `None` if it was still in force.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_early: Option<String>,
    },
    /// A boundary was requested: every consuming segment is to be committed and a new one opened.
    Boundary,
    /// The authority's segment table gained this segment, or changed it.
    Segment {
        /// The segment as it is now.
        segment: Segment,
    },
    /// One sample of one replica's consuming position in one partition (`RULES.md` 7), read in the order u1,
    /// f, u2.
    Sample {
        /// The replica.
        replica: String,
        /// The partition.
        partition: u32,
        /// The end of the input log, read first.
        u1: u64,
        /// The lowest offset that the replica is assigned and does not cover.
        f: u64,
        /// The end of the input log, read last.
        u2: u64,
        /// The status that the replica reports.
        status: String,
        /// The incarnation of its process.
        incarnation: u64,
    },
    /// What a replica holds has changed in shape since the sample before. This is what is known of a target
    /// that logs no events of its own.
    Coverage(CoverageChange),
    /// One sample of one frontier that the target declares ([`super::frontier::Frontier`]).
    Frontier(super::frontier::FrontierReading),
    /// A replica did not answer when it was sampled.
    Unreachable {
        /// The replica.
        replica: String,
        /// What was tried and how it failed.
        error: String,
    },
    /// The target reports an event of its own lifecycle: a transition, a registration, a gate.
    /// [`LifecycleRecord`] has the fields that every target provides; the rest is in its `detail`.
    Lifecycle(Box<LifecycleRecord>),
    /// A capture began.
    CaptureBegin {
        /// Its number, from 0.
        capture: u32,
        /// Why it was taken now.
        reason: CaptureReason,
    },
    /// The rows of one segment on one replica were read.
    Read(Box<Read>),
    /// Two reads returned different rows, although the checksums of their copies are equal. So no checksum
    /// of this run says anything: nothing is counted by it, neither before nor after this.
    ChecksumsRefuted {
        /// The segment.
        segment: String,
        /// The ids of the two reads.
        reads: [u64; 2],
    },
    /// The current flags of one partition on one replica were read.
    CurrentRead(Box<CurrentRead>),
    /// The contents of a shard were read.
    Contents(super::shard_snapshot::ShardSnapshot),
    /// What reading the target took up to the end of the capture, if its adapter counts that.
    ReadTraffic(ReadTraffic),
    /// A capture ended.
    CaptureEnd {
        /// Its number.
        capture: u32,
    },
    /// A canary was written to a partition at the start of quiesce (`RULES.md` 7).
    Canary {
        /// The partition.
        partition: u32,
        /// The id of the op that carries it.
        op: u64,
    },
    /// The wait for the replicas to catch up has ended.
    Settled {
        /// Whether all had caught up; false if the deadline came first.
        all: bool,
        /// How long the run waited.
        waited: Nanos,
    },
    /// A process of the target exited or stopped responding for good, and no fault of ours had touched it.
    /// The run ends at once.
    ServerDied(ProcessExit),
    /// A signal or a deadline cut the run short.
    Interrupted {
        /// The signal or the deadline.
        by: String,
    },
    /// The target did something that nobody asked for, or gave an invalid answer.
    Trouble {
        /// The replica or part of the target.
        at: String,
        /// What it did.
        error: String,
    },
}

impl From<Read> for Event {
    fn from(read: Read) -> Event {
        Event::Read(Box::new(read))
    }
}

impl From<CurrentRead> for Event {
    fn from(read: CurrentRead) -> Event {
        Event::CurrentRead(Box::new(read))
    }
}

impl From<LifecycleRecord> for Event {
    fn from(record: LifecycleRecord) -> Event {
        Event::Lifecycle(Box::new(record))
    }
}

/// A process of the target that died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessExit {
    /// A replica's name, or the name of the process that accepts writes and has the log.
    pub server: String,
    /// How it ended, and its last output, as far as these are known.
    pub words: String,
}

/// Why a capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaptureReason {
    /// At the end of calibration.
    Calibration,
    /// `--capture-every` has passed.
    Periodic,
    /// A segment ended or was committed.
    Boundary,
    /// The last hold of the plan was released.
    Release,
    /// All replicas have settled.
    Final,
}
