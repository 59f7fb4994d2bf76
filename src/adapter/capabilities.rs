//! The interface to a cluster under test, in parts. A part that a system lacks is None: data, not an error.

use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::conductor::{CurrentRowsAnswer, Snapshot};
use dissent_core::history::event::{Op, OpOutcome, ProcessExit, ReadTraffic};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::lifecycle::LifecycleRecord;
use dissent_core::history::row::{Coverage, CurrentRow, Entry, Row, Segment};
use dissent_core::history::schema::rules::Rules;
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::shard_snapshot::ShardSnapshot;
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why a target cannot inject a fault. Known before the run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{target} does not support {}: {reason}", .fault.name())]
pub struct Refusal {
    /// The name of the system.
    pub target: String,
    /// The kind of fault.
    pub fault: FaultKind,
    /// The reason, for the user.
    pub reason: String,
}

/// A system's defaults for the settings of a run.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// The time between two samples of the cluster.
    pub sample_every: Nanos,
    /// How long nothing may answer before the cluster counts as gone.
    pub no_answer: Nanos,
    /// How long to wait for replicas to catch up.
    pub quiesce: Nanos,
    /// The maximum duration of the run.
    pub deadline: Nanos,
    /// The system's own settings that `--set` can change.
    pub settings: &'static [&'static str],
    /// Whether `--set table.PATH=VALUE` can change the table that a run creates.
    pub has_table_options: bool,
}

impl Defaults {
    /// The defaults for a cluster that other people may use.
    pub const SHARED: Defaults = Defaults {
        sample_every: Nanos(500_000_000),
        no_answer: Nanos(60_000_000_000),
        quiesce: Nanos(100_000_000_000),
        deadline: Nanos(360_000_000_000),
        settings: &[],
        has_table_options: false,
    };
}

/// The name of the authority, which assigns and commits segments, in events.
pub const AUTHORITY: &str = "controller";

/// The setting that chooses how segments end, on systems with a choice.
pub const BOUNDARIES: &str = "boundaries";

/// A table that an earlier run created, or that has such a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The name of the table, and of its topic and schema.
    pub table: String,
    /// The run that created it. None if the table does not name one.
    pub run: Option<String>,
}

/// The outcome of one op. Never an error: unknown is an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Whether the op was acknowledged, refused, or is unknown.
    pub outcome: OpOutcome,
    /// The offset in the log. None if the target did not report it. In a log of our own sessions every op has
    /// one.
    pub off: Option<u64>,
}

/// Receives items one by one as they arrive.
pub type RowSink<'a, T> = &'a mut (dyn FnMut(T) + Send);

/// Writes to the cluster, as its users do.
#[async_trait]
pub trait Client: Send + Sync {
    /// Writes each op. Returns one completion per op, in the same order.
    async fn write(&self, ops: &[Op]) -> Vec<Completion>;
}

/// The input log.
#[async_trait]
pub trait InputLog: Send + Sync {
    /// The end offset of every partition, in order.
    async fn ends(&self) -> Result<Vec<u64>, TargetError>;
    /// Reads the entries `from..end` of a partition, in ascending order.
    async fn read(
        &self,
        partition: u32,
        from: u64,
        end: u64,
        out: RowSink<'_, Entry>,
    ) -> Result<(), TargetError>;
}

/// The segments of the table: who holds them, and where each one ends.
#[async_trait]
pub trait SegmentCatalogue: Send + Sync {
    /// All segments, ordered by partition and sequence number.
    async fn segments(&self) -> Result<Vec<Segment>, TargetError>;
    /// Asks the cluster to commit every consuming segment that holds anything, and to open the next.
    async fn force_commit(&self) -> Result<(), TargetError>;
}

/// Raw reads from each replica, around the router.
#[async_trait]
pub trait RawReads: Send + Sync {
    /// What the replica says that it holds, with checksums of committed copies if it has ones that are equal
    /// only where the raw rows are. A copy under the same checksum as one that was read may then be counted
    /// instead of being read ([`dissent_core::history::trust::TrustChecksums`]).
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError>;
    /// Reads the raw rows `from..to` of a segment, in ascending order.
    async fn rows(
        &self,
        replica: &str,
        segment: &str,
        from: u64,
        to: u64,
        out: RowSink<'_, Row>,
    ) -> Result<(), TargetError>;
    /// What all reads so far took. `None` if that is not counted.
    fn traffic(&self) -> Option<ReadTraffic> {
        None
    }
    /// Reads the current flags of a partition that changed after version `since`. 0 means all.
    async fn current_rows(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: RowSink<'_, CurrentRow>,
    ) -> Result<CurrentRowsAnswer, TargetError>;
}

/// Progress frontiers, and the shard behind them.
#[async_trait]
pub trait Frontiers: Send + Sync {
    /// Samples each frontier once, and the log's ends. This is the whole sample of a target without segments.
    async fn sample(&self) -> Result<Snapshot, TargetError>;
    /// The rows of the shard as of the newest complete time.
    async fn shard_snapshot(&self, capture: u32) -> Result<ShardSnapshot, TargetError>;
}

/// The lifecycle events that nodes report.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// A replica's events since the last call, in program order.
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError>;
    /// The same of the authority, which assigns and commits segments and is in no roster. Most systems do not
    /// show any.
    async fn poll_authority(&self) -> Result<Vec<LifecycleRecord>, TargetError> {
        Ok(Vec::new())
    }
}

/// Reports processes that have ended.
#[async_trait]
pub trait ProcessMonitor: Send + Sync {
    /// The ended processes with their last words. Empty if the supervisor does not answer.
    async fn deaths(&self) -> Vec<ProcessExit>;
}

