//! What can be asked of a cluster under test, as parts. What a system cannot do is an absent part: data, not
//! an error.

use crate::target_error::TargetError;
use async_trait::async_trait;
use dissent_core::conductor::{CurrentRowsAnswer, Snapshot};
use dissent_core::history::event::{Death, LifecycleRecord, Op, OpOutcome};
use dissent_core::history::fault::{Fault, FaultKind};
use dissent_core::history::frontier::Frontier;
use dissent_core::history::row::{Coverage, CurrentRow, Entry, Row, Segment};
use dissent_core::history::schema::{Merge, Schema};
use dissent_core::history::shard_snapshot::ShardSnapshot;
use dissent_core::history::time::Nanos;
use dissent_store::cure::Cure;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Why a target cannot do a fault, known before the run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{target} does not support {}: {reason}", .fault.name())]
pub struct Refusal {
    /// The target.
    pub target: String,
    /// The fault.
    pub fault: FaultKind,
    /// Why not.
    pub reason: String,
}

/// What a run on a system uses where nothing else is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Between two looks at the cluster.
    pub sample_every: Nanos,
    /// Once nothing of it has answered for so long it is gone.
    pub blind: Nanos,
    /// How long to wait for replicas to catch up.
    pub quiesce: Nanos,
    /// When the run ends at the latest.
    pub deadline: Nanos,
    /// The settings of its own that `--set` may change.
    pub settings: &'static [&'static str],
    /// Whether `--set table.PATH=VALUE` changes the table that a run makes.
    pub has_table_options: bool,
}

/// The setting by which a run chooses how segments end, where a system leaves the choice.
pub const BOUNDARIES: &str = "boundaries";

/// A table that looks like one of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// The table, and its topic and schema.
    pub table: String,
    /// The run that made it; none if nothing says that a run did.
    pub run: Option<String>,
}

/// What became of one op. Never an error: not knowing is an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What became of it.
    pub outcome: OpOutcome,
    /// Where it lies in the log, if the target said so.
    pub off: Option<u64>,
}

/// Takes items one by one as they arrive.
pub type RowSink<'a, T> = &'a mut (dyn FnMut(T) + Send);

/// The front door.
#[async_trait]
pub trait Client: Send + Sync {
    /// Writes each op; one completion an op, in order.
    async fn write(&self, ops: &[Op]) -> Vec<Completion>;
}

/// The input log.
#[async_trait]
pub trait InputLog: Send + Sync {
    /// The end of every partition.
    async fn ends(&self) -> Result<Vec<u64>, TargetError>;
    /// The entries `from..end` of a partition, by ascending offset.
    async fn read(
        &self,
        partition: u32,
        from: u64,
        end: u64,
        out: RowSink<'_, Entry>,
    ) -> Result<(), TargetError>;
}

/// The authority over segments: who holds what, and where one ends.
#[async_trait]
pub trait SegmentCatalogue: Send + Sync {
    /// All segments, ordered by partition, then sequence.
    async fn segments(&self) -> Result<Vec<Segment>, TargetError>;
    /// Asks for every consuming segment that holds anything to be committed, and a new one opened.
    async fn force_commit(&self) -> Result<(), TargetError>;
}

/// Raw reads around the router, replica by replica.
#[async_trait]
pub trait RawReads: Send + Sync {
    /// What the replica says it holds.
    async fn coverage(&self, replica: &str) -> Result<Coverage, TargetError>;
    /// The raw rows `from..to` of a segment, by ascending offset.
    async fn rows(
        &self,
        replica: &str,
        segment: &str,
        from: u64,
        to: u64,
        out: RowSink<'_, Row>,
    ) -> Result<(), TargetError>;
    /// The current flags of a partition that changed since `since` (0: all).
    async fn current_rows(
        &self,
        replica: &str,
        partition: u32,
        since: u64,
        out: RowSink<'_, CurrentRow>,
    ) -> Result<CurrentRowsAnswer, TargetError>;
}

/// Progress frontiers, and the shard that lies behind them.
#[async_trait]
pub trait Frontiers: Send + Sync {
    /// One look at each, with the log's ends: all that there is to see of a target without segments.
    async fn sample(&self) -> Result<Snapshot, TargetError>;
    /// What the shard holds as of the newest time that is complete.
    async fn shard_snapshot(&self, capture: u32) -> Result<ShardSnapshot, TargetError>;
}

/// What replicas report of their own life.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// What came since the last call, in program order.
    async fn poll(&self, replica: &str) -> Result<Vec<LifecycleRecord>, TargetError>;
}

/// What is known of processes that have ended.
#[async_trait]
pub trait ProcessMonitor: Send + Sync {
    /// Those that have, with their last words; none if nobody can be asked.
    async fn deaths(&self) -> Vec<Death>;
}

