//! Everything that happens in a run, as one closed enum. The same events go to disk, to the live line and
//! to the judge; rows and log entries are bulk and lie in files of their own.

use super::fault::{Fault, StepId};
use super::row::{CurrentRead, Read, Segment};
use super::schema::Value;
use super::time::Nanos;
use serde::{Deserialize, Serialize};

/// An event and when it happened on the run's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimedEvent {
    /// When.
    pub t: Nanos,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// The phases of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The table is made and every replica answers.
    SetUp,
    /// A small set without faults, to see whether model and target agree (`RULES.md` 3).
    Calibrate,
    /// The workload runs; so do the faults.
    Load,
    /// The workload has ended; every fault is cured.
    Heal,
    /// One canary a partition, then waiting until every replica has caught up, or the deadline.
    Quiesce,
    /// The capture of all replicas.
    Capture,
    /// With `--probe-restart`: what has not caught up is restarted, then quiesce and capture again.
    Probe,
    /// The plan's ending, if it has one: a commit with a chosen winner, then quiesce and capture again.
    Ending,
    /// All done.
    Done,
}

/// What became of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpOutcome {
    /// It happened: it lies in the log at this offset.
    Ok,
    /// It certainly did not happen.
    Failed,
    /// It may have happened.
    Unknown,
}

/// A keyed partial update that a session invoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Unique in the run, ascending in the order of generation, from 1.
    pub id: u64,
    /// The partition it is written to.
    pub partition: u32,
    /// The key it updates.
    pub key: String,
    /// Its comparison value.
    pub cmp: i64,
    /// One value a column of the schema; `Null` where the op says nothing.
    pub cols: Vec<Value>,
    /// Whether it deletes the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub delete: bool,
    /// When it was due: latency counts from here.
    pub due: Nanos,
}

/// One closed set of things that happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// A phase began.
    Phase {
        /// Which.
        phase: Phase,
    },
    /// An op was sent.
    Invoke {
        /// The op.
        op: Op,
    },
    /// An op was answered. The time from invoke to here is the op's.
    Complete {
        /// The op's id.
        op: u64,
        /// What became of it.
        outcome: OpOutcome,
        /// Where it lies in its partition's log, if the target said so.
        off: Option<u64>,
    },
    /// A fault is about to begin; its cure is on disk.
    FaultBegin {
        /// The step of the schedule.
        step: StepId,
        /// The fault.
        fault: Fault,
        /// The log's end of every partition, as far as completions show it.
        log_ends: Vec<u64>,
    },
    /// The fault is in force, or could not be begun.
    FaultBegun {
        /// The step of the schedule.
        step: StepId,
        /// Why not, if it failed.
        error: Option<String>,
    },
    /// The cure of a fault is about to be applied.
    CureBegin {
        /// The step of the schedule.
        step: StepId,
        /// The log's end of every partition, as far as completions show it.
        log_ends: Vec<u64>,
    },
    /// The cure is verified, or failed.
    Cured {
        /// The step of the schedule.
        step: StepId,
        /// Why not, if it failed: exit 5.
        error: Option<String>,
        /// What tells that the fault was no longer in force when its cure began, if it was not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended_early: Option<String>,
    },
    /// A boundary was asked for: every consuming segment is to be committed and a new one opened.
    Boundary,
    /// The authority's table of segments gained or changed this one.
    Segment {
        /// The segment as it is now.
        segment: Segment,
    },
    /// One look at one replica's consuming position in one partition (`RULES.md` 7), read in the order
    /// u1, f, u2.
    Sample {
        /// The replica.
        replica: String,
        /// The partition.
        partition: u32,
        /// The end of the input log before.
        u1: u64,
        /// The lowest offset that the replica is assigned and does not cover.
        f: u64,
        /// The end of the input log after.
        u2: u64,
        /// The status that the replica reports.
        status: String,
        /// Its incarnation.
        incarnation: u64,
    },
    /// One look at one frontier that the target declares ([`super::frontier::Frontier`]).
    Frontier(super::frontier::FrontierReading),
    /// A replica did not answer when it was sampled.
    Unreachable {
        /// The replica.
        replica: String,
        /// What was tried and what came of it.
        error: String,
    },
    /// The target reports something of its own life: transitions, registrations, gates. `what` is the
    /// target's own object; [`LifecycleRecord`] says which fields every target gives.
    Lifecycle(LifecycleRecord),
    /// A capture began.
    CaptureBegin {
        /// Its number, from 0.
        capture: u32,
        /// Why now.
        reason: CaptureReason,
    },
    /// Rows of one segment on one replica were read.
    Read(Read),
    /// Current flags of one partition on one replica were read.
    CurrentRead(CurrentRead),
    /// The contents of a shard were read.
    Contents(super::shard_snapshot::ShardSnapshot),
    /// A capture ended.
    CaptureEnd {
        /// Its number.
        capture: u32,
    },
    /// The canary of a partition was written at the start of quiesce (`RULES.md` 7).
    Canary {
        /// The partition.
        partition: u32,
        /// The op that carries it.
        op: u64,
    },
    /// Every replica had caught up, or the deadline came first.
    Settled {
        /// Whether all had.
        all: bool,
        /// How long this was waited for, in nanoseconds.
        waited: Nanos,
    },
    /// A process of the target has ended, or fell silent for good, though no fault of ours touched it. The
    /// run ends at once.
    ServerDied(Death),
    /// The run was cut off by a signal or a deadline.
    Interrupted {
        /// By what.
        by: String,
    },
    /// The target did something that nobody asked for, or answered nonsense.
    Trouble {
        /// Where.
        at: String,
        /// What.
        error: String,
    },
}

/// A process of the target that is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// What it is called: a replica's name, or that of what takes writes and has the log.
    pub server: String,
    /// How it ended and the last that it said, as far as that is known.
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
    /// Everything has settled.
    Final,
}

/// A line of a replica's own life, in the replica's program order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LifecycleRecord {
    /// The replica.
    pub replica: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Position in the replica's program order, within the incarnation.
    pub seq: u64,
    /// The replica's own clock, in milliseconds: never used for order.
    pub node_ms: u64,
    /// The segment it concerns, if one.
    pub segment: Option<String>,
    /// What happened: `transition-created`, `transition-started`, `transition-finished`, `registered`,
    /// `consume-start`, `consume-end`, `snapshot`, `gate`, `replaced`. A target may have more words of its
    /// own.
    pub kind: String,
    /// The rest of the target's own words, as sent.
    pub detail: serde_json::Value,
}