/// Injects faults and heals them.
#[async_trait]
pub trait Injector: Send + Sync {
    /// Prepares the cure of a fault from the state that is read now. It is written to disk before the fault
    /// begins.
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError>;
    /// Begins the fault and returns once it is in force.
    async fn begin(&self, cure: &Cure) -> Result<(), TargetError>;
    /// Undoes the fault and verifies that. Healing twice is harmless. Returns the evidence that the fault had
    /// ended earlier, if it had.
    async fn heal(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// The cures of all faults that this injector began and has not seen healed.
    async fn in_force(&self) -> Vec<Cure>;
}

/// What an injector needs to begin faults at a target.
#[derive(Clone, Debug)]
pub struct InjectionContext {
    /// The path of this program, which is started again as a watchdog.
    pub program: PathBuf,
    /// The id of the run, which marks its faults.
    pub mark: String,
    /// The maximum duration of a fault.
    pub lease: Duration,
}

/// A cluster that can be reached, before it has the table of a run.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// The system's name in reports.
    fn name(&self) -> &'static str;
    /// The version that it reports.
    fn version(&self) -> String;
    /// The settings that it reports.
    fn settings(&self) -> BTreeMap<String, String>;
    /// The merge functions that its version lacks.
    fn lacks(&self) -> &'static [Merge];
    /// The frontiers that it declares, besides the consuming positions of its replicas.
    fn frontiers(&self) -> Vec<Frontier> {
        Vec::new()
    }
    /// The rules of a run's table, if the cluster decides them.
    fn rules(&self) -> Option<Rules> {
        None
    }
    /// Whether keys can be deleted.
    fn deletes(&self) -> bool {
        false
    }
    /// Whether writes can be conditional on a comparison over other keys.
    fn guards(&self) -> bool {
        false
    }
    /// The name for this run's table. None if the usual name is safe to use.
    fn table_name(&self, mark: &str) -> Option<String>;
    /// The minimum time without progress that counts as frozen at this system (`RULES.md` 7).
    fn frozen_floor(&self) -> Nanos;
    /// Locks the target for one run. Fails with the holder if another run has the lock.
    async fn lock(&self, run: &str) -> Result<(), TargetError>;
    /// The time between two renewals of the lock. The lock outlasts several renewals.
    fn lock_renewal(&self) -> Duration;
    /// Renews the lock until another run has it, and then returns why this run must stop. A renewal without
    /// an answer is retried.
    async fn keep_lock(&self, run: &str) -> String {
        loop {
            tokio::time::sleep(self.lock_renewal()).await;
            if let Err(busy @ TargetError::InUse { .. }) = self.lock(run).await {
                return format!("the loss of the target's lock: {busy}");
            }
        }
    }
    /// Releases the lock. If the cluster cannot be reached, the lock expires.
    async fn unlock(&self, run: &str);
    /// Tables that earlier runs have created, or that have such names.
    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError>;
    /// Removes what a run has created. The table goes last, so that an interrupted removal can be repeated.
    async fn remove(&self, leftover: &Leftover) -> Result<(), TargetError>;
    /// The marks that runs have left. Each mark is a cure.
    async fn marks(&self) -> Result<Vec<Cure>, TargetError>;
    /// The existing table to inspect, if there is one. The role of its columns is unknown.
    async fn table(&self) -> Result<Option<Schema>, TargetError>;
    /// Why segments of a run's table cannot be ended on request. None if they can be.
    async fn refuses_boundaries(&self) -> Result<Option<TargetError>, TargetError> {
        Ok(None)
    }
    /// Creates an empty table that names the run, and returns its replicas in order. Its segments end at
    /// `full_rows` rows, or only on request if that is None.
    async fn make_table(
        &self,
        run: &str,
        schema: &Schema,
        partitions: u32,
        full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError>;
    /// The servers without any part of the created table, in order. They can take over from a replica.
    fn spare_servers(&self) -> Vec<String> {
        Vec::new()
    }
    /// The cluster with its table as a target.
    fn open(self: Arc<Self>, schema: &Schema, context: InjectionContext)
    -> Result<Capabilities, TargetError>;
    /// Ends the cluster if it is private to this process.
    async fn end(&self);
}

/// A cluster under test, as the set of its capabilities.
#[derive(Clone)]
pub struct Capabilities {
    /// The system's name.
    pub name: String,
    /// The version that it reports.
    pub version: String,
    /// The names of its replicas, in order.
    pub roster: Vec<String>,
    /// Writing. None if the address of the log is unknown.
    pub client: Option<Arc<dyn Client>>,
    /// The input log. None if its address is unknown.
    pub log: Option<Arc<dyn InputLog>>,
    /// The segments. None on a system without them.
    pub segments: Option<Arc<dyn SegmentCatalogue>>,
    /// Raw reads of replicas.
    pub raw_reads: Option<Arc<dyn RawReads>>,
    /// Lifecycle events of replicas.
    pub lifecycle: Option<Arc<dyn Lifecycle>>,
    /// Frontiers. None on a system with segments.
    pub frontiers: Option<Arc<dyn Frontiers>>,
    /// For a table that the model does not fold: what cannot be concluded about it, and why.
    pub unmodelled: Option<Vec<String>>,
    /// Fault injection.
    pub injector: Option<Arc<dyn Injector>>,
    /// Reports of ended processes.
    pub processes: Option<Arc<dyn ProcessMonitor>>,
}

/// Identifies this process to another user of the target.
pub(super) fn owner() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", host.trim(), std::process::id())
}