/// Faults and their cures.
#[async_trait]
pub trait Injector: Send + Sync {
    /// The cure of a fault, from what is read now: written down before the fault begins.
    async fn cure(&self, step: &str, fault: &Fault) -> Result<Cure, TargetError>;
    /// Begins the fault; returns once it is in force.
    async fn begin(&self, cure: &Cure) -> Result<(), TargetError>;
    /// Undoes it and verifies that; doing it twice does no harm. Tells what showed that the fault was over
    /// before, if it was.
    async fn heal(&self, cure: &Cure) -> Result<Option<String>, TargetError>;
    /// The cures of everything that this injector began and did not see cured.
    async fn in_force(&self) -> Vec<Cure>;
}

/// How faults are begun at a target.
#[derive(Clone, Debug)]
pub struct InjectionContext {
    /// This program: a watchdog is another process of it.
    pub program: PathBuf,
    /// What faults are marked with.
    pub mark: String,
    /// The longest that a fault may last.
    pub lease: Duration,
}

/// A cluster that can be reached, before it has the table of a run.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// What it is called in reports.
    fn name(&self) -> &'static str;
    /// Its version, as it reports it.
    fn version(&self) -> String;
    /// What it was set up with, as far as it tells.
    fn settings(&self) -> BTreeMap<String, String>;
    /// The merge functions that its version does not have.
    fn lacks(&self) -> &'static [Merge];
    /// The frontiers that it declares, beside its replicas' consuming positions.
    fn frontiers(&self) -> Vec<Frontier> {
        Vec::new()
    }
    /// What the table of this run is to be called, where the usual name may be somebody else's.
    fn table_name(&self, mark: &str) -> Option<String>;
    /// How long a position may stand still at this system without anything being wrong (`RULES.md` 7).
    fn frozen_floor(&self) -> Nanos;
    /// Takes the target for one run, or tells who has it.
    async fn lock(&self, run: &str) -> Result<(), TargetError>;
    /// How long lies between two renewals of the lock: it outlasts some.
    fn lock_renewal(&self) -> Duration;
    /// Renews the lock until another run has it, and then tells why this one must stop. A renewal that gets
    /// no answer is tried again.
    async fn keep_lock(&self, run: &str) -> String {
        loop {
            tokio::time::sleep(self.lock_renewal()).await;
            if let Err(busy @ TargetError::InUse { .. }) = self.lock(run).await {
                return format!("the loss of the target's lock: {busy}");
            }
        }
    }
    /// Gives the target free. One that cannot be told will find out by the lock's age.
    async fn unlock(&self, run: &str);
    /// Tables that runs have made, or that look like it.
    async fn leftovers(&self) -> Result<Vec<Leftover>, TargetError>;
    /// Removes what a run has made: the table last, so that what stopped half-way can be begun again.
    async fn remove(&self, leftover: &Leftover) -> Result<(), TargetError>;
    /// The marks that runs have left: each is a cure.
    async fn marks(&self) -> Result<Vec<Cure>, TargetError>;
    /// The table that is to be looked at, if there is one. What a column is for, beside its values, is not
    /// known.
    async fn table(&self) -> Result<Option<Schema>, TargetError>;
    /// Why it does not end the segments of a run's table on request, if it does not.
    async fn refuses_boundaries(&self) -> Result<Option<TargetError>, TargetError> {
        Ok(None)
    }
    /// Makes an empty table that tells which run made it, and tells its replicas, in order. Its segments end
    /// at `full_rows`, or on request only.
    async fn make_table(
        &self,
        run: &str,
        schema: &Schema,
        partitions: u32,
        full_rows: Option<u64>,
    ) -> Result<Vec<String>, TargetError>;
    /// Replicas that have nothing of the table that was made and could take over, in order.
    fn spare_servers(&self) -> Vec<String> {
        Vec::new()
    }
    /// The cluster with its table, as a target.
    fn open(self: Arc<Self>, schema: &Schema, context: InjectionContext)
    -> Result<Capabilities, TargetError>;
    /// Ends the cluster if it is private to this process.
    async fn end(&self);
}

/// A cluster under test.
#[derive(Clone)]
pub struct Capabilities {
    /// Its name.
    pub name: String,
    /// Its version, as it reports it.
    pub version: String,
    /// Its replicas, in order.
    pub roster: Vec<String>,
    /// The front door.
    pub client: Option<Arc<dyn Client>>,
    /// The input log.
    pub log: Option<Arc<dyn InputLog>>,
    /// The authority over segments.
    pub segments: Option<Arc<dyn SegmentCatalogue>>,
    /// Raw reads.
    pub raw_reads: Option<Arc<dyn RawReads>>,
    /// Lifecycle events.
    pub lifecycle: Option<Arc<dyn Lifecycle>>,
    /// Frontiers, in place of segments.
    pub frontiers: Option<Arc<dyn Frontiers>>,
    /// Of a table that the model does not fold: what cannot be said of it, and why.
    pub unmodelled: Option<Vec<String>>,
    /// Faults.
    pub injector: Option<Arc<dyn Injector>>,
    /// What has ended.
    pub processes: Option<Arc<dyn ProcessMonitor>>,
}

/// This process, as another user of the target would look for it.
pub(super) fn owner() -> String {
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{} (process {})", host.trim(), std::process::id())
}
